// A small network learns to read digits in the page: watch its kernels, its curves and its mistakes, then draw a digit
// for it. A second run beside it has the same start. What the network computes stands in training.js.
"use strict";
{
  const { CHOICES, DEFAULTS, MOST_SEED } = cnn.runs, { percent } = cnn, { softmax } = cnn;

  const count = (n) => n.toLocaleString("en");
  const share = (value) => (value ? percent(value, 0) : "none");
  const WORDS = { // of each choice: what it is called, and what its options are called
    digits: ["digits", count],
    network: ["network", { dense: "dense", shared: "shared windows", lenet: "LeNet", own: "your model" }],
    rule: ["rule", { sgd: "gradient descent", momentum: "momentum", adam: "Adam" }],
    rate: ["learning rate", String],
    batch: ["batch", String],
    dropout: ["dropout", share],
    decay: ["weight decay", (value) => (value ? String(value) : "none")],
    pixels: ["pixels",
      { usual: "as they are", shuffled: "shuffled, all images alike", sides: "learned left, tested right" }],
    wrong: ["wrong labels", share],
  };
  const told = (name, value) => (typeof WORDS[name][1] === "function" ? WORDS[name][1](value) : WORDS[name][1][value]);

  const CURVES = [ // a plot, what it shows, of the training and of the validation digits, times so much
    ["loss", "Loss", "loss", "valLoss", 1],
    ["accuracy", "Share that is read rightly", "accuracy", "valAccuracy", 100],
  ];
  const MOST_MISTAKES = 16, MOST_KERNELS = 12;

  // Settings in the address: "digits-50_rate-0.01", and for a second run "__" and what differs there.
  const written = (settings, usual) => Object.keys(DEFAULTS).filter((name) => settings[name] !== usual[name])
    .map((name) => `${name}-${settings[name]}`).join("_");
  function read(text, usual) {
    const pairs = text.split("_").filter(Boolean).map((pair) => {
      const [name, value] = pair.split("-");
      const options = Object.hasOwn(CHOICES, name) ? CHOICES[name] : [];
      if (name !== "seed") return [name, options.find((v) => String(v) === value)];
      return [name, /^\d+$/.test(value) && Number(value) <= MOST_SEED ? Number(value) : undefined];
    });
    return { ...usual, ...Object.fromEntries(pairs.filter(([, value]) => value !== undefined)) };
  }

  // One run: its settings, what it shows, and the worker in which it trains.
  class RunView {
    constructor(piece, at, settings) {
      Object.assign(this, { piece, at, settings });
      this.element = cnn.make("div", { class: "run", role: "group", "aria-label": at ? "second run" : "first run" });
      this.#layOut();
      this.reset();
    }

    // ---- Training ----

    // Back to the start, for the settings as they are now.
    reset() {
      this.worker?.terminate();
      this.worker = null;
      this.busy = false;
      this.history = [];
      this.told = null;
      this.net = cnn.runs.start(this.settings);
      this.way = cnn.runs.places(this.settings, false);
    }

    get epoch() {
      return this.told ? this.told.steps / this.told.perEpoch : 0;
    }

    get perEpoch() {
      return Math.ceil(this.settings.digits / this.settings.batch);
    }

    // So many steps in the background.
    go(steps) {
      if (steps) this.busy = true; // until the worker says that it rests
      if (this.worker) {
        this.worker.postMessage({ go: steps });
        return;
      }
      const worker = (this.worker = cnn.runs.worker());
      worker.onmessage = ({ data }) => { if (worker === this.worker) this.#hear(data); };
      worker.onerror = (event) => this.piece.failed(event.message || "it may not start workers");
      worker.postMessage({ digits: this.piece.digits, settings: this.settings, go: steps });
    }

    #hear(data) {
      this.told = data;
      this.busy = data.running;
      this.history.push(...data.measured);
      this.net.values.set(data.values);
      this.piece.heard();
    }

    // ---- Reading ----

    // The reader's drawing as this run's digits are: in the middle, or shuffled like them.
    given({ data }) {
      return this.settings.pixels === "shuffled" ? cnn.runs.moved(data, this.way) : data;
    }

    ask(image) {
      const scores = this.net.forward(this.given(image));
      return softmax({ shape: [scores.length], data: scores }).data;
    }

    // ---- What is seen ----

    #layOut() {
      const { make } = cnn, { piece } = this;
      this.choices = make("div", { class: "controls" });
      for (const name of Object.keys(CHOICES)) {
        const options = piece.options(name);
        const own = this.at ? `${name}2` : name; // its name in the piece's state
        const input = piece.choice(own, WORDS[name][0], String(this.settings[name]),
          options.map((v) => [String(v), told(name, v)]));
        this.choices.append(input.parentElement);
      }
      const plot = (yLabel, y) => new cnn.Plot({ label: "", x: [0, 1], y, xLabel: "epochs", yLabel, height: 200 });
      this.plots = { loss: plot("loss", [0, 3]), accuracy: plot("read rightly, %", [0, 110]) };
      this.legend = make("p", { class: "small" });
      const plots = make("div", { class: "plots" }, this.plots.loss.element, this.plots.accuracy.element);
      const figure = (name) => {
        const caption = make("figcaption"), box = make("div", { class: "maps", role: "img" });
        this[name] = { caption, box };
        return make("figure", {}, caption, box);
      };
      this.sizes = make("table", { "aria-label": "size of the gradient of each layer" });
      const sizes = make("figure", {}, make("figcaption", {}, "Size of the gradient, layer by layer"), this.sizes);
      const { code, element } = cnn.codeBox(piece, () => "this run as Keras code.");
      this.code = code;
      const which = make("p", { class: "which small" }, this.at ? "second run" : "first run");
      this.element.append(which, this.choices, this.legend, plots, make("div", { class: "row" }, figure("kernels"), sizes),
        figure("mistakes"), element);
    }

    // Every run's plots have the same axes, so that they can be compared.
    drawPlots(width, epochs, loss) {
      const { history } = this, across = width >= 540 ? Math.floor((width - 13) / 2) : width;
      const every = Math.ceil(history.length / 300);
      const shown = history.filter((_, i) => i % every === 0 || i === history.length - 1);
      for (const [name, what, known, fresh, scale] of CURVES) {
        const plot = this.plots[name], last = history.at(-1);
        const points = (key) => shown.filter((m) => Number.isFinite(m[key])).map((m) => [m.epoch, scale * m[key]]);
        plot.width = Math.min(across, 400);
        plot.x = [0, epochs];
        if (name === "loss") plot.y = [0, loss];
        plot.clear();
        plot.curve(points(known), "orange");
        plot.curve(points(fresh), "green", { dashed: true });
        plot.points(points(known).slice(-1), "orange", { radius: 3 });
        plot.points(points(fresh).slice(-1), "green", { radius: 3, hollow: true });
        const way = (key) => [history[0], last].map((m) => (scale === 1 ? cnn.short(m[key]) : percent(m[key]))).join(" to ");
        plot.describe(last ? `${what} over ${cnn.short(last.epoch, 1)} epochs: training from ${way(known)}, validation from `
          + `${way(fresh)}.` : `${what} over epochs: nothing yet.`);
      }
    }

    show() {
      const { settings, net } = this, { digits } = settings, measured = Math.min(digits, 500);
      this.legend.textContent = `${count(net.values.length)} weights. Solid: training digits (${measured < digits
        ? `the first ${measured}` : `all ${digits}`}). Dashed: 1,000 validation digits.`;
      this.#showKernels();
      this.#showSizes();
      this.#showMistakes();
      this.code.value = cnn.runs.kerasCode(settings);
      this.code.rows = 20;
    }

    #canvases(box, many, make) {
      while (box.children.length < many) box.append(make());
      while (box.children.length > many) box.lastChild.remove();
      return [...box.children];
    }

    // The first layer's kernels; of a dense one, whose kernels are as large as the image, the first twelve.
    #showKernels() {
      const { piece, net } = this, { weights, count: all, sees } = net.trained[0], side = Math.sqrt(sees);
      const many = Math.min(all, MOST_KERNELS), peak = weights.reduce((most, w) => Math.max(most, Math.abs(w)), 1e-9);
      const zoom = Math.max(2, Math.round(45 / side)), { box, caption } = this.kernels;
      const canvases = this.#canvases(box, many, () => cnn.make("canvas"));
      canvases.forEach((canvas, n) => {
        if (canvas.width !== side) {
          Object.assign(canvas, { width: side, height: side, picture: null });
          canvas.style.width = `${side * zoom}px`;
        }
        piece.fill(canvas, (i) => {
          const w = weights[i * all + n];
          return piece.signed[(w < 0 ? 255 : 256) + Math.round((255 * w) / peak)] ?? piece.signed[256];
        });
      });
      const which = many < all ? `${many} of the ${all} kernels` : `The ${all} kernels`;
      caption.textContent = `${which} of the first layer, ${side} × ${side}: orange above 0, blue below`;
      box.setAttribute("aria-label", `${which} of the first layer; the largest weight is ${cnn.short(peak, 2, 1e-9)}`);
    }

    #showSizes() {
      const { make } = cnn, { net } = this, sizes = this.told?.sizes;
      if (this.bars?.length !== net.trained.length) {
        this.bars = net.trained.map(({ name }) => {
          const bar = make("div", { class: "bar" }), number = make("td");
          return { bar, number, row: make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, bar), number) };
        });
        this.sizes.replaceChildren(make("tbody", {}, ...this.bars.map(({ row }) => row)));
      }
      net.trained.forEach(({ name }, i) => { this.bars[i].row.firstChild.textContent = name; });
      const most = Math.max(1e-12, ...(sizes ?? []));
      this.bars.forEach(({ bar, number }, i) => {
        bar.style.width = sizes && Number.isFinite(most) ? `${(100 * sizes[i]) / most}%` : "0";
        number.textContent = Number.isFinite(sizes?.[i]) ? cnn.short(sizes[i], 3, 0) : "–";
      });
    }

    #showMistakes() {
      const { piece, told: now } = this, { box, caption } = this.mistakes;
      const none = now?.answers?.includes(-1); // its weights are no numbers any more
      const wrong = now?.answers && !none ? now.answers.map((answer, i) => [answer, i])
        .filter(([answer, i]) => answer !== piece.digits.labels[2000 + i]) : [];
      const shown = wrong.slice(0, MOST_MISTAKES);
      const spans = this.#canvases(box, shown.length, () => cnn.make("span", { class: "mistake" },
        cnn.make("canvas", { width: 28, height: 28 }), cnn.make("span")));
      const way = now ? (this.seenWay ??= cnn.runs.places(this.settings, true)) : null;
      spans.forEach((span, k) => {
        const [answer, i] = shown[k], start = (2000 + i) * 784, { grey } = piece.digits;
        piece.fill(span.firstChild, (at) => piece.grey[way[at] < 0 ? 0 : 17 * grey[start + way[at]]]);
        span.lastChild.textContent = `${answer}`;
      });
      const told = shown.map(([answer, i]) => `a ${piece.digits.labels[2000 + i]} as ${answer}`).join(", ");
      caption.textContent = !now ? "The digits that it gets wrong will stand here, each with its answer."
        : none ? "It gives no answers any more." : `${count(wrong.length)} of 1,000 validation digits are read wrongly${wrong.length > shown.length
          ? `. The first ${shown.length}` : ""}${wrong.length ? ", each with the network's answer" : ""}:`;
      box.setAttribute("aria-label", none ? caption.textContent : wrong.length ? `read wrongly: ${told}` : "none is read wrongly");
      box.hidden = !shown.length;
    }

    // In words: how far it is. Steps are counted where it rests.
    words() {
      const last = this.history.at(-1), { steps, diverged } = this.told ?? {};
      if (!last) {
        const start = `${count(this.net.values.length)} weights`;
        return this.settings.network === "own" ? `${start}, as your model has them. They have not changed here.`
          : `${start} by lot, seed ${this.settings.seed}. It has not learned anything.`;
      }
      if (diverged) {
        return `After ${count(steps)} steps the loss is no number any more: the training has diverged. Go back to the `
          + "start with a lower learning rate.";
      }
      const when = last.epoch === 0 ? "Before the first step" : `After ${cnn.short(last.epoch, 1)} epochs`;
      return `${this.piece.training ? "" : `Step ${count(steps)}. `}${when} it reads ${percent(last.accuracy)} of the training `
        + `digits and ${percent(last.valAccuracy)} of the validation digits.`;
    }
  }

  class TrainLenet extends cnn.DrawnPiece {
    static title = "A network learns in this page";
    static style = cnn.Plot.style + cnn.DrawnPiece.style + `
      .surface { width: 206px; }
      .seen { width: 86px; border: 1px solid var(--line); }
      .answer { flex: 1 1 130px; max-width: 240px; }
      .answer td { height: 1.2rem; }
      .run { flex: 1 1 100%; min-width: 0; border-top: 1px solid var(--line); padding-top: .6rem; }
      .two .run { flex: 1 1 320px; }
      .which { display: none; }
      .run:not(:only-child) > .which { display: block; font-weight: 650; }
      .run .controls { gap: .35rem .7rem; margin-bottom: .3rem; }
      .plots, .row { display: flex; flex-wrap: wrap; gap: .4rem 13px; }
      .row figure { flex: 1 1 250px; min-width: 0; }
      figure { margin: .4rem 0; }
      figure table { width: 100%; max-width: 320px; }
      figure th { font-weight: 400; text-align: left; padding-right: .5rem; white-space: nowrap; }
      figure td { padding: 0; }
      figure td:nth-child(2) { width: 100%; }
      figure td:last-child { padding-left: .5rem; text-align: right; }
      figure .bar { background: var(--blue); }
      .small, figcaption { font-size: .85rem; color: var(--soft); margin: .2rem 0 .3rem; }
      .maps { display: flex; flex-wrap: wrap; gap: 4px; }
      .maps canvas { outline: 1px solid var(--line); }
      .maps[hidden] { display: none; }
      .mistake { text-align: center; font-size: .85rem; line-height: 1.3; }
      .mistake canvas { width: 34px; }
      .code textarea { width: 100%; font: 12.5px/1.45 ui-monospace, monospace; }
      .how pre { max-height: 26rem; overflow: auto; margin: .3rem 0 0; padding: .4rem; border: 1px solid var(--line);
        font: 12.5px/1.45 ui-monospace, monospace; }
      .main { min-width: 5.5em; }
      @media print { .code, .how { display: none; } }`;

    build() {
      const { second, model, ...given } = this.given, usual = { ...DEFAULTS, ...given };
      if (model) { // the reader's own: its weights as base64 of float32
        const bytes = Uint8Array.from(atob(model.numbers), (letter) => letter.charCodeAt(0));
        usual.model = { layers: model.layers, values: new Float32Array(bytes.buffer) };
      }
      this.usual = usual;
      this.usualSecond = second ?? null;
      const [first, other] = this.#address(usual) ?? [usual, second && { ...usual, ...second }];
      this.train = this.button("train", () => this.#train());
      this.train.classList.add("main");
      this.oneStep = this.button("one step", () => this.#step());
      this.button("back to the start", () => this.#restart());
      this.number("seed", "seed", first.seed, { min: 0, max: MOST_SEED });
      this.tick("two", "a second run beside it", Boolean(other));
      this.runs = [new RunView(this, 0, first)];
      this.runsBox = this.stage.appendChild(cnn.make("div", { class: "stage" }));
      this.runsBox.append(this.runs[0].element);
      this.kept = null;
      if (other) this.#second(other);
      this.#layOutDrawing();
      this.begin(cnn.DrawnPiece.ready("3"));
    }

    // What the reader can choose from.
    options(name) {
      return name === "network" && this.usual.model ? [...CHOICES.network, "own"] : CHOICES[name];
    }

    #layOutDrawing() {
      const { make } = cnn;
      this.seenBox = make("canvas", { class: "seen", width: 28, height: 28, role: "img",
        "aria-label": "the drawing as the network is given it, 28 × 28 pixels" });
      this.answers = [0, 1].map((at) => {
        const bars = new cnn.Bars(at ? "what the second network says" : "what the network says");
        const title = make("p");
        return { bars, title, box: make("div", { class: "answer" }, title, bars.element) };
      });
      const tools = make("div", { class: "controls" });
      for (const [label, action] of [["erase", () => this.change({ strokes: [] })], ["undo", () => this.undo()]]) {
        tools.append(this.button(label, action));
      }
      this.back = tools.lastChild;
      this.stage.append(make("div", {}, make("p", {}, "draw a digit here"), this.surface("keys"), tools),
        make("div", {}, make("p", {}, "the network is given"), this.seenBox), ...this.answers.map(({ box }) => box));
      this.stage.after(make("p", { class: "small", id: "keys" }, "Draw with mouse or finger, or with keys: arrows move "
        + "the pen (Home, End, Page Up and Page Down: aslant), space puts it down and lifts it, Ctrl+Z or ⌘Z takes a "
        + "change back, Delete erases."));
      this.words.after(make("p", { class: "small" }, "The digits come from MNIST (LeCun, Cortes and Burges, CC BY-SA 3.0). "
        + "All of it runs here; nothing is sent anywhere."), this.#code());
    }

    // What the worker runs, to be read.
    #code() {
      const { make } = cnn, text = make("pre", { tabindex: 0, "aria-label": "the code of the training" });
      const box = make("details", { class: "how" }, make("summary", {}, "How it learns: the code that runs here"), text);
      box.addEventListener("toggle", () => { text.textContent = cnn.training.source; });
      return box;
    }

    #second(settings) {
      this.runs.push(new RunView(this, 1, settings));
      this.runsBox.append(this.runs[1].element);
    }

    // ---- The digits: they come when they are needed ----
    enter() {
      document.addEventListener("cnn-digits", this.#digitsCame);
      document.addEventListener("cnn-missing", this.#missing);
      if (this.training) this.#drive();
    }

    leave() {
      document.removeEventListener("cnn-digits", this.#digitsCame);
      document.removeEventListener("cnn-missing", this.#missing);
      this.lift();
      for (const run of this.runs) if (run.busy) run.go(0);
    }

    #digitsCame = () => this.#whenReady();

    #missing = ({ detail }) => {
      if (detail !== "digits" || !this.asked) return;
      this.asked = null;
      this.training = false;
      this.problem = "The digits could not be loaded. Check your connection, then press “train” again.";
      this.update();
    };

    // Do what was asked for as soon as the digits are there.
    async #whenReady(then = this.asked) {
      this.asked = then;
      if (!cnn.digits) {
        cnn.load?.("digits");
        this.say("The digits are being loaded: 0.4 MB, once.");
        return;
      }
      if (!then) return;
      try {
        this.digits ??= await (cnn.digits.unpacked ??= cnn.runs.unpack(cnn.digits));
        this.asked = null;
        then();
      } catch (problem) {
        this.failed(problem.message);
      }
    }

    failed(why) {
      this.training = false;
      for (const run of this.runs) run.reset();
      this.problem = `This page could not train in the background: ${why}. Try the course's website in a newer browser.`;
      this.update();
    }

    // ---- Training ----
    #train() {
      this.training = !this.training;
      this.problem = null;
      if (this.training) this.#whenReady(() => this.#drive());
      else for (const run of this.runs) if (run.busy) run.go(0);
    }

    #step() {
      this.training = false;
      this.problem = null;
      this.#whenReady(() => this.runs.forEach((run) => run.go(1)));
    }

    #restart() {
      this.training = false;
      this.problem = null;
      this.runs.forEach((run) => run.reset());
    }

    // All runs go on together, a few epochs at a time: who is behind catches up first.
    #drive() {
      if (!this.training || !this.isConnected || !this.digits) return;
      const going = this.runs.filter((run) => !run.told?.diverged);
      if (!going.length) this.training = false;
      const epochs = (run) => Math.max(1, Math.ceil(500 / run.settings.digits));
      const least = Math.min(...going.map((run) => Math.floor(run.epoch + 1e-9)));
      const goal = least + Math.max(...going.map(epochs));
      try {
        for (const run of going) {
          const left = goal * run.perEpoch - (run.told?.steps ?? 0);
          if (!run.busy && left > 0) run.go(left);
        }
      } catch (problem) { // no worker allowed here
        this.failed(problem.message);
      }
    }

    heard() {
      this.#drive();
      this.update();
    }

    changed(name) {
      if (name === "ready") return;
      if (name === "two") {
        if (this.state.two) this.#second({ ...this.runs[0].settings });
        else {
          this.runs[1].reset();
          this.runs.pop().element.remove();
        }
      } else if (name === "seed") {
        for (const run of this.runs) this.#set(run, "seed", this.state.seed);
      } else {
        const run = this.runs[name.endsWith("2") ? 1 : 0], own = name.replace(/2$/, "");
        this.#set(run, own, this.options(own).find((v) => String(v) === this.state[name]));
      }
      this.problem = null;
      this.#write();
    }

    // A run with another setting begins anew.
    #set(run, name, value) {
      run.settings = { ...run.settings, [name]: value };
      run.seenWay = null;
      run.reset();
      this.training = false;
      for (const other of this.runs) if (other.busy) other.go(0);
    }

    // ---- The address: on the site only ----
    #address(usual) {
      const text = cnn.load && new URLSearchParams(location.search).get(this.localName.slice(4));
      if (text === null || text === undefined) return null;
      const [first, second] = text.split("__"), settings = read(first, usual);
      return [settings, second === undefined ? null : read(second, settings)];
    }

    #write() {
      if (!cnn.load) return;
      const [first, second] = this.runs, key = this.localName.slice(4), address = new URL(location.href);
      const text = written(first.settings, this.usual) + (second ? `__${written(second.settings, first.settings)}` : "");
      if (text || this.usualSecond) address.searchParams.set(key, text);
      else address.searchParams.delete(key);
      try {
        history.replaceState(history.state, "", address);
      } catch { // some browsers forbid it for files
      }
    }

    // ---- After every change ----
    resized() {
      this.#plots();
    }

    #plots() {
      const { runs } = this, two = runs.length > 1 && this.room >= 660;
      this.runsBox.classList.toggle("two", two);
      const width = two ? Math.floor((this.room - 13) / 2) : this.room;
      const epochs = Math.max(5, ...runs.map(({ history }) => history.at(-1)?.epoch ?? 0));
      const losses = runs.flatMap(({ history }) => history.flatMap(({ loss, valLoss }) => [loss, valLoss]));
      const most = Math.min(5, Math.max(2.5, ...losses.filter(Number.isFinite)));
      for (const run of runs) run.drawPlots(width, epochs, most);
    }

    update() {
      const { runs } = this;
      this.drawnAnew();
      this.train.textContent = this.training ? "pause" : runs.some(({ told }) => told) ? "go on" : "train";
      this.oneStep.disabled = Boolean(this.training);
      this.back.disabled = !this.past.length;
      if (!this.prepared) this.prepare();
      this.paintPad();
      this.#plots();
      for (const run of runs) run.show();
      this.#read();
      this.#tell();
    }

    #read() {
      const { runs, prepared } = this;
      const given = runs[0].given(prepared);
      this.fill(this.seenBox, (i) => this.grey[Math.round(255 * given[i])]);
      this.says = runs.map((run) => run.ask(prepared));
      this.result = cnn.array([10], Array.from(this.says[0]));
      this.answers.forEach(({ box, bars, title }, at) => {
        box.hidden = at >= runs.length;
        if (box.hidden) return;
        bars.show(this.says[at], { digits: 0 });
        title.textContent = runs.length > 1 ? `the ${at ? "second" : "first"} network says` : "it says";
      });
    }

    #tell() {
      const { runs, says, problem } = this;
      if (problem) return this.say(problem, true);
      if (this.asked) return;
      const [first, second] = runs.map((run) => run.words());
      const best = says.map((shares) => shares.indexOf(Math.max(...shares)));
      const drawn = this.drawing.data.some((ink) => ink > 0);
      const answers = !drawn || best.includes(-1) ? "" : runs.length > 1 ? ` Of the drawing the first says ${best[0]}, the second ${best[1]}.`
        : ` Of the drawing it says ${best[0]}, with ${percent(says[0][best[0]], 0)}.`;
      const start = runs.every(({ history }) => !history.length) ? " Press “train”." : "";
      this.say((this.penSays ?? "") + (second ? `First run: ${first} Second run: ${second}` : first) + start + answers);
    }
  }
  cnn.define("train-lenet", TrainLenet);
}
