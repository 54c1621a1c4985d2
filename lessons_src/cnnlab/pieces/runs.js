// A run of train-lenet: what the reader may choose, the digits that this gives, and training in the background.
"use strict";
{
  // All choices, each with its options; cnnlab.pieces knows the same ones.
  const CHOICES = {
    digits: [50, 100, 200, 500, 1000, 2000],
    network: ["dense", "shared", "lenet"],
    rule: ["sgd", "momentum", "adam"],
    rate: [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1],
    batch: [1, 10, 50, 200],
    dropout: [0, 0.2, 0.5, 0.8],
    decay: [0, 0.1, 0.3, 1, 3],
    pixels: ["usual", "shuffled", "sides"],
    wrong: [0, 0.1, 0.2, 0.5, 1],
  };
  const DEFAULTS = { digits: 2000, network: "lenet", rule: "adam", rate: 0.003, batch: 50, dropout: 0, decay: 0,
    pixels: "usual", wrong: 0, seed: 1 };
  const MOST_SEED = 999;

  // From here on it is one function again: a worker in the background is given its text, and that of training.js.
  function runs({ Network, layersOf, step }, random) {
    const PIXELS = 784, TRAINING = 2000, VALIDATION = 1000; // digits that are there
    const SHIFT = 4; // pixels, of "train left, validate right"
    const ROUND = 500; // training digits, at least, from one measurement to the next

    // Whatever is drawn by lot has random numbers of its own: so the start and the order stay what they are if
    // something else is chosen.
    const lots = (seed, what) => random(8 * seed + ["start", "order", "labels", "pixels", "dropout"].indexOf(what));

    // The numbers from 0 to n − 1, shuffled.
    function shuffled(n, next) {
      const keys = Float64Array.from({ length: n }, next);
      return Array.from(keys.keys()).sort((a, b) => keys[a] - keys[b]);
    }

    // How the pixels of an image are moved: `places[i]` is where pixel i comes from, −1 for background.
    function places({ pixels, seed }, validation) {
      if (pixels === "shuffled") return shuffled(PIXELS, lots(seed, "pixels"));
      const right = pixels === "sides" ? (validation ? SHIFT : -SHIFT) : 0;
      return Array.from({ length: PIXELS }, (_, i) => {
        const column = (i % 28) - right;
        return column < 0 || column >= 28 ? -1 : i - right;
      });
    }

    const moved = (image, from) => Float32Array.from(from, (place) => (place < 0 ? 0 : image[place]));

    // The labels to learn from: a share of them wrong, by lot.
    function taught(labels, { wrong, seed }) {
      const next = lots(seed, "labels"), lot = Array.from(labels, () => [next(), next()]);
      return Array.from(labels, (label, i) => (lot[i][0] < wrong ? (label + 1 + Math.floor(9 * lot[i][1])) % 10 : label));
    }

    // Images and labels for training and for validation. `grey` holds all pixels in a line, from 0 to 15.
    function prepare({ grey, labels }, settings) {
      const part = (from, count, validation) => {
        const way = places(settings, validation);
        return Array.from({ length: count }, (_, i) => {
          const start = (from + i) * PIXELS;
          return moved(Float32Array.from(grey.subarray(start, start + PIXELS), (v) => v / 15), way);
        });
      };
      const { digits } = settings;
      return { images: part(0, digits, false), labels: taught(labels.slice(0, digits), settings),
        valImages: part(TRAINING, VALIDATION, true), valLabels: Array.from(labels.slice(TRAINING)) };
    }

    // The reader's own model, {layers, values}, begins where it stands; the other networks by lot.
    function start({ network, model, dropout, seed }) {
      const own = network === "own", net = new Network(layersOf(own ? model.layers : network, dropout));
      if (own) net.values.set(model.values);
      else net.start(lots(seed, "start"));
      return net;
    }

    class Run {
      constructor(digits, settings) {
        Object.assign(this, { settings, ...prepare(digits, settings), net: start(settings), memory: {}, steps: 0 });
        this.perEpoch = Math.ceil(settings.digits / settings.batch);
        this.every = this.perEpoch * Math.max(1, Math.ceil(ROUND / settings.digits)); // steps between measurements
        this.next = { order: lots(settings.seed, "order"), dropout: lots(settings.seed, "dropout") };
        this.measured = [this.measure()]; // what the page has not yet been told
      }

      // One batch, one step. The digits come in a new order in every epoch.
      step() {
        const { digits, batch, rule, rate, decay } = this.settings, at = this.steps % this.perEpoch;
        if (at === 0) this.order = shuffled(digits, this.next.order);
        const chosen = this.order.slice(at * batch, (at + 1) * batch), of = (list) => chosen.map((i) => list[i]);
        this.loss = this.net.gradient(of(this.images), of(this.labels), this.next.dropout);
        this.sizes = this.net.sizes();
        step(this.net, rule, rate, decay, this.memory);
        this.steps++;
        if (!Number.isFinite(this.loss)) this.diverged = true;
        if (this.steps % this.every === 0 || this.diverged) this.measured.push(this.measure());
      }

      // Loss and accuracy, without dropout: on the training digits, or the first 500 of them, and on all validation digits.
      measure() {
        const { net, images, labels, valImages, valLabels, steps, perEpoch } = this;
        const right = (answers, truth) => answers.filter((answer, i) => answer === truth[i]).length / answers.length;
        const known = net.measure(images.slice(0, ROUND), labels), fresh = net.measure(valImages, valLabels);
        this.answers = fresh.answers;
        return { epoch: steps / perEpoch, loss: known.loss, accuracy: right(known.answers, labels),
          valLoss: fresh.loss, valAccuracy: right(fresh.answers, valLabels) };
      }

      // All that the page shows.
      told() {
        const { steps, perEpoch, every, loss, sizes, answers, diverged, net } = this;
        return { steps, perEpoch, every, loss, sizes, answers, diverged, values: net.values.slice(),
          measured: this.measured.splice(0) };
      }
    }

    // In the background: start with {digits, settings}, then {go: so many steps}; {go: 0} is a pause. While it runs, it
    // looks up several times a second, tells the page how far it is, and hears what the page wants.
    function serve(port) {
      let run, left = 0, waiting;
      const tell = () => port.postMessage({ ...run.told(), running: left > 0 });
      const work = () => {
        const end = performance.now() + 100;
        while (left > 0 && performance.now() < end) {
          run.step();
          left = run.diverged ? 0 : left - 1;
        }
        tell();
        waiting = left > 0 ? setTimeout(work) : undefined;
      };
      port.onmessage = ({ data }) => {
        if (data.settings) run = new Run(data.digits, data.settings);
        clearTimeout(waiting);
        left = data.go ?? 0;
        work();
      };
    }

    return { Run, places, moved, prepare, start, serve, taught };
  }

  // The digits that come with the course, from the text in which they travel: 4 bits a pixel, deflated, as base64.
  async function unpack({ numbers, labels }) {
    const packed = Uint8Array.from(atob(numbers), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    const pairs = new Uint8Array(await new Response(stream).arrayBuffer()), grey = new Uint8Array(2 * pairs.length);
    pairs.forEach((pair, i) => { grey[2 * i] = pair >> 4; grey[2 * i + 1] = pair & 15; });
    return { grey, labels: Uint8Array.from(labels, Number) };
  }

  // A worker from the text of the functions that it needs: no file has to be fetched.
  function worker() {
    const code = `"use strict"; (${runs})((${cnn.training.source})(), ${cnn.random}).serve(self);`;
    return new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  }

  // ---- The same run as Keras code ----
  const NAMES = { sgd: "SGD", momentum: "SGD", adam: "Adam" };
  const LAYERS = {
    dense: ["layers.Flatten()", 'layers.Dense(64, activation="relu")'],
    shared: ['layers.Conv2D(6, 5, activation="relu")', "layers.Flatten()"],
    lenet: ['layers.Conv2D(6, 5, activation="relu")', "layers.MaxPooling2D()",
      'layers.Conv2D(16, 5, activation="relu")', "layers.MaxPooling2D()", "layers.Flatten()",
      'layers.Dense(64, activation="relu")'],
  };
  function kerasCode({ digits, network, rule, rate, batch, dropout, decay, pixels, wrong, seed }) {
    const more = (rule === "momentum" ? ", momentum=0.9" : "") + (decay ? `, weight_decay=${decay}` : "");
    const own = network === "own", drop = dropout ? [`layers.Dropout(${dropout})`] : [];
    const stack = own ? [] : [...LAYERS[network], ...drop, "layers.Dense(10)"];
    const build = [
      "model = keras.Sequential([",
      "    keras.Input((28, 28, 1)),",
      ...stack.map((layer) => `    ${layer},`),
      "])",
      'start = lots("start", sum(w.size for w in model.get_weights() if w.ndim > 1))',
      "weights, used = [], 0",
      "for old in model.get_weights():  # Glorot and Bengio's start: biases 0",
      "    if old.ndim > 1:",
      "        limit = (6 / (np.prod(old.shape[:-1]) + np.prod(old.shape[:-2]) * old.shape[-1])) ** 0.5",
      "        weights.append(limit * (2 * start[used : used + old.size].reshape(old.shape) - 1))",
      "        used += old.size",
      "    else:",
      "        weights.append(0 * old)",
      "model.set_weights(weights)",
    ];
    const mine = [
      "# `model` is your own. It must have the weights that it had when you gave it to the piece.",
      "copy = keras.models.clone_model(model)",
      "copy.set_weights(model.get_weights())",
      `model = keras.Sequential([keras.Input((28, 28, 1)), ${["*copy.layers[:-1]", ...drop, "copy.layers[-1]"].join(", ")}])`,
      "model.layers[-1].activation = keras.activations.linear  # the loss below takes logits",
    ];
    return [
      "import keras",
      "import numpy as np",
      "from cnnlab import data",
      "from keras import layers",
      "",
      "",
      "def lots(what, count):  # the random numbers of the page (mulberry32, by Tommy Ettinger)",
      `    first = 8 * ${seed} + ["start", "order", "labels", "pixels", "dropout"].index(what)`,
      "    a = (first + 0x6D2B79F5 * np.arange(1, count + 1, dtype=np.uint64)).astype(np.uint32)",
      "    t = (a ^ a >> 15) * (a | 1)",
      "    t = t + (t ^ t >> 7) * (t | 61) ^ t",
      "    return (t ^ t >> 14) / 2**32",
      "",
      "",
      'mnist = data.load("mnist", "sample")',
      "x, y = np.rint(15 * mnist.x_train) / 15, mnist.y_train.copy()  # the page has 16 shades of grey",
      `learn, check = np.random.default_rng(0).permutation(2000)[:${digits}], slice(3000, 4000)`,
      "x_train, y_train, x_val, y_val = x[learn], y[learn], x[check], y[check]",
      ...(pixels === "shuffled" ? ['places = np.argsort(lots("pixels", 784), kind="stable")  # the same for all',
        "x_train, x_val = (part.reshape(-1, 784)[:, places].reshape(-1, 28, 28, 1) for part in (x_train, x_val))"] : []),
      ...(pixels === "sides" ? ["x_train = np.pad(x_train[:, :, 4:], [(0, 0), (0, 0), (0, 4), (0, 0)])  # 4 pixels left",
        "x_val = np.pad(x_val[:, :, :-4], [(0, 0), (0, 0), (4, 0), (0, 0)])  # 4 pixels right"] : []),
      ...(wrong ? [`lot = lots("labels", ${2 * digits}).reshape(-1, 2)`,
        `wrong = (y_train + 1 + (9 * lot[:, 1]).astype(int)) % 10`,
        `y_train = np.where(lot[:, 0] < ${wrong}, wrong, y_train)`] : []),
      "",
      ...(own ? mine : build),
      "model.compile(",
      `    optimizer=keras.optimizers.${NAMES[rule]}(${rate}${more}),`,
      "    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),",
      '    metrics=["accuracy"],',
      ")",
      "",
      "epochs = 5",
      `orders = np.argsort(lots("order", epochs * ${digits}).reshape(epochs, ${digits}), kind="stable")`,
      ...(dropout ? ["# Dropout draws lots of its own here: what follows resembles the page's run, to the digit it does not."]
        : []),
      "for order in orders:",
      "    model.fit(",
      `        x_train[order], y_train[order], batch_size=${batch}, shuffle=False,`,
      "        validation_data=(x_val, y_val), verbose=2,",
      "    )",
      "",
    ].join("\n");
  }

  Object.assign(cnn, { runs: { CHOICES, DEFAULTS, MOST_SEED, unpack, worker, kerasCode, ...runs(cnn.training, cnn.random) } });
}
