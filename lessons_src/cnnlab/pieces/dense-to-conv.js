// From a dense layer to a convolution: cut the wires outside the window, then tie the rest to one kernel. And what
// each of the three can learn: they are shown what a kernel makes of two small pictures, and must find its weights.
"use strict";
{
  const IMAGE = ["100001", "010010", "001100", "100010", "010010", "001010"]; // the example of chapter 2
  const KERNEL = [[0.9, -0.6, -0.5], [-0.4, 0.8, -0.3], [-0.2, -0.1, 0.7]]; // looks for a diagonal, in nine numbers

  const count = (n, thing) => `${n} ${thing}${n === 1 ? "" : "s"}`;
  const place = (at, columns) => `row ${Math.floor(at / columns) + 1}, column ${(at % columns) + 1}`;
  const span = (numbers) => {
    const low = Math.min(...numbers), high = Math.max(...numbers);
    return low === high ? `${low}` : `${low} to ${high}`;
  };

  // Which kernel weight stands at each place of the matrix, -1 where there is no wire. Rows are pixels, columns
  // are outputs, as in cnnlab.conv.dense_ties.
  function findWires([height, width], [rows, columns], down, across, stride) {
    const ties = cnn.array([height * width, down.count * across.count], -1), outputs = ties.shape[1];
    for (let r = 0; r < down.count; r++) {
      for (let c = 0; c < across.count; c++) {
        for (let i = 0; i < rows; i++) {
          for (let j = 0; j < columns; j++) {
            const y = r * stride - down.before + i, x = c * stride - across.before + j;
            if (y < 0 || x < 0 || y >= height || x >= width) continue; // over the padding: no pixel, no wire
            ties.data[(y * width + x) * outputs + r * across.count + c] = i * columns + j;
          }
        }
      }
    }
    return ties;
  }

  // ±0.1 … ±0.9, never 0: a weight of 0 would look like a wire that is cut.
  const weight = (next) => ((next() < 0.5 ? -1 : 1) * (1 + Math.floor(next() * 9))) / 10;

  // ---- Learning, for an image of 6 × 6 and a kernel of 3 × 3 (chapter 3 does the same in NumPy)
  const LAYERS = ["dense", "cut", "tied"], RATE = 0.05;
  const small = (value) => (value < 0.001 ? "less than 0.001" : cnn.short(value, 3));

  // Each half of an image alone, with its first column at column `left`.
  function halves({ shape: [height, width], data }, left) {
    const half = width / 2;
    return [0, half].map((from) => cnn.array([height, width], Array.from(data, (_, at) => {
      const column = (at % width) - left;
      return column < 0 || column >= half ? 0 : data[at - left + from];
    })));
  }

  // What a layer makes of an image: its pixels times the matrix.
  function apply(image, weights) {
    const outputs = new Array(weights.length / image.data.length).fill(0);
    weights.forEach((weight, at) => {
      outputs[at % outputs.length] += image.data[Math.floor(at / outputs.length)] * weight;
    });
    return outputs;
  }

  // Half the sum of the squared errors.
  const lossOf = (images, weights, teacher) => images.reduce((sum, image) => {
    const wanted = apply(image, teacher);
    return sum + apply(image, weights).reduce((part, value, o) => part + (value - wanted[o]) ** 2 / 2, 0);
  }, 0);

  // One step of gradient descent. A wire's slope is pixel × error; a wire that is cut has none; wires that are tied
  // share the sum of their slopes.
  function step(layer, weights, images, teacher, ties) {
    const slopes = new Float64Array(weights.length);
    for (const image of images) {
      const wanted = apply(image, teacher), errors = apply(image, weights).map((value, o) => value - wanted[o]);
      slopes.forEach((_, at) => {
        slopes[at] += image.data[Math.floor(at / errors.length)] * errors[at % errors.length];
      });
    }
    const sums = new Float64Array(9);
    ties.forEach((tie, at) => { if (tie >= 0) sums[tie] += slopes[at]; });
    return weights.map((weight, at) => {
      if (layer !== "dense" && ties[at] < 0) return weight;
      return weight - RATE * (layer === "tied" ? sums[ties[at]] : slopes[at]);
    });
  }

  class DenseToConv extends cnn.Piece {
    static title = "From dense to convolution";
    static style = cnn.Grid.style + `
      canvas { display: block; border: 1px solid var(--line); cursor: crosshair; }
      .decimals table.grid { --cell: 2.5em; }
      .decimals table.grid td { font-size: .75rem; }
      .learning { flex-basis: 100%; }
      .learning[hidden], .stage > [hidden] { display: none; }
      .learning table { margin-top: .5rem; }
      .learning th { font-weight: 400; text-align: left; padding: 0 .9rem 0 0; }
      .learning td { text-align: right; padding-right: .9rem; }
      .learning tr.now { font-weight: 650; }
      @container (max-width: 420px) { table.grid { --cell: 1.8em; } }`;

    build() {
      const { kernel = KERNEL, size = [6, 6], strides = 1, padding = "valid" } = this.given;
      this.kernel = cnn.fromRows(kernel);
      this.size = size;
      this.image = this.#picture();
      this.layer = "dense";
      this.touched = { output: 0 };
      this.news = "layer"; // what the sentence is about: the layer, or what is touched
      this.stages = new Map(LAYERS.map((name) => [name, this.button(name, () => {
        this.layer = name;
        this.news = "layer";
        if (name !== "tied" && "weight" in this.touched) this.touched = { output: 0 };
      })]));
      this.number("height", "image rows", size[0], { min: 1, max: 8 });
      this.number("width", "image columns", size[1], { min: 1, max: 8 });
      this.number("rows", "kernel rows", kernel.length, { min: 1, max: 7 });
      this.number("columns", "kernel columns", kernel[0].length, { min: 1, max: 7 });
      this.number("stride", "stride", strides, { min: 1, max: 4 });
      this.choice("padding", "padding", padding, ["valid", "same"]);
      this.learns = this.button("learn", () => this.#toggle());
      this.#layOut();
      this.#layOutLearning();
    }

    #layOut() {
      const { make, Grid } = cnn;
      const touch = (what) => { this.touched = what; this.news = "touch"; this.update(); };
      this.imageGrid = new Grid({ label: "image", move: (r, c) => touch({ pixel: r * this.size[1] + c }) });
      this.outputGrid = new Grid({ label: "outputs", move: (r, c) => touch({ output: r * this.across.count + c }) });
      this.kernelGrid = new Grid({ label: "kernel", move: (r, c) => {
        if (this.layer === "tied") touch({ weight: r * this.kernel.shape[1] + c }); // else it is hidden from the layer
      }, edit: (r, c, value) => {
        this.kernel.data[r * this.kernel.shape[1] + c] = value;
        if (this.learned) this.#forget(); // another task
        this.update();
      } });
      this.canvas = make("canvas", { tabindex: 0, role: "application" });
      this.canvas.addEventListener("focus", () => touch({ wire: this.#wire() }));
      this.canvas.addEventListener("keydown", (event) => this.#key(event, touch));
      for (const type of ["pointerdown", "pointermove"]) {
        this.canvas.addEventListener(type, (event) => { if (event.buttons) touch({ wire: this.#under(event) }); });
      }
      this.wantedGrid = new Grid({ label: "wanted outputs" });
      this.foundGrid = new Grid({ label: "kernel that was found" });
      const box = (content) => make("div", {}, make("p"), content);
      const boxes = [this.imageGrid.element, this.outputGrid.element, this.wantedGrid.element, this.canvas,
        this.foundGrid.element, this.kernelGrid.element].map(box);
      [this.imageBox, this.outputBox, this.wantedBox, this.matrixBox, this.foundBox, this.kernelBox] = boxes;
      for (const each of [this.outputBox, this.wantedBox, this.foundBox, this.kernelBox]) {
        each.className = "decimals"; // smaller numbers in wider cells
      }
      this.stage.append(...boxes);
    }

    // ---- Learning ----

    #layOutLearning() {
      const { make } = cnn, tools = make("div", { class: "controls" });
      const steps = (n) => () => { for (let i = 0; i < n; i++) this.#learn(); this.news = "layer"; };
      const back = () => { this.#forget(); this.news = "layer"; };
      for (const [label, action] of [["one step", steps(1)], ["50 steps", steps(50)], ["back to the start", back]]) {
        tools.append(this.button(label, action));
      }
      tools.append(this.choice("seen", "show image", "0", [["0", "learned from: first"], ["1", "learned from: second"],
        ["2", "at the right: first"], ["3", "at the right: second"]]).parentElement);
      const head = make("tr", {}, ...["loss", "learned from", "at the right"].map((text) => make("th", { scope: "col" }, text)));
      this.lossRows = new Map(LAYERS.map((name) => [name, make("tr", {}, make("th", { scope: "row" }), make("td"), make("td"))]));
      const table = make("table", { "aria-label": "loss of the three layers" },
        make("thead", {}, head), make("tbody", {}, ...this.lossRows.values()));
      this.learning = make("div", { class: "learning", hidden: "" }, tools, table);
      this.controls.append(this.learning);
    }

    #toggle() {
      const { height, width, rows, columns, stride, padding } = this.state;
      const fits = [height, width, rows, columns, stride].join() === "6,6,3,3,1" && padding === "valid";
      if (!fits) {
        this.problem = "Learning is set up for one case: an image of 6 × 6, a kernel of 3 × 3, stride 1, padding "
          + '"valid". Set these, then press "learn".';
        return;
      }
      this.learned = this.learned ? null : {};
      this.touched = { output: 0 };
      this.news = "layer";
      if (this.learned) this.#forget();
    }

    // Back to the start: all weights are 0. The kernel is what the layers are to find; it makes what they should put out.
    #forget() {
      this.teacher = Float64Array.from(this.ties.data, (tie) => (tie < 0 ? 0 : this.kernel.data[tie]));
      this.examples = [...halves(this.image, 0), ...halves(this.image, this.size[1] / 2)];
      this.steps = 0;
      for (const name of LAYERS) this.learned[name] = new Float64Array(this.teacher.length);
    }

    // All three layers take a step, from the two images at the left.
    #learn() {
      this.steps++;
      for (const name of LAYERS) {
        this.learned[name] = step(name, this.learned[name], this.examples.slice(0, 2), this.teacher, this.ties.data);
      }
    }

    // Of the images that it learns from, and of the others.
    #losses(name) {
      return [this.examples.slice(0, 2), this.examples.slice(2)]
        .map((images) => lossOf(images, this.learned[name], this.teacher));
    }

    #showLearning() {
      this.learns.setAttribute("aria-pressed", Boolean(this.learned));
      this.learning.hidden = !this.learned;
      for (const name of ["height", "width", "rows", "columns", "stride", "padding"]) {
        this.inputs[name].disabled = Boolean(this.learned);
      }
      if (!this.learned) return;
      for (const [name, row] of this.lossRows) {
        const losses = this.#losses(name), [title, ...cells] = row.children;
        title.textContent = `${name}, ${count(this.counts[name], "weight")}`;
        cells.forEach((cell, i) => { cell.textContent = small(losses[i]); });
        row.className = name === this.layer ? "now" : "";
      }
    }

    #aboutLearning() {
      const { layer, steps } = this, [known, elsewhere] = this.#losses(layer).map(small);
      if (!steps) {
        return "All weights are 0. Each layer is to give what a hidden kernel gives. It learns from two images, with the "
          + "strokes at the left, and is tested with the same strokes at the right.";
      }
      const found = Math.max(...this.nine.map((value, i) => Math.abs(value - this.kernel.data[i])));
      return `After ${count(steps, "step")}, the layer “${layer}” has the loss ${known} with the images that it learns `
        + `from, and ${elsewhere} with the strokes at the right.`
        + (layer === "tied" ? ` Its nine weights differ from the hidden kernel's by ${found < 0.001 ? "" : "up to "}${small(found)}.` : "");
    }

    // The example of chapter 2, cut or filled up to another size.
    #picture() {
      const next = cnn.random(5), [height, width] = this.size;
      const rows = Array.from({ length: height }, (_, r) => Array.from({ length: width }, (_, c) => {
        const chance = next() < 0.4 ? 1 : 0;
        return Number(IMAGE[r]?.[c] ?? chance);
      }));
      return cnn.fromRows(rows);
    }

    changed(name) {
      if (name === "seen") {
        this.news = "layer";
        return;
      }
      const { height, width, rows, columns } = this.state;
      if (name === "height" || name === "width") {
        this.size = [height, width];
        this.image = this.#picture();
      }
      if (name === "rows" || name === "columns") { // keep the weights that stay
        const old = cnn.toRows(this.kernel), next = cnn.random(rows * 10 + columns);
        this.kernel = cnn.fromRows(Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => {
          const fresh = weight(next);
          return old[i]?.[j] ?? fresh;
        })));
      }
      this.touched = { output: 0 };
      this.news = "layer";
    }

    // The touched place of the matrix as [pixel, output]; if something else is touched, its first place.
    #wire() {
      return this.touched.wire ?? this.places[0] ?? [0, 0];
    }

    #under(event) {
      const box = this.canvas.getBoundingClientRect(), [inputs, outputs] = this.ties.shape;
      const at = (distance, length, n) => Math.max(0, Math.min(n - 1, Math.floor((distance / length) * n)));
      return [at(event.clientY - box.top, box.height, inputs), at(event.clientX - box.left, box.width, outputs)];
    }

    #key(event, touch) {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      const [pixel, output] = this.#wire(), [inputs, outputs] = this.ties.shape;
      const within = (n, size) => Math.max(0, Math.min(size - 1, n));
      touch({ wire: [within(pixel + step[0], inputs), within(output + step[1], outputs)] });
    }

    update() {
      const { stride, padding } = this.state, [height, width] = this.size, [kh, kw] = this.kernel.shape;
      this.down = cnn.places(height, kh, stride, padding);
      this.across = cnn.places(width, kw, stride, padding);
      const fits = this.down.count > 0 && this.across.count > 0;
      for (const box of [this.outputBox, this.matrixBox]) box.hidden = !fits;
      this.kernelBox.hidden = this.layer !== "tied" && !this.learned;
      this.wantedBox.hidden = !this.learned;
      this.foundBox.hidden = !this.learned || this.layer !== "tied";
      this.ties = findWires(this.size, [kh, kw], this.down, this.across, stride);
      this.places = [];
      this.#count();
      this.seen = this.learned ? this.examples[this.state.seen] : this.image;
      // The kernel that the tied layer has now: the reader's, or as far as it has learned.
      this.nine = this.learned ? Array.from(this.kernel.data, (_, i) => this.learned.tied[this.ties.data.indexOf(i)])
        : this.kernel.data;
      this.#showLearning();
      if (fits) this.#fill();
      else this.result = null;
      this.#draw(fits);
      const { problem } = this;
      this.problem = null;
      if (problem) this.say(problem, true);
      else if (fits) this.say(this.news === "layer" ? this.#aboutLayer() : this.#aboutTouched());
      else this.say(`The kernel covers ${kh} × ${kw} pixels and does not fit into ${height} × ${width}. `
        + 'Use a smaller kernel, a larger image, or padding "same".', true);
    }

    // How many weights each layer has, and in how many places each weight of the kernel stands.
    #count() {
      const wires = this.ties.data.filter((tie) => tie >= 0);
      this.uses = new Array(this.kernel.data.length).fill(0);
      for (const tie of wires) this.uses[tie]++;
      this.counts = { dense: this.ties.data.length, cut: wires.length, tied: this.uses.filter(Boolean).length };
      for (const [name, button] of this.stages) {
        button.textContent = `${name}: ${this.counts[name]}`;
        button.setAttribute("aria-pressed", name === this.layer);
      }
    }

    // Is there a wire from this pixel to this output?
    #wired(at) {
      return this.layer === "dense" || this.ties.data[at] >= 0;
    }

    // The matrix, the outputs (pixels times matrix), and the places that belong to what is touched.
    #fill() {
      const { ties, nine, seen, layer } = this, learned = this.learned?.[layer], [inputs, outputs] = ties.shape, next = cnn.random(3);
      this.result = cnn.array([inputs, outputs]);
      this.outputs = cnn.array([this.down.count, this.across.count]);
      for (let at = 0; at < inputs * outputs; at++) {
        const own = weight(next), pixel = Math.floor(at / outputs), output = at % outputs;
        if (!this.#wired(at)) continue;
        this.result.data[at] = learned ? learned[at] : layer === "tied" ? nine[ties.data[at]] : own;
        this.outputs.data[output] += seen.data[pixel] * this.result.data[at];
        if (this.#isTouched(at, pixel, output)) this.places.push([pixel, output]);
      }
      this.peak = this.result.data.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
    }

    #isTouched(at, pixel, output) {
      const { touched, ties } = this, tie = ties.data[at];
      if ("output" in touched) return output === touched.output;
      if ("pixel" in touched) return pixel === touched.pixel;
      if ("weight" in touched) return tie === touched.weight;
      const [p, o] = touched.wire;
      if (this.layer === "tied") return tie === ties.data[p * ties.shape[1] + o]; // the same weight elsewhere
      return pixel === p && output === o;
    }

    #draw(fits) {
      const [height, width] = this.size, [kh, kw] = this.kernel.shape, { touched, places, ties } = this;
      const [pixels, outputs] = [new Set(places.map(([p]) => p)), new Set(places.map(([, o]) => o))];
      const weights = new Set(places.map(([p, o]) => ties.data[p * ties.shape[1] + o]));
      const mark = (at, here, touchedOnes) => (at === here ? "here" : touchedOnes.has(at) ? "window" : "");
      const [pixel, output] = touched.wire ?? [touched.pixel, touched.output];
      this.imageGrid.show(cnn.toRows(this.seen), (r, c) => mark(r * width + c, pixel, pixels));
      this.imageBox.firstChild.textContent = `image ${height} × ${width}`;
      const known = !this.learned || this.layer === "tied"; // of the kernel, what belongs to the touched place
      this.kernelGrid.show(cnn.toRows(this.kernel), (r, c) => (known ? mark(r * kw + c, touched.weight, weights) : ""));
      this.kernelBox.firstChild.textContent = `${this.learned ? "hidden kernel" : "kernel"} ${kh} × ${kw}`;
      if (!fits) return;
      this.outputGrid.show(cnn.toRows(this.outputs), (r, c) => mark(r * this.across.count + c, output, outputs));
      this.outputBox.firstChild.textContent = `outputs ${this.down.count} × ${this.across.count}`;
      this.#drawMatrix();
      if (!this.learned) return;
      const wanted = cnn.array(this.outputs.shape, apply(this.seen, this.teacher));
      this.wantedGrid.show(cnn.toRows(wanted));
      this.wantedBox.firstChild.textContent = "wanted outputs";
      this.foundGrid.show(cnn.toRows(cnn.array([kh, kw], this.nine)));
      this.foundBox.firstChild.textContent = "kernel found so far";
    }

    #drawMatrix() {
      const [inputs, outputs] = this.ties.shape, { canvas, result, places, touched } = this;
      this.matrixBox.firstChild.textContent = `weights ${inputs} × ${outputs}`;
      canvas.setAttribute("aria-label", `Weights: ${count(inputs, "row")}, one for each pixel, and `
        + `${count(outputs, "column")}, one for each output. Arrow keys go from weight to weight.`);
      const cell = Math.max(3, Math.min(14, Math.floor(330 / inputs), Math.floor(280 / outputs)));
      const sharp = globalThis.devicePixelRatio || 1, context = canvas.getContext("2d");
      [canvas.width, canvas.height] = [outputs * cell * sharp, inputs * cell * sharp];
      canvas.style.width = `${outputs * cell + 2}px`; // 2: the border
      context.scale(sharp, sharp);
      context.fillStyle = this.colour("paper");
      context.fillRect(0, 0, outputs * cell, inputs * cell);

      // Orange above 0, blue below, stronger the further from 0; a cut wire leaves the paper empty.
      const [blue, orange, grey, ink] = ["blue", "orange", "line", "ink"].map((name) => this.colour(name));
      result.data.forEach((value, at) => {
        if (!this.#wired(at)) return;
        context.fillStyle = value > 0 ? orange : value < 0 ? blue : grey;
        context.globalAlpha = 0.2 + 0.6 * Math.abs(value / this.peak);
        context.fillRect((at % outputs) * cell, Math.floor(at / outputs) * cell, cell, cell);
      });
      context.globalAlpha = 1;

      // Lines between blocks: a row of the image down, a row of outputs across.
      context.fillStyle = grey;
      for (let p = this.size[1]; p < inputs; p += this.size[1]) context.fillRect(0, p * cell - 0.5, outputs * cell, 1);
      for (let o = this.across.count; o < outputs; o += this.across.count) {
        context.fillRect(o * cell - 0.5, 0, 1, inputs * cell);
      }

      // A frame around every place that is touched, and a ring around the one under the finger.
      context.strokeStyle = ink;
      context.lineWidth = cell > 5 ? 2 : 1;
      for (const [p, o] of places) context.strokeRect(o * cell + 1, p * cell + 1, cell - 2, cell - 2);
      if (!touched.wire) return;
      const [p, o] = touched.wire;
      context.lineWidth = 2;
      context.beginPath();
      context.arc((o + 0.5) * cell, (p + 0.5) * cell, cell * 1.3, 0, 2 * Math.PI);
      context.stroke();
    }

    #aboutLayer() {
      if (this.learned) return this.#aboutLearning();
      const [inputs, outputs] = this.ties.shape, { dense, cut, tied } = this.counts;
      if (this.layer === "dense") {
        return `Dense: ${count(inputs, "pixel")} times ${count(outputs, "output")} make ${count(dense, "weight")}, `
          + "each its own.";
      }
      if (this.layer === "cut") {
        const kept = new Array(outputs).fill(0);
        this.ties.data.forEach((tie, at) => { kept[at % outputs] += tie >= 0; });
        return `Cut: each output keeps the ${span(kept)} weights of its window. ${cut} of ${dense} weights `
          + `may differ from 0, each still its own.`;
      }
      const all = this.kernel.data.length, used = this.uses.filter(Boolean);
      return `Tied: ${cut} places hold only ${count(tied, "different weight")}, each in ${span(used)} places.`
        + (all > tied ? ` The kernel's other ${all - tied} never lie on a pixel.` : "");
    }

    #aboutTouched() {
      const { touched, places } = this, all = count(this.ties.shape[1], "output");
      if ("output" in touched) return this.#aboutOutput(touched.output);
      if ("weight" in touched) return this.#aboutWeight(touched.weight);
      if ("pixel" in touched) {
        return `The pixel in ${this.#pixelAt(touched.pixel)} is seen by ${places.length} of ${all}.`;
      }
      return this.#aboutWire(...touched.wire);
    }

    #pixelAt(at) {
      return place(at, this.size[1]);
    }

    #outputAt(at) {
      return place(at, this.across.count);
    }

    #aboutOutput(output) {
      const { layer, places } = this, many = count(places.length, "pixel");
      const seen = layer === "dense" ? `all ${many}` : `the ${many} of its window`;
      const own = `${count(places.length, "weight")} of its own`;
      const whose = layer === "tied" ? "the weights that all outputs share" : own;
      return `The output in ${this.#outputAt(output)} sees ${seen}, with ${whose}. `
        + `Its value is ${cnn.short(this.outputs.data[output], 4, 1e-9 * this.peak)}.`;
    }

    #aboutWire(pixel, output) {
      const at = pixel * this.ties.shape[1] + output;
      const wire = `from the pixel in ${this.#pixelAt(pixel)} to the output in ${this.#outputAt(output)}`;
      if (!this.#wired(at)) return `There is no wire ${wire}: this weight is 0 and stays 0.`;
      if (this.layer === "tied") return this.#aboutWeight(this.ties.data[at], `The wire ${wire} carries the`);
      return `The weight ${wire} is ${cnn.full(this.result.data[at])}. It stands in this place only.`;
    }

    #aboutWeight(index, start = "The") {
      const found = this.places.length, all = this.ties.shape[1];
      const which = `kernel's weight in ${place(index, this.kernel.shape[1])}, ${cnn.full(this.nine[index])}`;
      return `${start} ${which}. It stands in ${count(found, "place")}`
        + (found === all ? ", one for each output." : `; in the other ${all - found} windows it lies on the padding.`);
    }
  }
  cnn.define("dense-to-conv", DenseToConv);
}
