// The search of the course: one field and its results, in a dialog on every page (a link of class
// search-open, or Ctrl K) and on search.html. The index of all sections (search-index.js, which
// website/search.py writes) and MiniSearch, which ranks, are scripts too, and come only when somebody
// searches: pages opened from disk may not fetch anything else.
"use strict";
globalThis.cnn ??= {};
{
  const HERE = document.currentScript.src.replace(/search\.js.*$/, ""), ROOT = new URL("../", HERE);
  const FEW = 8, MANY = 60; // results in the dialog, and on search.html
  const QUOTE = 220; // characters
  // Words that say nothing about a subject.
  const SMALL = new Set(("a an and are as at be by can do does for from has have how i in is it its of on or so that "
    + "the then there this to was we what when where which who why will with you your").split(" "));

  // --- Words ---

  // Capitals, accents of one kind, 1,000 and 1000, 3 × 3 and 3x3: all the same.
  const fold = (text) => text.normalize("NFKC").toLowerCase().replace(/ё/g, "е").replace(/['’]s\b/g, "")
    .replace(/(?<=\d),(?=\d{3})/g, "").replace(/(?<=\d)\s*[×x]\s*(?=\d)/g, "x");
  const WORD = /\p{Script=Han}+|\d+(?:\.\d+)+|(?:(?!\p{Script=Han})[\p{L}\p{N}])+/gu;
  const HAN = /\p{Script=Han}/u;

  // Chinese is written without spaces, so every two neighbouring signs count as a word; 3x3 is also in 3x3x2.
  const split = (text) => (fold(text).match(WORD) ?? []).flatMap((word) => {
    if (HAN.test(word) && word.length > 2) return [...word].slice(1).map((sign, at) => word[at] + sign);
    return [word, ...(word.match(/^\d+x\d+(?=x)/) ?? [])];
  });
  const singular = (word) => (word.length > 3 ? word.replace(/(?<=ss|x|ch|sh)es$|(?<=[^s])s$/, "") : word);
  const term = (word) => !SMALL.has(word) && singular(word);

  // Finds such words again in a text as it is written.
  const pattern = (words) => {
    const written = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/е/g, "[её]")
      .replace(/(?<=\d)x(?=\d)/g, "\\s*[×x]\\s*").replace(/(?<=\d)(?=\d)/g, ",?"));
    const [han, other] = [written.filter((w) => HAN.test(w)), written.filter((w) => !HAN.test(w))];
    const whole = other.length ? [`(?<![\\p{L}\\p{N}])(?:${other.join("|")})(?:e?s)?(?![\\p{L}\\p{N}])`] : [];
    return new RegExp([...han, ...whole].join("|") || "(?!)", "giu");
  };

  // --- The index ---

  const script = (name) => new Promise((done, failed) => {
    const node = document.createElement("script");
    node.src = HERE + name;
    node.onload = done;
    node.onerror = () => failed(new Error(`${name} is missing. Build the site anew: make book`));
    document.head.append(node);
  });

  let loaded; // the promise of an index
  const load = () => loaded ??= Promise.all(["vendor/minisearch.js", "search-index.js"].map(script))
    .then(() => new Index(cnn.searchIndex));

  const WEIGHT = { taught: 2, title: 4, page: 2, text: 1, hidden: 0.5 };
  // Where to look things up, and where they are asked or summed up, comes after where they are taught.
  const LATER = RegExp("(glossary|notation|map|references|instructors)\\.html|assignments|"
    + "#(exercises|quiz|read-more|what-you-can-now-say|the-sources-mistakes-met-here)$");
  // Names may be longer than what was typed, or misspelt; numbers may not.
  const name = (word) => !/\d$/.test(word) && !HAN.test(word);

  class Index {
    constructor({ terms, pages, sections }) {
      this.terms = terms.map((names) => names.map((text) => split(text).map(term).filter(Boolean)));
      this.sections = sections.map(([page, anchor, title, numbers, text, hidden], id) => ({
        id, address: pages[page][0], page: pages[page][1], anchor, title, text, hidden, numbers,
        taught: numbers.map((number) => terms[number].join(" ")).join(" ") }));
      this.engine = new MiniSearch({ fields: Object.keys(WEIGHT), tokenize: split, processTerm: term });
      this.engine.addAll(this.sections);
    }

    // The hits, best first, and whether they hold what was asked for or only something like it.
    find(query) {
      const almost = (word) => name(word) && 0.25;
      const meant = this.#meant(query), names = meant.map((number) => this.terms[number][0].join(" "));
      const ways = [{ combineWith: "AND" }, { combineWith: "AND", fuzzy: almost }, { combineWith: "OR", fuzzy: almost }];
      for (const [at, way] of ways.entries()) {
        const queries = [query, ...names].map((words) => ({ ...way, queries: [words] }));
        const hits = this.engine.search({ combineWith: "OR", queries }, { boost: WEIGHT, prefix: name,
          boostDocument: (id, word) => this.#boost(this.sections[id], word, meant) });
        if (hits.length) return { exact: at === 0, hits: hits.map((hit) => this.#hit(hit)) };
      }
      return { exact: true, hits: [] };
    }

    // The numbers of the terms of which the query is a name.
    #meant(query) {
      const words = split(query).map(term).filter(Boolean).join(" ");
      return [...this.terms.keys()].filter((number) => this.terms[number].some((name) => name.join(" ") === words));
    }

    // What counts most is that a section teaches what is meant, or else something with this word in its name.
    #boost({ address, anchor, numbers }, word, meant) {
      if (LATER.test(`${address}#${anchor}`)) return 0.3;
      const named = (number) => this.terms[number].some((name) => name.includes(word));
      return 1 + numbers.filter((number) => (meant.length ? meant.includes(number) : named(number))).length;
    }

    #hit({ id, match }) {
      const section = this.sections[id];
      // Where only another name of a term was found, the section has the term itself.
      const names = section.numbers.map((number) => this.terms[number]);
      const words = Object.entries(match).flatMap(([word, fields]) => (fields.some((f) => f !== "taught") ? [word]
        : names.filter((all) => all.some((name) => name.includes(word))).flatMap(([first]) => first)));
      const open = Object.values(match).some((fields) => fields.some((f) => f !== "hidden"));
      return { ...section, words: [...new Set(words)], open };
    }
  }

  // So much of a text that what is found in it stays in sight.
  const cut = (text, found) => {
    const at = text.search(found) - QUOTE / 2, from = at > 0 ? text.indexOf(" ", at) + 1 : 0;
    const part = text.slice(from, from + QUOTE).replace(/\s\S*$/, "");
    return `${from ? "… " : ""}${part}${from + part.length < text.length ? " …" : ""}`;
  };

  // From the sentence that has most of the words, as [text, found, text, found, …].
  const quote = (text, words) => {
    const found = pattern(words), sentences = text.split(/(?<=[.?!:])\s+(?=[\p{Lu}\p{Script=Han}])/u);
    const score = (s) => new Set(s.match(found)?.map(fold)).size;
    const first = sentences.reduce((best, sentence, at) => (score(sentence) > score(sentences[best]) ? at : best), 0);
    const whole = sentences.slice(first).join(" "), best = whole.length > QUOTE ? cut(whole, found) : whole;
    return best.split(new RegExp(`(${found.source})`, "giu"));
  };

  // --- The field and its results ---

  const make = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };

  class Search {
    constructor(place, most) {
      this.most = most;
      this.field = make("input", { type: "search", name: "q", "aria-label": "Search the course",
        placeholder: "Search the course", autocomplete: "off", autocapitalize: "off", spellcheck: "false" });
      this.form = make("form", { role: "search", action: new URL("search.html", ROOT) }, this.field);
      this.words = make("p", { role: "status" });
      this.list = make("ol");
      this.all = make("p", { class: "all" });
      place.classList.add("course-search");
      place.append(this.form, this.words, this.list, this.all);
      this.field.addEventListener("input", () => {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.run(), 150);
      });
      this.form.addEventListener("submit", async (event) => {
        event.preventDefault();
        await this.run();
        (this.list.querySelector("a") ?? this.field).focus();
      });
      place.addEventListener("keydown", (event) => this.#step(event));
    }
    #timer = 0;

    async run() {
      clearTimeout(this.#timer);
      const query = this.field.value.trim();
      this.asked?.(query);
      if (!query) return this.#show([], "");
      if (!loaded) this.words.textContent = "Searching …";
      try {
        const index = await load();
        if (query !== this.field.value.trim()) return; // typed on
        const { hits, exact } = index.find(query);
        this.#show(hits, hits.length ? this.#count(hits, query, exact) : this.#nothing(query), query);
      } catch (error) {
        this.#show([], `The search does not work: ${error.message}.`);
      }
    }

    #count(hits, query, exact) {
      const many = `${hits.length} section${hits.length === 1 ? "" : "s"}`;
      const first = hits.length > this.most ? `, the best ${this.most} first` : "";
      if (exact) return `${many} for “${query}”${first}.`;
      return `Nothing has “${query}” in it. Did you mean “${hits[0].words.join(" ")}”? ${many}${first}.`;
    }

    #nothing(query) {
      const glossary = make("a", { href: new URL("book/glossary.html", ROOT) }, "glossary");
      return [`Nothing is found for “${query}”. Try fewer or other words, in English, Chinese or Russian, or look `
        + "through the ", glossary, "."];
    }

    #show(hits, words, query) {
      this.words.replaceChildren(...[words].flat());
      this.list.replaceChildren(...hits.slice(0, this.most).map((hit) => this.#item(hit)));
      this.all.replaceChildren();
      if (hits.length > this.most && this.most < MANY) {
        const url = new URL("search.html", ROOT);
        url.searchParams.set("q", query);
        this.all.append(make("a", { href: url }, `More of the ${hits.length} sections`));
      }
    }

    #item({ address, anchor, title, page, text, words, open }) {
      const url = new URL(address, ROOT);
      url.searchParams.set("highlight", words.join(" "));
      url.hash = anchor;
      const item = make("li", {}, make("a", { href: url }, title));
      if (page !== title) item.append(make("span", { class: "where" }, page));
      if (open && text) {
        const parts = quote(text, words).map((part, at) => (at % 2 ? make("mark", {}, part) : part));
        item.append(make("p", {}, ...parts));
      } else if (!open) item.append(make("p", { class: "closed" }, "In an answer, which is not shown here."));
      return item;
    }

    // The arrow keys go from the field through the results and back.
    #step(event) {
      const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      const stops = [this.field, ...this.form.parentNode.querySelectorAll("li a, .all a")];
      const next = way && stops[stops.indexOf(document.activeElement) + way];
      if (!next) return;
      event.preventDefault();
      next.focus();
    }
  }

  // --- Where it is shown ---

  let dialog;
  const open = () => {
    if (!dialog) {
      const close = make("button", { type: "button", class: "close", "aria-label": "Close the search" }, "×");
      dialog = make("dialog", { "aria-label": "Search" });
      dialog.search = new Search(dialog, FEW);
      dialog.search.form.append(close);
      close.addEventListener("click", () => dialog.close());
      dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // beside it
      document.body.append(dialog);
    }
    load().catch(() => {}); // run() says so
    if (!dialog.open) dialog.showModal();
    dialog.search.field.select();
  };

  const start = () => {
    const place = document.querySelector(".search-here");
    let here;
    if (place) {
      here = new Search(place, MANY);
      here.field.value = new URLSearchParams(location.search).get("q") ?? "";
      here.asked = (query) => {
        const url = new URL(location);
        query ? url.searchParams.set("q", query) : url.searchParams.delete("q");
        history.replaceState(null, "", url);
      };
      here.run();
      here.field.focus();
    }
    if (/Mac|iP/.test(navigator.platform)) {
      for (const key of document.querySelectorAll(".search-open kbd")) key.textContent = "⌘ K";
    }
    for (const link of document.querySelectorAll(".search-open")) link.setAttribute("aria-haspopup", "dialog");
    const search = () => (here ? here.field.select() : open());
    document.addEventListener("click", (event) => {
      if (!event.target.closest(".search-open") || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      search();
    });
    addEventListener("keydown", (event) => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
      event.preventDefault();
      search();
    });
    mark();
  };

  // --- The words on the page that was found ---

  const mark = () => {
    const words = new URLSearchParams(location.search).get("highlight")?.split(" ").filter(Boolean);
    const article = document.querySelector("article");
    if (!words?.length || !article || !globalThis.CSS?.highlights) return;
    const found = pattern(words), texts = document.createTreeWalker(article, NodeFilter.SHOW_TEXT), ranges = [];
    while (texts.nextNode()) {
      if (texts.currentNode.parentElement.closest("script, style, .math, .headerlink")) continue;
      for (const { index, 0: text } of texts.currentNode.data.matchAll(found)) {
        const range = new Range();
        range.setStart(texts.currentNode, index);
        range.setEnd(texts.currentNode, index + text.length);
        ranges.push(range);
      }
    }
    CSS.highlights.set("found", new Highlight(...ranges));
    // If the section has the words only in what is folded, that opens.
    const section = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const inside = section ? ranges.map((range) => range.startContainer.parentElement).filter((node) =>
      node.closest("section") === section) : [];
    if (inside.every((node) => node.closest("details:not([open])"))) {
      for (const node of inside) {
        for (let place = node; (place = place.parentElement.closest("details"));) place.open = true;
      }
    }
    addEventListener("keydown", ({ key }) => key === "Escape" && CSS.highlights.delete("found"));
  };

  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", start) : start();
}
