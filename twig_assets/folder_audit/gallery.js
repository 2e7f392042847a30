"use strict";
// The rule is that of similarity/verdicts/rule.py and stored.py; a test holds the two to the same answers.
const data = JSON.parse(document.getElementById("scores").textContent);
const place = Object.fromEntries(data.keys.map((key, i) => [key, i]));

function reached(limit, score, value) {
  if (score === null || value === null) return false;
  return limit.direction === ">=" ? score >= value : score <= value;
}

// Whether a detector comes near its threshold, which SSIM needs to decide; true where nothing is known of any.
function agreed(limit, scores, thresholds) {
  const known = data.limits.filter((other) =>
    limit.witnesses.includes(other.field) && thresholds[other.field] !== null && scores[place[other.score]] !== null);
  return !known.length || known.some((other) => {
    const value = thresholds[other.field];
    return reached(other, scores[place[other.score]], other.direction === ">=" ? other.share * value : value / other.share);
  });
}

function verdictBeside(limit, scores, thresholds, withWitnesses = true) {
  const value = thresholds[limit.field], score = scores[place[limit.score]];
  const structural = limit.support !== null;
  const margin = structural ? thresholds[data.margin] || 0 : 0;
  const least = structural ? thresholds[data.bearsOut] : null;
  const second = structural ? scores[place[limit.support]] : null;
  const isReached = reached(limit, score, value);
  const near = isReached || (margin > 0 && score !== null && value !== null && score >= value - margin);
  const supported = (lacking) => least === null || second === null || second >= least - lacking;
  if (!near) return "pass";
  const certain = least !== null && score !== null &&
    (score >= data.certain || (second !== null && second >= Math.max(data.certainlyInformed, least)));
  if (isReached && certain) return "fail";
  const agree = !withWitnesses || least === null || agreed(limit, scores, thresholds);
  if (!isReached || !supported(0)) return supported(margin) && agree ? "review" : "pass";
  return agree ? "fail" : "review";
}

function mostSevere(verdicts) {
  return verdicts.reduce((a, b) => (data.severity.indexOf(b) < data.severity.indexOf(a) ? b : a));
}

// The verdict on an image under other thresholds; null where only another audit can tell.
function verdictUnder(image, thresholds) {
  if (image.verdict === "inconclusive") return "inconclusive";
  const found = [];
  for (const limit of data.limits) {
    if (thresholds[limit.field] === null || image.scores[place[limit.score]] === null) continue;
    // The best scores may be those of several works, so whether a detector agrees is seen beside single works only.
    let possible = verdictBeside(limit, image.scores, thresholds, false);
    if (limit.support !== null && thresholds[data.bearsOut] !== null && possible !== "pass") {
      const beside = (withWitnesses) =>
        image.matches.map((scores) => verdictBeside(limit, scores, thresholds, withWitnesses));
      if (!image.matches.length || mostSevere(beside(false)) !== possible) return null;
      possible = mostSevere(beside(true));
    }
    found.push(possible);
  }
  return found.length ? mostSevere(found) : null;
}

function exploreVerdicts() {
  const words = { fail: "fails", review: "to be looked at", inconclusive: "cannot be judged", pass: "passes" };
  const chips = { fail: "failed", review: "review", inconclusive: "waiting", pass: "released" };
  const thresholds = { ...data.thresholds };
  const cards = [...document.querySelectorAll("[data-image]")];
  const rows = [...document.querySelectorAll("#what-if .slider")];
  let filter = "all";
  for (const part of document.querySelectorAll(".with-script")) part.hidden = false;

  const text = (value, step) => (value === null ? "off" : String(Number(value.toFixed(step < 1 ? 6 : 0))));
  const moved = () => Object.keys(thresholds).filter((field) => thresholds[field] !== data.thresholds[field]);

  function show() {
    const now = data.images.map((image) => verdictUnder(image, thresholds));
    const changed = moved().length > 0;
    const count = (verdicts, verdict) => verdicts.filter((other) => other === verdict).length;
    for (const verdict of data.severity) {
      const cell = document.getElementById("now-" + verdict);
      const before = count(data.images.map((image) => image.verdict), verdict), after = count(now, verdict);
      cell.textContent = after + (after === before ? "" : ` (${after > before ? "+" : "−"}${Math.abs(after - before)})`);
      cell.classList.toggle("changed", after !== before);
    }
    const open = count(now, null);
    document.getElementById("undecided").textContent = open
      ? `Of ${open} image${open > 1 ? "s" : ""} the stored scores do not tell; another audit does.` : "";
    cards.forEach((card, i) => {
      const as = changed ? now[i] : data.images[i].verdict, chip = card.querySelector(".would");
      chip.hidden = as === data.images[i].verdict;
      chip.textContent = as === null ? "another audit would tell" : "would be: " + words[as];
      chip.className = "chip would " + (as === null ? "waiting" : chips[as]);
      card.hidden = filter !== "all" && as !== filter;
    });
    const hidden = cards.filter((card) => card.hidden).length;
    document.getElementById("filtered").textContent =
      `${cards.length - hidden} of the ${cards.length} images on this page`;
    document.getElementById("policy").textContent = Object.keys(thresholds)
      .map((field) => `${field}: ${thresholds[field] === null ? "null" : thresholds[field]}`).join("\n");
    document.getElementById("reset").disabled = !changed;
  }

  rows.forEach((row, i) => {
    const slider = data.sliders[i], range = row.querySelector("[type=range]");
    const on = row.querySelector("[type=checkbox]"), output = row.querySelector("output");
    const write = () => {
      output.textContent = text(thresholds[slider.field], slider.step);
      row.classList.toggle("moved", thresholds[slider.field] !== data.thresholds[slider.field]);
    };
    const set = (value) => {
      thresholds[slider.field] = value;
      write();
      show();
    };
    range.addEventListener("input", () => {
      if (on) on.checked = true;
      set(Number(range.value));
    });
    if (on) on.addEventListener("change", () => set(on.checked ? Number(range.value) : null));
    document.getElementById("reset").addEventListener("click", () => {
      range.value = slider.value === null ? slider.high : slider.value;
      if (on) on.checked = slider.value !== null;
      thresholds[slider.field] = slider.value;
      write();
      show();
    });
    write();
  });
  for (const button of document.querySelectorAll("#filters button")) {
    button.addEventListener("click", () => {
      filter = button.value;
      for (const other of document.querySelectorAll("#filters button"))
        other.setAttribute("aria-pressed", String(other === button));
      show();
    });
  }
  show();
}
exploreVerdicts();
