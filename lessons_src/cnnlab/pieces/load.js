// On the site: load the pieces that this page holds, and what they share.
"use strict";
{
  const SHARED = ["piece", "grid", "plot", "arrays"];
  const NEEDS = { "digit-pad": ["network", "lenet5", "ink"] }; // as in cnnlab/pieces
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
    if (pieces.size) SHARED.forEach(load);
    pieces.forEach((piece) => [...(NEEDS[piece] ?? []), piece].forEach(load));
  });
}
