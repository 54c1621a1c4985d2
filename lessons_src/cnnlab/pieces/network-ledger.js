// A network as a ledger: stack layers, and see for each of them what comes out, what it costs and how much of
// the image it sees. fields.js and counting.js compute it, keras-code.js writes it as code.
"use strict";
{
  const { kinds: KINDS, systems: SYSTEMS } = cnn.keras;
  const { grouped, times } = cnn.fields;
  const { REACH, automatic, count, made, names, settings } = cnn.counting;
  const { FIRST, FIRST_OF, code, isChain, python } = cnn.kerasCode;

  // ---- What the reader reads and sets ----
  const LABELS = { filters: "kernels", kernel_size: "size", pool_size: "size", strides: "stride",
    dilation_rate: "dilation", use_bias: "bias", units: "neurons", depth_multiplier: "kernels for each channel",
    output_padding: "output padding", keepdims: "keep axes of 1", size: "factor", height: "rows", width: "columns",
    target_shape: "shape", dims: "order of axes", max_value: "highest value", negative_slope: "slope below",
    shared_axes: "shared along axes", center: "offset", input_mean: "mean", stddev: "deviation",
    rms_scaling: "by root mean square" };
  const label = (key) => LABELS[key] ?? key.replaceAll("_", " ");
  const CHOICES = { padding: ["valid", "same"], activation: ["linear", "relu", "tanh", "sigmoid", "softmax"],
    interpolation: Object.keys(REACH) };
  const RANGES = { filters: [1, 4096], units: [1, 100000], rate: [0, 1, 0.05], padding: [0, 99], cropping: [0, 99],
    groups: [1, 4096], height: [1, 1024], width: [1, 1024], negative_slope: [0, 1, 0.05], alpha: [0, 10, 0.1],
    threshold: [0, 100, 0.1], stddev: [0, 10, 0.1], scale: [-1000, 1000, 0.1], offset: [-1000, 1000, 0.1] };
  // Written as text: how many numbers there may be, and whether a single one is a list, too.
  const LISTS = { target_shape: [1, 6, true], dims: [1, 6, true], shared_axes: [0, 6, true], output_padding: [0, 2],
    max_value: [0, 1], axis: [1, 6] };
  const PAIRS = new Set(["kernel_size", "pool_size", "strides", "dilation_rate", "size"]);
  const FIXED = new Set(["epsilon", "input_mean", "crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias"]);
  const GROUPS = {
    "often used": ["Conv2D", "MaxPooling2D", "Flatten", "Dense", "Dropout"],
    convolutions: ["SeparableConv2D", "DepthwiseConv2D", "Conv2DTranspose"],
    poolings: ["AveragePooling2D", "GlobalAveragePooling2D", "GlobalMaxPooling2D"],
    activations: ["Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax"],
    normalizations: ["BatchNormalization", "LayerNormalization", "GroupNormalization", "Normalization", "Rescaling"],
    "sizes and shapes": ["ZeroPadding2D", "Cropping2D", "UpSampling2D", "Resizing", "Reshape", "Permute"],
    "for rows of vectors": ["Conv1D", "MaxPooling1D", "AveragePooling1D", "GlobalAveragePooling1D",
      "GlobalMaxPooling1D", "ZeroPadding1D", "Cropping1D", "UpSampling1D"],
  };

  function listed(value) {
    if (Array.isArray(value)) {
      const numbers = value.flat(9);
      return numbers.length > 6 ? `of ${grouped(numbers.length)} numbers` : numbers.map(listed).join(", ");
    }
    return typeof value === "number" ? cnn.full(value) : value ?? "none";
  }

  // A layer's settings in a few words: "25 kernels of 3 × 3, relu".
  function inWords(layer) {
    const { kind, filters, units, kernel_size, pool_size, strides, padding, cropping, dilation_rate } = layer;
    const { activation } = layer, size = kernel_size ?? pool_size, sides = Array.isArray(padding) ? padding : cropping;
    const phrases = { // of these settings; others are said as they are, if they are not as usual
      filters: filters && `${grouped(filters)} ${filters === 1 ? "kernel" : "kernels"} of ${times(size)}`,
      kernel_size: !filters && size && times(size),
      pool_size: pool_size && times(pool_size),
      units: units && `${grouped(units)} ${units === 1 ? "neuron" : "neurons"}`,
      strides: strides && python(strides) !== python(pool_size ?? 1) && `stride ${python(strides)}`,
      padding: sides ? sidesInWords(sides) : padding !== "valid" && padding,
      cropping: sides && sidesInWords(sides),
      dilation_rate: dilation_rate && python(dilation_rate) !== "1" && `dilation ${python(dilation_rate)}`,
      activation: activation !== "linear" && activation,
    };
    return settings(layer).map((key) => {
      const value = layer[key], first = FIRST.includes(key) || FIRST_OF[kind] === key;
      if (key in phrases) return phrases[key];
      if (!first && python(value, key) === python(KINDS[kind]?.[key], key)) return "";
      if (typeof value === "boolean") return value ? label(key) : `no ${label(key)}`;
      return `${label(key)} ${listed(value)}`;
    }).filter(Boolean).join(", ");
  }

  function sidesInWords(sides) {
    if (new Set(sides.flat()).size === 1) return `${sides.flat()[0]} on each side`;
    return sides.flat().map((n, i) => `${sideNames(sides)[i]} ${n}`).join(", ");
  }
  const sideNames = (sides) => (Array.isArray(sides[0]) ? ["top", "bottom", "left", "right"] : ["before", "after"]);

  const COLUMNS = [["output", "output_shape"], ["parameters", "parameters"], ["trainable", "trainable"],
    ["multiply-adds", "multiply_adds"], ["bytes", "activation_bytes"], ["sees", "receptive_field"]];
  const STEPS = 100; // back

  class NetworkLedger extends cnn.Piece {
    static title = "Stack layers and count";
    static style = `
      label[hidden] { display: none; }
      label, select { max-width: 100%; min-width: 0; }
      .stage { display: block; }
      .many { max-height: 75vh; overflow-y: auto; padding: 4px; border: 1px solid var(--line); }
      .many thead th { position: sticky; top: -4px; z-index: 1; background: var(--paper); }
      table { width: 100%; }
      th, td { padding: .2rem .4rem; text-align: right; font-weight: normal; border-bottom: 1px solid var(--line); }
      .layer td, .total td { position: relative; white-space: nowrap; }
      thead th { white-space: nowrap; }
      @container (min-width: 800px) { th:first-child { width: 33%; } }
      @container (max-width: 800px) { td, thead th { font-size: .85rem; padding: .2rem .3rem; } }
      thead th, .total > * { font-size: .85rem; font-weight: 650; }
      th:first-child, .editor td { text-align: left; }
      th button { display: block; width: 100%; text-align: left; line-height: 1.25; padding: .2rem .4rem .2rem 7px; }
      th button b { overflow-wrap: anywhere; }
      th button span { display: block; font-size: .85rem; color: var(--soft); overflow-wrap: anywhere; }
      button[aria-expanded=true], .misfit button { border: solid var(--blue); border-width: 1px 1px 1px 5px;
        padding-left: 3px; }
      .misfit button { border-color: var(--orange); border-style: double; border-width: 3px 3px 3px 7px; }
      button[aria-disabled=true] { opacity: .5; cursor: default; }
      .bar { position: absolute; right: 0; bottom: 0; height: 4px; background: var(--blue); }
      td svg { vertical-align: middle; margin-left: .35rem; max-width: none; }
      .free { display: block; font-size: .8rem; color: var(--soft); white-space: normal; }
      table:not(.narrow) .free { max-width: 6.5em; margin-left: auto; }
      table:not(.narrow) th button { min-width: 10em; }
      .split td, .split thead th { font-size: .85rem; padding: .2rem .3rem; }
      .editor > td > div, .add { display: flex; flex-wrap: wrap; gap: .35rem .9rem; align-items: center; }
      .pair { display: inline-flex; gap: .3rem; align-items: center; font-size: .9rem; }
      .pair input { width: 3.6em; }
      input[type=text] { width: 7em; }
      .editor > td { background: var(--panel); padding: .5rem .6rem; }
      .editor input, .editor select, .editor button { background: var(--paper); }
      .editor p { margin: 0; font-size: .9rem; }
      .add { margin-top: .6rem; white-space: nowrap; }
      .branched :is(.new, .moving) { display: none; }
      .hint { margin: .5rem 0 0; font-size: .85rem; color: var(--soft); }
      .code { margin-top: .6rem; }
      textarea { display: block; width: 100%; margin-top: .4rem; font: 13px/1.4 ui-monospace, monospace;
        white-space: pre; }
      @media print { .add, .hint, .code { display: none; } .many { max-height: none; } }
      @media (forced-colors: active) {
        button[aria-disabled=true] { opacity: 1; color: GrayText; border-color: GrayText; }
      }
      /* on a phone: numbers under each layer's name */
      .narrow, .narrow :is(tbody, tfoot, tr, th, td) { display: block; }
      .narrow :is(.layer, .total) { padding: .35rem 0; border-bottom: 1px solid var(--line); }
      .narrow :is(th, .layer td, .total td) { border: 0; padding: .05rem .2rem .2rem; }
      .narrow :is(.layer, .total) td { display: flex; gap: .35rem; align-items: center; font-size: .85rem; }
      .narrow .layer .receptive_field { flex-wrap: wrap; }
      .narrow .free { flex-basis: 100%; text-align: right; }
      .narrow td[data-label]::before { content: attr(data-label); color: var(--soft); margin-right: auto; }
      .narrow :is(thead, .layer td:empty, .total td:empty) { display: none; }
      table:not(.split) .trainable.trainable.trainable { display: none; }`;
    static count = count;
    static code = code;

    build() {
      const { model, preset = "S2" } = this.given;
      this.choice("preset", "network", model ? "model" : preset, [...(model ? [["model", "your model"]] : []),
        ...Object.entries(SYSTEMS).map(([key, { title }]) => [key, `${key}: ${title}`]),
        ["empty", "no layers yet"], ["own", "your own"]]);
      this.choice("rank", "input", "3",
        [["3", "rows × columns × channels"], ["2", "rows × columns"], ["1", "numbers in one row"]]);
      this.number("rows", "rows", 28, { min: 1, max: 1024 });
      this.number("columns", "columns", 28, { min: 1, max: 1024 });
      this.number("channels", "channels", 1, { min: 1, max: 4096 });
      this.number("numbers", "numbers", 784, { min: 1, max: 100000 });

      this.rows = []; // the table's, one a layer
      this.fields = []; // the inputs of the open layer
      this.past = []; // what it was before each change
      this.#buildTable();
      this.stage.append(this.frame, this.#addBar(), cnn.make("p", { class: "hint" },
        "A bar is the layer's share of the total; the small square shows how much of the image one value sees. "
        + "Open a layer to change it; undo or Ctrl+Z or ⌘Z takes a change back. Keys on a layer: ↑ and ↓ go to "
        + "the next one",
      cnn.make("span", { class: "moving" }, ", Alt with ↑ or ↓ moves it, Delete removes it"), "."));
      this.words.after(this.#codeBox());
      this.shadowRoot.addEventListener("keydown", (event) => this.#undoKey(event));
      this.#load(this.state.preset);
    }

    get input() {
      const { rank, rows, columns, channels, numbers } = this.state;
      return { 3: [rows, columns, channels], 2: [rows, columns], 1: [numbers] }[rank];
    }

    // A network of the list, the reader's model, or an empty stack.
    #load(key) {
      if (key === "own") return;
      const { input, layers, title } = { model: this.given.model, empty: { input: this.input, layers: [] } }[key]
        ?? SYSTEMS[key];
      this.stack = structuredClone(layers);
      const chain = isChain(this.stack);
      for (const layer of this.stack) {
        if (chain) delete layer.inputs;
        if (layer.kind === "BatchNormalization" && !layer.center && !layer.scale) delete layer.trainable; // has no such
      }
      this.set("rank", String(input.length));
      const [a, b, c] = input;
      const sizes = input.length > 1 ? { rows: a, columns: b, channels: c ?? 1 } : { numbers: a };
      for (const [name, n] of Object.entries(sizes)) this.set(name, n);
      this.open = null; // the number of the layer that is being edited
      this.before = null; // totals to compare with
      this.news = () => (title ? `${key}, ${title}: in total` : key === "model" ? "Your model: in total" : "In total");
      this.#layOut();
    }

    changed(name) {
      const chosen = this.inputs.preset.selectedOptions[0].textContent;
      this.#remember(name === "preset" ? `the choice of ${chosen}` : "the change of the input");
      if (name === "preset") {
        this.#load(this.state.preset);
      } else {
        this.before = this.result.totals;
        this.news = () => `The input is ${times(this.input)} now. In total`;
        this.set("preset", "own");
      }
    }

    // Change the stack, then say it. `news` is called afterwards: names may have changed.
    #change(what, action, news, focus) {
      this.#remember(what);
      this.before = this.result.totals;
      action();
      this.news = news;
      this.set("preset", "own");
      if (focus) this.#layOut();
      this.update();
      focus?.()?.focus();
    }

    #remember(what) {
      this.past.push({ ...this.now, what });
      if (this.past.length > STEPS) this.past.shift();
    }

    #undo() {
      const then = this.past.pop();
      if (!then) {
        this.say("There is nothing to undo.");
        return;
      }
      const place = this.fields.findIndex(({ input }) => input.matches(":focus"));
      const fields = this.fields.length, rows = this.stack.length;
      for (const [name, value] of Object.entries(then.state)) this.set(name, value);
      Object.assign(this, { stack: then.stack, open: then.open, before: this.result.totals });
      this.news = () => `Undone: ${then.what}. In total`;
      this.undone = `Undone: ${then.what}. `;
      this.#layOut();
      this.update();
      this.undone = "";
      if (this.shadowRoot.activeElement) return;
      const again = rows === this.stack.length && fields === this.fields.length ? this.fields[place]?.input : null;
      (again ?? this.rows[this.open]?.button ?? this.undoButton).focus();
    }

    // ⌘Z or Ctrl+Z; in a field where something is being typed it belongs to the browser.
    #undoKey(event) {
      const { ctrlKey, metaKey, shiftKey, altKey, key } = event;
      if (!(ctrlKey || metaKey) || shiftKey || altKey || key.toLowerCase() !== "z") return;
      const field = this.fields.find(({ input }) => input === event.target);
      if (field && field.input.type !== "checkbox" && field.input.value !== String(field.read())) return;
      event.preventDefault();
      this.#undo();
    }

    #add(kind) {
      const at = this.open === null ? this.stack.length : this.open + 1, layer = made(kind);
      const called = names([...this.stack.slice(0, at), layer, ...this.stack.slice(at)])[at];
      this.#change(`the new layer ${called}`, () => {
        this.stack.splice(at, 0, layer);
        this.open = at;
      }, () => `${this.#called(at)} is layer ${at + 1} now. In total`, () => this.rows[at].button);
    }

    #move(from, by, focus = () => this.rows[from + by].button) {
      const to = from + by;
      if (this.branched || to < 0 || to >= this.stack.length) return;
      this.#change(`the move of ${this.#called(from)}`, () => {
        this.stack.splice(to, 0, ...this.stack.splice(from, 1));
        if (this.open === from || this.open === to) this.open = from + to - this.open;
      }, () => `${this.#called(to)} is layer ${to + 1} now. In total`, focus);
    }

    #remove(at) {
      if (this.branched) return;
      const name = this.#called(at);
      this.#change(`the removal of ${name}`, () => {
        this.stack.splice(at, 1);
        if (this.open === at) this.open = null;
        else if (this.open > at) this.open--;
      }, () => `Layer ${at + 1}, ${name}, is gone. In total`,
      () => this.rows[Math.min(at, this.stack.length - 1)]?.button ?? this.addKind);
    }

    #called(at) {
      return names(this.stack)[at];
    }

    // ---- The table ----
    #buildTable() {
      this.head = cell("tr", "row", {}, cell("th", "columnheader", { scope: "col" }, "layer"), ...COLUMNS.map(
        ([words, what]) => cell("th", "columnheader", { scope: "col", class: what }, words)));
      this.totals = cells();
      const total = cell("tr", "row", { class: "total" }, cell("th", "rowheader", { scope: "row" }, "total"),
        ...this.totals);
      this.body = cell("tbody", "rowgroup");
      this.table = cnn.make("table", { role: "table", "aria-label": "layers of the network" },
        cell("thead", "rowgroup", {}, this.head), this.body, cell("tfoot", "rowgroup", {}, total));
      this.frame = cnn.make("div", {}, this.table);
    }

    #addRow(at) {
      const button = cnn.make("button", { type: "button", "aria-expanded": "false" });
      button.addEventListener("click", () => this.#toggle(at));
      button.addEventListener("keydown", (event) => this.#key(event, at));
      const row = { button, cells: cells() };
      row.line = cell("tr", "row", {}, cell("th", "rowheader", { scope: "row" }, button), ...row.cells);
      this.rows.push(row);
      this.body.append(row.line);
    }

    // As many rows as layers, and the settings of the open one under its row.
    #layOut() {
      this.branched = this.stack.some(({ inputs }) => inputs);
      this.stage.classList.toggle("branched", this.branched);
      this.laidOut = true;
      this.fields = []; // before the old ones go: a field that goes says that it has changed
      this.editorLine?.remove();
      while (this.rows.length > this.stack.length) this.rows.pop().line.remove();
      while (this.rows.length < this.stack.length) this.#addRow(this.rows.length);
      this.frame.classList.toggle("many", this.rows.length > 40);
      this.rows.forEach(({ button }, at) => button.setAttribute("aria-expanded", String(at === this.open)));
      if (this.open === null) return;
      const editor = cell("td", "cell", { colspan: COLUMNS.length + 1 }, this.#editor(this.open));
      this.editorLine = cell("tr", "row", { class: "editor" }, editor);
      this.rows[this.open].line.after(this.editorLine);
    }

    #toggle(at) {
      this.open = this.open === at ? null : at;
      this.#layOut();
      this.update();
    }

    #key(event, at) {
      const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      if (by && event.altKey) this.#move(at, by);
      else if (by) this.rows[at + by]?.button.focus();
      else if (event.key === "Delete") this.#remove(at);
      else return;
      event.preventDefault();
    }

    // ---- The settings of one layer ----
    #editor(at) {
      const layer = this.stack[at], called = this.#called(at);
      const box = cnn.make("div", { role: "group", "aria-label": `settings of ${called}` });
      if (layer.shares !== undefined) {
        box.append(cnn.make("p", {}, `This is layer ${layer.shares + 1} again: open it there to change it.`));
        return box;
      }
      for (const key of settings(layer)) if (!FIXED.has(key)) box.append(...this.#setting(layer, key));
      if (this.branched) {
        box.append(cnn.make("p", {}, "This network branches: its layers cannot be moved, added or removed here."));
        return box;
      }
      const act = (words, action, disabled) => {
        const button = cnn.make("button", { type: "button", disabled }, words);
        button.addEventListener("click", action);
        box.append(button);
      };
      const again = (words) => () => [...this.editorLine.querySelectorAll("button:enabled")]
        .find((button) => button.textContent === words) ?? this.rows[this.open].button;
      act("move up", () => this.#move(at, -1, again("move up")), at === 0);
      act("move down", () => this.#move(at, 1, again("move down")), at === this.stack.length - 1);
      act("remove", () => this.#remove(at));
      return box;
    }

    // The fields of a setting. They read and write the open layer, which undoing replaces.
    #setting(layer, key) {
      const value = layer[key], get = () => this.stack[this.open][key], words = label(key);
      const set = (typed) => { this.stack[this.open][key] = typed; };
      if (key in LISTS) return [cnn.make("label", {}, words, this.#list(key, layer.kind, get, set))];
      if (PAIRS.has(key) && Array.isArray(value)) return [this.#pair(key, get)];
      if (["padding", "cropping"].includes(key) && Array.isArray(value)) {
        const write = (i) => (typed) => {
          if (Array.isArray(value[0])) get()[i >> 1][i & 1] = typed;
          else get()[i] = typed;
        };
        return sideNames(value).map((side, i) =>
          cnn.make("label", {}, side, this.#number(key, side, () => get().flat()[i], write(i))));
      }
      if (typeof value === "number") return [cnn.make("label", {}, words, this.#number(key, words, get, set))];
      return ["string", "boolean"].includes(typeof value) ? [this.#choice(key, get, set)] : [];
    }

    #has(field) {
      return this.fields.some(({ input }) => input === field);
    }

    #set(key, write) {
      const at = this.open;
      this.#change(`the change of ${label(key)} of ${this.#called(at)}`, write, () => {
        const { name, output_shape, parameters } = this.result.rows[at];
        return `${name} gives ${times(output_shape)} and has ${grouped(parameters)} parameters now. In total`;
      });
    }

    #number(key, words, read, write, aria) {
      const [min, max, step = 1] = RANGES[key] ?? [1, 99], whole = step === 1;
      const input = cnn.make("input", { type: "number", min, max, step: whole ? 1 : "any", "aria-label": aria });
      input.addEventListener("input", () => {
        const typed = input.valueAsNumber;
        if (typed >= min && typed <= max && (!whole || typed % 1 === 0)) this.#set(key, () => write(typed));
      });
      input.addEventListener("change", () => { // what cannot be goes
        if (!this.#has(input)) return;
        const kind = whole ? "a whole number" : "a number";
        if (input.valueAsNumber !== read()) this.say(`${words}: ${kind} from ${min} to ${max}.`, true);
        input.value = read();
      });
      this.fields.push({ input, read });
      return input;
    }

    // Rows and columns, or one number. As long as the two are equal, the columns follow the rows; the stride of a
    // pooling follows its size in the same way, as in Keras.
    #pair(key, get) {
      const words = label(key), ways = get().length === 2 ? ["rows", "columns"] : [""];
      const write = (axis) => (typed) => {
        const pair = get(), layer = this.stack[this.open];
        const followed = key === "pool_size" && python(pair) === python(layer.strides);
        if (axis === 0 && pair[0] === pair[1]) pair[1] = typed;
        pair[axis] = typed;
        if (followed) layer.strides = [...pair];
      };
      const inputs = ways.map((way, axis) =>
        this.#number(key, words, () => get()[axis], write(axis), way ? `${words}, ${way}` : words));
      return cnn.make("span", { class: "pair", role: "group", "aria-label": words }, words,
        ...inputs.flatMap((input, axis) => (axis ? ["×", input] : [input])));
    }

    #list(key, kind, get, set) {
      const [least, most, always] = LISTS[key], one = key === "axis" && /^(Batch|Group)/.test(kind);
      const input = cnn.make("input", { type: "text", autocomplete: "off" });
      const read = () => [get() ?? []].flat().join(", ");
      input.addEventListener("change", () => {
        if (!this.#has(input)) return;
        const numbers = input.value.replaceAll("−", "-").split(/[\s,×]+/).filter(Boolean).map(Number);
        const fine = numbers.every((n) => (key === "max_value" ? n >= 0 : Number.isInteger(n)));
        if (fine && numbers.length >= least && numbers.length <= (one ? 1 : most)) {
          this.#set(key, () => set(numbers.length ? (always || numbers.length > 1 ? numbers : numbers[0]) : null));
        } else {
          const wanted = one || most === 1 ? "one number" : "whole numbers with commas between them, such as 7, 7, 64";
          this.say(`${label(key)}: ${wanted}.`, true);
        }
        input.value = read();
      });
      this.fields.push({ input, read });
      return input;
    }

    #choice(key, get, set) {
      const value = get(), tick = typeof value === "boolean", { kind } = this.stack[this.open];
      const more = kind === "Conv1D" && key === "padding" ? ["causal"] : [];
      const options = [...new Set([...(CHOICES[key] ?? []), ...more, value])]; // a reader's model may have others
      const input = tick ? cnn.make("input", { type: "checkbox" })
        : cnn.make("select", {}, ...options.map((option) => cnn.make("option", {}, option)));
      input.addEventListener("input", () => this.#set(key, () => set(tick ? input.checked : input.value)));
      this.fields.push({ input, read: get });
      return cnn.make("label", {}, label(key), input);
    }

    #addBar() {
      const options = (some) => some.map((kind) => cnn.make("option", {}, kind));
      this.addKind = cnn.make("select", {},
        ...Object.entries(GROUPS).map(([words, some]) => cnn.make("optgroup", { label: words }, ...options(some))));
      this.addButton = cnn.make("button", { type: "button", class: "new" });
      this.addButton.addEventListener("click", () => this.#add(this.addKind.value));
      this.undoButton = cnn.make("button", { type: "button" }, "undo");
      this.undoButton.addEventListener("click", () => this.#undo());
      return cnn.make("div", { class: "add" }, cnn.make("label", { class: "new" }, "new layer", this.addKind),
        this.addButton, this.undoButton);
    }

    // ---- The code ----
    #codeBox() {
      const { code, element } = cnn.codeBox(this, () => `${this.stack.length} layers as Keras code.`);
      this.code = code;
      return element;
    }

    // ---- After every change ----
    resized() { // a table as long as there is room for one
      this.table.classList.remove("narrow");
      this.table.classList.toggle("narrow", this.frame.scrollWidth > this.frame.clientWidth);
    }

    update() {
      for (const [name, ranks] of [["rows", "23"], ["columns", "23"], ["channels", "3"], ["numbers", "1"]]) {
        const field = this.inputs[name];
        field.disabled = field.parentElement.hidden = !ranks.includes(this.state.rank);
      }
      this.result = count(this.input, this.stack);
      const { rows, totals, problem } = this.result, called = names(this.stack);
      const split = this.table.matches(".split");
      this.table.classList.toggle("split", rows.some((row) => row.trainable < row.parameters));
      this.rows.forEach((row, at) => this.#fill(row, at, called, rows[at], problem?.layer === at));
      COLUMNS.forEach(([, what], i) => {
        this.totals[i].textContent = totals && what in totals ? grouped(totals[what]) : "";
      });
      for (const { input, read } of this.fields) {
        if (input.type === "checkbox") input.checked = read();
        else if (!input.matches(":focus")) input.value = read();
      }
      if (this.laidOut || split !== this.table.matches(".split")) this.resized();
      this.laidOut = false;
      this.addButton.textContent = this.open === null ? "add at the end" : `add below ${called[this.open]}`;
      this.undoButton.setAttribute("aria-disabled", String(!this.past.length));
      this.code.value = code(this.input, this.stack, this.result);
      this.code.rows = Math.min(this.stack.length + 7, 40);
      this.now = { state: { ...this.state }, stack: structuredClone(this.stack), open: this.open };
      this.say(...this.#sentence());
    }

    // What a row of the table says; nothing is touched if it is as before.
    #fill({ button, cells, line, ...row }, at, called, counted, wrong) {
      const { totals } = this.result, about = this.#about(at, called, counted);
      const shares = ["parameters", "multiply_adds"].map((what) => // of the total, for the bars
        (totals && counted ? (100 * counted[what]) / Math.max(1, totals[what]) : 0).toFixed(1));
      const told = JSON.stringify([called[at], about, counted, shares, wrong, this.input]);
      if (this.rows[at].told === told) return;
      this.rows[at].told = told;
      const parts = called[at].split(/(?<=[_/])/).flatMap((part) => [cnn.make("wbr"), part]); // may break after _ and /
      button.replaceChildren(cnn.make("b", {}, `${at + 1}. `, ...parts), " ",
        ...about.filter(Boolean).flatMap((words) => [cnn.make("span", {}, words), " "]));
      line.className = wrong ? "layer misfit" : "layer";
      COLUMNS.forEach(([, what], i) => {
        const value = counted?.[what], share = { parameters: shares[0], multiply_adds: shares[1] }[what];
        cells[i].replaceChildren(...(counted ? [Array.isArray(value) ? times(value) : grouped(value)] : []));
        if (share > 0) cells[i].append(cnn.make("span", { class: "bar", style: `width: ${share}%` }));
        if (what === "receptive_field" && counted) cells[i].append(...this.#view(counted));
      });
      if (wrong) cells[0].textContent = "does not fit";
    }

    // What stands under a layer's name: its settings, and where its inputs come from if not from the row above.
    #about(at, called, counted) {
      const layer = this.stack[at], { kind } = layer, again = layer.shares !== undefined;
      const words = [automatic(called[at].split("/").at(-1), kind) ? "" : kind,
        inWords(this.stack[layer.shares] ?? layer), again && "again",
        layer.trainable === false && counted?.parameters && "frozen"];
      const from = (layer.inputs ?? []).map((source) => called[source] ?? "the image");
      const above = from.length === 1 && layer.inputs[0] === at - 1;
      return [words.filter(Boolean).join(", "), from.length && !above ? `from ${from.join(" and ")}` : ""];
    }

    // The input as a frame, and in it how much of it one value sees; what it would see beyond the edges.
    #view({ receptive_field: sees, unclipped }) {
      const [height, width] = this.input, unit = 18 / Math.max(height, width), parts = [];
      const box = (rows, columns, more) =>
        cnn.make("rect", { x: 1, y: 1, width: columns * unit, height: rows * unit, ...more });
      if (sees.length === 2 && width) {
        parts.push(cnn.make("svg", { width: 20, height: 20, "aria-hidden": "true" },
          box(...sees, { fill: "var(--blue)" }), box(height, width, { fill: "none", stroke: "var(--line)" })));
      }
      if (times(sees) !== times(unclipped)) parts.push(cnn.make("span", { class: "free" }, clippedFrom(unclipped)));
      return parts;
    }

    #sentence() {
      const { rows, totals, problem } = this.result;
      if (problem) return [(this.undone ?? "") + problem.text, true];
      if (!rows.length) return [`${this.undone ?? ""}There are no layers yet. Choose a new layer and add it.`];
      const words = { parameters: "parameters", multiply_adds: "multiply-adds", activation_bytes: "bytes of values" };
      const known = Object.entries(words).map(([what, word]) => {
        const more = this.before ? totals[what] - this.before[what] : 0;
        const change = more ? ` (${grouped(Math.abs(more))} ${more > 0 ? "more" : "fewer"})` : "";
        const some = what === "parameters" && totals.trainable < totals.parameters;
        const of = some ? `, ${grouped(totals.trainable)} of them trainable` : "";
        return `${grouped(totals[what])} ${word}${change}${of}`;
      });
      return [[`${this.news()} ${known.join(", ")}.`, this.#shares(), this.#viewInWords()].filter(Boolean).join(" ")];
    }

    // Where most parameters live, and where most of the work is done.
    #shares() {
      const { rows, totals } = this.result, told = [];
      for (const [what, does] of [["parameters", "holds"], ["multiply_adds", "does"]]) {
        const most = rows.reduce((a, b) => (b[what] > a[what] ? b : a));
        const share = `${Math.round((100 * most[what]) / totals[what])}% of the ${what.replace("_", "-")}`;
        if (most[what]) told.push(`${most.name} ${does} ${share}`);
      }
      return told.length ? `${told.join(", ")}.` : "";
    }

    #viewInWords() {
      const { receptive_field: sees, unclipped, name } = this.result.rows.at(-1), all = this.input.slice(0, 2);
      const unit = this.input.length > 1 ? "pixels" : "numbers", clipped = times(sees) !== times(unclipped);
      const of = sees.length === all.length ? ` of ${times(all)} ${unit}` : ` ${unit}`;
      const part = times(sees) === times(all) ? `all ${times(all)} ${unit}` : times(sees) + of;
      return `One value of the last layer, ${name}, sees ${part}${clipped ? `, ${clippedFrom(unclipped)}` : ""}.`;
    }
  }

  const clippedFrom = (unclipped) => `clipped from ${times(unclipped)}`;
  const cell = (tag, role, attributes, ...content) => cnn.make(tag, { role, ...attributes }, ...content);
  const cells = () => COLUMNS.map(([words, what]) => cell("td", "cell", { "data-label": words, class: what }));

  cnn.define("network-ledger", NetworkLedger);
}
