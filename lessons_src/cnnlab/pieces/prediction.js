// A question that the reader answers before seeing: `ask(…)` in a chapter's source.
"use strict";
cnn.define("prediction", class extends cnn.Follower {
  static title = "Predict";
  static style = `
    section { border-left: 5px solid var(--blue); }
    .title { color: var(--blue); }
    .question { font-size: 1.05rem; margin: 0 0 .6rem; }
    fieldset { border: 0; margin: 0 0 .6rem; padding: 0; }
    legend { padding: 0; font-size: .9rem; color: var(--soft); }
    .options label { display: flex; gap: .5rem; padding: .3rem .2rem; font-size: 1rem; cursor: pointer; }
    .options input { min-height: 0; width: 18px; height: 18px; flex: none; margin: .15em 0 0; accent-color: var(--blue); }
    ol { margin: .3rem 0; padding-left: 1.6rem; }
    li { padding: .15rem 0; }
    li button { min-width: 32px; margin-left: .3rem; }
    .sure { display: flex; flex-wrap: wrap; gap: .4rem; margin-top: .2rem; }
    .sure button { min-width: 56px; min-height: 34px; }
    .number input[type=number] { width: 8em; }
    .number input[name=within] { width: 5em; }
    .number label { flex-wrap: wrap; }
    .number input[type=range] { width: min(70vw, 20em); }
    .number .at { min-width: 4.5em; }
    .aside { display: flex; flex-wrap: wrap; gap: .3rem 1rem; }
    .aside button { background: none; border: 0; padding: .1rem 0; text-decoration: underline; color: var(--soft);
      font-size: .85rem; }
    .words:empty { margin: 0; min-height: 0; }
    :host([quiet]) .title, :host([quiet]) .words { display: none; }
  `;

  build() {
    const { question } = this.given;
    this.box = this.shadowRoot.querySelector("section");
    this.box.setAttribute("aria-label", `A question: ${question}`);
    this.controls.remove();
    this.stage.style.display = "block";
    this.question = cnn.make("p", { class: "question" });
    this.question.innerHTML = cnn.inline(question);
    this.form = cnn.make("div");
    this.stage.append(this.question, this.form);
  }

  update() {
    const { given } = this, entry = cnn.predictions.get(given), through = cnn.predictions.through();
    const now = entry ? JSON.stringify([entry.words, entry.shown]) : `open ${through}`;
    if (this.drawn === now) return; // what the reader is choosing stays
    this.drawn = now;
    this.toggleAttribute("quiet", through && !entry);
    if (entry) {
      this.done(entry);
      return;
    }
    this.say("");
    if (through) {
      this.form.replaceChildren(this.aside(["ask me such questions", () => cnn.predictions.readThrough(false)]));
      return;
    }
    const field = { options: () => this.options(), number: () => this.number_(), order: () => this.order() }[given.kind]();
    const sure = cnn.make("div", { class: "sure" });
    for (const per of cnn.predictions.SURE) {
      if (per < 50 && given.options?.length === 2) continue; // nobody can be less sure of one of two
      const button = cnn.make("button", { type: "button", "aria-label": `Commit, ${per} per cent sure` }, `${per} %`);
      button.addEventListener("click", () => this.commit(per));
      sure.append(button);
    }
    const legend = cnn.make("legend", {}, given.kind === "number" && !this.exact
      ? "Commit. How sure are you that the answer lies in there?" : "Commit. How sure are you?");
    this.form.replaceChildren(field, cnn.make("fieldset", {}, legend, sure), this.aside(
      ["show me", () => { cnn.predictions.put(given.name, { ...this.about(), shown: true }); this.opened(); }],
      ["read without questions", () => cnn.predictions.readThrough(true)]
    ));
  }

  aside(...buttons) {
    const row = cnn.make("div", { class: "aside" });
    for (const [label, action] of buttons) {
      const button = cnn.make("button", { type: "button" }, label);
      button.addEventListener("click", action);
      row.append(button);
    }
    return row;
  }

  options() {
    const rows = this.given.options.map((option, place) => {
      const input = cnn.make("input", { type: "radio", name: "option", value: place });
      const words = cnn.make("span");
      words.innerHTML = cnn.inline(option);
      return cnn.make("label", {}, input, words);
    });
    this.read = () => {
      const chosen = this.form.querySelector("input:checked");
      if (!chosen) return { problem: "Choose one of the answers first." };
      return { said: Number(chosen.value), words: this.given.options[chosen.value] };
    };
    return cnn.make("fieldset", { class: "options" }, cnn.make("legend", {}, "Your answer"), ...rows);
  }

  order() {
    // Not in the order in which the source lists them, which might be the right one.
    const random = cnn.random([...this.given.name].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7));
    const things = [...this.given.order].map((thing) => [random(), thing]).sort(([a], [b]) => a - b).map(([, thing]) => thing);
    const list = cnn.make("ol");
    const draw = (focus) => {
      list.replaceChildren(...things.map((thing, place) => {
        const item = cnn.make("li"), words = cnn.make("span");
        words.innerHTML = cnn.inline(thing);
        item.append(words);
        for (const [sign, by] of [["↑", -1], ["↓", 1]]) {
          const to = place + by, button = cnn.make("button", { type: "button", "aria-label":
            `Move ${thing} ${by < 0 ? "up" : "down"}` }, sign);
          button.disabled = to < 0 || to >= things.length;
          button.addEventListener("click", () => {
            [things[place], things[to]] = [things[to], things[place]];
            draw([to, by]);
            this.say(`${thing} is now number ${to + 1} of ${things.length}.`);
          });
          item.append(button);
          if (focus?.[0] === place && focus[1] === by) queueMicrotask(() => (button.disabled
            ? item.querySelector("button:enabled") : button).focus());
        }
        return item;
      }));
    };
    draw();
    this.read = () => ({ said: [...things], words: things.join(" < ") });
    return cnn.make("fieldset", {}, cnn.make("legend", {}, "From the smallest to the largest"), list);
  }

  number_() {
    const { unit, close, factor, between } = this.given;
    this.exact = close === 0;
    const range = between && between[1] - between[0]; // whole numbers where they are whole and few
    const step = between && (between.every(Number.isInteger) && range <= 200 ? 1 : range / 100);
    const guess = cnn.make("input", between ? { type: "range", min: between[0], max: between[1], step, name: "guess" }
      : { type: "number", step: "any", name: "guess" });
    const within = cnn.make("input", { type: "number", step: "any", min: factor ? 1 : 0, value: factor ?? close, name: "within" });
    const told = cnn.make("p"), at = cnn.make("span", { class: "at", "aria-hidden": "true" });
    const box = cnn.make("fieldset", { class: "number" }, cnn.make("legend", {}, "Your answer"),
      cnn.make("label", {}, "your guess ", guess, between ? at : ` ${unit}`));
    if (!this.exact) box.append(" ", cnn.make("label", {}, factor ? "give or take a factor of " : "give or take ", within));
    box.append(told);
    let touched = false; // a slider stands somewhere from the start
    const tell = () => {
      const read = this.read();
      at.textContent = `${cnn.full(guess.valueAsNumber)} ${unit}`;
      if (between) guess.setAttribute("aria-valuetext", at.textContent);
      told.textContent = read.problem ? "" : this.exact ? "" : `So you say: ${read.words}. ` +
        `Your guess itself counts as close ${factor ? `within a factor of ${factor}` : `within ${cnn.full(close)} ${unit}`}.`;
    };
    guess.addEventListener("input", () => { touched = true; tell(); });
    within.addEventListener("input", tell);
    this.read = () => {
      const said = guess.valueAsNumber, wide = within.valueAsNumber;
      if (Number.isNaN(said) || (between && !touched)) return { problem: between ? "Move the slider first." : "Type a number first." };
      if (Number.isNaN(wide) || wide < (factor ? 1 : 0)) return { problem: `“Give or take” needs a number from ${factor ? 1 : 0} up.` };
      const show = (value) => value.toLocaleString("en-US", { maximumSignificantDigits: this.exact ? 12 : 4 }).replace("-", "−"), end = ` ${unit}`.trimEnd();
      const words = this.exact ? show(said) : factor ? `${show(said / wide)} to ${show(said * wide)}`
        : `${show(said - wide)} to ${show(said + wide)}`;
      return { said, within: wide, words: words + end };
    };
    if (between) guess.value = (between[0] + between[1]) / 2;
    if (between) tell();
    return box;
  }

  about() {
    const { name, start, ...given } = this.given;
    const { version, question, kind, close, factor } = given;
    return { version, question, kind, close, factor };
  }

  commit(sure) {
    const { problem, ...read } = this.read();
    if (problem) {
      this.say(problem, true);
      return;
    }
    cnn.predictions.put(this.given.name, { ...this.about(), ...read, sure });
    this.opened();
  }

  // The seal opens here and the reader stays where they are.
  opened() {
    const { given } = this;
    cnn.predictions.open(given.name);
    for (const element of document.querySelectorAll("cnn-answer")) element.settle?.(given.name);
    this.box.tabIndex = -1;
    this.box.focus({ preventScroll: true }); // the button that had it is gone
  }

  done(entry) {
    cnn.predictions.open(this.given.name);
    const answer = [...document.querySelectorAll("cnn-answer")].find((e) => JSON.parse(e.dataset.given).name === this.given.name);
    this.form.replaceChildren();
    const said = entry.shown ? "You asked to be shown." : `You said: ${entry.words} (${entry.sure} % sure).`;
    const lost = cnn.predictions.lost(this.given.name) ? " This browser could not keep it: it is gone when you leave the page." : "";
    this.say(`${said} ${answer ? "The answer stands below." : "Run the cells below: the last one has the answer."}${lost}`);
  }
});
