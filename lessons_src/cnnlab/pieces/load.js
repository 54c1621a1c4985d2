// On the site: load the pieces that this page holds, and what they share.
"use strict";
{
  // Which scripts a piece needs beside its own. In a notebook, cnnlab.pieces reads this table, too.
  const NEEDS = {
    "every other": ["piece", "grid", "plot", "arrays"],
    "digit-pad": ["piece", "grid", "plot", "arrays", "network", "lenet5", "ink"],
    "network-ledger": ["piece", "grid", "plot", "arrays", "keras", "fields", "counting", "keras-code"],
    "prediction": ["piece", "predictions"],
    "answer": ["piece", "predictions"]
  };
  const here = document.currentScript.src.replace(/load\.js.*$/, "");
  const load = (name) => {
    const script = document.createElement("script");
    script.src = `${here}${name}.js`;
    script.async = false; // in this order
    document.head.append(script);
  };
  document.addEventListener("DOMContentLoaded", () => {
    const tags = [...document.querySelectorAll("article *")].map((node) => node.localName);
    const pieces = new Set(tags.filter((tag) => tag.startsWith("cnn-")).map((tag) => tag.slice(4)));
    const scripts = [...pieces].flatMap((piece) => [...(NEEDS[piece] ?? NEEDS["every other"]), piece]);
    new Set(scripts).forEach(load);
  });
}
