// The computed answer to a question, and how the reader's prediction compares: `answer(…)` in a source.
"use strict";
cnn.define("answer", class extends cnn.Follower {
  static title = "The answer";
  static style = `
    section { border-left: 5px solid var(--green); }
    .title { display: none; }
    .verdict { font-weight: 650; }
    p { margin: 0 0 .3rem; }
    .words { display: none; }
  `;

  build() {
    this.shadowRoot.querySelector("section").removeAttribute("aria-label");
    this.controls.remove();
    this.stage.style.display = "block";
  }

  enter() {
    super.enter();
    this.heard();
  }

  heard() {
    this.settle(this.given.name);
  }

  settle(name) {
    const { version, truth, words } = this.given;
    if (name !== this.given.name) return;
    this.entry = cnn.predictions.settle(name, version, truth, words);
    this.update();
  }

  update() {
    const { truth, words, remarks } = this.given, { entry } = this;
    const key = (value) => String(value), said = entry && !entry.shown ? entry.said : undefined;
    const lines = [], full = cnn.inline(words) + (/[.?!]$/.test(words) ? "" : ".");
    if (said === undefined) {
      lines.push(["verdict", `Answer: ${full}`]);
    } else {
      const you = `You said ${cnn.inline(entry.words)}, ${entry.sure} % sure.`;
      const verdict = entry.right ? (entry.hit ? "Right." : "Close, but outside the range that you gave.")
        : entry.hit ? "Inside the range that you gave, but not close." : "Not this time.";
      lines.push(["verdict", `${verdict} Answer: ${full}`], ["", you]);
      const slip = Object.keys(remarks).find((value) => key(said) === value || (entry.kind === "number" && Number(value) === said));
      if (!entry.right && slip !== undefined) lines.push(["", `<em>${cnn.inline(entry.words)}?</em> ${remarks[slip]}`]);
    }
    if (remarks[key(truth)]) lines.push(["", remarks[key(truth)]]);
    this.stage.replaceChildren(...lines.map(([kind, html]) => {
      const line = cnn.make("p", { class: kind || undefined });
      line.innerHTML = html;
      return line;
    }));
  }
});
