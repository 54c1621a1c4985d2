// What the pages' frame does beside its links: the theme switch, the menus, tab stops for what
// scrolls, and print.
"use strict";
{
  const page = document.documentElement;
  const all = (selector) => [...document.querySelectorAll(selector)];

  // --- The theme: as the system has it, or the other one ---

  const system = matchMedia("(prefers-color-scheme: dark)");
  const keep = (key, value) => { try { localStorage.setItem(key, value); } catch { /* for this page only */ } };

  function follow() {
    const { mode = "auto" } = page.dataset;
    page.dataset.theme = mode !== "auto" ? mode : system.matches ? "dark" : "light";
    const said = { auto: "as the system", light: "light", dark: "dark" }[mode];
    for (const button of all(".theme-switch-button")) button.ariaLabel = button.title = `Colours: ${said}`;
  }
  function next() {
    const modes = system.matches ? ["auto", "light", "dark"] : ["auto", "dark", "light"]; // first a change
    page.dataset.mode = modes[(modes.indexOf(page.dataset.mode) + 1) % 3];
    follow();
    keep("mode", page.dataset.mode);
    keep("theme", page.dataset.theme);
  }
  system.addEventListener("change", follow);
  follow();
  for (const button of all(".theme-switch-button")) button.addEventListener("click", next);

  // --- The menus: the page's place in them, and away when a link in one is followed ---

  const chapters = document.getElementById("chapters"), contents = document.getElementById("contents");
  const here = chapters?.querySelector("a.current");
  const show = () => here && (chapters.scrollTop = here.offsetTop - chapters.clientHeight / 2);
  show();
  chapters?.addEventListener("toggle", show);
  contents?.addEventListener("click", (event) => event.target.closest("a") && contents.matches(":popover-open")
    && contents.hidePopover());

  const links = new Map((contents ? [...contents.querySelectorAll("a[href^='#']")] : [])
    .map((link) => [document.getElementById(decodeURIComponent(link.hash.slice(1))), link]));
  const reading = new IntersectionObserver((entries) => {
    const section = entries.filter((entry) => entry.isIntersecting).at(-1)?.target;
    if (section) links.forEach((link, at) => link.classList.toggle("active", at === section));
  }, { rootMargin: "0px 0px -70% 0px" });
  links.forEach((link, section) => section && reading.observe(section));

  // --- A chapter whose end has been on the screen counts as read, on the page Your course ---

  const end = document.querySelector("html:has(article cnn-answer) .prev-next");
  if (end) new IntersectionObserver(([{ isIntersecting }], observer) => {
    if (!isIntersecting) return;
    observer.disconnect();
    const below = page.dataset.content_root.split("../").length; // the last parts of the address are the page's name
    const name = location.pathname.split("/").slice(-below).join("/").replace(/\.html$/, "");
    try {
      const read = JSON.parse(localStorage.getItem("cnnlab.read.1")) ?? {};
      keep("cnnlab.read.1", JSON.stringify({ [name]: new Date().toISOString(), ...read }));
    } catch { /* nothing can be kept here */ }
  }).observe(end);

  // --- What is wider than its place scrolls, and then needs a tab stop ---

  const WIDE = "article :is(pre, .output, .math, .cnn-table, .cnn-matrix, .pst-scrollable-table-container)";
  const wide = () => {
    for (const node of all(WIDE)) {
      if (node.scrollWidth > node.clientWidth + 1) node.tabIndex = 0;
      else node.removeAttribute("tabindex");
    }
  };
  new ResizeObserver(wide).observe(document.querySelector("article"));

  // --- What is folded is printed, too, and in light colours ---

  let folded = [];
  addEventListener("beforeprint", () => {
    page.dataset.theme = "light";
    folded = all("article details:not([open])");
    for (const part of folded) part.open = true;
  });
  addEventListener("afterprint", () => {
    follow();
    for (const part of folded) part.open = false;
  });
}
