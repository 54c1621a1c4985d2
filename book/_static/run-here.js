// Loads what runs Python in this page once somebody presses a button for it; or what shows the work that this
// browser keeps. Python itself comes later still (run-cells.js).
"use strict";
{
  const { src, dataset: { page } } = document.currentScript, here = src.replace(/run-here\.js.*$/, "");
  const script = (name) => new Promise((done, failed) => {
    const node = document.createElement("script");
    node.src = here + name;
    node.onload = done;
    node.onerror = () => failed(new Error(`${name} cannot be loaded from this site. Try again.`));
    document.head.append(node);
  });
  let loaded; // the promise of the page's cells
  const cells = () => loaded ??= ["python/index.js", `python/pages/${page}.js`, "run-cells.js"]
    .reduce((before, name) => before.then(() => script(name)), Promise.resolve()).then(() => cnn.runCells(script));
  for (const button of document.querySelectorAll(".run-here"))
    button.addEventListener("click", async () => {
      try {
        (await cells()).press(button);
      } catch (problem) {
        loaded = null;
        button.after(` ${problem.message}`);
      }
    });
  try {
    if (localStorage.getItem(`cnnlab.work.${page}`)) cells();
  } catch { /* nothing can be kept here */ }
}
