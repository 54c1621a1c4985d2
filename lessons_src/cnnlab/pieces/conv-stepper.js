// Convolution, one window at a time: edit the image and the kernel, walk over the feature map.
"use strict";
{
  const IMAGE = ["100001", "010010", "001100", "100010", "010010", "001010"]; // the example of chapter 2
  const SIGNS = { diagonal: (i, j, n) => (i === j ? 1 : -1), column: (i, j, n) => (j === Math.floor(n / 2) ? 1 : -1),
    average: (i, j, n) => 1, "left edge": (i, j, n) => Math.sign(j - (n - 1) / 2) };

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
      this.kernel = kernel ? cnn.fromRows(kernel) : this.#pattern("diagonal", 3, 3, this.image.shape[2]);
      const [rows, columns, channels] = this.kernel.shape;
      this.number("size", "image size", Math.min(Math.max(...this.image.shape), 12), { min: 2, max: 12 });
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

    // After a control: cut or fill up the image and the kernel, keeping what the reader has typed.
    changed(name) {
      const { size, channels, rows, columns, pattern } = this.state;
      const fit = (old, shape) => {
        const next = cnn.random(5), made = cnn.array(shape);
        made.data.forEach((_, at) => {
          const k = at % shape[2], j = Math.floor(at / shape[2]) % shape[1], i = Math.floor(at / shape[2] / shape[1]);
          const chance = next() < 0.4 ? 1 : 0, inside = i < old.shape[0] && j < old.shape[1] && k < old.shape[2];
          made.data[at] = inside ? old.data[(i * old.shape[1] + j) * old.shape[2] + k] : chance;
        });
        return made;
      };
      if (name === "size") this.image = fit(this.image, [size, size, channels]);
      if (name === "channels") this.image = fit(this.image, [...this.image.shape.slice(0, 2), channels]);
      if (["rows", "columns", "pattern", "channels"].includes(name)) {
        this.kernel = pattern === "own" ? fit(this.kernel, [rows, columns, channels]) : this.#pattern(pattern, rows, columns, channels);
      }
      this.#layOut();
    }

    // One grid for each channel of the image and of the kernel.
    #layOut() {
      const channels = this.state.channels;
      const grids = (what, box, edit) => {
        const made = Array.from({ length: channels }, (_, k) => new cnn.Grid({
          label: channels > 1 ? `${what}, channel ${k + 1}` : what, edit: (r, c, v) => edit(r, c, k, v) }));
        box.replaceChildren(cnn.make("p"), ...made.map((grid) => grid.element));
        return made;
      };
      this.imageGrids = grids("image", this.imageBox, (r, c, k, v) => {
        const { before } = this.axes[0], { before: left } = this.axes[1];
        const [H, W, C] = this.image.shape, y = r - before, x = c - left;
        if (y >= 0 && x >= 0 && y < H && x < W) this.image.data[(y * W + x) * C + k] = v; // padding stays 0
        this.update();
      });
      this.kernelGrids = grids("kernel", this.kernelBox, (r, c, k, v) => {
        const [, columns, C] = this.kernel.shape;
        this.kernel.data[(r * columns + c) * C + k] = v;
        this.set("pattern", "own");
        this.update();
      });
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
          const y = r - down.before, x = c - across.before;
          return y >= 0 && x >= 0 && y < H && x < W ? image.data[(y * W + x) * C + k] : 0;
        }));
        grid.show(rows, (r, c) => {
          const y = r - down.before, x = c - across.before;
          return [under(y, x) && "window", (y < 0 || x < 0 || y >= H || x >= W) && "faint"].filter(Boolean).join(" ");
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
      const { dilation } = this.state, { image, kernel } = this, [H, W, C] = image.shape, [kh, kw] = kernel.shape;
      const products = [];
      let outside = 0;
      for (let i = 0; i < kh; i++) {
        for (let j = 0; j < kw; j++) {
          for (let k = 0; k < C; k++) {
            const y = top + i * dilation, x = left + j * dilation, inside = y >= 0 && x >= 0 && y < H && x < W;
            outside += !inside && k === 0;
            const pixel = inside ? image.data[(y * W + x) * C + k] : 0;
            products.push([pixel, kernel.data[(i * kw + j) * C + k]]);
          }
        }
      }
      const value = this.result.data[this.row * this.result.shape[1] + this.column];
      const total = cnn.short(value);
      const wrap = (v) => (v < 0 ? `(${cnn.short(v)})` : cnn.short(v));
      const shown = products.filter(([p, w]) => products.length <= 12 || (p !== 0 && w !== 0));
      const left_out = products.length - shown.length;
      const bias = this.bias ? ` + bias ${wrap(this.bias)}` : "";
      this.sum.textContent = (shown.map(([p, w]) => `${wrap(p)}·${wrap(w)}`).join(" + ") || "0") + bias + ` = ${total}`
        + (left_out ? ` (${left_out} products that are 0 are left out)` : "");
      this.say(`Feature map, row ${this.row + 1}, column ${this.column + 1}: ${products.length} products add up to ${total}.`
        + (outside ? ` ${outside} of the window's ${kh * kw} pixels lie in the padding.` : ""));
    }
  }
  cnn.define("conv-stepper", ConvStepper);
}
