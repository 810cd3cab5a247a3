"use strict";
(() => {
  const $ = (selector) => document.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const search = $("#search");
  const choices = all("[data-show]");
  const openAll = $("#open-all");
  let show = "all";

  const detailOf = (row) => document.getElementById(`${row.id}-detail`);
  const isOpen = (row) => row.querySelector(".opener").getAttribute("aria-expanded") === "true";

  function open(row, on) {
    row.querySelector(".opener").setAttribute("aria-expanded", String(on));
    detailOf(row).hidden = !on || row.hidden;
  }

  function matches(element, words) {
    return words.every((word) => element.dataset.text.includes(word));
  }

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of all(".operation")) {
      const level = row.dataset.level;
      const wanted = show === "all" || level === "error" || (show === "problem" && level !== "ok");
      row.hidden = !(wanted && matches(row, words));
      detailOf(row).hidden = row.hidden || !isOpen(row);
      shown += row.hidden ? 0 : 1;
    }
    for (const card of all(".group .card")) {
      const wanted = show !== "error" || card.dataset.level === "error";
      card.hidden = !(wanted && matches(card, words));
    }
    for (const card of all(".type.card")) card.hidden = !matches(card, words);
    const filtering = words.length > 0 || show !== "all";
    for (const group of all("[data-group]")) {
      const rows = all(".operation, .card[data-level]", group);
      group.hidden = filtering && rows.every((row) => row.hidden);
    }
    // No heading stands above nothing.
    for (const section of all("#findings, #types")) {
      const cards = all(".card", section);
      section.hidden = cards.length > 0 && filtering && cards.every((card) => card.hidden);
      if (section.id === "findings" && section.querySelector(".accepted")) section.hidden = false;
    }
    const total = all(".operation").length;
    $("#shown").textContent = filtering ? `${shown} of ${total} operations` : "";
    $("#nothing").hidden = !(filtering && shown === 0);
  }

  function reveal() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    if (target.hidden || target.closest("[hidden]")) {
      search.value = "";
      choose("all");
    }
    if (target.classList.contains("operation")) {
      open(target, true);
      target.scrollIntoView({ block: "center" });
    }
  }

  function choose(value) {
    show = value;
    for (const button of choices) button.setAttribute("aria-pressed", String(button.dataset.show === value));
    filter();
  }

  document.addEventListener("click", (event) => {
    const opener = event.target.closest(".opener");
    if (opener) {
      const row = opener.closest(".operation");
      open(row, !isOpen(row));
    }
  });
  for (const button of choices) button.addEventListener("click", () => choose(button.dataset.show));
  search.addEventListener("input", filter);
  openAll.addEventListener("click", () => {
    const on = openAll.getAttribute("aria-pressed") !== "true";
    openAll.setAttribute("aria-pressed", String(on));
    openAll.textContent = on ? "Close all" : "Open all";
    for (const row of all(".operation")) open(row, on);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== search && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      search.focus();
    } else if (event.key === "Escape" && (search.value || show !== "all")) {
      search.value = "";
      choose("all");
    }
  });
  $("#theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
  addEventListener("hashchange", reveal);
  reveal();
})();
