// The page that lists all questions of the course and what this reader predicted.
"use strict";
cnn.define("your-predictions", class extends cnn.Follower {
  static title = "Your predictions";
  static style = `
    h2 { font-size: 1.05rem; margin: 1.2rem 0 .3rem; }
    table { width: 100%; font-size: .9rem; }
    th, td { text-align: left; vertical-align: top; padding: .3rem .5rem .3rem 0; border-top: 1px solid var(--line); }
    th { font-weight: 600; }
    a { color: var(--blue); }
    .asked { width: 42%; }
    summary { cursor: pointer; font-size: .9rem; color: var(--soft); padding: .2rem 0; }
    .right { color: var(--green); font-weight: 600; }
    .wrong { color: var(--orange); font-weight: 600; }
    .name { display: block; margin: .4rem 0; }
    .name input { min-width: 14em; }
    @container (max-width: 560px) {
      thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
      tr, td, th { display: block; border: 0; padding: .1rem 0; }
      tr { border-top: 1px solid var(--line); padding: .4rem 0; }
      td[data-label]:not(:empty)::before { content: attr(data-label) ": "; color: var(--soft); }
      .asked { width: auto; }
    }
    @media print { .name input { border: 0; border-bottom: 1px solid; } tr { break-inside: avoid; } }
  `;

  build() {
    const file = cnn.make("input", { type: "file", accept: ".json,application/json", hidden: true });
    file.addEventListener("change", () => this.load(file));
    this.button("save as a file", () => this.save());
    this.button("load a file", () => file.click());
    this.button("print", () => print());
    this.forget = this.button("forget them all", () => this.clear());
    this.tick("through", "read without questions", cnn.predictions.through());
    this.controls.append(file);
    const name = cnn.make("label", { class: "name" }, "Name, for a printed copy ", cnn.make("input", { name: "name", autocomplete: "name" }));
    this.score = cnn.make("p");
    this.curve = document.createElement("cnn-calibration");
    this.list = cnn.make("div");
    this.stage.style.display = "block";
    this.stage.append(name, this.score, this.curve, this.list);
  }

  changed(name) {
    if (name === "through") cnn.predictions.readThrough(this.state.through);
  }

  update() {
    const pages = cnn.questions ?? [], root = document.documentElement.dataset.content_root ?? "";
    const asked = pages.flatMap(({ questions }) => questions), known = asked.map((q) => cnn.predictions.get(q)).filter(Boolean);
    const { n, right } = cnn.calibration(Object.fromEntries(known.map((entry, i) => [i, entry])));
    this.score.textContent = `${asked.length} questions in the course. You have committed to ${known.filter((e) => !e.shown).length} `
      + `and were shown ${known.filter((e) => e.shown).length}. Of the ${n} that have met their answer, ${right} `
      + `${right === 1 ? "was" : "were"} right.`;
    const open = new Set([...this.list.querySelectorAll("details[open]")].map((part) => part.dataset.page));
    this.list.replaceChildren(...pages.flatMap(({ page, title, questions }) => {
      const address = `${root}${page}.html`, met = questions.filter((question) => cnn.predictions.get(question));
      const rest = questions.filter((question) => !met.includes(question));
      const parts = [cnn.make("h2", {}, cnn.make("a", { href: address }, title))];
      if (met.length) {
        const head = cnn.make("tr", {}, ...["Question", "You said", "How sure", "Answer", "Verdict"].map((text) =>
          cnn.make("th", { scope: "col" }, text)));
        const rows = met.map((question) => this.row(question, address));
        parts.push(cnn.make("table", {}, cnn.make("thead", {}, head), cnn.make("tbody", {}, ...rows)));
      }
      if (rest.length) {
        const list = cnn.make("ul", {}, ...rest.map((question) => cnn.make("li", {}, this.link(question, address))));
        const part = cnn.make("details", { "data-page": page }, cnn.make("summary", {}, `${rest.length} not asked yet`), list);
        part.open = open.has(page);
        parts.push(part);
      }
      return parts;
    }));
  }

  link(question, page, entry) {
    const words = cnn.make("a", { href: `${page}#${entry ? "sealed-" + question.name : question.section}` });
    words.innerHTML = cnn.inline(question.question);
    return words;
  }

  row(question, page) {
    const entry = cnn.predictions.get(question);
    const cell = (text, label, kind) => cnn.make("td", { class: kind, "data-label": label }, text);
    const row = cnn.make("tr", {}, cnn.make("td", { class: "asked" }, this.link(question, page, entry)));
    if (entry.shown) row.append(cell("(shown)"), cell(""), cell(entry.truth ?? "", "answer"), cell(""));
    else {
      const verdict = entry.right === undefined ? "not known yet" : entry.right ? "right" : entry.hit ? "inside, not close" : "wrong";
      row.append(cell(entry.words, "you said"), cell(`${entry.sure} %`, "how sure"), cell(entry.truth ?? "", "answer"),
        cell(verdict, undefined, entry.right ? "right" : "wrong"));
    }
    return row;
  }

  save() {
    const text = JSON.stringify({ course: "cnnlab", format: 1, predictions: cnn.predictions.all() }, null, 1);
    const link = cnn.make("a", { href: URL.createObjectURL(new Blob([text], { type: "application/json" })), download: "my-predictions.json" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    this.say("Saved as my-predictions.json.");
  }

  async load(file) {
    const text = await file.files[0]?.text();
    file.value = ""; // the same file may be chosen again
    if (text === undefined) return;
    let found;
    try {
      found = JSON.parse(text);
    } catch { /* said below */ }
    const fits = (name, entry) => /^[a-z0-9-]+$/.test(name) && /^[0-9a-f]{8}$/.test(entry?.version) && typeof entry.at === "string"
      && ["options", "number", "order"].includes(entry.kind) && (entry.shown === true || (cnn.predictions.SURE.includes(entry.sure)
      && typeof entry.words === "string" && (entry.kind === "order" ? Array.isArray(entry.said) : typeof entry.said === "number")));
    const given = found?.course === "cnnlab" && found.format === 1 ? Object.entries(found.predictions ?? {}) : undefined;
    if (!given || !given.every(([name, entry]) => fits(name, entry))) {
      this.say("This file holds no predictions of this course. Choose one that “save as a file” has written.", true);
      return;
    }
    const asked = (cnn.questions ?? []).flatMap(({ questions }) => questions), versions = new Map(asked.map((q) => [q.name, q.version]));
    const old = (name, { version }) => Number(versions.get(name.replace(/^again-\d+-/, "")) !== version); // not as it is asked now
    const mine = cnn.predictions.all(); // of two of one kind, the older one is the honest one
    const fresh = given.filter(([name, entry]) => {
      const gain = mine[name] && old(name, mine[name]) - old(name, entry);
      return !mine[name] || gain > 0 || (gain === 0 && entry.at < mine[name].at);
    });
    cnn.predictions.keep({ ...mine, ...Object.fromEntries(fresh) });
    this.say(`${given.length} predictions read, ${fresh.length} of them new here.`);
  }

  // Twice, so that nothing is lost by a slip.
  clear() {
    const sure = this.forget.dataset.sure;
    this.forget.dataset.sure = sure ? "" : "yes";
    this.forget.textContent = sure ? "forget them all" : "really forget them all?";
    if (sure) cnn.predictions.keep({});
    this.say(sure ? "All predictions are forgotten, and every question is asked anew." : "Press once more to forget all predictions.");
  }
});
