// The page is complete without this; it only hides rows, and opens what a link points to.
"use strict";
const search = document.querySelector("input[type=search]");
const chips = [...document.querySelectorAll(".chip")];
const rows = [...document.querySelectorAll("tbody tr")];

function show() {
  const words = (search ? search.value : "").toLowerCase();
  const wanted = chips.filter((c) => c.getAttribute("aria-pressed") === "true").map((c) => c.dataset.filter);
  let file = null;
  let shown = 0;
  for (const row of rows) {
    if (row.classList.contains("file")) {
      if (file) file.hidden = shown === 0;
      file = row;
      shown = 0;
      continue;
    }
    const isNamed = row.firstChild.textContent.toLowerCase().includes(words);
    const isWanted = wanted.length === 0 || wanted.includes(row.dataset.outcome);
    row.hidden = !(isNamed && isWanted);
    shown += row.hidden ? 0 : 1;
  }
  if (file) file.hidden = shown === 0;
  for (const block of document.querySelectorAll(".failure")) {
    block.hidden = wanted.length > 0 && !wanted.some((w) => block.classList.contains(w));
  }
}

function openTarget() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (!target) return;
  const block = target.closest(".failure");
  if (block) block.hidden = false;
  target.open = true;
  target.scrollIntoView();
}

for (const chip of chips) {
  chip.addEventListener("click", () => {
    chip.setAttribute("aria-pressed", chip.getAttribute("aria-pressed") !== "true");
    show();
  });
}
if (search) search.addEventListener("input", show);
window.addEventListener("hashchange", openTarget);
openTarget();
