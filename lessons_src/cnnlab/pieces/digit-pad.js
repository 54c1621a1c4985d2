// Draw a digit, and a trained network reads it: the maps of every layer and the probabilities, as you draw.
// <cnn-digit-pad compact> is the drawing surface and the answer alone.
"use strict";
{
  const { SIZE, longer, penned, asDrawn, moved } = cnn.ink;
  const SMALL = 0.215 * SIZE; // a drawing below this, 60 px on a surface of 280, shows too little of the hand

  const NETWORKS = [["varied", "trained with variations"], ["lenet5", "trained on MNIST as it is"]];

  // What can be done to the image. Beside each slider stands what the network says at every `cell`.
  const MOVES = {
    right: { label: "shift right", rest: 0, min: -8, max: 8, step: 1, cell: 1, unit: " px" },
    down: { label: "shift down", rest: 0, min: -8, max: 8, step: 1, cell: 1, unit: " px" },
    zoom: { label: "zoom", rest: 1, min: 0.4, max: 2, step: 0.05, cell: 0.1, unit: " ×" },
    turn: { label: "turn clockwise", rest: 0, min: -180, max: 180, step: 5, cell: 20, unit: "°" },
  };
  for (const move of Object.values(MOVES)) {
    const count = Math.round((move.max - move.min) / move.cell) + 1;
    move.places = Array.from({ length: count }, (_, k) => Number((move.min + k * move.cell).toFixed(2)));
    move.text = (value) => cnn.short(value) + move.unit;
  }

  const best = (probabilities) => probabilities.data.indexOf(Math.max(...probabilities.data));
  const { percent } = cnn;
  const times = (shape) => shape.join(" × ");

  // How many lines and columns show a vector of n numbers: full lines, if that can be.
  function lines(n) {
    const widest = n > 200 ? 64 : 42;
    let columns = Math.min(n, widest);
    while (n % columns && columns > widest / 3) columns--;
    if (n % columns) columns = widest;
    return [Math.ceil(n / columns), columns];
  }

  class DigitPad extends cnn.DrawnPiece {
    static title = "A network reads your digit";
    static style = cnn.DrawnPiece.style + `
      .seen { width: 142px; border: 1px solid var(--line); }
      @container (max-width: 480px) { .seen { width: 86px; } }
      .answer { flex: 1 1 150px; max-width: 320px; }
      .compact { max-width: 38rem; }
      .compact .surface { width: 264px; }
      .compact .answer { flex-basis: 105px; }
      .compact .answer td { height: 1.3rem; }
      .compact #keys { display: none; }
      .compact .stage:has(.pad:focus-visible) + #keys { display: block; }
      @container (max-width: 400px) { .compact .surface { width: 206px; } }
      @container (max-width: 340px) { .compact .surface { width: 264px; } }
      figcaption span { white-space: nowrap; }
      .small, figcaption { font-size: .85rem; color: var(--soft); margin: .2rem 0 .4rem; }
      .words { min-height: 3em; }
      .moves { display: flex; flex-wrap: wrap; gap: .5rem 1.2rem; margin: .8rem 0 .3rem; }
      .moves > div { width: 280px; max-width: 100%; }
      .moves label { display: flex; flex-wrap: wrap; }
      .moves input { order: 1; width: 100%; }
      .moves .at { font-weight: 600; }
      .moves p { font-size: .85rem; color: var(--soft); margin: .1rem 0 0; }
      .strip { display: flex; border: 1px solid var(--line); font: 11px/1.5 system-ui, sans-serif; cursor: pointer; }
      .strip span { flex: 1 1 0; min-width: 0; text-align: center; overflow: hidden; }
      .strip .other { background: color-mix(in srgb, var(--orange) 28%, var(--paper)); font-weight: 700;
        text-decoration: underline; }
      .strip .here { box-shadow: inset 0 0 0 2px var(--blue); }
      figure { margin: .5rem 0 0; }
      @container (min-width: 600px) {
        figure { display: flex; gap: .8rem; align-items: center; }
        figcaption { flex: 0 0 11.5rem; margin: 0; line-height: 1.3; font-size: .8rem; }
      }
      .maps { display: flex; flex-wrap: wrap; gap: 3px; }
      .maps canvas { outline: 1px solid var(--line); }`;

    build() {
      const { image, labels, network } = this.given, compact = this.hasAttribute("compact");
      this.labels = labels;
      this.compact = compact;
      this.stage.parentElement.classList.toggle("compact", compact);
      Object.assign(this.state, { trained: NETWORKS[0][0], centred: true });
      if (!compact) this.choice("ready", "start from", "3", [["own", "your own"], ..."0123456789"]);
      if (!compact && !network) this.choice("trained", "network", this.state.trained, NETWORKS);
      this.button("erase", () => this.change({ strokes: [] }));
      this.back = this.button("undo", () => this.undo());
      if (!compact) {
        this.tick("centred", "centre and scale as MNIST does", true);
        this.button("put back", () => this.#putBack());
      }
      this.#layOutPad();
      this.#layOutMoves();
      this.layers = cnn.make("div");
      const note = (text, id) => cnn.make("p", { class: "small", id }, text);
      this.stage.after(note("Draw with mouse or finger, or with keys: arrows move the pen (Home, End, Page Up and Page "
        + "Down: aslant), space puts it down and lifts it, Ctrl+Z or ⌘Z takes a change back, Delete erases.", "keys"));
      this.words.after(note("It knows only ten answers, and gives one to whatever it sees: draw a heart."));
      if (!compact) this.words.nextSibling.after(
        note("Under each slider: what the network says at each place, underlined where it is not the answer to the "
          + "digit left alone."),
        this.moves,
        note("What each layer computes: orange is above 0, blue below, strong is far from 0, on a scale of its own."),
        this.layers,
        note("Before the network sees your drawing, it is made like the digits of MNIST: its strokes are scaled to fit "
          + "into 20 × 20 pixels and drawn with a pen of one width, with their centre of mass in the middle of "
          + "28 × 28. Shift, zoom and turn come after that. The ready digits are drawn by code; none is from MNIST."));
      this.begin(image ? { strokes: [], image, ready: "own" } : cnn.DrawnPiece.ready("3"));
    }

    // In a notebook, the weights may come with a later script than this element.
    #networkCame = () => this.network ?? this.update();

    #missing = ({ detail }) => {
      if (this.network || !detail.startsWith("lenet5")) return;
      this.say("The network could not be loaded. Check your connection, then draw or press “erase”: that asks for it again.", true);
    };

    enter() {
      document.addEventListener("cnn-missing", this.#missing);
      document.addEventListener("cnn-network", this.#networkCame);
      if (this.away) this.update(); // and do what was left undone
    }

    leave() {
      document.removeEventListener("cnn-missing", this.#missing);
      document.removeEventListener("cnn-network", this.#networkCame);
      this.away = true;
      this.lift(); // nobody tells
      clearTimeout(this.timer);
    }

    #layOutPad() {
      const { make } = cnn, surface = this.surface("keys");
      this.seenBox = make("canvas", { class: "seen", width: SIZE, height: SIZE, role: "img",
        "aria-label": "the image that the network sees, 28 × 28 pixels" });
      this.about = make("p");
      this.bars = new cnn.Bars("probabilities");
      if (this.compact) this.stage.append(surface, make("div", { class: "answer" }, this.bars.element));
      else this.stage.append(
        make("div", {}, make("p", {}, "draw here"), surface),
        make("div", {}, make("p", {}, "the network sees"), this.seenBox),
        make("div", { class: "answer" }, this.about, this.bars.element),
      );
    }

    // A slider for each move, and under it what the network says at every place of the slider.
    #layOutMoves() {
      const { make } = cnn;
      this.moves = make("div", { class: "moves" });
      this.strips = {};
      for (const [name, move] of Object.entries(MOVES)) {
        this.state[name] = move.rest;
        if (this.compact) continue;
        const slider = this.number(name, move.label, move.rest, { ...move, slider: true });
        const text = make("p", {}, "\u00a0"), strip = make("div", { class: "strip", role: "img", "aria-label": `answers along: ${name}` });
        const cells = move.places.map((place) => make("span", { title: move.text(place) }, "\u00a0"));
        cells.forEach((cell, k) => cell.addEventListener("click", () => {
          this.set(name, move.places[k]);
          this.update();
        }));
        strip.append(...cells);
        this.strips[name] = { text, strip, cells };
        this.moves.append(make("div", {}, slider.parentElement, strip, text));
      }
    }

    changed(name) {
      if (name === "ready" && this.state.ready !== "own") this.change(cnn.DrawnPiece.ready(this.state.ready));
      if (name === "trained") this.network = this.prepared = null;
    }

    #putBack() {
      this.set("centred", true);
      for (const [name, { rest }] of Object.entries(MOVES)) this.set(name, rest);
    }

    // ---- Reading

    // The probabilities that the network gives to an image, and the outputs of all its layers.
    #ask(image) {
      const white = this.network.white;
      const outputs = this.network.run(image.data.map((ink) => ink * white));
      const last = outputs.at(-1);
      return { outputs, probabilities: this.network.gives === "logits" ? cnn.softmax(last) : last };
    }

    // The reader's model, or one of the two that come with the course.
    #start() {
      const { trained } = this.state, written = this.given.network ?? cnn.networks?.[trained];
      if (!written) {
        cnn.load?.(trained === "lenet5" ? "lenet5" : "lenet5-varied");
        return false;
      }
      this.network = Object.assign(new cnn.Network(written), written.about);
      const { trained: how, name, parameters } = this.network, count = (n) => n.toLocaleString("en");
      this.about.textContent = how
        ? `${name}, trained on ${count(how.images)} digits${how.variations ? ", each also in other hands," : ""} for `
          + `${how.epochs} epochs (seed ${how.seed}): test accuracy ${percent(how.accuracy, 2)}`
        : `your model “${name}”, ${count(parameters)} parameters`;
      return true;
    }

    update() {
      this.drawnAnew();
      this.back.disabled = !this.past.length;
      if (!this.network && !this.#start()) return this.say("The network is being loaded.");
      if (!this.prepared) { // the drawing has changed
        this.prepare();
        this.usual = this.#ask(this.prepared);
      }
      const alone = this.state.centred && Object.entries(MOVES).every(([name, { rest }]) => this.state[name] === rest);
      this.seen = alone ? this.prepared : moved(this.#base(), this.state);
      const { outputs, probabilities } = alone ? this.usual : this.#ask(this.seen);
      Object.assign(this, { alone, outputs, result: probabilities });
      this.#paint();
      this.bars.show(this.result.data, { labels: this.labels, digits: this.compact ? 0 : 1 });
      this.#tell();
      if (!this.compact) this.#survey();
    }

    // The image that is then shifted, zoomed and turned.
    #base() {
      return this.state.centred ? this.prepared : asDrawn(this.drawn.image ? this.drawing : penned(this.kept));
    }

    #paint() {
      this.paintPad();
      if (!this.compact) this.fill(this.seenBox, (i) => this.grey[Math.round(255 * this.seen.data[i])]);
      if (this.compact) return;
      this.figures ??= this.network.layers.map((layer, k) => this.#layOutLayer(layer, this.outputs[k]));
      this.figures.forEach((figure, k) => this.#paintLayer(figure, this.outputs[k]));
    }

    // A canvas for each feature map of a layer, or one for a vector.
    #layOutLayer({ name, kind, activation, rests }, { shape }) {
      const { make } = cnn, how = activation === "linear" ? kind : `${kind}, ${activation}`;
      const title = `${name} (${how})`, size = times(shape);
      const range = make("span"), caption = [title, make("br"), make("span", {}, `${size}:`), " ", range];
      const figure = make("figure", {}, make("figcaption", {}, ...caption));
      this.layers.append(figure);
      if (rests) range.textContent = "as it is";
      if (kind === "Flatten" || kind === "Reshape") range.textContent = "the same numbers";
      if (range.textContent) return null;
      const flat = shape.length === 1 || (shape[0] === 1 && shape[1] === 1), n = shape.at(-1);
      const [H, W, count] = flat ? [...lines(n), 1] : [shape[0], shape[1], shape[2] ?? 1];
      const screen = count > 20 ? 28 : count > 8 ? 30 : 56; // pixels for a map
      const zoom = flat ? (n > 200 ? 4 : n > 20 ? 6 : 14) : Math.max(1, Math.floor(screen / W));
      const style = `width: ${W * zoom}px`;
      const canvases = Array.from({ length: count }, () => make("canvas", { width: W, height: H, style }));
      const maps = make("div", { class: "maps", role: "img" }, ...canvases);
      figure.append(maps);
      return { title: `${title}, ${size}`, range, maps, canvases };
    }

    // One scale of colours for the whole layer: strong where a value is large beside the layer's others.
    #paintLayer(figure, { shape, data }) {
      if (!figure) return;
      let low = Infinity, high = -Infinity;
      for (const v of data) [low, high] = [Math.min(low, v), Math.max(high, v)];
      const peak = Math.max(-low, high, 1e-9), { canvases, range, maps, title } = figure;
      const colour = (v = 0) => this.signed[(v < 0 ? 255 : 256) + Math.round((255 * v) / peak)];
      canvases.forEach((canvas, k) => this.fill(canvas, (i) => colour(data[i * canvases.length + k])));
      const told = (v) => cnn.short(v, 2, 1e-3 * peak);
      range.textContent = `${told(low)} to ${told(high)}`;
      maps.setAttribute("aria-label", `${title}: from ${range.textContent}`);
    }

    #name(k) {
      return this.labels ? `${k} (${this.labels[k]})` : String(k);
    }

    #tell() {
      const { right, down, zoom, turn, centred } = this.state, { result } = this, usual = this.usual.probabilities;
      const now = best(result), then = best(usual);
      const [, second] = Array.from(result.data, (p, k) => [p, k]).sort((a, b) => b[0] - a[0]).map(([, k]) => k);
      const done = [
        !centred && "neither centred nor scaled",
        right && `shifted ${Math.abs(right)} ${right > 0 ? "right" : "left"}`,
        down && `shifted ${Math.abs(down)} ${down > 0 ? "down" : "up"}`,
        zoom !== 1 && `zoomed to ${cnn.short(zoom)}`,
        turn && `turned ${Math.abs(turn)}° ${turn > 0 ? "clockwise" : "anticlockwise"}`,
      ].filter(Boolean).join(", ");
      const next = result.data[second] < 0.001 ? `no other gets more than ${percent(0.001)}`
        : `next comes ${this.#name(second)}, with ${percent(result.data[second])}`;
      const answer = `${this.#name(now)}, with ${percent(result.data[now])}; ${next}.`;
      const before = `${this.#name(then)}, with ${percent(usual.data[then])}`;
      const { strokes, image } = this.drawn, specks = strokes.length - this.kept.length;
      const empty = !this.drawing.data.some((ink) => ink > 0), small = !empty && !image && longer(this.kept) < SMALL;
      const sentence = empty ? `Nothing is drawn. The network answers all the same: ${answer}`
        : this.alone ? `The network says ${answer}`
          : `The drawing is ${done}. The network ${now === then ? "still says" : "now says"} ${answer} `
            + (now === then ? `Before that it said ${before}.`
              : `Before that it said ${before}: the same drawing, another answer.`);
      const remarks = [
        specks && ` Far from the rest ${specks === 1 ? "is a speck: it is" : `are ${specks} specks: they are`} ignored.`,
        small && !this.pressed && !this.down && " This is small: draw larger.",
        result.data[now] < 0.6 && " It is not sure: it knows only ten answers, and must give one.",
      ].filter(Boolean).join("");
      this.say((this.penSays ?? "") + sentence + remarks);
    }

    // When the reader pauses: what does the network say at every place of each slider, the others left alone?
    #survey() {
      clearTimeout(this.timer);
      this.surveyed = null;
      this.#showStrips();
      if (this.pressed) return;
      const found = Object.fromEntries(Object.keys(MOVES).map((name) => [name, []]));
      const todo = Object.entries(MOVES).flatMap(([name, { places }]) => places.map((place) => [name, place]));
      const image = this.#base();
      const work = () => {
        const end = performance.now() + 8; // then the page may do something else
        while (todo.length && performance.now() < end) {
          const [name, place] = todo.shift();
          found[name].push(best(this.#ask(moved(image, { ...this.state, [name]: place })).probabilities));
        }
        if (todo.length) {
          this.timer = setTimeout(work);
          return;
        }
        this.surveyed = found;
        this.#showStrips();
      };
      this.timer = setTimeout(work, 120);
    }

    #showStrips() {
      const first = best(this.usual.probabilities);
      for (const [name, { text, strip, cells }] of Object.entries(this.strips)) {
        const { places, cell, rest, min } = MOVES[name], middle = places.indexOf(rest);
        const here = Math.round((this.state[name] - min) / cell);
        cells.forEach((span, k) => span.classList.toggle("here", k === here));
        if (!this.surveyed) continue; // the answers of before stay until the new ones are there
        const says = this.surveyed[name], at = (k) => MOVES[name].text(places[k]);
        cells.forEach((span, k) => {
          span.textContent = says[k];
          span.classList.toggle("other", says[k] !== first);
        });
        const ends = `from ${at(0)} to ${at(places.length - 1)}`;
        strip.setAttribute("aria-label", `what the network says ${ends}: ${says.join(" ")}`);
        let [from, to] = [middle, middle];
        while (says[from - 1] === first) from--;
        while (says[to + 1] === first) to++;
        const count = says.filter((k) => k === first).length;
        text.textContent = this.#name(first) + (says[middle] === first ? ` from ${at(from)} to ${at(to)}`
          : ` at ${count} of ${places.length} places`);
      }
    }
  }
  cnn.define("digit-pad", DigitPad);
}
