// Convolution, one window at a time: edit the image and the kernel, walk over the feature map.
"use strict";
{
  const IMAGE = ["100001", "010010", "001100", "100010", "010010", "001010"]; // the example of chapter 2
  const SIGNS = { diagonal: (i, j, n) => (i === j ? 1 : -1), column: (i, j, n) => (j === Math.floor(n / 2) ? 1 : -1),
    average: (i, j, n) => 1, "left edge": (i, j, n) => Math.sign(j - (n - 1) / 2) };

  const LARGEST = [12, 12, 3], LARGEST_KERNEL = [7, 7, 3]; // an image and a kernel

  // Cut an array, or fill it up by chance.
  function fit(old, shape) {
    const next = cnn.random(5), made = cnn.array(shape);
    made.data.forEach((_, at) => {
      const k = at % shape[2], j = Math.floor(at / shape[2]) % shape[1], i = Math.floor(at / shape[2] / shape[1]);
      const chance = next() < 0.4 ? 1 : 0, inside = i < old.shape[0] && j < old.shape[1] && k < old.shape[2];
      made.data[at] = inside ? old.data[(i * old.shape[1] + j) * old.shape[2] + k] : chance;
    });
    return made;
  }

  class ConvStepper extends cnn.Piece {
    static title = "Convolution, step by step";
    static style = cnn.Grid.style + `
      .sign { align-self: center; font-size: 1.4rem; }
      .sum { margin: .5rem 0 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }`;

    build() {
      const { image, kernel, strides = 1, padding = "valid", dilation = 1, bias = 0 } = this.given;
      this.bias = bias;
      // Both are (rows, columns, channels).
      this.image = image ? cnn.fromRows(image) : cnn.fromRows(IMAGE.map((row) => [...row].map((p) => [+p])));
      this.scene = fit(this.image, LARGEST); // the image is cut out of it: what leaves can come back
      this.kernel = kernel ? cnn.fromRows(kernel) : this.#pattern("diagonal", 3, 3, this.image.shape[2]);
      this.typed = fit(this.kernel, LARGEST_KERNEL); // the kernel is cut out of it
      const [height, width] = this.image.shape, [rows, columns, channels] = this.kernel.shape;
      this.number("height", "image rows", height, { min: 1, max: 12 });
      this.number("width", "image columns", width, { min: 1, max: 12 });
      this.number("channels", "channels", channels, { min: 1, max: 3 });
      this.choice("pattern", "kernel", kernel ? "own" : "diagonal", [...Object.keys(SIGNS), "random", ["own", "your own"]]);
      this.number("rows", "kernel rows", rows, { min: 1, max: 7 });
      this.number("columns", "kernel columns", columns, { min: 1, max: 7 });
      this.number("stride", "stride", strides, { min: 1, max: 4 });
      this.choice("padding", "padding", padding, ["valid", "same"]);
      this.number("dilation", "dilation", dilation, { min: 1, max: 3 });
      this.button("step ▸", () => this.#step(1));
      this.row = this.column = 0;

      this.imageBox = cnn.make("div");
      this.kernelBox = cnn.make("div");
      this.map = new cnn.Grid({ label: "feature map", move: (r, c) => { [this.row, this.column] = [r, c]; this.update(); } });
      this.mapCaption = cnn.make("p");
      this.stage.append(this.imageBox, cnn.make("span", { class: "sign", "aria-hidden": "true" }, "∗"), this.kernelBox,
        cnn.make("span", { class: "sign", "aria-hidden": "true" }, "="), cnn.make("div", {}, this.mapCaption, this.map.element));
      this.sum = cnn.make("p", { class: "sum" });
      this.stage.after(this.sum);
      this.#layOut();
    }

    #pattern(name, rows, columns, channels) {
      const next = cnn.random(rows * 10 + columns);
      const kernel = cnn.array([rows, columns, channels]);
      kernel.data.forEach((_, at) => {
        const i = Math.floor(at / (columns * channels)), j = Math.floor(at / channels) % columns;
        kernel.data[at] = name === "random" ? Math.floor(next() * 7) - 3 : SIGNS[name](i, j, columns);
      });
      return kernel;
    }

    // After a control: the image and the kernel in their new sizes, with what the reader has typed.
    changed(name) {
      const { height, width, channels, rows, columns, pattern } = this.state;
      this.image = fit(this.scene, [height, width, channels]);
      if (["rows", "columns", "pattern", "channels"].includes(name)) {
        if (pattern !== "own") this.typed = fit(this.#pattern(pattern, rows, columns, channels), LARGEST_KERNEL);
        this.kernel = fit(this.typed, [rows, columns, channels]);
      }
      this.#layOut();
    }

    // One grid for each channel of the image and of the kernel.
    #layOut() {
      const channels = this.state.channels;
      const grids = (what, box, edit, cell) => {
        const made = Array.from({ length: channels }, (_, k) => new cnn.Grid({ cell,
          label: channels > 1 ? `${what}, channel ${k + 1}` : what, edit: (r, c, v) => edit(r, c, k, v) }));
        box.replaceChildren(cnn.make("p"), ...made.map((grid) => grid.element));
        return made;
      };
      this.imageGrids = grids("image", this.imageBox, (r, c, k, v) => {
        const [y, x] = this.#pixel(r, c);
        for (const { shape: [, W, C], data } of [this.image, this.scene]) data[(y * W + x) * C + k] = v;
        this.update();
      }, (r, c) => {
        const [y, x] = this.#pixel(r, c);
        return this.#inside(y, x) ? `row ${y + 1}, column ${x + 1}` : "padding";
      });
      this.kernelGrids = grids("kernel", this.kernelBox, (r, c, k, v) => {
        for (const { shape: [, columns, C], data } of [this.kernel, this.typed]) data[(r * columns + c) * C + k] = v;
        this.set("pattern", "own");
        this.update();
      });
    }

    // From a cell of the image's grid, which shows the padding too, to a pixel.
    #pixel(r, c) {
      return [r - this.axes[0].before, c - this.axes[1].before];
    }

    #inside(y, x) {
      const [H, W] = this.image.shape;
      return y >= 0 && x >= 0 && y < H && x < W;
    }

    #step(by) {
      if (!this.result) return;
      const [rows, columns] = this.result.shape;
      const next = (this.row * columns + this.column + by) % (rows * columns);
      [this.row, this.column] = [Math.floor(next / columns), next % columns];
    }

    update() {
      const { stride, padding, dilation } = this.state;
      const { image, kernel } = this, [H, W, C] = image.shape, [kh, kw] = kernel.shape;
      const down = cnn.places(H, kh, stride, padding, dilation), across = cnn.places(W, kw, stride, padding, dilation);
      this.axes = [down, across];
      const fits = down.count && across.count;
      const kernels = { shape: [...kernel.shape, 1], data: kernel.data };
      const settings = { strides: [stride, stride], padding, dilation: [dilation, dilation] };
      this.result = fits ? cnn.conv2d(image, kernels, { data: [this.bias] }, settings) : null;
      [this.row, this.column] = fits ? [Math.min(this.row, down.count - 1), Math.min(this.column, across.count - 1)] : [0, 0];

      const top = this.row * stride - down.before, left = this.column * stride - across.before;
      const under = (y, x) => fits && (y - top) % dilation === 0 && (x - left) % dilation === 0 && y >= top && x >= left
        && (y - top) / dilation < kh && (x - left) / dilation < kw;
      const height = H + down.before + down.after, width = W + across.before + across.after;
      this.imageGrids.forEach((grid, k) => {
        const rows = Array.from({ length: height }, (_, r) => Array.from({ length: width }, (_, c) => {
          const [y, x] = this.#pixel(r, c);
          return this.#inside(y, x) ? image.data[(y * W + x) * C + k] : 0;
        }));
        grid.show(rows, (r, c) => {
          const [y, x] = this.#pixel(r, c);
          return [under(y, x) && "window", !this.#inside(y, x) && "faint"].filter(Boolean).join(" ");
        });
      });
      this.kernelGrids.forEach((grid, k) => grid.show(cnn.toRows(kernel).map((row) => row.map((cell) => cell[k]))));
      this.imageBox.firstChild.textContent = `image ${H} × ${W}` + (height > H || width > W ? " and zeros around it" : "");
      this.kernelBox.firstChild.textContent = `kernel ${kh} × ${kw}`;
      this.map.element.hidden = !fits;
      if (!fits) {
        this.mapCaption.textContent = "";
        this.sum.textContent = "";
        this.say(`The kernel reaches over ${(kh - 1) * dilation + 1} × ${(kw - 1) * dilation + 1} pixels and does not fit `
          + `into ${H} × ${W}. Use a smaller kernel or dilation, a larger image, or padding "same".`, true);
        return;
      }
      this.mapCaption.textContent = `feature map ${down.count} × ${across.count}`;
      this.map.show(cnn.toRows(this.result).map((row) => row.map(([v]) => v)),
        (r, c) => (r === this.row && c === this.column ? "here" : ""));
      this.map.point(this.row, this.column);
      this.#explain(top, left);
    }

    #explain(top, left) {
      const { dilation } = this.state, { image, kernel, bias } = this;
      const [, W, C] = image.shape, [kh, kw] = kernel.shape;
      const products = [];
      let outside = 0;
      for (let i = 0; i < kh; i++) {
        for (let j = 0; j < kw; j++) {
          const y = top + i * dilation, x = left + j * dilation, inside = this.#inside(y, x);
          outside += !inside;
          for (let k = 0; k < C; k++) {
            products.push([inside ? image.data[(y * W + x) * C + k] : 0, kernel.data[(i * kw + j) * C + k]]);
          }
        }
      }
      const value = this.result.data[this.row * this.result.shape[1] + this.column];
      const [sign, total] = cnn.equals(value, [...products, [bias, 1]]);
      const wrap = (v) => (v < 0 ? `(${cnn.full(v)})` : cnn.full(v));
      const shown = products.filter(([p, w]) => products.length <= 12 || (p !== 0 && w !== 0));
      const leftOut = products.length - shown.length, about = sign === "≈";
      this.sum.textContent = (shown.map(([p, w]) => `${wrap(p)}·${wrap(w)}`).join(" + ") || "0")
        + (bias ? ` + bias ${wrap(bias)}` : "") + ` ${sign} ${total}`
        + (leftOut ? ` (${leftOut} products that are 0 are left out)` : "") + (about ? " (numbers are rounded)" : "");
      this.say(`Feature map, row ${this.row + 1}, column ${this.column + 1}: ${products.length} products`
        + `${bias ? " and the bias" : ""} add up to ${about ? "about " : ""}${total}.`
        + (outside ? ` ${outside} of the window's ${kh * kw} pixels lie in the padding.` : ""));
    }
  }
  cnn.define("conv-stepper", ConvStepper);
}
