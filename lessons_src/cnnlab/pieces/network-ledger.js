// A network as a ledger: stack layers, and see for each of them what comes out, what it costs and
// how much of the image it sees. The arithmetic is that of cnnlab/ledger.py and of chapter 5.
"use strict";
{
  // ---- The layers, with Keras's names for their settings and Keras's defaults ----
  // A layer of a stack is {kind, …settings}; from a reader's own model also {name, dtype}.
  const KINDS = {
    Conv2D: { filters: 32, kernel_size: [3, 3], strides: [1, 1], padding: "valid", dilation_rate: [1, 1],
      use_bias: true, activation: "linear" },
    MaxPooling2D: { pool_size: [2, 2], strides: [2, 2], padding: "valid" },
    AveragePooling2D: { pool_size: [2, 2], strides: [2, 2], padding: "valid" },
    ZeroPadding2D: { padding: [[1, 1], [1, 1]] }, // [top, bottom], [left, right]
    GlobalAveragePooling2D: { keepdims: false },
    Flatten: {},
    Dense: { units: 10, use_bias: true, activation: "linear" },
    Dropout: { rate: 0.5 },
    BatchNormalization: { center: true, scale: true },
    Activation: { activation: "relu" },
    ReLU: {}, LeakyReLU: {}, ELU: {}, Softmax: {},
  };
  const NEED_MAPS = new Set(["Conv2D", "MaxPooling2D", "AveragePooling2D", "ZeroPadding2D", "GlobalAveragePooling2D"]);

  const made = (kind, settings) => ({ kind, ...structuredClone(KINDS[kind]), ...settings });
  const product = (numbers) => numbers.reduce((a, b) => a * b, 1);
  const times = (numbers) => numbers.map(grouped).join(" × "); // 28 × 28 × 1
  function grouped(number) {
    return number.toLocaleString("en-US"); // 137,660
  }

  // ---- The rules: what a layer makes of values of some shape ----
  // `sees` says, for the rows and for the columns, which pixels the values there depend on: for each
  // value the first and the last one. Where all values see the same, one entry stands for all.
  const NOTHING = [Infinity, -Infinity];
  const pixels = (n) => Array.from({ length: n }, (_, i) => [i, i]);
  const together = (spans) =>
    spans.reduce(([first, last], [from, to]) => [Math.min(first, from), Math.max(last, to)], NOTHING);
  const whole = (spans) => [together(spans)];
  const widest = (spans) => spans.reduce((most, [first, last]) => Math.max(most, last - first + 1), 0);

  // What each place of a window sees. Padding, where it hangs over the edge, sees nothing.
  function slide(spans, { kernel, stride, dilation, before, count }) {
    if (spans.length === 1) return spans;
    return Array.from({ length: count }, (_, place) =>
      together(Array.from({ length: kernel }, (_, tap) => spans[place * stride + tap * dilation - before] ?? NOTHING)));
  }

  // The window of a convolution or a pooling along rows and columns.
  function windows(layer, shape) {
    return [0, 1].map((axis) => {
      const kernel = (layer.kernel_size ?? layer.pool_size)[axis], stride = layer.strides[axis];
      const dilation = layer.dilation_rate?.[axis] ?? 1;
      return { kernel, stride, dilation, reach: (kernel - 1) * dilation + 1,
        ...cnn.places(shape[axis], kernel, stride, layer.padding, dilation) };
    });
  }

  function convolve(layer, shape, sees) {
    const across = windows(layer, shape), out = across.map((window) => window.count);
    const weights = product(layer.kernel_size) * shape[2] * layer.filters; // a kernel is as deep as its input
    return { shape: [...out, layer.filters], sees: across.map((window, axis) => slide(sees[axis], window)),
      parameters: weights + (layer.use_bias ? layer.filters : 0),
      multiplyAdds: product(out) * weights }; // each weight once for every place
  }

  function pool(layer, shape, sees) {
    const across = windows(layer, shape);
    return { shape: [...across.map((window) => window.count), shape[2]],
      sees: across.map((window, axis) => slide(sees[axis], window)) };
  }

  // What is not said here stays as it was: shape and sees; or is 0: parameters and multiply-adds.
  const RULES = {
    Conv2D: convolve,
    MaxPooling2D: pool,
    AveragePooling2D: pool,
    ZeroPadding2D({ padding }, shape, sees) {
      const out = padding.map(([before, after], axis) => shape[axis] + before + after);
      const moved = padding.map(([before], axis) =>
        slide(sees[axis], { kernel: 1, stride: 1, dilation: 1, before, count: out[axis] }));
      return { shape: [...out, shape[2]], sees: moved };
    },
    GlobalAveragePooling2D: ({ keepdims }, shape, sees) =>
      ({ shape: keepdims ? [1, 1, shape[2]] : [shape[2]], sees: sees.map(whole) }),
    Flatten: (layer, shape, sees) => ({ shape: [product(shape)], sees: sees.map(whole) }),
    Dense({ units, use_bias }, shape, sees) { // mixes the last axis, at each place
      const places = shape.slice(0, -1), weights = shape.at(-1) * units;
      return { shape: [...places, units], parameters: weights + (use_bias ? units : 0),
        multiplyAdds: product(places) * weights,
        sees: sees.map((spans, axis) => (axis < places.length ? spans : whole(spans))) };
    },
    BatchNormalization({ scale, center }, shape) { // running mean and variance; scale and offset if used
      return { parameters: (2 + scale + center) * shape.at(-1), multiplyAdds: product(shape) };
    },
  };

  // Why a layer does not fit here, and what to do; undefined if it does. `above`: the layers before it.
  function misfit(layer, shape, above, called) {
    if (NEED_MAPS.has(layer.kind) && shape.length !== 3) {
      const flat = above.findLastIndex(({ kind }) => ["Flatten", "GlobalAveragePooling2D"].includes(kind));
      const got = shape.length === 1 ? `${grouped(shape[0])} numbers in one row` : `${times(shape)} numbers`;
      const advice = flat < 0 ? "Choose an input of rows × columns × channels, or remove this layer."
        : `Move it above ${called[flat]}, or remove one of the two.`;
      return `needs maps (rows × columns × channels) and gets ${got}. ${advice}`;
    }
    if (!layer.strides) return undefined;
    if (Math.max(...layer.strides) > 1 && Math.max(...(layer.dilation_rate ?? [1])) > 1) {
      return "has a stride and a dilation above 1, which Keras does not allow together. Set one of them to 1.";
    }
    const across = windows(layer, shape);
    if (across.every((window) => window.count)) return undefined;
    const smaller = layer.dilation_rate ? "a smaller size or dilation" : "a smaller size";
    return `has a window that reaches over ${times(across.map((window) => window.reach))} and does not fit into `
      + `maps of ${times(shape.slice(0, 2))}. Use ${smaller}, padding "same", or less pooling before it.`;
  }

  // The ledger of a stack: a row a layer, as far as the layers fit, and the totals if all do.
  function count(input, stack) {
    const called = names(stack), rows = [], totals = { parameters: 0, multiply_adds: 0, activation_bytes: 0 };
    let shape = input, sees = input.slice(0, 2).map(pixels), problem = null;
    for (const [at, layer] of stack.entries()) {
      let wrong = misfit(layer, shape, stack.slice(0, at), called);
      if (!wrong) {
        const out = { shape, sees, parameters: 0, multiplyAdds: 0, ...RULES[layer.kind]?.(layer, shape, sees) };
        ({ shape, sees } = out);
        const row = { name: called[at], kind: layer.kind, output_shape: shape, parameters: out.parameters,
          multiply_adds: out.multiplyAdds, activation_bytes: product(shape) * bytesPerValue(layer),
          receptive_field: sees.map(widest) };
        for (const what of Object.keys(totals)) totals[what] += row[what];
        if (Object.values(totals).every(Number.isSafeInteger)) rows.push(row);
        else wrong = "makes the network too large to be counted exactly. Use fewer kernels or neurons.";
      }
      if (wrong) {
        problem = { layer: at, text: `Layer ${at + 1}, ${called[at]}, ${wrong}` };
        break;
      }
    }
    return { rows, totals: problem ? null : totals, problem };
  }

  // Four bytes for each value, unless a layer of a reader's model says "float16" or the like.
  const bytesPerValue = ({ dtype = "float32" }) => Number(dtype.match(/\d+/)[0]) / 8;

  // Keras calls layers conv2d, conv2d_1, conv2d_2, …; a reader's own names stay.
  const simple = (kind) =>
    kind.replace(/(.)([A-Z][a-z]+)/g, "$1_$2").replace(/([a-z])([A-Z])/g, "$1_$2").toLowerCase();
  function names(stack) {
    const taken = new Set(stack.map((layer) => layer.name));
    return stack.map(({ kind, name }) => {
      if (name) return name;
      let next = simple(kind);
      for (let n = 1; taken.has(next); n++) next = `${simple(kind)}_${n}`;
      taken.add(next);
      return next;
    });
  }

  // ---- The systems of the sources, as cnnlab.models builds them (a test compares them) ----
  const relu = { activation: "relu" }, tanh = { activation: "tanh" }, same = { padding: "same" };
  const conv = (filters, size, ...more) =>
    made("Conv2D", Object.assign({ filters, kernel_size: [size, size] }, ...more));
  const dense = (units, more) => made("Dense", { units, ...more });
  const dropout = (rate) => made("Dropout", { rate });
  const pooled = () => made("MaxPooling2D"), flat = () => made("Flatten");
  const normed = () => [made("BatchNormalization"), made("ReLU")];

  const lenet = () => [conv(32, 4, same, relu), pooled(), conv(64, 4, same, relu), pooled(), flat(),
    dense(1024, relu), dense(10)];
  const lenetWithDropout = () => [conv(32, 4, same, relu), pooled(), dropout(0.2), conv(64, 4, same, relu), pooled(),
    dropout(0.2), flat(), dense(1024, relu), dropout(0.2), dense(10)];
  const habr = () => [conv(32, 3, same, relu), conv(32, 3, same, relu), pooled(), dropout(0.25),
    conv(64, 3, same, relu), conv(64, 3, same, relu), pooled(), dropout(0.25),
    flat(), dense(512, relu), dropout(0.5), dense(10)];
  const DIGIT = [28, 28, 1], PHOTOGRAPH = [32, 32, 3];
  const PRESETS = { // title, shape of the input, layers
    S1: ["MLP 784-500-500-500-10", DIGIT, () => [flat(), ...[500, 500, 500].map((n) => dense(n, relu)), dense(10)]],
    S2: ["CNN with 25 and 50 kernels", DIGIT, () =>
      [conv(25, 3), pooled(), conv(50, 3), pooled(), flat(), dense(100, relu), dense(10)]],
    S3: ['"LeNet" in low-level TensorFlow, MNIST', DIGIT, lenet],
    S4: ['"LeNet" in Keras, MNIST', DIGIT, lenet],
    S5: ['"LeNet" with dropout in low-level TensorFlow, CIFAR-10', PHOTOGRAPH, lenetWithDropout],
    S6: ['"LeNet" with dropout in Keras, CIFAR-10', PHOTOGRAPH, lenetWithDropout],
    S7: ["CNN with 32, 64 and 64 kernels", DIGIT, () =>
      [conv(32, 3, relu), pooled(), conv(64, 3, relu), pooled(), conv(64, 3, relu),
        flat(), dense(64, relu), dense(10)]],
    S8: ["Deep CNN with dropout, CIFAR-10", PHOTOGRAPH, habr],
    S9: ["Polynomials of degree 3 and 14 through 15 points", [3], () => [dense(1)]],
    S10: ["CNN with dropout, MNIST", DIGIT, habr],
    S11: ["Linear regression", [1], () => [dense(1)]],
    S12: ["MLP 784-512-256-10", DIGIT, () => [flat(), dense(512, relu), dense(256, relu), dense(10)]],
    S13: ["MLP 784-128-10 with dropout", DIGIT, () => [flat(), dense(128, relu), dropout(0.2), dense(10)]],
    S14: ["CNN with batch norm", DIGIT, () => [conv(16, 3, same), ...normed(), pooled(), conv(32, 3, same), ...normed(),
      pooled(), flat(), dense(128), ...normed(), dense(10)]],
    S15: ["LeNet-5", DIGIT, () => [made("ZeroPadding2D", { padding: [[2, 2], [2, 2]] }),
      conv(6, 5, tanh), made("AveragePooling2D"), conv(16, 5, tanh), made("AveragePooling2D"),
      flat(), dense(120, tanh), dense(84, tanh), dense(10)]],
  };

  // ---- A stack as Keras code ----
  const FIRST = ["filters", "kernel_size", "pool_size", "units", "rate"]; // given without their names

  function python(value) {
    if (Array.isArray(value)) {
      if (value.flat().length === 4) { // ((top, bottom), (left, right)), or (rows, columns) on both sides
        const even = value.every(([a, b]) => a === b);
        return even ? python(value.map(([a]) => a)) : `(${value.map(([a, b]) => `(${a}, ${b})`).join(", ")})`;
      }
      const [a, b] = value.map(python);
      return a === b ? a : `(${a}, ${b})`; // a pair of equals is said once
    }
    return typeof value === "boolean" ? (value ? "True" : "False") : JSON.stringify(value);
  }

  function layerCode(layer) {
    const { kind, name, dtype } = layer, usual = { ...KINDS[kind], strides: layer.pool_size ?? [1, 1] };
    const said = Object.keys(KINDS[kind]).flatMap((key) => {
      const value = python(layer[key]);
      if (FIRST.includes(key) || ["Activation", "ZeroPadding2D"].includes(kind)) return value;
      return value === python(usual[key]) ? [] : `${key}=${value}`;
    });
    if (dtype) said.push(`dtype=${python(dtype)}`);
    if (name && !RegExp(`^${simple(kind)}(_\\d+)?$`).test(name)) said.push(`name=${python(name)}`);
    return `    layers.${kind}(${said.join(", ")}),`;
  }

  function code(input, stack) {
    const { problem } = count(input, stack);
    const notes = [problem && `# Keras will refuse this: layer ${problem.layer + 1} does not fit.`,
      stack.some((layer) => layer.name) && "# What does not count, such as initializers, is left out."];
    const shape = input.length === 1 ? `${input},` : input.join(", ");
    return ["import keras", "from keras import layers", "", ...notes.filter(Boolean), "model = keras.Sequential([",
      `    keras.Input((${shape})),`, ...stack.map(layerCode), "])", ""].join("\n");
  }

  // ---- What the reader reads and sets ----
  const LABELS = { filters: "kernels", kernel_size: "size", pool_size: "size", strides: "stride", padding: "padding",
    dilation_rate: "dilation", use_bias: "bias", activation: "activation", units: "neurons", rate: "rate",
    scale: "scale", center: "offset", keepdims: "keep as 1 × 1 maps" };
  const CHOICES = { padding: ["valid", "same"], activation: ["linear", "relu", "tanh", "sigmoid", "softmax"] };
  const RANGES = { filters: [1, 4096], units: [1, 100000], rate: [0, 1, 0.05], padding: [0, 99] };

  // A layer's settings in a few words: "25 kernels of 3 × 3, relu".
  function inWords(layer) {
    const { filters, kernel_size, pool_size, strides, padding, dilation_rate, activation, units, rate } = layer;
    const size = kernel_size ?? pool_size;
    return [
      filters && `${grouped(filters)} ${filters === 1 ? "kernel" : "kernels"} of ${times(size)}`,
      pool_size && times(size),
      units && `${grouped(units)} ${units === 1 ? "neuron" : "neurons"}`,
      rate !== undefined && `rate ${rate}`,
      strides && python(strides) !== python(pool_size ?? [1, 1]) && `stride ${python(strides)}`,
      layer.kind === "ZeroPadding2D" ? zerosInWords(padding) : padding === "same" && "same",
      dilation_rate && python(dilation_rate) !== "1" && `dilation ${python(dilation_rate)}`,
      layer.use_bias === false && "no bias",
      layer.scale === false && "no scale",
      layer.center === false && "no offset",
      layer.keepdims && "1 × 1 maps",
      activation && activation !== "linear" && activation,
    ].filter(Boolean).join(", ");
  }

  function zerosInWords([[top, bottom], [left, right]]) {
    if (new Set([top, bottom, left, right]).size === 1) return `${top} on each side`;
    return `top ${top}, bottom ${bottom}, left ${left}, right ${right}`;
  }

  const COLUMNS = [["output", "output_shape"], ["parameters", "parameters"], ["multiply-adds", "multiply_adds"],
    ["bytes", "activation_bytes"], ["sees", "receptive_field"]];

  class NetworkLedger extends cnn.Piece {
    static title = "Stack layers and count";
    static style = `
      label[hidden] { display: none; }
      label, select { max-width: 100%; min-width: 0; }
      .stage { display: block; }
      table { width: 100%; }
      th, td { padding: .2rem .4rem; text-align: right; font-weight: normal; border-bottom: 1px solid var(--line); }
      .layer td { white-space: nowrap; }
      thead th { white-space: nowrap; }
      th:first-child { width: 33%; }
      thead th, .total > * { font-size: .85rem; font-weight: 650; }
      th:first-child, .editor td { text-align: left; }
      th button { display: block; width: 100%; text-align: left; line-height: 1.25; padding: .2rem .4rem; }
      th button b { overflow-wrap: anywhere; }
      th button span { display: block; font-size: .85rem; color: var(--soft); }
      button[aria-expanded=true] { border-color: var(--blue); box-shadow: inset 3px 0 0 var(--blue); }
      .misfit button { border-color: var(--orange); box-shadow: inset 3px 0 0 var(--orange); }
      td svg { vertical-align: middle; margin-left: .35rem; max-width: none; }
      .editor > td > div, .add { display: flex; flex-wrap: wrap; gap: .35rem .9rem; align-items: center; }
      .pair { display: inline-flex; gap: .3rem; align-items: center; font-size: .9rem; }
      .pair input { width: 3.6em; }
      .editor > td { background: var(--panel); padding: .5rem .6rem; }
      .editor input, .editor select, .editor button { background: var(--paper); }
      .add { margin-top: .6rem; white-space: nowrap; }
      .hint { margin: .5rem 0 0; font-size: .85rem; color: var(--soft); }
      .code { margin-top: .6rem; }
      textarea { display: block; width: 100%; margin-top: .4rem; font: 13px/1.4 ui-monospace, monospace;
        white-space: pre; }
      @media print { .add, .hint, .code { display: none; } }
      @container (max-width: 640px) { /* numbers under each layer's name */
        table, thead, tbody, tfoot, tr, th, td { display: block; }
        .layer, .total { padding: .35rem 0; border-bottom: 1px solid var(--line); }
        th, .layer td, .total td { border: 0; padding: .05rem .2rem .2rem; }
        th:first-child { width: auto; }
        .layer td, .total td { display: flex; gap: .35rem; align-items: center; font-size: .85rem; }
        td[data-label]::before { content: attr(data-label); color: var(--soft); margin-right: auto; }
        thead, .layer td:empty, .total td:empty { display: none; }
      }`;
    static count = count;
    static code = code;
    static KINDS = KINDS;

    build() {
      const { model, preset = "S2" } = this.given;
      this.choice("preset", "network", model ? "model" : preset, [...(model ? [["model", "your model"]] : []),
        ...Object.entries(PRESETS).map(([key, [title]]) => [key, `${key}: ${title}`]),
        ["empty", "no layers yet"], ["own", "your own"]]);
      this.choice("rank", "input", "3",
        [["3", "rows × columns × channels"], ["2", "rows × columns"], ["1", "numbers in one row"]]);
      this.number("rows", "rows", 28, { min: 1, max: 1024 });
      this.number("columns", "columns", 28, { min: 1, max: 1024 });
      this.number("channels", "channels", 1, { min: 1, max: 4096 });
      this.number("numbers", "numbers", 784, { min: 1, max: 100000 });

      this.table = cnn.make("table", { role: "table", "aria-label": "layers of the network" });
      this.stage.append(this.table, this.#addBar(), cnn.make("p", { class: "hint" },
        "A bar is the layer's share of the total; the small square shows how much of the image one value sees. "
        + "Open a layer to change, move or remove it. Keys on a layer: ↑ and ↓ go to the next one, "
        + "Alt with ↑ or ↓ moves it, Delete removes it."));
      this.words.after(this.#codeBox());
      this.#load(this.state.preset);
    }

    get input() {
      const { rank, rows, columns, channels, numbers } = this.state;
      return { 3: [rows, columns, channels], 2: [rows, columns], 1: [numbers] }[rank];
    }

    // A network of the list, the reader's model, or an empty stack.
    #load(key) {
      const { model } = this.given, [title, input, layers] = PRESETS[key] ?? [];
      if (key === "own") return;
      if (key === "empty") this.stack = [];
      else this.stack = key === "model" ? structuredClone(model.layers) : layers();
      const shape = key === "empty" ? this.input : key === "model" ? model.input : input;
      this.set("rank", String(shape.length));
      const [a, b, c] = shape;
      const sizes = shape.length > 1 ? { rows: a, columns: b, channels: c ?? 1 } : { numbers: a };
      for (const [name, n] of Object.entries(sizes)) this.set(name, n);
      this.open = null; // the layer that is being edited
      this.before = null; // totals to compare with
      this.news = () => (title ? `${key}, ${title}: in total` : key === "model" ? "Your model: in total" : "In total");
      this.#layOut();
    }

    changed(name) {
      if (name === "preset") {
        this.#load(this.state.preset);
      } else {
        this.before = this.result.totals;
        this.news = () => `The input is ${times(this.input)} now. In total`;
        this.set("preset", "own");
      }
    }

    // Change the stack, then say it. `news` is called afterwards: names may have changed.
    #change(action, news, focus) {
      this.before = this.result.totals;
      action();
      this.news = news;
      this.set("preset", "own");
      if (focus) this.#layOut();
      this.update();
      focus?.()?.focus();
    }

    #add(kind) {
      const at = this.open ? this.stack.indexOf(this.open) + 1 : this.stack.length, layer = made(kind);
      this.open = layer;
      this.#change(() => this.stack.splice(at, 0, layer),
        () => `${this.#called(layer)} is layer ${at + 1} now. In total`, () => this.#button(layer));
    }

    #move(layer, by, focus = () => this.#button(layer)) {
      const from = this.stack.indexOf(layer), to = from + by;
      if (to < 0 || to >= this.stack.length) return;
      this.#change(() => this.stack.splice(to, 0, ...this.stack.splice(from, 1)),
        () => `${this.#called(layer)} is layer ${to + 1} now. In total`, focus);
    }

    #remove(layer) {
      const at = this.stack.indexOf(layer), name = this.#called(layer);
      if (this.open === layer) this.open = null;
      this.#change(() => this.stack.splice(at, 1), () => `Layer ${at + 1}, ${name}, is gone. In total`,
        () => this.#button(this.stack[Math.min(at, this.stack.length - 1)]) ?? this.addKind);
    }

    #called(layer) {
      return names(this.stack)[this.stack.indexOf(layer)];
    }

    #button(layer) {
      return this.rows[this.stack.indexOf(layer)]?.button;
    }

    // ---- The table ----
    #layOut() {
      const cell = (tag, role, attributes, ...content) => cnn.make(tag, { role, ...attributes }, ...content);
      const line = (...cells) => cell("tr", "row", {}, ...cells);
      const cells = () => COLUMNS.map(([label]) => cell("td", "cell", { "data-label": label }));
      this.fields = []; // the inputs of the open layer
      this.rows = this.stack.map((layer) => {
        const button = cnn.make("button", { type: "button", "aria-expanded": String(layer === this.open) });
        button.addEventListener("click", () => this.#toggle(layer));
        button.addEventListener("keydown", (event) => this.#key(event, layer));
        const row = { button, cells: cells() };
        row.line = line(cell("th", "rowheader", { scope: "row" }, button), ...row.cells);
        return row;
      });
      const lines = this.rows.map((row, at) => {
        const layer = this.stack[at];
        if (layer !== this.open) return [row.line];
        const editor = cell("td", "cell", { colspan: COLUMNS.length + 1 }, this.#editor(layer));
        const under = line(editor);
        under.className = "editor";
        return [row.line, under];
      });
      this.totals = cells().slice(0, 4);
      const total = line(cell("th", "rowheader", { scope: "row" }, "total"), ...this.totals, cell("td", "cell", {}));
      total.className = "total";
      const head = ["layer", ...COLUMNS.map(([label]) => label)].map((label) =>
        cell("th", "columnheader", { scope: "col" }, label));
      this.table.replaceChildren(cell("thead", "rowgroup", {}, line(...head)),
        cell("tbody", "rowgroup", {}, ...lines.flat()), cell("tfoot", "rowgroup", {}, total));
    }

    #toggle(layer) {
      this.open = this.open === layer ? null : layer;
      this.#layOut();
      this.update();
      this.#button(layer).focus();
    }

    #key(event, layer) {
      const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      if (by && event.altKey) this.#move(layer, by);
      else if (by) this.#button(this.stack[this.stack.indexOf(layer) + by])?.focus();
      else if (["Delete", "Backspace"].includes(event.key)) this.#remove(layer);
      else return;
      event.preventDefault();
    }

    // ---- The settings of one layer ----
    #editor(layer) {
      const box = cnn.make("div", { role: "group", "aria-label": `settings of ${this.#called(layer)}` });
      for (const [key, value] of Object.entries(layer)) {
        if (!(key in KINDS[layer.kind])) continue;
        if (layer.kind === "ZeroPadding2D") {
          ["top", "bottom", "left", "right"].forEach((side, i) => box.append(cnn.make("label", {}, side,
            this.#number(layer, key, () => value[i >> 1][i & 1], (typed) => { value[i >> 1][i & 1] = typed; }))));
        } else if (Array.isArray(value)) box.append(this.#pair(layer, key));
        else if (typeof value === "number") box.append(cnn.make("label", {}, LABELS[key], this.#number(layer, key)));
        else box.append(this.#choice(layer, key));
      }
      const act = (label, action, disabled) => {
        const button = cnn.make("button", { type: "button", disabled }, label);
        button.addEventListener("click", action);
        box.append(button);
      };
      const at = this.stack.indexOf(layer);
      const again = (label) => () => [...this.table.querySelectorAll(".editor button:enabled")]
        .find((button) => button.textContent === label) ?? this.#button(layer);
      act("move up", () => this.#move(layer, -1, again("move up")), at === 0);
      act("move down", () => this.#move(layer, 1, again("move down")), at === this.stack.length - 1);
      act("remove", () => this.#remove(layer));
      return box;
    }

    #set(layer, write) {
      this.#change(write, () => {
        const { name, output_shape, parameters } = this.result.rows[this.stack.indexOf(layer)];
        return `${name} gives ${times(output_shape)} and has ${grouped(parameters)} parameters now. In total`;
      });
    }

    #number(layer, key, read = () => layer[key], write = (typed) => { layer[key] = typed; }, label = undefined) {
      const [min, max, step = 1] = RANGES[key] ?? [1, 99];
      const input = cnn.make("input", { type: "number", min, max, step, "aria-label": label });
      input.addEventListener("input", () => {
        const typed = input.valueAsNumber;
        if (typed >= min && typed <= max && (step % 1 || typed % 1 === 0)) this.#set(layer, () => write(typed));
      });
      input.addEventListener("change", () => { input.value = read(); }); // what cannot be goes
      this.fields.push({ input, read });
      return input;
    }

    // Rows and columns. As long as they are equal, the columns follow the rows; the stride of a
    // pooling follows its size in the same way, as in Keras.
    #pair(layer, key) {
      const write = (axis) => (typed) => {
        const pair = layer[key], followed = key === "pool_size" && python(pair) === python(layer.strides);
        if (axis === 0 && pair[0] === pair[1]) pair[1] = typed;
        pair[axis] = typed;
        if (followed) layer.strides = [...pair];
      };
      const [rows, columns] = ["rows", "columns"].map((way, axis) =>
        this.#number(layer, key, () => layer[key][axis], write(axis), `${LABELS[key]}, ${way}`));
      const label = LABELS[key];
      return cnn.make("span", { class: "pair", role: "group", "aria-label": label }, label, rows, "×", columns);
    }

    #choice(layer, key) {
      const value = layer[key], tick = typeof value === "boolean";
      const options = [...new Set([...(CHOICES[key] ?? []), value])]; // a reader's model may have others
      const input = tick ? cnn.make("input", { type: "checkbox" })
        : cnn.make("select", {}, ...options.map((option) => cnn.make("option", {}, option)));
      if (tick) input.checked = value;
      else input.value = value;
      const write = () => { layer[key] = tick ? input.checked : input.value; };
      input.addEventListener("input", () => this.#set(layer, write));
      return cnn.make("label", {}, LABELS[key], input);
    }

    #addBar() {
      this.addKind = cnn.make("select", {}, ...Object.keys(KINDS).map((kind) => cnn.make("option", {}, kind)));
      this.addButton = cnn.make("button", { type: "button" });
      this.addButton.addEventListener("click", () => this.#add(this.addKind.value));
      return cnn.make("div", { class: "add" }, cnn.make("label", {}, "new layer", this.addKind), this.addButton);
    }

    // ---- The code ----
    #codeBox() {
      this.code = cnn.make("textarea", { readonly: "", wrap: "off", spellcheck: "false", "aria-label": "Keras code" });
      const details = cnn.make("details", {}, cnn.make("summary", {}, "Keras code"), this.code);
      const copy = cnn.make("button", { type: "button" }, "copy as Keras code");
      copy.addEventListener("click", async () => {
        try {
          await navigator.clipboard.writeText(this.code.value);
          this.say(`Copied: ${this.stack.length} layers as Keras code.`);
        } catch { // no clipboard here, or no permission
          details.open = true;
          this.code.focus();
          this.code.select();
          this.say("This browser did not let us copy. The code is marked below: copy it with Ctrl+C or ⌘C.");
        }
      });
      return cnn.make("div", { class: "code" }, copy, details);
    }

    // ---- After every change ----
    update() {
      for (const [name, ranks] of [["rows", "23"], ["columns", "23"], ["channels", "3"], ["numbers", "1"]]) {
        const field = this.inputs[name];
        field.disabled = field.parentElement.hidden = !ranks.includes(this.state.rank);
      }
      this.result = count(this.input, this.stack);
      const { rows, totals, problem } = this.result, called = names(this.stack);
      this.rows.forEach(({ button, cells, line }, at) => {
        const parts = called[at].split(/(?<=_)/).flatMap((part) => [cnn.make("wbr"), part]); // may break after _
        const about = cnn.make("span", {}, inWords(this.stack[at]));
        button.replaceChildren(cnn.make("b", {}, `${at + 1}. `, ...parts), " ", about);
        line.className = problem?.layer === at ? "layer misfit" : "layer";
        COLUMNS.forEach(([, what], i) => this.#fill(cells[i], what, rows[at]));
        if (problem?.layer === at) cells[0].textContent = "does not fit";
      });
      COLUMNS.slice(1, 4).forEach(([, what], i) => {
        this.totals[i + 1].textContent = totals ? grouped(totals[what]) : "";
      });
      for (const { input, read } of this.fields) {
        if (!input.matches(":focus")) input.value = read();
      }
      this.addButton.textContent = this.open ? `add below ${this.#called(this.open)}` : "add at the end";
      this.code.value = code(this.input, this.stack);
      this.code.rows = this.stack.length + 7;
      this.say(...this.#sentence());
    }

    #fill(cell, what, row) {
      cell.replaceChildren();
      cell.style.background = "";
      if (!row) return;
      const value = row[what];
      cell.textContent = Array.isArray(value) ? times(value) : grouped(value);
      if (what === "receptive_field" && value.length === 2) cell.append(this.#view(value));
      if (["parameters", "multiply_adds"].includes(what) && this.result.totals) { // a bar: the share of the total
        const share = 100 * value / Math.max(1, this.result.totals[what]);
        cell.style.background = `linear-gradient(var(--blue) 0 0) right bottom / ${share}% 4px no-repeat`;
      }
    }

    // The input as a frame, and in it how much of it one value sees.
    #view(sees) {
      const [height, width] = this.input, unit = 18 / Math.max(height, width);
      const box = (rows, columns, more) =>
        cnn.make("rect", { x: 1, y: 1, width: columns * unit, height: rows * unit, ...more });
      return cnn.make("svg", { width: 20, height: 20, "aria-hidden": "true" },
        box(...sees, { fill: "var(--blue)" }), box(height, width, { fill: "none", stroke: "var(--line)" }));
    }

    #sentence() {
      const { rows, totals, problem } = this.result;
      if (problem) return [problem.text, true];
      if (!rows.length) return ["There are no layers yet. Choose a new layer and add it."];
      const words = { parameters: "parameters", multiply_adds: "multiply-adds", activation_bytes: "bytes of values" };
      const known = Object.entries(words).map(([what, word]) => {
        const more = this.before ? totals[what] - this.before[what] : 0;
        const change = more ? ` (${grouped(Math.abs(more))} ${more > 0 ? "more" : "fewer"})` : "";
        return `${grouped(totals[what])} ${word}${change}`;
      });
      return [[`${this.news()} ${known.join(", ")}.`, this.#shares(), this.#viewInWords()].filter(Boolean).join(" ")];
    }

    // Where most parameters live, and where most of the work is done.
    #shares() {
      const { rows, totals } = this.result;
      if (!totals.parameters) return "";
      const most = (what) => rows.reduce((a, b) => (b[what] > a[what] ? b : a));
      const share = (row, what) => `${Math.round(100 * row[what] / totals[what])}%`;
      const home = most("parameters"), busy = most("multiply_adds");
      return `${home.name} holds ${share(home, "parameters")} of the parameters, `
        + `${busy.name} does ${share(busy, "multiply_adds")} of the multiply-adds.`;
    }

    #viewInWords() {
      const { receptive_field: sees, name } = this.result.rows.at(-1), input = this.input;
      const all = input.slice(0, 2), unit = input.length > 1 ? "pixels" : "numbers";
      const part = times(sees) === times(all) ? `all ${times(all)}` : `${times(sees)} of ${times(all)}`;
      return `One value of the last layer, ${name}, sees ${part} ${unit}.`;
    }
  }
  cnn.define("network-ledger", NetworkLedger);
}
