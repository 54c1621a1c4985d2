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
    button { cursor: pointer; }
    button:disabled { opacity: .5; cursor: default; }
    button[aria-pressed=true] { background: var(--blue); color: var(--paper); }
    :focus-visible { outline: 3px solid var(--orange); outline-offset: 1px; }
    .words { margin: .7rem 0 0; min-height: 1.5em; }
    .wrong { color: var(--orange); font-weight: 600; }
    table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
    canvas, svg { max-width: 100%; touch-action: manipulation; }
    svg text { fill: var(--ink); font-size: 12px; }
    @media print { .controls { display: none; } }
  `;

  let pieces = 0;

  class Piece extends HTMLElement {
    // A subclass has: static title; build(), called once, makes controls and stage; update(), called
    // after every change, computes and draws. What the reader sets is in this.state.
    connectedCallback() {
      if (this.shadowRoot) return;
      const { title, style = "" } = this.constructor;
      this.id ||= `cnn-piece-${++pieces}`;
      this.given = JSON.parse(this.dataset.given ?? "{}"); // what cnnlab.pieces.show was given
      this.state = {};
      this.inputs = {};
      this.dataset.lmSuppressShortcuts = "true"; // for JupyterLab: what is typed here is not for it
      const root = this.attachShadow({ mode: "open" });
      root.innerHTML = `<style>${STYLE}${style}</style><section aria-label="${title}">
        <p class="title">${title}</p><div class="controls"></div><div class="stage"></div>
        <p class="words" role="status"></p></section>`;
      [this.controls, this.stage, this.words] = [".controls", ".stage", ".words"].map((s) =>
        root.querySelector(s));
      this.followTheme();
      this.build();
      this.update();
    }

    disconnectedCallback() {
      this.watcher?.disconnect();
    }

    // Dark or light is what stands behind the piece: this works on the site, in JupyterLab, Colab
    // and VS Code alike, which all say it differently.
    followTheme() {
      const look = () => {
        let place = this.parentElement, colour = "";
        for (; place; place = place.parentElement) {
          colour = getComputedStyle(place).backgroundColor;
          if (!/^(transparent|rgba\(.*, 0\))$/.test(colour)) break;
        }
        const [r, g, b] = place ? colour.match(/[\d.]+/g).map(Number) : [255, 255, 255];
        const dark = 0.3 * r + 0.6 * g + 0.1 * b < 128;
        if (dark === this.dark) return;
        const first = this.dark === undefined;
        this.dark = dark;
        this.toggleAttribute("dark", dark);
        if (!first) this.update(); // canvases are drawn with these colours
      };
      look();
      this.watcher = new MutationObserver(() => setTimeout(look, 50));
      for (const node of [document.documentElement, document.body]) {
        this.watcher.observe(node, { attributes: true, attributeFilter: ["class", "style", "data-theme",
          "data-jp-theme-light", "data-vscode-theme-kind"] });
      }
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTimeout(look, 50));
    }

    // A colour of the palette as the browser computes it, for canvases: colour("blue").
    colour(name) {
      return getComputedStyle(this).getPropertyValue(`--${name}`).trim();
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
      if (!slider) input.addEventListener("change", () => { input.value = this.state[name]; });
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

  // A number as the pieces print it: at most `digits` decimals, a true minus sign, no "-0".
  function short(value, digits = 2) {
    const text = String(Number(value.toFixed(digits)) || 0);
    return text.replace("-", "−");
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

  // Make the element <cnn-NAME>. A notebook runs this again with every output: the first one stays.
  function define(name, piece) {
    if (!customElements.get(`cnn-${name}`)) customElements.define(`cnn-${name}`, piece);
  }

  Object.assign(cnn, { Piece, make, short, random, define });
}
