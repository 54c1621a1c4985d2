// A grid of numbers: an image, a kernel, a feature map. One tab stop; arrow keys move inside.
"use strict";
{
  const STYLE = `
    table.grid { border: 1px solid var(--line); }
    table.grid td { padding: 0; border: 1px solid var(--line); width: var(--cell, 2.1em); height: var(--cell, 2.1em);
      min-width: max(var(--cell, 2.1em), var(--letters) * .6em + .4em); text-align: center; font-size: .85rem;
      position: relative; cursor: default; }
    table.grid td input { width: 100%; height: 100%; min-height: 0; padding: 0; border: 0; border-radius: 0;
      background: transparent; text-align: center; }
    table.grid td.window { box-shadow: inset 0 0 0 2.5px var(--orange); }
    table.grid td.here { box-shadow: inset 0 0 0 2.5px var(--blue); }
    table.grid td.faint { color: var(--soft); background: var(--panel) !important; }
    table.grid td:focus-visible, table.grid td input:focus-visible { outline-offset: -3px; z-index: 1; }
    @media (forced-colors: active) { table.grid td.faint { color: GrayText; } }
  `;

  const MOST = 1e6; // larger numbers are refused, as cnnlab.pieces does

  // new cnn.Grid({label, cell, move, edit}): `cell(row, column)` names a cell in words (default: "row 1,
  // column 2"); `move(row, column)` is called when the focus moves; `edit(row, column, value)`, if given,
  // makes the cells editable, except those marked "faint". What is refused is told by an event "refused".
  class Grid {
    constructor({ label, cell, move, edit }) {
      Object.assign(this, { label, cell: cell ?? ((r, c) => `row ${r + 1}, column ${c + 1}`), move, edit });
      this.at = [0, 0];
      this.element = cnn.make("table", { class: "grid", role: "grid", "aria-label": label });
      this.element.addEventListener("keydown", (event) => this.#key(event));
      this.element.addEventListener("focusin", (event) => this.#visit(event));
      this.element.addEventListener("pointerdown", (event) => this.#visit(event));
      this.element.addEventListener("input", (event) => this.#typed(event));
      this.element.addEventListener("change", (event) => this.#left(event.target));
      this.element.addEventListener("focusout", () => this.show(...this.last));
    }

    // Draw `values` (rows of numbers; null for an empty cell). `mark(row, column)` gives class names.
    // Colours: orange above 0, blue below, stronger the further from 0; `peak` is the strongest.
    show(values, mark = () => "", peak = Math.max(...values.flat().map(Math.abs), 1e-9)) {
      this.last = [values, mark, peak];
      const rows = values.length, columns = values[0].length;
      const noise = this.edit ? 0 : 1e-9 * Math.max(peak, 1e-3); // of what is computed
      const text = (value) => (value === null ? "" : cnn.short(value, 2, noise));
      this.element.style.setProperty("--letters", Math.max(...values.flat().map((value) => text(value).length)));
      if (this.rows !== rows || this.columns !== columns) this.#layOut(rows, columns);
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < columns; c++) {
          const value = values[r][c], td = this.cells[r][c], field = td.firstElementChild;
          td.className = mark(r, c);
          if (!field) td.textContent = text(value);
          else if (!field.matches(":focus")) field.value = text(value);
          if (field) field.readOnly = td.classList.contains("faint");
          const strength = Math.round(42 * Math.min(1, Math.abs(value ?? 0) / peak));
          const colour = value > 0 ? "var(--orange)" : "var(--blue)";
          td.style.background = strength ? `color-mix(in srgb, ${colour} ${strength}%, var(--paper))` : "";
        }
      }
    }

    #layOut(rows, columns) {
      Object.assign(this, { rows, columns });
      this.at = [Math.min(this.at[0], rows - 1), Math.min(this.at[1], columns - 1)];
      this.cells = [];
      const body = cnn.make("tbody");
      for (let r = 0; r < rows; r++) {
        const tr = cnn.make("tr", { role: "row" });
        this.cells.push([]);
        for (let c = 0; c < columns; c++) {
          const td = cnn.make("td", { role: "gridcell" });
          if (this.edit) td.append(cnn.make("input", { inputmode: "decimal",
            "aria-label": `${this.label}, ${this.cell(r, c)}` }));
          this.cells[r].push(td);
          tr.append(td);
        }
        body.append(tr);
      }
      this.element.replaceChildren(body);
      this.#tabStop();
    }

    #target(r, c) {
      return this.edit ? this.cells[r][c].firstElementChild : this.cells[r][c];
    }

    #tabStop() {
      for (let r = 0; r < this.rows; r++) {
        for (let c = 0; c < this.columns; c++) {
          this.#target(r, c).tabIndex = r === this.at[0] && c === this.at[1] ? 0 : -1;
        }
      }
    }

    // Put the tab stop on a cell, without moving the focus.
    point(r, c) {
      this.at = [r, c];
      this.#tabStop();
    }

    #place(target) {
      const td = target.closest?.("td");
      for (let r = 0; r < this.rows; r++) {
        const c = this.cells[r].indexOf(td);
        if (c >= 0) return [r, c];
      }
    }

    #visit(event) {
      const place = this.#place(event.target);
      if (!place) return;
      const [r, c] = place;
      this.point(r, c);
      if (event.type === "pointerdown" && !this.edit) this.#target(r, c).focus();
      if (event.type !== "focusin") return;
      const value = this.last[0][r][c];
      if (this.edit && value !== null) this.good = event.target.value = cnn.full(value, 15); // all digits
      this.move?.(r, c);
    }

    #key(event) {
      const [r, c] = this.at;
      const goal = { ArrowUp: [r - 1, c], ArrowDown: [r + 1, c], ArrowLeft: [r, c - 1], ArrowRight: [r, c + 1],
        Home: [r, 0], End: [r, this.columns - 1] }[event.key];
      if (!goal || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      const [nr, nc] = goal;
      if (nr < 0 || nc < 0 || nr >= this.rows || nc >= this.columns) return;
      const target = this.#target(nr, nc);
      target.focus();
      target.select?.();
    }

    #typed({ target }) {
      const number = read(target.value), [r, c] = this.#place(target);
      if (Math.abs(number) <= MOST) {
        this.good = target.value;
        this.edit(r, c, number);
      } else if (!Number.isNaN(number)) {
        this.#refuse(target, "numbers from −1,000,000 to 1,000,000");
      }
    }

    // A field is left: numbers that are still half typed go.
    #left(field) {
      if (Number.isNaN(read(field.value))) this.#refuse(field, "numbers, such as 3 or −0.5");
    }

    #refuse(field, expected) {
      const [r, c] = this.#place(field), stays = cnn.full(this.last[0][r][c], 15);
      const detail = `“${field.value}” does not fit here: cells hold ${expected}. This one stays at ${stays}.`;
      field.value = this.good; // what was last typed and did fit
      this.element.dispatchEvent(new CustomEvent("refused", { bubbles: true, detail }));
    }
  }

  // What is typed into a cell: a number, or NaN. A comma is a point, but in 1,000, 1,234,567 and 1,234.5.
  function read(text) {
    const typed = text.trim().replaceAll("−", "-"), thousands = /^[+-]?[1-9]\d{0,2}(,000|(,\d{3}){2,}|(,\d{3})+\.\d*)$/.test(typed);
    return typed ? Number(thousands ? typed.replaceAll(",", "") : typed.replace(",", ".")) : NaN;
  }
  Grid.style = STYLE;
  Object.assign(cnn, { Grid });
}
