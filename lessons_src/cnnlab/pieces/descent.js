// Downhill on the loss of a line through points: gradient descent, momentum and Adam, as in chapter 6.
"use strict";
{
  // Chapter 6: eight loads on a spring (kg), and how long the spring is (cm), badly measured.
  const X = [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4];
  const Y = [6.12573, 6.867895, 8.640423, 9.1049, 9.464331, 11.361595, 13.304, 13.947081];

  const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

  // The loss of the line w·x + b: the sum of the squared errors.
  function loss({ x, y }, [w, b]) {
    return sum(x.map((v, i) => (w * v + b - y[i]) ** 2));
  }

  // Its gradient: the slope along w, and the slope along b.
  function slopes({ x, y }, [w, b]) {
    const byW = 2 * (w * sum(x.map((v) => v * v)) - sum(x.map((v, i) => (y[i] - b) * v)));
    const byB = 2 * (x.length * b - sum(x.map((v, i) => y[i] - w * v)));
    return [byW, byB];
  }

  // The best line, without any walking.
  function bestLine({ x, y }) {
    const meanX = sum(x) / x.length, meanY = sum(y) / x.length;
    const w = sum(x.map((v, i) => (v - meanX) * (y[i] - meanY))) / sum(x.map((v) => (v - meanX) ** 2));
    return [w, meanY - w * meanX];
  }

  // A rule takes the gradient, what it remembers of the steps before, and the learning rate. It gives the step.
  const KEEP = 0.9, KEEP_SQUARES = 0.999;
  const TINY = 1e-7; // against division by zero
  const RULES = {
    sgd: (gradient, memory, rate) => gradient.map((g) => -rate * g),

    momentum(gradient, memory, rate) {
      const before = memory.v ?? [0, 0];
      memory.v = gradient.map((g, i) => KEEP * before[i] - rate * g);
      return memory.v;
    },

    adam(gradient, memory, rate) {
      const { m = [0, 0], s = [0, 0], t = 0 } = memory;
      memory.t = t + 1;
      memory.m = gradient.map((g, i) => KEEP * m[i] + (1 - KEEP) * g);
      memory.s = gradient.map((g, i) => KEEP_SQUARES * s[i] + (1 - KEEP_SQUARES) * g ** 2);
      // Both averages start at 0 and are too small at first; the divisions by 1 - keep^t correct that.
      return gradient.map((_, i) => {
        const mean = memory.m[i] / (1 - KEEP ** memory.t), square = memory.s[i] / (1 - KEEP_SQUARES ** memory.t);
        return (-rate * mean) / (Math.sqrt(square) + TINY);
      });
    },
  };
  const NAMES = { sgd: "gradient descent", momentum: "momentum", adam: "Adam" };

  const MOST = 1000; // steps
  const FAR = 1e9; // a loss that many times the loss at the start: nobody comes back from there

  // The places [w, b] after 0, 1, 2 … steps.
  function walk(points, start, rule, rate, steps) {
    const path = [start], memory = {}, end = FAR * (1 + loss(points, start));
    while (path.length <= steps && loss(points, path.at(-1)) < end) {
      const here = path.at(-1), step = RULES[rule](slopes(points, here), memory, rate);
      path.push([here[0] + step[0], here[1] + step[1]]);
    }
    return path;
  }

  // The first step since which the loss is within a ten-thousandth of the way down; -1 if it is not.
  function arrival(losses, lowest) {
    const above = losses.map((value) => value - lowest), close = 1e-4 * above[0];
    const last = above.findLastIndex((value) => value > close);
    return last < losses.length - 1 && close > 1e-9 * lowest ? last + 1 : -1;
  }

  // Very large and very small numbers too: "1.23 million", "0.000123".
  const WORDS = new Intl.NumberFormat("en", { notation: "compact", compactDisplay: "long",
    maximumSignificantDigits: 3 });
  function told(value) {
    const size = Math.abs(value);
    if (size >= 1e15) return value > 0 ? "over 1,000 trillion" : "below −1,000 trillion";
    if (size >= 1e4) return WORDS.format(value).replace("-", "−");
    return cnn.short(value, size > 1e-9 && size < 0.1 ? Math.min(6, 1 - Math.floor(Math.log10(size))) : 2);
  }

  // To 2 digits, or 3 if the first is a 1: 0.00955 becomes 0.0096, and 0.01318 becomes 0.0132.
  function round(value) {
    return Number(value.toPrecision(value.toExponential()[0] === "1" ? 3 : 2));
  }

  const LEVELS = [0.0005, 0.002, 0.008, 0.03, 0.08, 0.18, 0.35, 0.6]; // contour lines, of the highest corner

  class Descent extends cnn.Piece {
    static title = "Downhill: drop a ball on the loss of a line";
    static style = cnn.Plot.style + `
      svg.plot .curve[stroke="var(--line)"] { stroke-width: 1; }
      svg.plot .star { font-size: 18px; transform: translateY(6px); }
      .surface { cursor: crosshair; border-radius: 4px; }
      .surface .curve[stroke="var(--orange)"] { stroke-width: 1.5; }`;

    build() {
      const { x = X, y = Y, rule = "sgd", rate = 0.015, start = [0, 0], steps = 15 } = this.given;
      this.points = { x, y };
      this.start = start;
      this.steps = steps;
      this.best = bestLine(this.points);
      this.lowest = loss(this.points, this.best);
      this.#measure();

      this.choice("rule", "rule", rule, Object.entries(NAMES));
      // The slider moves along the logarithm of the rate: every notch multiplies it by the same factor.
      const at = Math.round(50 * Math.log10(rate)) / 50;
      this.rate = (log) => (log === at ? rate : round(10 ** log));
      const [low, high] = [Math.log10(this.critical) - 3, Math.log10(this.critical) + 3];
      this.number("log", "learning rate", at, { min: Math.min(-5, Math.floor(low), Math.floor(at)),
        max: Math.max(1, Math.ceil(high), Math.ceil(at)), step: 0.02, slider: true,
        text: (log) => String(this.rate(log)) });
      this.button("step", () => this.#stop(Math.min(this.#walked() + 1, MOST)));
      this.button("run 100 steps", () => this.#run());
      this.button("back to the start", () => this.#stop(0));
      this.#layOut();
    }

    // The curvature of the loss is a table of 2 × 2. It says how wide the contour lines are, and which learning
    // rate is too high.
    #measure() {
      const { x } = this.points;
      const [ww, wb, bb] = [2 * sum(x.map((v) => v * v)), 2 * sum(x), 2 * x.length];
      const steep = (ww + bb) / 2 + Math.hypot((ww - bb) / 2, wb); // its larger eigenvalue
      this.critical = 2 / steep;
      const middle = sum(x) / x.length;
      const det = 4 * x.length * sum(x.map((v) => (v - middle) ** 2)); // ww·bb - wb·wb, without its rounding errors
      this.curvature = { ww, wb, det };
      // The plot reaches far enough around the minimum to hold the start, and a quarter of the start's ellipse.
      const { best, start } = this, above = Math.max(0, loss(this.points, start) - this.lowest) || 1;
      const extent = [bb, ww].map((v) => Math.sqrt((2 * above * v) / det));
      const reach = best.map((v, i) => Math.max(1.9 * Math.abs(start[i] - v), extent[i] / 4));
      this.window = best.map((v, i) => [v - reach[i], v + reach[i]]);
    }

    #layOut() {
      this.surface = new cnn.Plot({ label: "", x: this.window[0], y: this.window[1], xLabel: "w", yLabel: "b",
        height: 320 });
      const { x, y } = this.points, around = (values, share) => {
        const low = Math.min(...values), high = Math.max(...values), more = (high - low) * share || 1;
        return [low - more, high + more];
      };
      this.line = new cnn.Plot({ label: "", x: around(x, 0.12), y: around(y, 0.5), xLabel: "x", yLabel: "y",
        height: 250 });
      const ground = cnn.make("div", { class: "surface", role: "application", tabindex: 0,
        "aria-label": "loss over w and b: the arrow keys move the ball to a new start" }, this.surface.element);
      ground.addEventListener("keydown", (event) => this.#key(event));
      ground.addEventListener("click", (event) => this.#drop(this.surface.at(event)));
      this.caption = cnn.make("p");
      this.boxes = [
        cnn.make("div", {}, cnn.make("p", {}, "The loss from above: each thin line joins places of the same loss. "
          + "★ lowest, ○ start, ● now. Click to drop the ball elsewhere, or use the arrow keys."), ground),
        cnn.make("div", {}, this.caption, this.line.element)];
      this.stage.append(...this.boxes);
      this.#fit();
    }

    #fit() {
      cnn.Plot.fit(this.room, [[this.surface, 370], [this.line, 290]], this.boxes);
    }

    resized() {
      this.#fit();
      this.update();
    }

    #key(event) {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!way || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      this.#drop(this.start.map((v, i) => v + way[i] * 10 ** Math.floor(Math.log10(this.#width(i) / 20))));
    }

    #width(i) {
      return this.window[i][1] - this.window[i][0];
    }

    // A new start, inside the plot, rounded to a hundredth of the plot's width or less.
    #drop(place) {
      this.start = place.map((v, i) => {
        const [low, high] = this.window[i], digits = Math.max(0, -Math.floor(Math.log10(this.#width(i) / 100)));
        return Number(Math.min(high, Math.max(low, v)).toFixed(Math.min(digits, 12))) || 0;
      });
      this.#stop(0);
      this.update();
    }

    #stop(steps) {
      this.steps = steps;
      this.goal = null;
    }

    #walked() {
      return this.path.length - 1;
    }

    #run() {
      const running = this.goal, goal = Math.min(this.#walked() + 100, MOST);
      if (this.still) this.steps = goal;
      else this.goal = goal;
      if (this.goal && !running) this.enter();
    }

    // A run goes on as long as the piece stands in a page.
    enter() {
      if (this.goal) this.frame = requestAnimationFrame(() => this.#frame());
    }

    leave() {
      cancelAnimationFrame(this.frame);
    }

    // One step for each picture that the screen shows.
    #frame() {
      if (!this.goal) return;
      this.steps = Math.min(this.#walked() + 1, this.goal);
      const gone = loss(this.points, this.path.at(-1)) >= FAR * (1 + loss(this.points, this.start));
      if (this.steps >= this.goal || gone) this.goal = null;
      this.update();
      this.enter();
    }

    changed() {
      this.goal = null; // a new setting ends the run; the path is walked anew with as many steps
    }

    update() {
      const { rule, log } = this.state;
      this.path = walk(this.points, this.start, rule, this.rate(log), this.steps);
      this.losses = this.path.map((place) => loss(this.points, place));
      this.result = cnn.fromRows(this.path);
      this.#drawSurface();
      this.#drawLine();
      if (!this.goal) this.#explain();
    }

    #drawSurface() {
      const { surface, path, best } = this, [[left, right], [bottom, top]] = this.window;
      const corners = [[left, bottom], [left, top], [right, bottom], [right, top]];
      const highest = Math.max(...corners.map((place) => loss(this.points, place)));
      surface.clear();
      for (const level of LEVELS) surface.curve(this.#contour(level * (highest - this.lowest)), "line");
      surface.note(...best, "★", "middle");
      surface.element.lastChild.setAttribute("class", "star");
      const out = path.findIndex((place) => place.some((v, i) => Math.abs(v - best[i]) > this.#width(i)));
      const near = out < 0 ? path : path.slice(0, out + 1); // a path that goes far out is not drawn further
      const inside = ([w, b]) => w >= left && w <= right && b >= bottom && b <= top;
      surface.curve(near, "orange");
      if (near.length <= 201) surface.points(near.slice(1).filter(inside), "orange", { radius: 1.5 });
      surface.points([this.start].filter(inside), "orange", { radius: 5, hollow: true });
      surface.points([path.at(-1)].filter(inside), "blue", { radius: 6 });
      surface.describe(`Contour lines of the loss: ellipses around w = ${told(best[0])}, b = ${told(best[1])}. `
        + `A path of ${this.#walked()} steps leads from w = ${told(this.start[0])}, b = ${told(this.start[1])} to `
        + `w = ${told(path.at(-1)[0])}, b = ${told(path.at(-1)[1])}.`);
    }

    // The places that lie `height` above the minimum, an ellipse: ww·w² + 2·wb·w·b + bb·b² = 2·height, counted from
    // the minimum. For each b that the plot shows, this has two solutions w: up on the left, down on the right.
    #contour(height) {
      const { ww, wb, det } = this.curvature;
      const reach = Math.min(Math.sqrt((2 * height * ww) / det), 0.55 * this.#width(1));
      return Array.from({ length: 181 }, (_, i) => {
        const b = -reach * Math.cos((i / 90) * Math.PI);
        const root = Math.sqrt(Math.max(0, 2 * height * ww - det * b * b));
        return [this.best[0] + (-wb * b + (i < 90 ? -root : root)) / ww, this.best[1] + b];
      });
    }

    #drawLine() {
      const { line } = this, { x, y } = this.points, [w, b] = this.path.at(-1), [left, right] = line.x;
      line.clear();
      x.forEach((v, i) => line.curve([[v, y[i]], [v, w * v + b]], "pink"));
      const places = Array.from({ length: 51 }, (_, i) => left + ((right - left) * i) / 50);
      line.curve(places.map((v) => [v, w * v + b]), "blue");
      line.points(x.map((v, i) => [v, y[i]]), "orange");
      const text = `the line ${told(w)}·x ${b < 0 ? "−" : "+"} ${told(Math.abs(b))}`;
      this.caption.textContent = `After step ${this.#walked()}: ${text}. The upright lines are its errors. Their `
        + `squares add up to ${told(this.losses.at(-1))}, the loss.`;
      line.describe(`${x.length} points and ${text}.`);
    }

    #explain() {
      const { rule, log } = this.state, [w, b] = this.path.at(-1);
      const now = this.losses.at(-1), first = this.losses[0], step = this.#walked();
      const place = `w = ${told(w)}, b = ${told(b)}, loss ${told(now)}`;
      const rate = this.rate(log), low = `The lowest loss is ${told(this.lowest)}.`;
      if (!step) {
        this.say(`The ball lies at ${place}. ${low} Step or run with ${NAMES[rule]} and learning rate ${rate}.`);
        return;
      }
      // Above these rates the distance across the valley grows in the long run. For Adam there is no such rate.
      const limit = { sgd: this.critical, momentum: (1 + KEEP) * this.critical }[rule] ?? Infinity;
      const close = arrival(this.losses, this.lowest);
      let verdict = low;
      if (rate > limit && now > first) {
        verdict = `That is ${told(now / first)} times the loss at the start: the learning rate is too high, `
          + "and the path diverges.";
      } else if (rate > limit) {
        verdict = `${low} The learning rate is too high: in the long run the path diverges.`;
      } else if (now > first) {
        verdict = `${low} The ball is higher now than at the start.`;
      } else if (close >= 0) {
        verdict = `${low} Since step ${close} the ball has been within a ten-thousandth of the way down.`;
      }
      const end = step === MOST ? ` ${MOST} steps are the most that this piece takes.`
        : step < this.steps ? " It is too far out to walk on." : "";
      this.say(`Step ${step} of ${NAMES[rule]} with learning rate ${rate}: ${place}. ${verdict}${end}`);
    }
  }
  cnn.define("descent", Descent);
}
