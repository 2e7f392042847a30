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

// A file: dropped, asked about, and asked about again without being chosen again; answers replace the page's content.
let lastFile;
const main = document.getElementById("main");
document.addEventListener("change", (event) => { if (event.target.matches?.("input[type=file]")) lastFile = event.target.files[0]; });
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("form.drop, form[data-same-file]")) return;
  event.preventDefault();
  for (const button of form.querySelectorAll("button")) { button.disabled = true; button.textContent = "Looking…"; }
  const body = new FormData(form);
  if (lastFile) body.set("file", lastFile);
  const answer = await fetch(form.action, { method: "POST", body }).catch(() => undefined);
  const page = answer && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
  if (!page || answer.redirected) return location.assign("/cleared");
  main.replaceChildren(...page.childNodes);
  for (const field of main.querySelectorAll("[data-same-file] [data-file]")) {
    if (!lastFile) continue;
    field.hidden = true;
    field.querySelector("input").required = false;
  }
  const said = main.querySelector("[role=status], [role=alert]");
  if (said) { said.tabIndex = -1; said.focus(); }
});
if (document.querySelector("form.drop")) {
  const drop = () => document.querySelector("form.drop");
  for (const kind of ["dragover", "dragenter"]) document.addEventListener(kind, (event) => { event.preventDefault(); drop()?.classList.add("over"); });
  document.addEventListener("dragleave", () => drop()?.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop()?.classList.remove("over");
    if (!event.dataTransfer || !event.dataTransfer.files.length || !drop()) return;
    lastFile = event.dataTransfer.files[0];
    drop().querySelector("input[type=file]").files = event.dataTransfer.files;
    drop().requestSubmit();
  });
}

// Sliders: what they would do, while they move. A slower answer to an earlier question is thrown away.
const sliders = document.querySelector("form[data-counts]");
if (sliders) {
  let asked = 0, waiting;
  const fields = () => new URLSearchParams([...sliders.querySelectorAll("input[type=range]")].map((slider) => [slider.name, slider.value]));
  sliders.addEventListener("input", (event) => {
    if (event.target.type !== "range") return;
    event.target.closest("label").querySelector("output").textContent = event.target.value;
    const kept = document.querySelector(`form[data-save] input[name="${CSS.escape(event.target.name)}"]`);
    if (kept) kept.value = event.target.value;
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const mine = ++asked;
      const answer = await fetch(`${sliders.dataset.counts}?${fields()}`);
      if (answer.ok && mine === asked) document.getElementById("counts").innerHTML = await answer.text();
    }, 150);
  });
}

// A part of a work: drawn on it, or written in percent; each shows in the other.
const drawn = document.querySelector(".drawn");
const part = document.querySelector("form.allow");
if (drawn && part) {
  const box = drawn.querySelector(".part"), picture = drawn.querySelector("img");
  const field = (name) => part.querySelector(`input[name=${name}]`);
  const show = () => {
    box.hidden = part.querySelector("[name=what]").value === "whole";
    for (const [name, side] of [["x", "left"], ["y", "top"], ["width", "width"], ["height", "height"]]) box.style[side] = `${field(name).value}%`;
  };
  let start;
  const at = (event) => {
    const place = picture.getBoundingClientRect();
    const share = (value, from, size) => Math.min(100, Math.max(0, (100 * (value - from)) / size));
    return [share(event.clientX, place.left, place.width), share(event.clientY, place.top, place.height)];
  };
  drawn.addEventListener("pointerdown", (event) => { event.preventDefault(); start = at(event); drawn.setPointerCapture(event.pointerId); });
  drawn.addEventListener("pointermove", (event) => {
    if (!start) return;
    const end = at(event), what = part.querySelector("[name=what]");
    if (what.value === "whole") what.value = "part";
    for (const [i, name, size] of [[0, "x", "width"], [1, "y", "height"]]) {
      field(name).value = Math.min(start[i], end[i]).toFixed(1);
      field(size).value = Math.abs(start[i] - end[i]).toFixed(1);
    }
    show();
  });
  drawn.addEventListener("pointerup", () => { start = undefined; });
  part.addEventListener("input", show);
  show();
}
