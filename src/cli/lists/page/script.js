"use strict";
// The page is XML as well, so that a program can check it: no character here means anything to a reader of XML.
const find = (id) => document.getElementById(id);
const table = document.querySelector("table"), body = table.tBodies[0], rows = [...body.rows];
const [types, columns] = [...table.tHead.rows];
const groups = [...types.cells].slice(1), heads = [...columns.cells].slice(1), corner = columns.cells[0];
const who = find("who"), what = find("what"), level = find("level");
const words = [...document.querySelectorAll("dl.legend dt")].map((term) => term.nextElementSibling.textContent);
const rank = (cell) => Number(cell.className.slice(1));
const text = (element) => element.dataset.name.toLowerCase();
const fits = (cell) => level.value === "" ? true : level.value === "any" ? rank(cell) > 0 : rank(cell) === Number(level.value);

function filter() {
  const [principal, resource] = [who.value.toLowerCase(), what.value.toLowerCase()];
  const named = heads.map((head) => text(head).includes(resource));
  const open = rows.map((row) => text(row.cells[0]).includes(principal));
  const some = heads.map(() => level.value === "");
  rows.forEach((row, at) => {
    if (!open[at]) return;
    const found = named.map((is, column) => is ? fits(row.cells[column + 1]) : false);
    open[at] = found.includes(true);
    found.forEach((is, column) => { if (is) some[column] = true; });
  });
  const shown = named.map((is, column) => is ? some[column] : false);
  rows.forEach((row, at) => {
    row.hidden = !open[at];
    if (open[at]) shown.forEach((is, column) => { row.cells[column + 1].hidden = !is; });
  });
  shown.forEach((is, column) => { heads[column].hidden = !is; });
  let first = 0;
  for (const group of groups) {
    const end = first + Number(group.dataset.columns), count = shown.slice(first, end).filter(Boolean).length;
    group.hidden = count === 0;
    group.style.setProperty("--cells", count);
    first = end;
  }
  find("shown").textContent = `${open.filter(Boolean).length} of ${rows.length} principals and ` +
    `${shown.filter(Boolean).length} of ${heads.length} resources shown`;
}

// By the names of principals, or by what they have in a column; the other way round the second time.
function sort(head, order) {
  const up = head.getAttribute("aria-sort") === "descending";
  for (const other of [corner, ...heads]) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const sign = up ? -1 : 1;
  body.append(...rows.sort((a, b) => sign * order(a, b)));
}

const place = new Map(rows.map((row, at) => [row, at]));
corner.addEventListener("click", () => sort(corner, (a, b) => place.get(a) - place.get(b)));
heads.forEach((head, column) => {
  const has = (row) => rank(row.cells[column + 1]);
  head.addEventListener("click", () => sort(head, (a, b) => has(b) - has(a) || place.get(a) - place.get(b)));
});
for (const control of [who, what, level]) control.addEventListener("input", filter);
body.addEventListener("mouseover", (event) => {
  const cell = event.target.closest("td");
  if (!cell) return;
  const has = rank(cell) > 0 ? words[rank(cell) - 1] : "no access";
  find("told").textContent = `${cell.parentElement.cells[0].dataset.name} on ${heads[cell.cellIndex - 1].dataset.name}: ${has}`;
});
find("controls").hidden = false;
filter();
