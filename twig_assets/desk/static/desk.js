// Keys, marking all, remembering the last reason, and dropping a file. Every page works without this.
"use strict";

const typing = (target) => target instanceof Element && target.closest("input:not([type=checkbox]), select, textarea");

function press(element) {
  const why = document.querySelector("form.decide input[name=why]");
  if (why && element.dataset.why && !why.value.trim()) why.value = element.dataset.why;
  element.click();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && typing(event.target)) return event.target.blur();
  if (typing(event.target)) return;
  const reason = document.querySelector(`[data-reason="${CSS.escape(event.key)}"]`);
  const why = document.querySelector("form.decide input[name=why]");
  if (reason && why) { why.value = reason.textContent; return event.preventDefault(); }
  if (event.key === "w" && why) { why.focus(); return event.preventDefault(); }
  const wanted = event.key === "Enter" ? "enter" : event.key === "n" || event.key === "j" ? "s" : event.key === "k" ? "p" : event.key;
  const element = document.querySelector(`[data-key="${CSS.escape(wanted)}"]`);
  if (element && !event.repeat) { event.preventDefault(); press(element); }
});

// A decision needs a reason; a click on a button gives the usual one where nothing was written.
document.addEventListener("click", (event) => {
  const button = event.target instanceof Element && event.target.closest("form.decide button[data-why]");
  const why = document.querySelector("form.decide input[name=why]");
  if (button && why && !why.value.trim()) why.value = button.dataset.why;
}, true);

const all = document.querySelector("[data-all]");
if (all) all.addEventListener("change", () => {
  for (const box of document.querySelectorAll("input[name=picked]")) box.checked = all.checked;
});

const drop = document.querySelector("form.drop");
if (drop) {
  for (const kind of ["dragover", "dragenter"]) document.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  document.addEventListener("dragleave", () => drop.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (!event.dataTransfer || !event.dataTransfer.files.length) return;
    drop.querySelector("input[type=file]").files = event.dataTransfer.files;
    drop.requestSubmit();
  });
}
