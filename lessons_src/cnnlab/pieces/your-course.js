// The page that says how far this reader is, and asks the quizzes of earlier chapters again after a while.
"use strict";
{
  const READ = "cnnlab.read.1"; // {page: when its end was on the screen}, written by the site's shell.js, too
  const GAPS = [1, 3, 7, 21, 60]; // days until a quiz comes again: after none, one, two, … right answers in a row
  const AT_ONCE = 2, DAY = 24 * 3600e3;
  const again = ({ name }, round) => `again-${round}-${name}`;
  const isQuiz = ({ name }) => name.startsWith("quiz-");

  let memory; // what this browser would not keep: for as long as the page is open
  function read() {
    if (memory) return memory;
    try {
      return JSON.parse(localStorage.getItem(READ)) ?? {};
    } catch {
      return {};
    }
  }

  function keep(pages) {
    try {
      localStorage.setItem(READ, JSON.stringify(pages));
      memory = undefined;
    } catch { // it is full or forbidden
      memory = pages;
    }
  }

  // What the reader said to a question: in its chapter, and each time that it came again.
  function said(question) {
    const entries = [];
    for (let entry = cnn.predictions.get(question); entry;) {
      entries.push(entry);
      entry = cnn.predictions.get({ ...question, name: again(question, entries.length) });
    }
    return entries;
  }

  // When a quiz comes again, in milliseconds; Infinity if it was not met yet, or is known by now.
  function due(question) {
    const entries = said(question);
    if (!entries.length || entries.at(-1).truth === undefined) return Infinity;
    let row = 0; // the first answer was a prediction, and does not count
    for (const { right } of entries.slice(1)) row = right ? row + 1 : 0;
    return row < GAPS.length ? Date.parse(entries.at(-1).at) + GAPS[row] * DAY : Infinity;
  }

  cnn.define("your-course", class extends cnn.Follower {
    static title = "Your course";
    static style = `
      .stage { display: block; }
      table { width: 100%; font-size: .9rem; }
      caption { text-align: left; color: var(--soft); padding-bottom: .3rem; }
      th, td { text-align: left; vertical-align: top; padding: .35rem .5rem .35rem 0; border-top: 1px solid var(--line); }
      tbody th { font-weight: inherit; }
      td input { width: 24px; height: 24px; margin: 0; }
      a { color: var(--blue); }
      h2 { font-size: 1.05rem; margin: 1.2rem 0 .3rem; }
      ::slotted(cnn-prediction) { margin-bottom: .4rem; }
    `;

    build() {
      this.forget = this.button("forget all of it", () => this.clear());
      this.on = cnn.make("p");
      this.rows = cnn.make("tbody");
      const head = ["Chapter", "Read", "Predictions", "Quiz"].map((text) => cnn.make("th", { scope: "col" }, text));
      const table = cnn.make("table", {}, cnn.make("caption", {}, "What this browser has kept"),
        cnn.make("thead", {}, cnn.make("tr", {}, ...head)), this.rows);
      this.told = cnn.make("p");
      this.stage.before(this.words);
      this.stage.append(this.on, table, cnn.make("h2", {}, "Once more"), this.told, cnn.make("slot"));
      this.root = document.documentElement.dataset.content_root ?? "";
      this.chapters = (cnn.questions ?? []).filter(({ questions }) => questions.some(isQuiz));
      this.ask();
    }

    // The quizzes that are due, those that have waited longest first. They stand outside of the shadow, where their
    // answers are found.
    ask() {
      const places = this.chapters.flatMap((chapter) => chapter.questions.filter(isQuiz).map((question) => ({ chapter, question })));
      const waiting = places.map((place) => ({ ...place, at: due(place.question) })).filter(({ at }) => at < Infinity);
      waiting.sort((a, b) => a.at - b.at);
      this.next = waiting.find(({ at }) => at > Date.now())?.at;
      this.asked = waiting.filter(({ at }) => at <= Date.now()).slice(0, AT_ONCE).map(({ chapter, question }) => {
        const { answer, section, ...given } = question, name = again(question, said(question).length);
        const from = cnn.make("p", {}, "From ", cnn.make("a", { href: `${this.root}${chapter.page}.html#${section}` }, chapter.title));
        const parts = ["prediction", "answer"].map((kind) => cnn.make(`cnn-${kind}`,
          { "data-given": JSON.stringify({ ...(kind === "answer" ? answer : given), name }) }));
        const sealed = cnn.make("div", { hidden: "" }, parts[1]);
        return { name, version: question.version, sealed, parts: [from, parts[0], sealed] };
      });
      this.replaceChildren(...this.asked.flatMap(({ parts }) => parts));
    }

    update() {
      const marks = read(), chapters = this.chapters.map((chapter) => {
        const known = (questions) => questions.filter((question) => cnn.predictions.get(question));
        const quiz = chapter.questions.filter(isQuiz), rest = chapter.questions.filter((question) => !isQuiz(question));
        const right = known(quiz).filter((question) => cnn.predictions.get(question).right).length;
        return { ...chapter, read: chapter.page in marks, rest: rest.length, made: known(rest).length, quiz: quiz.length,
          answered: known(quiz).length, right };
      });
      const sum = (key) => chapters.reduce((total, chapter) => total + Number(chapter[key]), 0);
      this.say(`${sum("read")} of ${chapters.length} chapters read, ${sum("made")} of ${sum("rest")} predictions made, `
        + `${sum("answered")} of ${sum("quiz")} quiz questions answered, ${sum("right")} of them right.`);
      const next = chapters.find((chapter) => !chapter.read);
      this.on.replaceChildren(...(next ? ["Go on with ", this.link(next), "."] : ["You have read every chapter."]));
      const focus = this.shadowRoot.activeElement?.name;
      this.rows.replaceChildren(...chapters.map((chapter) => this.row(chapter)));
      if (focus) this.rows.querySelector(`[name="${focus}"]`)?.focus();
      for (const { name, version, sealed } of this.asked) sealed.hidden = !cnn.predictions.get({ name, version });
      const days = Math.ceil((this.next - Date.now()) / DAY);
      this.told.textContent = this.asked.length
        ? "These you have met before. What you say now is not counted among your predictions."
        : this.next ? `The next question comes again in ${days === 1 ? "a day" : `${days} days`}.`
          : "A day after you have met a quiz it is asked again here, and then after ever longer times, two at a time.";
    }

    link({ page, title }) {
      return cnn.make("a", { href: `${this.root}${page}.html` }, title);
    }

    row(chapter) {
      const { page, title, read: done, rest, made, quiz, answered, right } = chapter;
      const tick = cnn.make("input", { type: "checkbox", name: page, "aria-label": `Read: ${title}` });
      tick.checked = done;
      tick.addEventListener("change", () => {
        const { [page]: _, ...others } = read();
        keep(tick.checked ? { ...others, [page]: new Date().toISOString() } : others);
        this.update();
      });
      return cnn.make("tr", {}, cnn.make("th", { scope: "row" }, this.link(chapter)), cnn.make("td", {}, tick),
        cnn.make("td", {}, `${made} of ${rest}`), cnn.make("td", {}, `${answered} of ${quiz}${answered ? `, ${right} right` : ""}`));
    }

    // Twice, so that nothing is lost by a slip.
    clear() {
      const sure = this.forget.dataset.sure;
      this.forget.dataset.sure = sure ? "" : "yes";
      this.forget.textContent = sure ? "forget all of it" : "really forget all of it?";
      if (!sure) return;
      keep({});
      cnn.predictions.keep({});
      this.ask();
    }
  });
}
