"use strict";
// The page is whole without this: it only sorts tables, and opens what is folded for printers.
for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = document.createElement("button");
    button.ariaLabel = `sort by ${head.textContent}`;
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down > 0 ? "ascending" : "descending");
      const body = table.tBodies[0];
      const text = (row) => row.cells[column].textContent.trim();
      const figure = (row) => parseFloat(text(row).replace(/,/g, ""));
      const compare = (a, b) => {
        const [x, y] = [figure(a), figure(b)];
        if (!isNaN(x) && !isNaN(y) && x !== y) return x - y;
        if (isNaN(x) !== isNaN(y)) return down * (isNaN(x) - isNaN(y));
        return text(a).localeCompare(text(b));
      };
      body.append(...[...body.rows].sort((a, b) => down * compare(a, b)));
    });
  });
}
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => (one.open = true)));
