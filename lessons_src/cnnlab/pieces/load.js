// On the site: load the pieces that this page holds, and what they share.
"use strict";
{
  // Which scripts a piece needs beside its own. In a notebook, cnnlab.pieces reads this table, too. (The build of
  // the site writes questions.js.)
  const NEEDS = {
    "every other": ["piece", "grid", "plot", "arrays"],
    "digit-pad": ["piece", "arrays", "network", "ink", "pad", "lenet5-varied", "lenet5"],
    "train-lenet": ["piece", "plot", "arrays", "network", "ink", "pad", "training", "runs", "digits"],
    "network-ledger": ["piece", "grid", "plot", "arrays", "keras", "fields", "counting", "keras-code"],
    "prediction": ["piece", "predictions"],
    "answer": ["piece", "predictions"],
    "calibration": ["piece", "plot", "predictions"],
    "your-predictions": ["piece", "plot", "predictions", "calibration", "questions"],
    "your-course": ["piece", "predictions", "prediction", "answer", "questions"]
  };
  // On a page, these come only when a piece asks for them: cnn.load(name).
  const LATER = ["lenet5", "digits"];
  const here = document.currentScript.src.replace(/load\.js.*$/, "");
  const loaded = new Set([...document.scripts].map(({ src }) => src.replace(/.*\/|\.js.*$/g, ""))); // by the page itself
  const load = (name) => {
    if (loaded.has(name)) return;
    loaded.add(name);
    const script = document.createElement("script");
    script.src = `${here}${name}.js`;
    script.async = false; // in this order
    script.onerror = () => { // without a network: it may be asked for again
      loaded.delete(name);
      script.remove();
      document.dispatchEvent(new CustomEvent("cnn-missing", { detail: name }));
    };
    document.head.append(script);
  };
  (globalThis.cnn ??= {}).load = load;
  document.addEventListener("DOMContentLoaded", () => {
    const tags = [...document.querySelectorAll("article *")].map((node) => node.localName);
    const pieces = new Set(tags.filter((tag) => tag.startsWith("cnn-")).map((tag) => tag.slice(4)));
    const scripts = [...pieces].flatMap((piece) => [...(NEEDS[piece] ?? NEEDS["every other"]), piece]);
    scripts.filter((name) => !LATER.includes(name)).forEach(load);
  });
}
