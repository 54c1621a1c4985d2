// Polynomials through noisy points: how far they are from the points, and how far from the truth (chapter 10).
"use strict";
{
  // NumPy's default_rng(0).normal(size=40): the errors of chapter 10, before they are multiplied by the noise.
  const NORMAL = [0.12573, -0.132105, 0.640423, 0.1049, -0.535669, 0.361595, 1.304, 0.947081, -0.703735, -1.265421,
    -0.623274, 0.041326, -2.325031, -0.218792, -1.245911, -0.732267, -0.544259, -0.3163, 0.411631, 1.042513,
    -0.128535, 1.366463, -0.665195, 0.35151, 0.90347, 0.094012, -0.743499, -0.921725, -0.457726, 0.220195,
    -1.009618, -0.209176, -0.159225, 0.540846, 0.214659, 0.355373, -0.653829, -0.129614, 0.783975, 1.493431];

  const HIGHEST = 14; // degree
  const sine = (x) => Math.sin(2 * Math.PI * x);
  const line = (low, high, n) => Array.from({ length: n }, (_, i) => low + ((high - low) * i) / (n - 1));
  const dot = (a, b) => a.reduce((total, v, i) => total + v * b[i], 0);

  // The typical distance of two lists: the root of the mean squared difference.
  const off = (a, b) => Math.hypot(...a.map((v, i) => v - b[i])) / Math.sqrt(a.length); // cannot overflow

  // Normally distributed numbers from evenly distributed ones (Box and Muller).
  function normal(seed, n) {
    const next = cnn.random(seed);
    return Array.from({ length: n }, () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()));
  }

  // The Chebyshev polynomials 0 … highest at the places t from -1 to 1, one column of values for each degree.
  // They are sums of the powers 1, t, t² …, but differ from each other as much as possible. High powers are
  // nearly alike, and their coefficients would drown in rounding errors.
  function chebyshev(t, highest) {
    const columns = [t.map(() => 1), t];
    while (columns.length <= highest) {
      const [before, last] = columns.slice(-2);
      columns.push(t.map((v, i) => 2 * v * last[i] - before[i]));
    }
    return columns.slice(0, highest + 1);
  }

  // The polynomial with these coefficients: c[0] times the first column, plus c[1] times the second …
  function polynomial(c, columns) {
    const values = columns[0].map(() => 0);
    c.forEach((v, k) => columns[k].forEach((value, i) => { values[i] += v * value; }));
    return values;
  }

  // Least squares: for every degree up to the highest, the coefficients of the polynomial for which the squared
  // vertical distances to the points add up to the least. Each column is cleaned of its part along the columns
  // before it (Gram and Schmidt); what is left is scaled to length 1 and called q. So column k is
  // r[0]·q0 + … + r[k]·qk.
  function fitAll(columns, y) {
    const q = [], r = [], along = [];
    for (const column of columns) {
      let rest = column;
      const parts = q.map(() => 0);
      for (let time = 0; time < 2; time++) { // twice, because of rounding errors
        q.forEach((one, k) => {
          const part = dot(one, rest);
          parts[k] += part;
          rest = rest.map((v, i) => v - part * one[i]);
        });
      }
      const length = Math.sqrt(dot(rest, rest));
      q.push(rest.map((v) => v / length));
      r.push([...parts, length]);
      along.push(dot(q.at(-1), y));
    }
    // A fit of degree d uses the first d + 1 columns. Its coefficients c solve r·c = along, from the last one up.
    return q.map((_, d) => {
      const c = Array(d + 1).fill(0);
      for (let k = d; k >= 0; k--) {
        const known = c.reduce((total, v, j) => total + (j > k ? v * r[j][k] : 0), 0);
        c[k] = (along[k] - known) / r[k][k];
      }
      return c;
    });
  }

  class CurveFit extends cnn.Piece {
    static title = "Polynomials through noisy points";
    static style = cnn.Plot.style + `
      svg.plot .curve[stroke="var(--line)"] { stroke-width: 1; }
      .errors { cursor: pointer; }`;

    build() {
      const { x, degree = 3 } = this.given;
      this.own = x !== undefined;
      this.draw = 0;
      this.number("degree", "degree", degree, { min: 0, max: HIGHEST, slider: true });
      if (!this.own) {
        this.number("noise", "noise", 0.2, { min: 0, max: 0.5, step: 0.05, slider: true });
        this.number("points", "number of points", 15, { min: 3, max: NORMAL.length, slider: true });
        this.button("measure again", () => { this.draw++; });
      }
      this.#layOut();
    }

    // The points, what the fits are tested on, and the plots' axes.
    #measure() {
      if (this.own) {
        const { x, y, test_x: testX, test_y: testY } = this.given;
        return { x, y, testX, testY };
      }
      const { noise, points } = this.state, x = line(0, 1, points), testX = line(0, 1, 1001);
      const errors = this.draw ? normal(this.draw, points) : NORMAL;
      return { x, y: x.map((v, i) => sine(v) + noise * errors[i]), testX, testY: testX.map(sine) };
    }

    #layOut() {
      const { x, y } = this.#measure();
      const low = Math.min(...y), high = Math.max(...y), more = (high - low || 1) / 2;
      const window = this.own ? [low - more, high + more] : [-2, 2];
      const middle = y.reduce((a, b) => a + b) / y.length; // the fit of degree 0
      const most = this.own ? 1.6 * (off(y, y.map(() => middle)) || 1) : 1.08;
      this.curve = new cnn.Plot({ label: "", x: [Math.min(...x), Math.max(...x)], y: window, xLabel: "x", yLabel: "y",
        height: 300 });
      this.errors = new cnn.Plot({ label: "", x: [0, HIGHEST], y: [0, most], xLabel: "degree",
        yLabel: "typical distance", height: 240 });
      this.errors.element.classList.add("errors");
      this.errors.element.addEventListener("click", (event) => {
        const degree = Math.round(this.errors.at(event)[0]);
        this.set("degree", Math.min(HIGHEST, Math.max(0, degree)));
        this.update();
      });
      this.legend = cnn.make("p");
      this.numbers = cnn.make("p");
      this.boxes = [cnn.make("div", {}, this.legend, this.curve.element),
        cnn.make("div", {}, this.numbers, this.errors.element)];
      this.stage.append(...this.boxes);
      this.#fit();
    }

    #fit() {
      cnn.Plot.fit(this.room, [[this.curve, 370], [this.errors, 290]], this.boxes);
    }

    resized() {
      this.#fit();
      this.update();
    }

    update() {
      const { degree } = this.state, data = this.#measure(), { x, y, testX, testY } = data;
      this.data = data;
      const low = Math.min(...x), high = Math.max(...x), dense = line(low, high, 401);
      const scale = (places) => places.map((v) => (2 * v - low - high) / (high - low)); // to -1 … 1, as NumPy does
      const different = new Set(scale(x).map((t) => Math.round(1e6 * t))); // nearer ones drown in rounding errors
      const highest = Math.min(HIGHEST, different.size - 1); // a higher one has more coefficients than places
      const columns = (places) => chebyshev(scale(places), highest);
      const fits = fitAll(columns(x), y), errors = (places, truth) => {
        const its = columns(places);
        return fits.map((c) => off(polynomial(c, its), truth));
      };
      this.training = errors(x, y);
      this.test = testX && errors(testX, testY);
      const values = degree <= highest ? polynomial(fits[degree], columns(dense)) : null;
      this.result = values ? cnn.array([dense.length], values) : null;
      this.#drawCurve(data, values && dense.map((v, i) => [v, values[i]]));
      this.#drawErrors(highest);
      this.#explain(data, highest);
    }

    #drawCurve({ x, y, testX, testY }, fit) {
      const { curve } = this, { degree } = this.state;
      curve.clear();
      if (!this.own) curve.curve(testX.map((v, i) => [v, testY[i]]), "green", { dashed: true });
      else if (testX) curve.points(testX.map((v, i) => [v, testY[i]]), "green", { radius: 3, hollow: true });
      if (fit) curve.curve(fit, "blue");
      curve.points(x.map((v, i) => [v, y[i]]), "orange");
      const truth = this.own ? (testX ? "; hollow, the test points" : "") : "; dashed, the sine they come from";
      const line = fit ? `; solid, the fit of degree ${degree}` : "";
      this.legend.textContent = `Dots, the ${x.length} points${truth}${line}.`;
      curve.describe(`${x.length} points${this.own ? "" : " around a sine"}`
        + (fit ? `, and a polynomial of degree ${degree} fitted to them.` : "."));
    }

    #drawErrors(highest) {
      const { errors, training, test } = this, { degree } = this.state, top = errors.y[1];
      const pairs = (values) => values.map((v, d) => [d, v]), inside = ([, v]) => v <= top;
      errors.clear();
      errors.curve([[degree, 0], [degree, top]], "line", { dashed: true });
      errors.curve(pairs(training), "orange");
      errors.points(pairs(training).filter(inside), "orange", { radius: 2.5 });
      if (test) {
        errors.curve(pairs(test), "green", { dashed: true });
        errors.points(pairs(test).filter(inside), "green", { radius: 2.5, hollow: true });
      }
      const here = (values, colour, hollow) => errors.points([[degree, values[degree]]].filter(inside), colour,
        { radius: 6, hollow });
      if (degree <= highest) {
        here(training, "orange", false);
        if (test) here(test, "green", true);
      }
      const best = test?.indexOf(Math.min(...test));
      errors.describe(`Typical error against the degree, from 0 to ${highest}. The training error falls from `
        + `${this.#told(training[0])} to ${this.#told(training.at(-1))}.`
        + (test ? ` The test error is lowest at degree ${best}, ${this.#told(test[best])}, and `
          + `${this.#told(test.at(-1))} at degree ${highest}.` : ""));
    }

    #told(error) {
      return cnn.short(error, 2, 1e-6 * this.errors.y[1]);
    }

    #explain({ x }, highest) {
      const { training, test } = this, { degree } = this.state;
      if (degree > highest) {
        this.numbers.textContent = "";
        this.say(`Degree ${degree} has ${degree + 1} coefficients: too many for points at ${highest + 1} places, `
          + `because many such curves fit them equally well. Use degree ${highest} at most, or more points.`, true);
        return;
      }
      const now = `training error ${this.#told(training[degree])}`
        + (test ? `, test error ${this.#told(test[degree])}` : "");
      const hollow = `Hollow: test error, from ${this.own ? "the test points" : "the sine"}. `;
      this.numbers.textContent = "Typical distance (root mean square) for each degree. Filled: training error, from "
        + `the points. ${test ? hollow : ""}Now: ${now}.`;
      this.say(`Degree ${degree}, fitted to ${x.length} points: ${now}.`
        + (degree === x.length - 1 ? " The polynomial passes through every point." : "")
        + (test?.[degree] > this.errors.y[1] ? " The test error lies above the picture." : ""));
    }
  }
  cnn.define("curve-fit", CurveFit);
}
