// Python in the page: cells that can be edited and run, and the workbench of an assignment. What runs is Pyodide, in
// a worker; cnn.python (python/index.js) knows its files, cnn.page (python/pages/…) the page's cells.
"use strict";
{
  const MEGABYTE = 1_000_000;

  // The worker, whose text is this function's: it starts Python, then runs cells one by one.
  function inWorker() {
    async function unpack(pieces) {
      const text = atob(pieces.join("")), bytes = new Uint8Array(text.length);
      for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
      return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
    }
    async function start({ files, modules, boot }) {
      const known = new Map(await Promise.all(Object.entries(files)
        .map(async ([name, pieces]) => [name, await unpack(pieces)])));
      // Pyodide asks for its files by name: they are here already, and no network is needed.
      const type = { wasm: "application/wasm", json: "application/json", js: "text/javascript" };
      const answer = (address) => {
        const name = String(address).replace(/.*\//, ""), headers = { "content-type": type[name.replace(/.*\./, "")] ?? "" };
        return known.has(name) ? new Response(known.get(name), { headers }) : Response.error();
      };
      self.fetch = async (address) => answer(address.url ?? address);
      for (const name of ["pyodide.asm.js", "pyodide.js"])
        importScripts(URL.createObjectURL(new Blob([known.get(name)], { type: type.js })));
      const python = await loadPyodide({ indexURL: "https://files.invalid/" });
      await python.loadPackage("numpy", { messageCallback() {} });
      const place = python.FS.cwd();
      for (const [name, text] of Object.entries(modules)) {
        python.FS.mkdirTree(`${place}/${name.replace(/\/[^/]*$/, "")}`);
        python.FS.writeFile(`${place}/${name}`, text);
      }
      if (known.has("digits.npz")) python.FS.writeFile(`${place}/cnnlab/digits.npz`, new Uint8Array(known.get("digits.npz")));
      python.runPython(`import os, sys\nsys.path.insert(0, ${JSON.stringify(place)})\nos.environ.update(CNNLAB_TIER="sample", CNNLAB_SITE="1")`);
      const names = python.toPy({});
      python.runPython(boot, { globals: names });
      return names.get("Room")((kind, text) => postMessage({ kind, text }));
    }
    let room;
    self.onmessage = async ({ data }) => {
      try {
        if (data.files) {
          room = await start(data);
          postMessage({ ready: true });
        } else postMessage({ done: data.name, problem: room.run(data.name, data.text), leftOut: room.output.left_out });
      } catch (problem) {
        postMessage({ failed: String(problem.message ?? problem) });
      }
    };
  }

  // Python, for as long as it runs: it is started when it is needed, and ended when it has to stop.
  class Python {
    #worker;
    #hear; // what the worker's next words are for
    #halted; // whether it was stopped while its files came
    made = new Map(); // name: the step that made it what it is
    ran = new Map(); // step: the text that was run

    constructor(script) {
      this.script = script; // loads one of the site's scripts
      this.pieces = {};
      cnn.python.take = (name, number, piece) => { (this.pieces[name] ??= [])[number] = piece; };
    }

    // Loads the files, piece by piece; `tell` is told what happens.
    async #load(tell) {
      const known = cnn.python.pieces, names = Object.keys(known).filter((n) => n !== "digits.npz" || cnn.page.files.includes(n));
      const all = names.flatMap((name) => known[name].map((size, number) => [name, number, size]));
      const total = all.reduce((sum, [, , size]) => sum + size, 0);
      let had = 0;
      for (const [name, number, size] of all) {
        if (!this.pieces[name]?.[number]) {
          tell(`Python comes from this site, once: ${(had / MEGABYTE).toFixed(0)} of ${(total / MEGABYTE).toFixed(0)} MB.`);
          await this.script(`python/${name}.${number}.js`);
        }
        had += size;
      }
      return Object.fromEntries(names.map((name) => [name, this.pieces[name]]));
    }

    // Resolves to the worker's last word about what it was asked; `hear` gets what it shows on the way.
    #ask(message, hear = () => {}) {
      return new Promise((done) => {
        this.#hear = done;
        this.#worker.onmessage = ({ data }) => ("kind" in data ? hear(data) : done(data));
        this.#worker.onerror = (event) => done({ failed: event.message || "workers are not allowed here" });
        this.#worker.postMessage(message);
      });
    }

    // Whether Python runs now: false if it was stopped before.
    async start(tell) {
      if (this.#worker) return true;
      this.#halted = false;
      const files = await this.#load(tell);
      if (this.#halted) return false;
      tell("Python starts.");
      const code = new Blob([`"use strict";(${inWorker})();`], { type: "text/javascript" });
      this.#worker = new Worker(URL.createObjectURL(code));
      const { boot, modules } = cnn.python;
      const { ready, failed } = await this.#ask({ files, boot, modules: cnn.page.notebook ? {} : modules });
      if (!failed) return Boolean(ready);
      this.stop();
      throw new Error(`Python does not start in this browser: ${failed}`);
    }

    // Runs a step; its problem in words, "" if there is none, null if it was stopped.
    async run(number, text, hear) {
      const { sets } = cnn.page.steps[number];
      const said = await this.#ask({ name: `cell-${number}`, text }, hear);
      if (said.stopped) return null;
      for (const name of sets) this.made.set(name, number);
      this.ran.set(number, text);
      if (said.leftOut) hear({ kind: "note", text: `${said.leftOut.toLocaleString("en")} more characters are not shown.` });
      if (said.failed) this.stop(); // it would not recover
      return said.failed ?? said.problem;
    }

    stop() {
      this.#halted = true;
      this.#worker?.terminate();
      this.#worker = null;
      this.made.clear();
      this.ran.clear();
      this.#hear?.({ stopped: true });
    }
  }

  const element = (name, settings, ...inside) => {
    const node = Object.assign(document.createElement(name), settings);
    node.append(...inside);
    return node;
  };

  // What a run shows: text as it comes, tables, sentences.
  class Shown {
    constructor(place) {
      this.place = place;
    }

    clear() {
      this.place.replaceChildren();
    }

    add({ kind, text }) {
      const last = this.place.lastElementChild;
      if (kind === "text" && last?.localName === "pre") last.append(text);
      else if (kind === "text") this.place.append(element("pre", { tabIndex: 0, ariaLabel: "Output" }, text));
      else if (kind === "html") this.place.append(element("div", { className: "output", innerHTML: text }));
      else if (kind === "markdown") this.place.append(sentence(text));
      else this.place.append(element("p", { className: kind === "problem" ? "run-problem" : "run-note" }, text));
    }
  }

  // A sentence with **bold** words and `code`.
  function sentence(text) {
    const parts = text.split(/(\*\*[^*]+\*\*|`[^`]+`)/).map((part) => {
      if (part.startsWith("**")) return element("strong", {}, part.slice(2, -2));
      return part.startsWith("`") ? element("code", {}, part.slice(1, -1)) : part;
    });
    return element("p", {}, ...parts);
  }

  // A cell with its editor, below the code as the page has it.
  class Cell {
    constructor(cells, button, number, text) {
      Object.assign(this, { cells, button, number, original: text });
      const words = number < 0; // an answer in words
      this.editor = element("textarea", { value: text, spellcheck: words, wrap: words ? "soft" : "off",
        ariaLabel: words ? "Your answer" : "Code of this cell", autocapitalize: "off", autocomplete: "off" });
      const tool = (label, act) => {
        const made = element("button", { type: "button" }, label);
        made.addEventListener("click", act);
        return made;
      };
      this.runs = tool(this.tests.length ? "run and test" : "run", () => this.run());
      this.stops = tool("stop", () => cells.python.stop());
      const resets = tool("reset", () => this.reset());
      this.said = element("span", { role: "status", className: "run-said" });
      this.shown = new Shown(element("div", { className: "run-output cell_output" }));
      this.place = element("div", { className: "run-cell" }, this.editor,
        element("div", { className: "run-tools" }, ...(words ? [] : [this.runs, this.stops]), resets, this.said), this.shown.place);
      this.stops.disabled = true;
      this.editor.addEventListener("input", () => this.changed());
      this.editor.addEventListener("keydown", (event) => this.#key(event));
      button.hidden = true;
      button.previousElementSibling.hidden = true; // the code, or the words in its place
      button.after(this.place);
      this.#fit();
    }

    get tests() {
      const { steps } = cnn.page, tests = [];
      for (let n = this.number + 1; this.number >= 0 && steps[n]?.kind === "test"; n++) tests.push(n);
      return tests;
    }

    get text() {
      return this.editor.value;
    }

    set text(value) {
      this.editor.value = value;
      this.changed();
    }

    changed() {
      this.#fit();
      this.cells.keep(this);
    }

    #fit() {
      this.editor.rows = Math.min(Math.max(this.text.split("\n").length, 2), 30);
    }

    // Enter keeps the indentation, and adds to it after a colon; with Ctrl or Shift it runs the cell.
    #key(event) {
      if (event.key !== "Enter" || event.isComposing || this.number < 0) return;
      if (event.ctrlKey || event.metaKey || event.shiftKey) {
        event.preventDefault();
        this.run();
        return;
      }
      const before = this.text.slice(0, this.editor.selectionStart).split("\n").at(-1);
      const indent = before.match(/^ */)[0] + (before.trimEnd().endsWith(":") ? "    " : "");
      if (!indent) return;
      event.preventDefault();
      this.editor.setRangeText(`\n${indent}`, this.editor.selectionStart, this.editor.selectionEnd, "end");
      this.changed();
    }

    reset() {
      this.text = this.original;
      this.shown.clear();
      this.said.textContent = "As it was at first.";
    }

    tell(text) {
      this.said.textContent = text;
    }

    run() {
      return this.cells.run(this);
    }
  }

  const STOPPED = ["Stopped. What all cells had made is gone; each run makes anew what it needs.", null];

  class Cells {
    constructor(script) {
      this.python = new Python(script);
      this.key = `cnnlab.work.${cnn.page.name}`;
      this.open = new Map(); // number of a notebook's cell: Cell
      this.kept = {};
      try {
        this.kept = JSON.parse(localStorage.getItem(this.key) ?? "{}");
      } catch { /* nothing is kept, or not by this course */ }
      if (!cnn.page.notebook) return;
      for (const button of document.querySelectorAll(".run-here"))
        if (this.kept[this.#name(+button.dataset.cell)] !== undefined) this.#editor(button);
    }

    // The name of an assignment's cell, which stays the same if the assignment grows.
    #name(number) {
      return cnn.page.names?.[number];
    }

    #editor(button) {
      const at = +button.dataset.cell;
      if (!this.open.has(at)) {
        const number = cnn.page.steps.findIndex(({ cell }) => cell === at);
        const source = number < 0 ? "YOUR ANSWER HERE" : cnn.page.steps[number].text;
        const cell = new Cell(this, button, number, source);
        this.open.set(at, cell);
        const kept = this.kept[this.#name(at)];
        if (kept !== undefined) cell.text = kept;
      }
      return this.open.get(at);
    }

    press(button) {
      if (button.dataset.cell === "download") return this.download();
      if (button.dataset.cell === "all") return this.runAll(button);
      const cell = this.#editor(button);
      cell.editor.focus();
      return cnn.page.notebook ? null : cell.run();
    }

    // Keeps an answer in this browser.
    keep(cell) {
      if (!cnn.page.notebook) return;
      const at = [...this.open].find(([, one]) => one === cell)?.[0];
      if (at === undefined) return;
      this.kept[this.#name(at)] = cell.text;
      if (cell.text === cell.original) delete this.kept[this.#name(at)];
      try {
        if (Object.keys(this.kept).length) localStorage.setItem(this.key, JSON.stringify(this.kept));
        else localStorage.removeItem(this.key);
      } catch {
        cell.tell("This browser keeps nothing: download your notebook before you leave the page.");
      }
    }

    // The text of a step as it is now.
    text(number) {
      return this.open.get(cnn.page.steps[number].cell)?.text ?? cnn.page.steps[number].text;
    }

    // What has to run before a step: of what it needs, the first step that is not as it was run, and all after it.
    missing(number) {
      const { steps } = cnn.page, { made, ran } = this.python, needs = new Set();
      const need = (n) => { for (const one of steps[n].needs) if (!needs.has(one)) { needs.add(one); need(one); } };
      need(number);
      const inOrder = [...needs].sort((a, b) => a - b);
      const stale = (n) => ran.get(n) !== this.text(n)
        || steps[n].sets.some((name) => made.get(name) < n || (made.get(name) !== n && !needs.has(made.get(name))));
      const first = inOrder.findIndex(stale);
      return first < 0 ? [] : inOrder.slice(first);
    }

    // Runs a cell, after what it needs, and its tests: whether all went well, null if it was stopped. Only one runs
    // at a time.
    async run(cell) {
      if (this.busy) {
        cell.tell("Another cell runs. Wait for it, or stop it.");
        return false;
      }
      this.busy = true;
      cell.runs.disabled = true;
      cell.stops.disabled = false;
      cell.shown.clear();
      try {
        const started = await this.python.start((text) => cell.tell(text));
        if (started) cell.tell("It runs.");
        const [words, fine] = started ? await this.#all(cell) : STOPPED;
        cell.tell(words);
        return fine;
      } catch (problem) {
        cell.tell("");
        cell.shown.add({ kind: "problem", text: problem.message });
        return false;
      } finally {
        this.busy = false;
        cell.runs.disabled = false;
        cell.stops.disabled = true;
      }
    }

    // [what to say at the end, whether all went well]
    async #all(cell) {
      const work = cnn.page.notebook;
      let above = ""; // what went wrong further up
      for (const number of this.missing(cell.number)) {
        const problem = await this.python.run(number, this.text(number), () => {});
        if (problem === null) return STOPPED;
        if (problem && !work) {
          cell.shown.add({ kind: "problem", text: `A cell further up, which this one needs, ended with a problem. ${problem}` });
          return ["", false];
        }
        above ||= problem;
      }
      const own = await this.python.run(cell.number, cell.text, (said) => cell.shown.add(said));
      if (own === null) return STOPPED;
      let wrong = own;
      for (const test of wrong ? [] : cell.tests) {
        wrong = await this.python.run(test, this.text(test), (said) => cell.shown.add(said));
        if (wrong === null) return STOPPED;
        if (wrong) break;
      }
      if (wrong) {
        cell.shown.add({ kind: "problem", text: wrong });
        if (above) cell.shown.add({ kind: "note", text: `Further up, something is not right yet, either: ${above}` });
        return [own || !cell.tests.length ? "It ended with a problem." : "A test does not pass yet.", false];
      }
      return [cell.tests.length ? "The tests that you see pass." : "Done.", true];
    }

    // The answers of an assignment, one after the other.
    async runAll(button) {
      const said = button.closest(".workbench").querySelector(".run-said");
      const buttons = [...document.querySelectorAll(".cell .run-here")];
      let passed = 0;
      const tested = [];
      for (const one of buttons) {
        const cell = this.#editor(one);
        said.textContent = `Question ${tested.length + 1} is tested.`;
        const fine = await cell.run();
        if (fine === null) {
          said.textContent = "Stopped.";
          return;
        }
        if (!cell.tests.length) continue;
        tested.push(cell);
        passed += fine;
      }
      said.textContent = passed === tested.length ? "The tests that you see pass, all of them. Download your notebook."
        : `${passed} of ${tested.length} answers pass the tests that you see. What is wrong stands below each of the others.`;
    }

    // The notebook, with the answers in it.
    download() {
      const notebook = structuredClone(cnn.page.notebook);
      for (const cell of notebook.cells) cell.source = this.kept[cell.metadata.nbgrader?.grade_id] ?? cell.source;
      const file = new Blob([`${JSON.stringify(notebook, null, 1)}\n`], { type: "application/x-ipynb+json" });
      const link = element("a", { href: URL.createObjectURL(file), download: `${cnn.page.name}.ipynb` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    }
  }

  let cells;
  cnn.runCells = (script) => cells ??= new Cells(script);
}
