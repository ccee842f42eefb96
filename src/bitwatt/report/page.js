"use strict";
// Everything can be read without this script; it adds sorting, tips and the theme button.
(() => {
  const tip = document.getElementById("tip");

  // Tips: of whatever has data-tip, on pointer or keyboard focus. textContent only: records are not markup.
  function show(target, x, y, part) {
    tip.replaceChildren();
    for (const [index, line] of target.dataset.tip.split("\n").entries()) {
      const [label, value] = line.split("\t");
      const row = document.createElement("div");
      row.append(Object.assign(document.createElement("span"), { textContent: label }));
      if (value) row.append(Object.assign(document.createElement("b"), { textContent: value }));
      if (index === 0) row.className = "first";
      if (part && label === part) row.className = "now";
      tip.append(row);
    }
    tip.hidden = false;
    const { offsetWidth: w, offsetHeight: h } = tip;
    const left = Math.max(8, Math.min(x + 14, document.documentElement.clientWidth - w - 8));
    const top = y + h + 22 > window.innerHeight ? Math.max(8, y - h - 14) : y + 14;
    tip.style.transform = `translate(${left}px, ${top}px)`;
  }
  function hide() { tip.hidden = true; }

  function rowOf(target, on) {
    const name = target.dataset.row;
    const group = target.closest(".group");
    if (!name || !group) return;
    for (const other of group.querySelectorAll("[data-row]"))
      if (other.dataset.row === name) other.classList.toggle("lit", on);
  }

  for (const target of document.querySelectorAll("[data-tip]")) {
    target.addEventListener("pointermove", (event) => {
      show(target, event.clientX, event.clientY, event.target.closest("[data-part]")?.dataset.part);
    });
    target.addEventListener("pointerleave", hide);
    target.addEventListener("focus", () => {
      const box = target.getBoundingClientRect();
      show(target, box.left + Math.min(box.width / 2, 160), box.bottom - 8);
    });
    target.addEventListener("blur", hide);
  }
  for (const target of document.querySelectorAll("[data-row]")) {
    for (const event of ["pointerenter", "focus"]) target.addEventListener(event, () => rowOf(target, true));
    for (const event of ["pointerleave", "blur"]) target.addEventListener(event, () => rowOf(target, false));
  }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

  // Sorting: a button in each heading; numbers start with the largest, precisions with the study's order.
  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    for (const [column, head] of heads.entries()) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const was = head.getAttribute("aria-sort");
        const descending = was ? was === "ascending" : head.classList.contains("n");
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        const key = (row) => Number(row.cells[column].dataset.sort);
        body.append(...[...body.rows].sort((a, b) => (descending ? key(b) - key(a) : key(a) - key(b))));
      });
    }
  }

  // Theme: the system's, until the button is pressed.
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const name = () => { button.textContent = dark() ? "Light" : "Dark"; };
  button.hidden = false;
  button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; name(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", name);
  name();
})();
