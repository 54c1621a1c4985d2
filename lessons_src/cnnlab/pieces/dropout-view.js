// Dropout on one layer: what a random mask does in a single pass, and what is left of it on average.
"use strict";
{
  const ROWS = 6, COLUMNS = 8, SEED = 5;

  // One pass of inverted dropout. In training each value is kept with probability 1 - rate and then divided by
  // 1 - rate, else it becomes 0. At inference nothing happens.
  function dropout(values, rate, next, training) {
    if (!training) return { mask: values.map(() => 1), result: Float64Array.from(values) };
    const mask = values.map(() => (next() >= rate ? 1 : 0));
    return { mask, result: values.map((v, i) => (mask[i] ? v / (1 - rate) : 0)) };
  }

  class DropoutView extends cnn.Piece {
    static title = "Dropout, one pass after another";
    static style = cnn.Grid.style + cnn.Plot.style + `
      table.grid td.out { color: var(--soft); background: var(--panel)
        linear-gradient(to top right, transparent 47%, var(--line) 47% 53%, transparent 53%); }
      table.grid td { padding: 0 2px; }
      .stage > div { max-width: 100%; overflow-x: auto; }
      @container (max-width: 340px) { table.grid td { min-width: 0; font-size: .7rem; } }`;

    build() {
      const { activations, rate = 0.5, training = true } = this.given, next = cnn.random(1);
      this.activations = activations ? cnn.fromRows(activations)
        : cnn.array([ROWS, COLUMNS], Array.from({ length: ROWS * COLUMNS }, () => Math.round(2 + next() * 28) / 10));
      this.peak = Math.max(...this.activations.data.map(Math.abs), 1e-9);
      this.choice("mode", "mode", training ? "training" : "inference", ["training", "inference"]);
      this.number("rate", "rate", rate, { min: 0, max: 0.9, step: 0.05, slider: true });
      this.button("one pass", () => this.run(1));
      this.button("100 passes", () => this.run(100));
      this.button("start again", () => this.#restart());

      this.cell = null;
      const box = (name) => {
        const grid = new cnn.Grid({ label: name, move: (r, c) => { this.cell = [r, c]; this.update(); } });
        const caption = cnn.make("p");
        this.stage.append(cnn.make("div", {}, caption, grid.element));
        return { grid, caption };
      };
      this.boxes = { before: box("activations"), mask: box("mask"), after: box("result"), mean: box("mean") };
      this.plot = new cnn.Plot({ label: "", x: [0, 1], y: [0, 1], xLabel: "passes",
        yLabel: "distance of the mean", width: Math.min(300, this.room), height: 190 });
      this.stage.append(cnn.make("div", {}, this.plot.element));
      this.#restart();
    }

    resized() {
      this.plot.width = Math.min(300, this.room);
      this.#drawDistances();
    }

    changed() {
      this.#restart(); // passes at another rate do not belong into the same mean
    }

    #restart() {
      this.next = cnn.random(SEED);
      this.passes = 0;
      this.sum = cnn.array(this.activations.shape);
      this.distances = [];
      this.run(1);
    }

    // So many passes, each with a new mask; all count for the mean.
    run(times) {
      const { data } = this.activations, { rate, mode } = this.state;
      for (let i = 0; i < times; i++) {
        this.pass = dropout(data, rate, this.next, mode === "training");
        this.pass.result.forEach((v, at) => { this.sum.data[at] += v; });
        this.passes++;
        const apart = data.reduce((total, v, at) => total + Math.abs(this.sum.data[at] / this.passes - v), 0);
        this.distances.push(apart / data.length); // the mean absolute difference
      }
      const { shape } = this.activations;
      this.result = { shape, data: this.pass.result };
      this.mean = { shape, data: this.sum.data.map((total) => total / this.passes) };
    }

    update() {
      const { activations, pass, boxes, passes, cell, peak } = this, { mode } = this.state, [, columns] = activations.shape;
      const here = (r, c) => (cell && r === cell[0] && c === cell[1] ? "here" : "");
      const out = (r, c) => `${pass.mask[r * columns + c] ? "" : "out"} ${here(r, c)}`;
      const show = ({ grid }, values, mark) => {
        grid.show(cnn.toRows(values), mark, peak);
        if (cell) grid.point(...cell);
      };
      show(boxes.before, activations, here);
      show(boxes.mask, { shape: activations.shape, data: pass.mask }, out);
      show(boxes.after, this.result, out);
      show(boxes.mean, this.mean, here);
      boxes.before.caption.textContent = "activations";
      boxes.mask.caption.textContent = mode === "training" ? "mask: 1 stays, 0 is dropped" : "no mask at inference";
      boxes.mask.grid.element.hidden = mode !== "training";
      boxes.after.caption.textContent = `result of pass ${passes}`;
      boxes.mean.caption.textContent = passes === 1 ? "mean so far: one pass" : `mean of ${passes} passes`;
      this.#drawDistances();
      this.#explain();
    }

    // How far the mean is from the activations after 1, 2, 3 … passes.
    #drawDistances() {
      const { plot, passes, distances } = this, far = Math.max(...distances) || 1, every = Math.ceil(passes / 300);
      plot.x = [0, Math.max(passes, 10)];
      plot.y = [0, 1.1 * far];
      plot.clear();
      const shown = distances.map((v, i) => [i + 1, v]).filter((_, i) => i % every === 0 || i === passes - 1);
      plot.curve(shown, "blue");
      plot.points(shown.slice(-1), "blue");
      plot.describe(`Distance of the mean from the activations: ${this.#apart(0)} after the first pass, `
        + `${this.#apart(-1)} after ${passes}.`);
    }

    #apart(pass) {
      return cnn.short(this.distances.at(pass), 3, 1e-9 * this.peak);
    }

    #explain() {
      const { pass, passes, cell } = this, { mode, rate } = this.state, n = pass.mask.length;
      const dropped = n - pass.mask.reduce((a, b) => a + b, 0);
      const what = mode === "inference" ? "nothing is dropped and nothing is divided, so the result is the activations"
        : `${dropped} of ${n} values dropped, the others divided by ${cnn.full(1 - rate)}`;
      const mean = passes === 1 ? "The result" : `The mean of ${passes} passes`;
      this.say(`${mode === "training" ? "Training" : "Inference"}, rate ${rate}, pass ${passes}: ${what}. `
        + `${mean} is on average ${this.#apart(-1)} away from the activations.${cell ? this.#about(...cell) : ""}`);
    }

    // The cell that the reader has gone to.
    #about(r, c) {
      const at = r * this.activations.shape[1] + c, [before, after, mean] = [this.activations, this.result, this.mean]
        .map(({ data }) => cnn.full(data[at], 4));
      return ` Row ${r + 1}, column ${c + 1}: activation ${before}, ${this.pass.mask[at] ? "kept" : "dropped"}, `
        + `result ${after}, mean ${mean}.`;
    }
  }
  cnn.define("dropout-view", DropoutView);
}
