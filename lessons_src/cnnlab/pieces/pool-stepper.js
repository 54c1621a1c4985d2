// Pooling, one window at a time: which pixel wins, what changes when the image moves, where a gradient goes.
"use strict";
{
  // The feature map of chapter 4, and room to move it.
  const IMAGE = [[1, 3, 2, 0, 0, 0], [7, 5, 4, 6, 0, 0], [0, 2, 3, 9, 0, 0], [8, 2, 1, 3, 0, 0],
    [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]];
  const NUDGES = [["◂ left", 0, -1], ["right ▸", 0, 1], ["▴ up", -1, 0], ["▾ down", 1, 0]];

  const count = (n, thing) => `${n} ${thing}${n === 1 ? "" : "s"}`;
  const place = (row, column) => `row ${row + 1}, column ${column + 1}`;
  // Means of the same numbers in another order may differ in the last digit.
  const differ = (a, b) => Math.abs(a - b) > 1e-9 * Math.max(1, Math.abs(a));
  // "2 pixels right and 1 pixel up"
  const way = (down, right, thing) => [[right, "right", "left"], [down, "down", "up"]].filter(([n]) => n)
    .map(([n, ahead, back]) => `${count(Math.abs(n), thing)} ${n > 0 ? ahead : back}`).join(" and ");

  class PoolStepper extends cnn.Piece {
    static title = "Pooling, step by step";
    static style = cnn.Grid.style + `
      .sign { align-self: center; font-size: 1.4rem; }
      .stage[hidden] { display: none; }
      .nudges { display: inline-flex; flex-wrap: wrap; gap: .35rem; align-items: center; font-size: .9rem; }
      .sum { margin: .5rem 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
      td.winner::after { content: ""; position: absolute; inset: 3px; border: 2px solid var(--blue);
        border-radius: 50%; pointer-events: none; }
      td.changed::before { content: ""; position: absolute; top: 0; right: 0; border: solid var(--pink);
        border-width: 9px 0 0 9px; border-left-color: transparent; }
      .decimals table.grid { --cell: 2.4em; }
      .decimals table.grid td { font-size: .75rem; padding: 0 1px; }
      td.unread { background: var(--paper) !important; }
      td.unread input { color: var(--soft); text-decoration: line-through; }
      @container (max-width: 420px) { table.grid { --cell: 1.8em; } .decimals table.grid { --cell: 2.04em; } }`;

    build() {
      const { image = IMAGE, size = 2, strides = size, padding = "valid", mode = "max" } = this.given;
      // The image is a frame on a larger scene. A nudge moves the scene, so that what leaves can come back.
      this.scene = new Map();
      image.forEach((row, r) => row.forEach((value, c) => this.scene.set(`${r},${c}`, value)));
      [this.height, this.width] = [image.length, image[0].length];
      this.moved = [0, 0]; // pixels down and right, since the start
      this.row = this.column = 0; // the chosen output
      this.earlier = this.news = null; // after a nudge: the output before it, and the nudge
      this.number("height", "image rows", this.height, { min: 1, max: 12 });
      this.number("width", "image columns", this.width, { min: 1, max: 12 });
      this.choice("mode", "pooling", mode, ["max", "average"]);
      this.number("size", "window", size, { min: 1, max: 6 });
      this.number("stride", "stride", strides, { min: 1, max: 6 });
      this.choice("padding", "padding", padding, ["valid", "same"]);
      this.choice("back", "gradient sent back", "none",
        [["none", "nothing"], ["here", "1 at this output"], ["all", "1 at every output"]]);
      this.button("step ▸", () => this.#step());
      const buttons = NUDGES.map(([label, down, right]) => this.button(label, () => this.#nudge(down, right)));
      this.controls.append(cnn.make("span", { class: "nudges", role: "group", "aria-label": "nudge the image" },
        "nudge the image", ...buttons));
      this.#layOut();
    }

    #layOut() {
      const { make, Grid } = cnn;
      const box = (grid) => make("div", {}, make("p"), grid.element);
      const sign = (text) => make("span", { class: "sign", "aria-hidden": "true" }, text);
      // The name of a cell in words; the padding around the image has no rows and columns of its own.
      const cell = (r, c) => {
        const [y, x] = this.#pixel(r, c);
        return this.#inside(y, x) ? place(y, x) : "padding";
      };
      this.imageGrid = new Grid({ label: "image", cell, edit: (r, c, value) => this.#edit(r, c, value) });
      this.outputGrid = new Grid({ label: "output", move: (r, c) => this.#choose(r, c) });
      this.imageBox = box(this.imageGrid);
      this.outputBox = box(this.outputGrid);
      this.stage.replaceChildren(this.imageBox, sign("→"), this.outputBox);

      this.gradientGrid = new Grid({ label: "gradient of the image", cell });
      this.arrivingGrid = new Grid({ label: "arriving gradient" });
      const [gradientBox, arrivingBox] = [box(this.gradientGrid), box(this.arrivingGrid)];
      gradientBox.firstChild.textContent = "gradient";
      arrivingBox.firstChild.textContent = "arriving";
      // Means and slopes have decimals: smaller numbers.
      for (const part of [this.outputBox, gradientBox, arrivingBox]) part.className = "decimals";
      this.sum?.remove();
      this.backward?.remove();
      this.sum = make("p", { class: "sum" });
      this.backward = make("div", { class: "stage" }, gradientBox, sign("←"), arrivingBox);
      this.stage.after(this.sum, this.backward);
    }

    changed(name) {
      this.news = null;
      if (name === "back") return; // the output is as it was
      this.earlier = null;
      if (name === "height" || name === "width") this[name] = this.state[name];
      this.#layOut(); // the padding, and so the rows of the grids, may be others
    }

    #choose(r, c) {
      [this.row, this.column] = [r, c];
      this.news = null;
      this.update();
    }

    #step() {
      if (!this.result) return;
      const [rows, columns] = this.result.shape, next = (this.row * columns + this.column + 1) % (rows * columns);
      [this.row, this.column] = [Math.floor(next / columns), next % columns];
      this.news = null;
    }

    #nudge(down, right) {
      this.earlier = this.result;
      this.news = [down, right];
      this.moved = [this.moved[0] + down, this.moved[1] + right];
    }

    #edit(r, c, value) {
      const [y, x] = this.#pixel(r, c);
      this.scene.set(`${y - this.moved[0]},${x - this.moved[1]}`, value);
      this.earlier = this.news = null;
      this.update();
    }

    #inside(y, x) {
      return y >= 0 && x >= 0 && y < this.height && x < this.width;
    }

    // From a cell of the image's grid, which shows the padding too, to a pixel.
    #pixel(r, c) {
      return [r - this.down.before, c - this.across.before];
    }

    // What the frame shows when the scene has moved; what comes in from outside is 0.
    #image([down, right]) {
      const image = cnn.array([this.height, this.width, 1]);
      image.data.forEach((_, at) => {
        const y = Math.floor(at / this.width), x = at % this.width;
        image.data[at] = this.scene.get(`${y - down},${x - right}`) ?? 0;
      });
      return image;
    }

    #pool(image) {
      const { size, stride, padding, mode } = this.state;
      const { shape, data } = cnn.pool2d(image, { size: [size, size], strides: [stride, stride], padding, mode });
      return { shape: shape.slice(0, 2), data };
    }

    // The pixels in the window of an output, in reading order. The padding is not among them.
    #window(row, column) {
      const { size, stride } = this.state, pixels = [];
      const top = row * stride - this.down.before, left = column * stride - this.across.before;
      for (let y = top; y < top + size; y++) {
        for (let x = left; x < left + size; x++) {
          if (this.#inside(y, x)) pixels.push({ y, x, value: this.image.data[y * this.width + x] });
        }
      }
      return pixels;
    }

    // The first of the largest, as in TensorFlow: a later pixel must be larger to win.
    #winner(pixels) {
      return pixels.reduce((best, pixel) => (pixel.value > best.value ? pixel : best));
    }

    // What arrives at the outputs, and where it goes. Where windows overlap, it adds up.
    #sendBack() {
      const { mode, back } = this.state, [rows, columns] = this.result.shape;
      const arriving = cnn.array([rows, columns]), gradient = cnn.array([this.height, this.width]);
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < columns; c++) {
          const chosen = r === this.row && c === this.column;
          const slope = back === "all" || chosen ? 1 : 0;
          const pixels = this.#window(r, c);
          const takers = mode === "max" ? [this.#winner(pixels)] : pixels;
          arriving.data[r * columns + c] = slope;
          for (const { y, x } of takers) gradient.data[y * this.width + x] += slope / takers.length;
        }
      }
      return [arriving, gradient];
    }

    update() {
      const { size, stride, padding, back } = this.state;
      this.down = cnn.places(this.height, size, stride, padding);
      this.across = cnn.places(this.width, size, stride, padding);
      const [rows, columns] = [this.down.count, this.across.count], fits = rows > 0 && columns > 0;
      this.image = this.#image(this.moved);
      this.result = fits ? this.#pool(this.image) : null;
      [this.row, this.column] = fits ? [Math.min(this.row, rows - 1), Math.min(this.column, columns - 1)] : [0, 0];
      this.outputBox.hidden = this.sum.hidden = !fits;
      this.backward.hidden = !fits || back === "none";
      this.gradient = null;
      this.#showImage();
      if (!fits) {
        this.say(`The window covers ${size} × ${size} pixels and does not fit into ${this.height} × ${this.width}. `
          + 'Use a smaller window, a larger image, or padding "same".', true);
        return;
      }
      const changed = this.result.data.map((value, at) => this.earlier && differ(value, this.earlier.data[at]));
      this.outputBox.firstChild.textContent = `output ${rows} × ${columns}`;
      this.outputGrid.show(cnn.toRows(this.result), (r, c) => this.#classes({
        here: r === this.row && c === this.column, changed: changed[r * columns + c] }));
      this.outputGrid.point(this.row, this.column);
      if (back !== "none") this.#showGradient();
      this.#explain(changed.reduce((sum, yes) => sum + yes, 0));
    }

    #classes(which) {
      return Object.keys(which).filter((name) => which[name]).join(" ");
    }

    // What to mark in a cell of the image's grid, or of its gradient's: the window, the winner, the padding.
    #marks(r, c) {
      const { size, stride, mode } = this.state, [y, x] = this.#pixel(r, c), faint = !this.#inside(y, x);
      if (!this.result) return { faint };
      const top = this.row * stride, left = this.column * stride;
      const winner = mode === "max" && this.#winner(this.#window(this.row, this.column));
      return { faint, window: r >= top && c >= left && r < top + size && c < left + size,
        winner: winner.y === y && winner.x === x };
    }

    // The values of an array of the image's size, with empty cells for the padding.
    #framed({ data }) {
      const height = this.height + this.down.before + this.down.after;
      const width = this.width + this.across.before + this.across.after;
      return Array.from({ length: height }, (_, r) => Array.from({ length: width }, (_, c) => {
        const [y, x] = this.#pixel(r, c);
        return this.#inside(y, x) ? data[y * this.width + x] : null;
      }));
    }

    #showImage() {
      const read = new Set(); // the pixels that stand in a window
      for (let r = 0; this.result && r < this.down.count; r++) {
        for (let c = 0; c < this.across.count; c++) this.#window(r, c).forEach(({ y, x }) => read.add(`${y},${x}`));
      }
      const rows = this.#framed(this.image), unread = this.result ? this.height * this.width - read.size : 0;
      this.imageGrid.show(rows, (r, c) => {
        const marks = this.#marks(r, c), pixel = `${this.#pixel(r, c)}`; // "y,x"
        return this.#classes({ ...marks, unread: unread && !marks.faint && !read.has(pixel) });
      });
      this.imageBox.firstChild.textContent = `image ${this.height} × ${this.width}`
        + (rows.length > this.height || rows[0].length > this.width ? " and padding" : "")
        + (unread ? `; ${count(unread, "pixel")} in no window` : "");
    }

    #showGradient() {
      const [arriving, gradient] = this.#sendBack();
      this.gradient = gradient;
      this.gradientGrid.show(this.#framed(gradient), (r, c) => this.#classes(this.#marks(r, c)));
      this.arrivingGrid.show(cnn.toRows(arriving), (r, c) => (r === this.row && c === this.column ? "here" : ""));
    }

    #explain(changed) {
      const { mode } = this.state, pixels = this.#window(this.row, this.column);
      const result = this.result.data[this.row * this.result.shape[1] + this.column];
      const values = pixels.map((pixel) => pixel.value), n = values.length, max = mode === "max";
      const [sign, mean] = cnn.equals(result, values.map((v) => [v, 1]), max ? 1 : n), about = sign === "≈";
      const value = max ? cnn.full(result) : mean;
      const texts = values.map((v) => (v < 0 && !max ? `(${cnn.full(v)})` : cnn.full(v)));
      this.sum.textContent = (max ? `max(${texts.join(", ")})` : `(${texts.join(" + ")}) / ${n}`)
        + ` ${sign} ${value}${about ? " (numbers are rounded)" : ""}`;
      if (this.news) this.say(this.#nudged(changed));
      else if (this.state.back === "all") this.say(this.#allBack());
      else if (this.state.back === "here") this.say(this.#oneBack(pixels));
      else this.say(this.#forward(pixels, `${about ? "about " : ""}${value}`));
    }

    #forward(pixels, value) {
      const { mode, size } = this.state, here = `Output, ${place(this.row, this.column)}: `;
      const outside = size * size - pixels.length, many = count(pixels.length, "value");
      const padded = outside
        ? ` ${outside} of the window's ${size * size} places lie in the padding and take no part.` : "";
      const at = this.row * this.result.shape[1] + this.column;
      const was = this.earlier && differ(this.earlier.data[at], this.result.data[at])
        ? ` Before the nudge it was ${cnn.full(this.earlier.data[at], 4)}.` : "";
      if (mode === "average") return `${here}the mean of ${many} is ${value}.${padded}${was}`;
      const { y, x } = this.#winner(pixels);
      return `${here}the largest of ${many} is ${value}, at image ${place(y, x)}.${this.#ties(pixels)}${padded}${was}`;
    }

    #ties(pixels) {
      const best = this.#winner(pixels).value, equal = pixels.filter((p) => p.value === best).length;
      return equal > 1 ? ` ${equal} pixels tie; the first in reading order counts as the winner.` : "";
    }

    #oneBack(pixels) {
      const here = `A gradient of 1 arrives at output ${place(this.row, this.column)}.`, n = pixels.length;
      if (this.state.mode === "average") {
        return n === 1 ? `${here} The only pixel of the window gets all of it.`
          : `${here} Each of the ${n} pixels in the window gets 1/${n} of it.`;
      }
      const { y, x } = this.#winner(pixels);
      return `${here} All of it goes to the winner, image ${place(y, x)}.${this.#ties(pixels)}`;
    }

    #allBack() {
      const { data } = this.gradient, most = Math.max(...data), at = data.indexOf(most);
      const where = `image ${place(Math.floor(at / this.width), at % this.width)}`;
      const reached = `${data.filter((slope) => slope).length} of the ${count(data.length, "pixel")}`;
      const outputs = count(this.result.data.length, "output");
      const start = `A gradient of 1 arrives at each of the ${outputs} and reaches ${reached}.`;
      if (this.state.mode === "average") return `${start} The most, ${cnn.short(most)}, arrives at ${where}.`;
      return most > 1 ? `${start} The most, ${most}, arrives at ${where}, which wins in ${most} windows.`
        : `${start} No pixel wins in more than one window.`;
    }

    // What the nudge has done, and how the output compares with the one at the start.
    #nudged(changed) {
      const { stride } = this.state, [rows, columns] = this.result.shape, [down, right] = this.moved;
      const values = count(rows * columns, "output value");
      const text = `Nudged ${way(...this.news, "pixel")}: ${changed} of ${values} changed`
        + (changed ? ", marked by a corner." : ".");
      if (!down && !right) return `${text} The image is back where it started.`;
      const far = `${text} In all it has moved ${way(down, right, "pixel")}`;
      if (down % stride || right % stride) {
        return `${far}. That is not a multiple of the stride, ${stride}, so the windows now cut the picture in `
          + "other places.";
      }
      // A whole number of strides: look for the first output, moved by so many places.
      const first = this.#pool(this.#image([0, 0])), [a, b] = [down / stride, right / stride];
      let shared = 0, same = 0;
      for (let r = Math.max(0, a); r < Math.min(rows, rows + a); r++) {
        for (let c = Math.max(0, b); c < Math.min(columns, columns + b); c++) {
          shared++;
          same += !differ(this.result.data[r * columns + c], first.data[(r - a) * columns + c - b]);
        }
      }
      if (!shared) return `${far}, and nothing of the first output is left.`;
      return `${far} and the output ${way(a, b, "place")}: ${same} of the ${count(shared, "value")} still in sight `
        + "are the same as at the start.";
    }
  }
  cnn.define("pool-stepper", PoolStepper);
}
