// Fit each slide's content into its room, and the slides to the screen. Arrows turn the pages.
const slides = [...document.querySelectorAll(".slide")];
const fit = () => {
  for (const slide of slides) {
    const room = slide.querySelector(".room"), content = room.firstElementChild;
    content.style.transform = "";
    const most = slide.matches(".shows") ? 2 : 1;
    const share = Math.min(most, room.clientHeight / content.offsetHeight, room.clientWidth / content.scrollWidth);
    content.style.transform = `scale(${share})`;
  }
  document.body.style.zoom = slides.length ? Math.min(innerWidth / 1280, innerHeight / 720) : 1;
};
addEventListener("load", fit);
addEventListener("resize", fit);
addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, PageDown: 1, " ": 1, ArrowDown: 1, ArrowLeft: -1, PageUp: -1, ArrowUp: -1 }[event.key];
  if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  const height = slides[0].getBoundingClientRect().height;
  const now = Math.round(scrollY / height);
  slides[Math.max(0, Math.min(slides.length - 1, now + step))].scrollIntoView();
});
