// On the site: load the pieces that this page holds, and what they share.
"use strict";
{
  // Which scripts a piece needs beside its own. In a notebook, cnnlab.pieces reads this table, too.
  const NEEDS = {
    "every piece": ["piece", "grid", "plot", "arrays"],
    "digit-pad": ["network", "lenet5", "ink"],
    "network-ledger": ["keras", "fields", "counting", "keras-code"]
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
    if (pieces.size) NEEDS["every piece"].forEach(load);
    pieces.forEach((piece) => [...(NEEDS[piece] ?? []), piece].forEach(load));
  });
}
