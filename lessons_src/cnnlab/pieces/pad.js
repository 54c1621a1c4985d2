// A piece with a surface to draw a digit on, by pointer, finger or keys, and bars for what a network says of it.
"use strict";
{
  const { SIZE, FINE, READY, curve, penned, withoutSpecks, asMnist, imageAsMnist } = cnn.ink;

  const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
    Home: [-1, -1], PageUp: [1, -1], End: [-1, 1], PageDown: [1, 1] };

  const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)}\u00a0%`;

  const STYLE = `
      .surface { position: relative; width: 280px; max-width: 100%; }
      canvas { display: block; image-rendering: pixelated; }
      .pad { width: 100%; height: auto; border: 1px solid var(--line); touch-action: none; cursor: crosshair;
        image-rendering: auto; }
      .pen { position: absolute; width: 17px; height: 17px; margin: -8px; border: 2.5px dashed var(--orange);
        border-radius: 50%; pointer-events: none; display: none; }
      .pen.down { border-style: solid; background: var(--orange); }
      .pad:focus + .pen { display: block; }
      .answer table { width: 100%; }
      .answer th { font-weight: 400; text-align: left; padding-right: .4rem; white-space: nowrap; }
      .answer td { padding: 0; height: 1.45rem; }
      .answer td:nth-child(2) { width: 100%; }
      .answer td:last-child { padding-left: .4rem; text-align: right; white-space: nowrap; }
      .answer tr.best { font-weight: 700; }
      .bar { height: .85rem; min-width: 1px; background: var(--line); }
      tr.best .bar { background: var(--blue); }`;

  // A subclass makes the surface in build() and then calls begin(drawn). In update() it calls drawnAnew(), then
  // prepare() if this.prepared is gone, and paintPad(). What the network sees stands in this.prepared.
  class DrawnPiece extends cnn.Piece {
    static style = STYLE;

    // One of the ten digits that are drawn by code.
    static ready = (digit) => ({ strokes: READY[digit].map(curve), ready: digit });

    surface(keys) {
      const { make } = cnn, n = SIZE * FINE;
      this.at = [SIZE / 2, SIZE / 2]; // the pen, in pixels
      this.down = false;
      this.pad = make("canvas", { class: "pad", width: n, height: n, tabindex: 0, role: "application",
        "aria-label": "drawing surface", "aria-describedby": keys });
      this.pen = make("div", { class: "pen" });
      this.pad.addEventListener("pointerdown", (event) => this.#press(event));
      this.pad.addEventListener("pointermove", (event) => this.#drag(event));
      for (const end of ["pointerup", "pointercancel"]) this.pad.addEventListener(end, (event) => this.#release(event));
      this.pad.addEventListener("keydown", (event) => this.#key(event));
      this.pad.addEventListener("blur", () => this.pen.classList.toggle("down", (this.down = false)));
      return make("div", { class: "surface" }, this.pad, this.pen);
    }

    begin(drawn) {
      this.past = []; // what was drawn before each change
      this.drawn = drawn;
      this.#show();
    }

    // Something else is drawn: {strokes, image: rows of numbers instead of strokes, ready: which ready digit it is}.
    change(drawn) {
      this.past.push(this.drawn);
      this.drawn = { ready: "own", ...drawn };
      this.#show();
    }

    undo() {
      if (!this.past.length) return;
      this.drawn = this.past.pop();
      this.pressed = this.down = false;
      this.#show();
    }

    #show() {
      this.stroke = this.prepared = null;
      this.set("ready", this.drawn.ready);
    }

    // The pen draws from one place to another. The reader's first stroke clears what stood there before.
    #line(from, to) {
      if (!this.stroke) {
        const { strokes, image, ready } = this.drawn, stroke = [from];
        this.change({ strokes: ready === "own" && !image ? [...strokes, stroke] : [stroke] });
        this.stroke = stroke;
      }
      const [x, y] = this.stroke.at(-1);
      if (Math.hypot(to[0] - x, to[1] - y) > 0.1) this.stroke.push(to);
      this.prepared = null;
    }

    // Start from an image, rows of 28 × 28 numbers from 0 to 1.
    paste(image) {
      this.change({ strokes: [], image });
    }

    #place(event) {
      const box = this.pad.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * SIZE, ((event.clientY - box.top) / box.height) * SIZE];
    }

    #press(event) {
      if (!event.isPrimary || event.button !== 0) return;
      this.pad.setPointerCapture(event.pointerId);
      this.pressed = true;
      clearTimeout(this.timer); // what a subclass does later can wait
      this.at = this.#place(event);
      this.stroke = null;
      this.#line(this.at, this.at);
      this.#soon();
    }

    #drag(event) {
      if (!this.pressed || !event.isPrimary) return;
      const passed = event.getCoalescedEvents?.() ?? [];
      for (const each of passed.length ? passed : [event]) {
        const place = this.#place(each);
        this.#line(this.at, place);
        this.at = place;
      }
      this.#soon();
    }

    #release(event) {
      if (!this.pressed || !event.isPrimary) return;
      this.pressed = false;
      this.stroke = null;
      this.update();
    }

    // However fast the pen moves: once for each picture on the screen.
    #soon() {
      this.waiting ??= requestAnimationFrame(() => this.update());
    }

    #key(event) {
      const undo = (event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "z";
      if (!undo && (event.ctrlKey || event.altKey || event.metaKey)) return;
      const step = KEYS[event.key], inside = (v) => Math.min(SIZE - 0.5, Math.max(0.5, v));
      const from = [Math.floor(this.at[0]) + 0.5, Math.floor(this.at[1]) + 0.5].map(inside); // a pixel's middle
      if (step) {
        this.at = [inside(from[0] + step[0]), inside(from[1] + step[1])];
        if (this.down) this.#line(from, this.at);
      } else if (event.key === " ") {
        this.at = from;
        this.down = !this.down;
        this.stroke = null;
        if (this.down) this.#line(from, from);
      } else if (undo) {
        this.undo();
      } else if (event.key === "Delete" || event.key === "Backspace") {
        this.change({ strokes: [] });
      } else return;
      event.preventDefault();
      const [column, row] = this.at.map((v) => Math.floor(v) + 1);
      this.penSays = `Pen ${this.down ? "down" : "up"}, column ${column}, row ${row}. `;
      this.update();
      this.penSays = "";
    }

    lift() {
      this.pressed = this.down = false;
      cancelAnimationFrame(this.waiting);
    }

    drawnAnew() {
      if (this.waiting) cancelAnimationFrame(this.waiting);
      this.waiting = null;
    }

    // From the drawing to the image that the network sees.
    prepare() {
      const { strokes, image } = this.drawn, n = SIZE * FINE;
      this.kept = withoutSpecks(strokes);
      this.drawing = penned(strokes);
      if (image) { // each of its pixels fills 4 × 4 cells
        this.drawing.data.forEach((_, at, cells) => {
          cells[at] = image[Math.floor(at / n / FINE)][Math.floor((at % n) / FINE)];
        });
      }
      this.prepared = image ? imageAsMnist(this.drawing) : asMnist(this.kept);
    }

    // Colours from −1 (blue) over 0 (paper) to 1 (orange), and from 0 (black) to 1 (white).
    palette() {
      const names = ["blue", "orange", "paper", "ink"].map((name) => this.colour(name));
      if (this.painted === String(names)) return;
      this.painted = String(names);
      const [blue, orange, paper, ink] = names.map((name) => cnn.rgba(name).slice(0, 3));
      const mix = (a, b, t) => { // a colour as canvases keep it: one number of four bytes
        const [r, g, blue] = a.map((v, i) => Math.round(v + t * (b[i] - v)));
        return 0xff000000 + blue * 0x10000 + g * 0x100 + r;
      };
      const shades = Array.from({ length: 256 }, (_, i) => i / 255);
      this.signed = [...shades.map((t) => mix(blue, paper, t)), ...shades.map((t) => mix(paper, orange, t))];
      this.grey = shades.map((t) => (this.dark ? mix(paper, ink, t) : mix(ink, paper, t)));
    }

    // Numbers into a canvas, one pixel each; `shade(i)` is the colour of number i.
    fill(canvas, shade) {
      const brush = canvas.getContext("2d");
      canvas.picture ??= brush.createImageData(canvas.width, canvas.height);
      const colours = new Uint32Array(canvas.picture.data.buffer);
      for (let i = 0; i < colours.length; i++) colours[i] = shade(i);
      brush.putImageData(canvas.picture, 0, 0);
    }

    paintPad() {
      this.palette();
      this.fill(this.pad, (i) => this.grey[Math.round(255 * this.drawing.data[i])]);
      this.pen.style.left = `${(100 * this.at[0]) / SIZE}%`;
      this.pen.style.top = `${(100 * this.at[1]) / SIZE}%`;
      this.pen.classList.toggle("down", this.down);
    }
  }

  // A bar for each class; the longest stands out.
  class Bars {
    constructor(label) {
      this.element = cnn.make("table", { "aria-label": label });
    }

    show(data, { labels, digits = 1 } = {}) {
      const winner = data.indexOf(Math.max(...data));
      if (!this.rows) {
        this.rows = Array.from(data, (_, k) => {
          const { make } = cnn, bar = make("div", { class: "bar" }), number = make("td");
          const head = make("th", { scope: "row" }, `${k} ${labels?.[k] ?? ""}`);
          const row = make("tr", {}, head, make("td", {}, bar), number);
          return { row, bar, number };
        });
        this.element.append(cnn.make("tbody", {}, ...this.rows.map(({ row }) => row)));
      }
      this.rows.forEach(({ row, bar, number }, k) => {
        row.classList.toggle("best", k === winner);
        bar.style.width = `${100 * (data[k] || 0)}%`;
        number.textContent = Number.isNaN(data[k]) ? "–" : percent(data[k], digits);
      });
    }
  }

  Object.assign(cnn, { DrawnPiece, Bars, percent });
}
