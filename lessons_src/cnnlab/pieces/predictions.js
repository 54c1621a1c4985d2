// What the reader has predicted, kept in this browser and sent nowhere; and what is sealed until then.
"use strict";
globalThis.cnn ??= {};
{
  const KEY = "cnnlab.predictions.1", THROUGH = "cnnlab.read-through";
  const SURE = [30, 50, 70, 90, 99]; // per cent; the first for who guesses among three or four
  let memory, straight; // what this browser would not keep: for as long as the page is open

  // {name: {version, page, question, kind, said, within, sure, words, truth, right, hit, shown, at}}
  const all = () => memory ?? stored();

  function stored() {
    try {
      return JSON.parse(localStorage.getItem(KEY)) ?? {};
    } catch {
      return {};
    }
  }

  function keep(entries) {
    try {
      localStorage.setItem(KEY, JSON.stringify(entries));
      memory = undefined;
    } catch { // it is full or forbidden
      memory = entries;
    }
    document.dispatchEvent(new Event("cnn-predicted"));
  }

  // The prediction for a question as it is asked now, if there is one.
  function get({ name, version }) {
    const entry = all()[name];
    return entry?.version === version ? entry : undefined;
  }

  // Is a prediction gone when the reader leaves the page?
  const lost = (name) => memory?.[name] !== undefined && stored()[name]?.at !== memory[name].at;

  function put(name, entry) {
    keep({ ...all(), [name]: { ...entry, page: location.pathname.split("/").at(-1), at: new Date().toISOString() } });
  }

  // Was it right, and (for a number) did the reader's own interval hold the truth?
  function judge(entry, truth) {
    const { kind, said } = entry;
    if (kind === "options") return { right: said === truth, hit: said === truth };
    if (kind === "order") {
      const right = said.every((thing, place) => thing === truth[place]);
      return { right, hit: right };
    }
    const near = (far, ratio) => {
      if (ratio !== undefined) return said * truth > 0 && Math.max(said / truth, truth / said) <= ratio * (1 + 1e-9);
      return Math.abs(said - truth) <= far + 1e-9 * Math.abs(truth);
    };
    const { within, close, factor } = entry;
    const right = near(close, factor);
    return { right, hit: factor === undefined ? near(within) : near(0, within) };
  }

  // Note the truth beside a prediction, once it is known.
  function settle(name, version, truth, words) {
    const entry = get({ name, version });
    if (!entry || entry.truth === words) return entry;
    const settled = { ...entry, truth: words, ...(entry.shown ? {} : judge(entry, truth)) };
    keep({ ...all(), [name]: settled });
    return settled;
  }

  // On the website: what lies between a question and its answer.
  const region = (name) => document.getElementById(`sealed-${name}`);

  function open(name) {
    const place = region(name);
    if (!place) return;
    place.classList.add("open");
    place.removeAttribute("hidden");
  }

  // A link into a sealed part opens it.
  function follow() {
    let target;
    try {
      target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    } catch { // "#100%" is the address of nothing
      return;
    }
    const sealed = () => target?.closest?.(".sealed:not(.open)");
    if (!sealed()) return;
    while (sealed()) open(sealed().id.replace("sealed-", ""));
    target.scrollIntoView();
  }

  const through = () => {
    try {
      return straight ?? localStorage.getItem(THROUGH) === "yes";
    } catch {
      return false;
    }
  };

  // "Read without questions": everything is open, here and on every other page.
  function readThrough(yes) {
    try {
      yes ? localStorage.setItem(THROUGH, "yes") : localStorage.removeItem(THROUGH);
      straight = undefined;
    } catch { // then for this page only
      straight = yes;
    }
    document.documentElement.classList.toggle("asks", !yes);
    document.dispatchEvent(new Event("cnn-predicted"));
  }

  // Words on the page are found by the browser's own search, too, and open what holds them.
  if (!cnn.predictions && "onbeforematch" in HTMLElement.prototype) {
    for (const place of document.querySelectorAll("html.asks .sealed:not(.open)")) {
      place.hidden = "until-found";
      place.addEventListener("beforematch", () => open(place.id.replace("sealed-", "")));
    }
  }
  if (!cnn.predictions) {
    addEventListener("hashchange", follow);
    follow();
    addEventListener("storage", () => document.dispatchEvent(new Event("cnn-predicted"))); // another tab
  }
  // A piece that follows what the reader predicts, on this page or in another tab.
  cnn.Follower ??= class extends cnn.Piece {
    #listen = () => this.heard();

    heard() {
      this.update();
    }

    enter() {
      document.addEventListener("cnn-predicted", this.#listen);
    }

    leave() {
      document.removeEventListener("cnn-predicted", this.#listen);
    }
  };
  cnn.predictions ??= { SURE, all, keep, get, put, lost, judge, settle, open, through, readThrough };
}
