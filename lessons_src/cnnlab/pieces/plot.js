// A small plot in SVG: axes with a few ticks, curves and points in data coordinates.
"use strict";
{
  const STYLE = `
    svg.plot { display: block; height: auto; background: var(--paper); }
    svg.plot .axis { stroke: var(--line); stroke-width: 1; }
    svg.plot .curve { fill: none; stroke-width: 2.5; }
  `;

  // Round numbers for about `count` ticks from low to high, each with its label.
  function ticks(low, high, count = 4) {
    const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
    const first = Math.ceil(low / step - 1e-9), digits = Math.max(2, -Math.floor(Math.log10(step)));
    return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => {
      const at = (first + i) * step, text = cnn.short(at, Math.min(digits, 100));
      if (text.replace("−", "").length < 7) return [at, text];
      return [at, Number(at.toPrecision(3)).toExponential().replace("+", "").replaceAll("-", "−")];
    });
  }

  // new cnn.Plot({label, x: [low, high], y: [low, high], xLabel, yLabel, width, height}). `label` is the alt
  // text; set it anew with describe(). Draw with curve() and points() after clear().
  class Plot {
    constructor({ label, x, y, xLabel = "", yLabel = "", width = 420, height = 260 }) {
      Object.assign(this, { x, y, xLabel, yLabel, width, height, left: 46, bottom: 38, top: 16, right: 10 });
      this.element = cnn.make("svg", { class: "plot", role: "img", height });
      this.describe(label);
      this.clear();
    }

    describe(label) {
      this.element.setAttribute("aria-label", label);
    }

    px(x) {
      return this.left + ((x - this.x[0]) / (this.x[1] - this.x[0])) * (this.width - this.left - this.right);
    }
    py(y) {
      return this.top + ((this.y[1] - y) / (this.y[1] - this.y[0])) * (this.height - this.top - this.bottom);
    }
    // From a pointer event to data coordinates.
    at(event) {
      const box = this.element.getBoundingClientRect(), scale = this.width / box.width;
      const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
      return [this.x[0] + ((x - this.left) / (this.width - this.left - this.right)) * (this.x[1] - this.x[0]),
        this.y[1] - ((y - this.top) / (this.height - this.top - this.bottom)) * (this.y[1] - this.y[0])];
    }

    // Empty axes, for this.x, this.y and this.width as they are now.
    clear() {
      const { make } = cnn, [x0, x1] = this.x, [y0, y1] = this.y, across = ticks(x0, x1), up = ticks(y0, y1);
      this.left = Math.max(46, ...up.map(([, text]) => 7 * text.length + 11));
      this.element.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
      this.element.setAttribute("width", this.width);
      const line = (a, b, c, d) => make("line", { class: "axis", x1: a, y1: b, x2: c, y2: d });
      const parts = [line(this.px(x0), this.py(y0), this.px(x1), this.py(y0)), line(this.px(x0), this.py(y0), this.px(x0), this.py(y1))];
      for (const [t, text] of across) {
        parts.push(line(this.px(t), this.py(y0), this.px(t), this.py(y0) + 4),
          make("text", { x: Math.min(this.px(t), this.width - 3.5 * text.length), y: this.py(y0) + 17,
            "text-anchor": "middle" }, text));
      }
      for (const [t, text] of up) {
        parts.push(line(this.px(x0) - 4, this.py(t), this.px(x0), this.py(t)),
          make("text", { x: this.px(x0) - 7, y: this.py(t) + 4, "text-anchor": "end" }, text));
      }
      parts.push(make("text", { x: (this.px(x0) + this.px(x1)) / 2, y: this.height - 4, "text-anchor": "middle" }, this.xLabel),
        make("text", { x: 4, y: 11 }, this.yLabel));
      this.element.replaceChildren(...parts);
    }

    // Points [[x, y], …] joined by a line; parts outside the axes are cut off.
    curve(points, colour, { dashed = false } = {}) {
      const [low, high] = this.y, far = (high - low) * 5;
      const path = points.map(([x, y], i) => `${i ? "L" : "M"}${this.px(x).toFixed(1)},`
        + `${this.py(Math.min(high + far, Math.max(low - far, y))).toFixed(1)}`).join("");
      const frame = cnn.make("svg", { x: this.left, y: this.top, width: this.width - this.left - this.right,
        height: this.height - this.top - this.bottom, viewBox: `${this.left} ${this.top} ${this.width - this.left - this.right} `
        + `${this.height - this.top - this.bottom}` }); // an inner svg clips
      frame.append(cnn.make("path", { class: "curve", d: path, stroke: `var(--${colour})`, "stroke-dasharray": dashed && "6 4" }));
      this.element.append(frame);
    }

    points(points, colour, { radius = 4, hollow = false } = {}) {
      for (const [x, y] of points) {
        this.element.append(cnn.make("circle", { cx: this.px(x), cy: this.py(y), r: radius, stroke: `var(--${colour})`,
          "stroke-width": 2, fill: hollow ? "var(--paper)" : `var(--${colour})` }));
      }
    }

    // Plots share the room: next to each other if they keep three quarters of their full widths, else one below the
    // other. `boxes` hold them, 13 pixels apart; draw the plots anew after this.
    static fit(room, plots, boxes) {
      const all = plots.reduce((sum, [, width]) => sum + width, 0), part = (room - 13 * (plots.length - 1)) / all;
      plots.forEach(([plot, width], i) => {
        plot.width = Math.floor(part < 0.75 ? Math.min(width, room) : Math.min(1, part) * width);
        boxes[i].style.width = `${plot.width}px`;
      });
    }

    note(x, y, text, anchor = "start") {
      this.element.append(cnn.make("text", { x: this.px(x), y: this.py(y), "text-anchor": anchor }, text));
    }
  }

  Plot.style = STYLE;
  Object.assign(cnn, { Plot });
}
