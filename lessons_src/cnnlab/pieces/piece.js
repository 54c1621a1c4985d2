// What all live pieces share: the frame, the colours, the controls, and the sentence that follows
// what happens. A piece is a class that extends cnn.Piece; see conv-stepper.js for a small one.
// These are classic scripts, not modules: browsers refuse modules on pages opened from a file.
"use strict";
globalThis.cnn ??= {};
{
  // Okabe and Ito's colours, as in the figures; lighter ones on a dark page.
  const STYLE = `
    :host { display: block; margin: 1.2rem 0; container-type: inline-size;
      --ink: #1b1f24; --soft: #57606a; --line: #8c959f; --paper: #ffffff; --panel: #f6f8fa;
      --blue: #0072B2; --orange: #B45F00; --green: #00755A; --pink: #A8477F; }
    :host([dark]) { --ink: #f0f3f6; --soft: #b6bfc9; --line: #7d8894; --paper: #14181d; --panel: #1f252c;
      --blue: #6CC4F5; --orange: #F5B342; --green: #3CCFA4; --pink: #EBA3CB; }
    * { box-sizing: border-box; }
    section { color: var(--ink); background: var(--paper); border: 1px solid var(--line);
      border-radius: 8px; padding: .7rem; font: 15px/1.45 system-ui, sans-serif; overflow-x: auto; }
    .title { margin: 0 0 .5rem; font-weight: 650; }
    .controls { display: flex; flex-wrap: wrap; gap: .35rem .9rem; align-items: center; margin-bottom: .6rem; }
    .stage { display: flex; flex-wrap: wrap; gap: .8rem; align-items: flex-start; }
    .stage > div > p, .stage figcaption { margin: .1rem 0 .3rem; font-size: .85rem; color: var(--soft); }
    label { display: inline-flex; gap: .35rem; align-items: center; font-size: .9rem; }
    input, select, button, textarea { font: inherit; color: inherit; background: var(--panel);
      border: 1px solid var(--line); border-radius: 5px; padding: .15rem .4rem; min-height: 28px; }
    input[type=number] { width: 4.6em; }
    input[type=range] { padding: 0; width: 8em; accent-color: var(--blue); }
    label .at { min-width: 2.2em; font-variant-numeric: tabular-nums; }
    input[type=checkbox] { min-height: 0; width: 18px; height: 18px; accent-color: var(--blue); }
    button, summary { cursor: pointer; }
    summary { line-height: 24px; }
    button:disabled { opacity: .5; cursor: default; }
    button[aria-pressed=true] { background: var(--blue); color: var(--paper); }
    :focus-visible { outline: 3px solid var(--orange); outline-offset: 1px; }
    .words { margin: .7rem 0 0; min-height: 1.5em; }
    .wrong { color: var(--orange); font-weight: 600; }
    table { border-collapse: collapse; color: inherit; font: inherit; font-variant-numeric: tabular-nums; }
    canvas, svg { max-width: 100%; touch-action: manipulation; }
    svg text { fill: var(--ink); font-size: 12px; }
    @media print { .controls { display: none; } }
    @media (forced-colors: active) { /* the reader's ink and paper; blue and orange still carry data */
      :host, :host([dark]) { --ink: CanvasText; --soft: CanvasText; --line: CanvasText; --paper: Canvas;
        --panel: Canvas; }
      section { forced-color-adjust: none; }
      select, input[type=checkbox], input[type=range] { forced-color-adjust: auto; }
      button:disabled { opacity: 1; color: GrayText; border-color: GrayText; }
      button[aria-pressed=true] { background: Highlight; color: HighlightText; }
    }
  `;

  const FORCED = matchMedia("(forced-colors: active)");
  const THEMES = [matchMedia("(prefers-color-scheme: dark)"), FORCED];
  let pieces = 0;

  class Piece extends HTMLElement {
    // A subclass has: static title; build(), called once, makes controls and stage; update(), called
    // after every change, computes and draws. What the reader sets is in this.state.
    // If it has them: enter() and leave() are called when the piece comes into a page and when it goes,
    // resized() when there is more or less this.room than before.
    connectedCallback() {
      const first = !this.shadowRoot;
      if (first) this.#frame();
      this.#follow("addEventListener");
      const attributes = { attributes: true };
      for (let place = behind(this); place; place = behind(place)) this.#attributes.observe(place, attributes);
      this.#size.observe(this.stage);
      this.#look(); // it may stand in another place than before
      if (first) {
        this.#width = this.stage.clientWidth;
        this.build();
        this.update();
      }
      this.enter?.();
    }

    disconnectedCallback() {
      this.leave?.();
      this.#follow("removeEventListener");
      this.#attributes.disconnect();
      this.#size.disconnect();
    }

    #frame() {
      const { title, style = "" } = this.constructor;
      this.id ||= `cnn-piece-${++pieces}`;
      this.given = JSON.parse(this.dataset.given ?? "{}"); // what cnnlab.pieces.show was given
      this.state = {};
      this.inputs = {};
      this.dataset.lmSuppressShortcuts = "true"; // for JupyterLab: what is typed here is not for it
      const root = this.attachShadow({ mode: "open" });
      root.innerHTML = `<style>${STYLE}${style}</style><section aria-label="${title}">
        <p class="title">${title}</p><div class="controls"></div><div class="stage"></div>
        <p class="words" role="status"></p><span class="probe" hidden></span></section>`;
      [this.controls, this.stage, this.words, this.probe] = [".controls", ".stage", ".words", ".probe"].map((s) =>
        root.querySelector(s));
      root.addEventListener("refused", (event) => this.say(event.detail, true)); // by a grid
    }

    // Dark or light is what stands behind the piece: this works on the site, in JupyterLab, Colab
    // and VS Code alike, which all say it differently. A theme changes with the computer's settings or
    // with an attribute of a place behind the piece, at once or slowly.
    #follow(change) {
      for (const theme of THEMES) theme[change]("change", this.#soon);
      document[change]("transitionend", this.#look);
    }
    #soon = () => setTimeout(this.#look, 50);
    #attributes = new MutationObserver(this.#soon);

    #look = () => {
      if (!this.isConnected) return;
      const dark = lightness(this) < 128, first = this.dark === undefined;
      if (dark === this.dark && FORCED.matches === this.forced) return;
      Object.assign(this, { dark, forced: FORCED.matches });
      this.toggleAttribute("dark", dark);
      if (!first) this.update(); // canvases are drawn with these colours
    };

    // When the page becomes wider or narrower. Not at once: what is drawn anew may change the height, which the
    // observer would have to tell again.
    #width = 0;
    #size = new ResizeObserver(() => requestAnimationFrame(() => {
      const width = this.stage.clientWidth; // 0: hidden
      if (!width || width === this.#width) return;
      this.#width = width;
      this.resized?.();
    }));

    // The width for what is drawn, in pixels; a guess as long as the piece is hidden.
    get room() {
      return this.#width || 400;
    }

    // A colour as the browser computes it, for canvases: colour("blue") of the palette is "rgb(0, 114, 178)".
    colour(name) {
      this.probe.style.color = `var(--${name})`;
      return getComputedStyle(this.probe).color;
    }

    get still() {
      return matchMedia("(prefers-reduced-motion: reduce)").matches;
    }

    // The sentence that follows what happens. `wrong` marks a setting that cannot be computed.
    say(text, wrong = false) {
      if (this.words.textContent !== text) this.words.textContent = text;
      this.words.classList.toggle("wrong", wrong);
    }

    set(name, value) {
      this.state[name] = value;
      const input = this.inputs[name];
      if (input) input[input.type === "checkbox" ? "checked" : "value"] = value;
      input?.tell?.();
    }

    // A labelled input whose value lands in this.state[name].
    #control(name, label, input, read) {
      const box = cnn.make("label", {}, `${label} `, input);
      input.name = name;
      input.addEventListener("input", () => {
        const value = read(input);
        if (value === undefined) return; // half typed
        this.state[name] = value;
        input.tell?.();
        this.changed?.(name);
        this.update();
      });
      this.inputs[name] = input;
      this.controls.append(box);
      return input;
    }

    // A slider shows where it stands, as `text(value)` says it.
    number(name, label, value, { min, max, step = 1, slider = false, text = cnn.short }) {
      this.state[name] = value;
      const input = cnn.make("input", { type: slider ? "range" : "number", min, max, step, value });
      if (!slider) input.addEventListener("change", () => { // what cannot be goes
        if (input.valueAsNumber !== this.state[name]) this.say(`${label}: a whole number from ${min} to ${max}.`, true);
        input.value = this.state[name];
      });
      this.#control(name, label, input, () => {
        const typed = input.valueAsNumber;
        const fits = typed >= min && typed <= max && (step % 1 || typed % 1 === 0);
        return fits ? typed : undefined;
      });
      if (slider) {
        const shown = cnn.make("span", { class: "at", "aria-hidden": "true" });
        input.tell = () => {
          shown.textContent = text(this.state[name]);
          input.setAttribute("aria-valuetext", shown.textContent);
        };
        input.after(shown);
        input.tell();
      }
      return input;
    }

    choice(name, label, value, options) {
      this.state[name] = value;
      const rows = options.map((o) => (Array.isArray(o) ? o : [o, o]));
      const input = cnn.make("select", {}, ...rows.map(([v, text]) => cnn.make("option", { value: v }, text)));
      input.value = value;
      return this.#control(name, label, input, () => input.value);
    }

    tick(name, label, value) {
      this.state[name] = value;
      const input = cnn.make("input", { type: "checkbox" });
      input.checked = value;
      return this.#control(name, label, input, () => input.checked);
    }

    button(label, action) {
      const button = cnn.make("button", { type: "button" }, label);
      button.addEventListener("click", () => { action(); this.update(); });
      this.controls.append(button);
      return button;
    }
  }

  // A box with code to copy, closed at first. `told()` says what has been copied.
  function codeBox(piece, told) {
    const code = make("textarea", { readonly: "", wrap: "off", spellcheck: "false", "aria-label": "Keras code" });
    const details = make("details", {}, make("summary", {}, "Keras code"), code);
    const copy = make("button", { type: "button" }, "copy as Keras code");
    copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.value);
        piece.say(`Copied: ${told()}`);
      } catch { // no clipboard here, or no permission
        details.open = true;
        code.focus();
        code.select();
        piece.say("This browser did not let us copy. The code is marked below: copy it with Ctrl+C or ⌘C.");
      }
    });
    return { code, element: make("div", { class: "code" }, copy, details) };
  }

  // An HTML or SVG element: make("p", {class: "x"}, "text", child).
  const SVG = new Set(["svg", "g", "path", "circle", "line", "rect", "text", "polyline", "title"]);
  function make(tag, attributes = {}, ...children) {
    const node = SVG.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag)
      : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== undefined && value !== null && value !== false) node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }

  // What lies behind an element, also where it stands in a slot or a shadow.
  function behind(element) {
    return element.assignedSlot ?? element.parentElement ?? element.getRootNode().host;
  }

  // A colour, however it is written, as red, green, blue and opacity from 0 to 255: the browser paints it.
  const brush = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  function rgba(colour) {
    brush.clearRect(0, 0, 1, 1);
    brush.fillStyle = "transparent"; // stays if the next is no colour
    brush.fillStyle = colour;
    brush.fillRect(0, 0, 1, 1);
    return [...brush.getImageData(0, 0, 1, 1).data];
  }

  // How light it is behind a piece, from 0 to 255: its page's paper, and on it one background after the other.
  function lightness(piece) {
    const over = (under, [r, g, b, a]) => [r, g, b].map((v, i) => under[i] + ((v - under[i]) * a) / 255);
    const places = [];
    for (let place = behind(piece); place; place = behind(place)) places.unshift(getComputedStyle(place));
    piece.probe.style = `color: Canvas; color-scheme: ${places[0]?.colorScheme ?? "normal"}`;
    let seen = rgba(getComputedStyle(piece.probe).color);
    for (const { backgroundColor, backgroundImage, color } of FORCED.matches ? [] : places) {
      const own = rgba(backgroundColor), stops = backgroundImage.match(/\b[a-z]+\([^()]*\)/g) ?? [];
      seen = over(seen, own);
      if (backgroundImage.includes("url(")) { // a picture; without a colour under it, the contrary of its text
        if (own[3] < 255) seen = rgba(color).map((v) => 255 - v);
      } else if (stops.length) { // a gradient: the mean of its colours
        const mixed = stops.map((stop) => over(seen, rgba(stop)));
        seen = seen.map((_, i) => mixed.reduce((sum, colour) => sum + colour[i], 0) / mixed.length);
      }
    }
    return 0.3 * seen[0] + 0.6 * seen[1] + 0.1 * seen[2];
  }

  // A number as the pieces print it: at most `digits` decimals, a true minus sign, no "-0". What would come out as
  // 0 keeps one digit if it is larger than `noise`; a number with more than seven digits is rounded to three.
  function short(value, digits = 2, noise = Infinity) {
    if (Number.isNaN(value)) return "no number";
    let number = Number(value.toFixed(digits)) || 0;
    if (number === 0 && Math.abs(value) > noise) number = Number(value.toPrecision(1));
    if (Math.abs(number) >= 1e7) number = Number(number.toPrecision(3)).toExponential().replace("+", "");
    return String(number).replaceAll("-", "−");
  }

  // A number as it is, or rounded: to 4 digits if it has more than 6, or to so many `digits`.
  const brief = (value) => Number(value.toPrecision(6)) === value;
  function full(value, digits = brief(value) ? 6 : 4) {
    return String(Number(value.toPrecision(digits))).replaceAll("-", "−");
  }

  // The right side of a sum of products, divided by n. It is true as printed: ["=", "2.4"]; or, where a number has
  // many digits, ["≈", "0.3333"]. On the left stand the factors, printed by full().
  function equals(value, products, n = 1) {
    const factors = products.flat();
    // How many decimals a number is written with: 2 for 0.25, 7 for 1e-7.
    const places = Math.max(...factors.map((v) => {
      const [digits, power = 0] = String(v).split("e");
      return (digits.split(".")[1] ?? "").length - power;
    }));
    if (places <= 20 && factors.every(brief)) { // then with whole numbers of any length
      const whole = (v) => BigInt(v.toFixed(places).replace(".", ""));
      const sum = products.reduce((total, [a, b]) => total + whole(a) * whole(b), 0n) * 100000n; // 5 decimals to divide
      const digits = String(sum / BigInt(n)).replace("-", "").padStart(2 * places + 6, "0");
      const text = `${digits.slice(0, -2 * places - 5)}.${digits.slice(-2 * places - 5)}`.replace(/\.?0+$/, "");
      if (sum % BigInt(n) === 0n) return ["=", (sum < 0n ? "−" : "") + text];
    }
    const size = products.reduce((total, [a, b]) => total + Math.abs(a * b), 0);
    return ["≈", short(value, 4, 1e-12 * size)];
  }

  // Random numbers that are the same on every visit (mulberry32, by Tommy Ettinger).
  function random(seed) {
    let a = seed >>> 0;
    return () => {
      a = (a + 0x6d2b79f5) | 0;
      let t = Math.imul(a ^ (a >>> 15), 1 | a);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
  }

  // A line of text as HTML, with `code`, *emphasis* and **strong emphasis**.
  function inline(text) {
    const safe = String(text).replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);
    const codes = [...safe.matchAll(/`(.+?)`/g)]; // what is code has no emphasis
    return safe.replace(/`(.+?)`/g, "``").replace(/\*\*(.+?)\*\*/g, "<strong>$1</strong>")
      .replace(/\*(.+?)\*/g, "<em>$1</em>").replace(/``/g, () => `<code>${codes.shift()?.[1] ?? ""}</code>`);
  }

  // Make the element <cnn-NAME>. A notebook runs this again with every output: the first one stays.
  function define(name, piece) {
    if (!customElements.get(`cnn-${name}`)) customElements.define(`cnn-${name}`, piece);
  }

  Object.assign(cnn, { Piece, codeBox, make, rgba, short, full, equals, random, inline, define });
}
