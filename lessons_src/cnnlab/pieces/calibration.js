// How sure, and how often right: the reader's own predictions, beside a network's where there are some (chapter 8).
"use strict";
{
  const ENOUGH = 10; // predictions before a curve is drawn

  // The 95 % interval of a share, hits of n, after Wilson (1927).
  function interval(hits, n) {
    const z = 1.96, p = hits / n, middle = p + (z * z) / (2 * n);
    const half = z * Math.sqrt((p * (1 - p)) / n + (z / (2 * n)) ** 2), scale = 1 + (z * z) / n;
    return [(middle - half) / scale, (middle + half) / scale];
  }

  // What the predictions {name: entry} come to. Only those count that were committed and have met their answer; what
  // was asked again (your-course.js) is no prediction any more.
  function calibration(entries) {
    const first = Object.entries(entries).filter(([name]) => !name.startsWith("again-")).map(([, entry]) => entry);
    const counted = first.filter((e) => !e.shown && e.hit !== undefined);
    const levels = cnn.predictions.SURE.map((sure) => {
      const at = counted.filter((e) => e.sure === sure), hits = at.filter((e) => e.hit).length;
      const [low, high] = at.length ? interval(hits, at.length) : [0, 1];
      return { sure: sure / 100, n: at.length, hits, low, high };
    }).filter((level) => level.n);
    const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
    const hits = counted.filter((e) => e.hit).length, [low, high] = counted.length ? interval(hits, counted.length) : [0, 1];
    return {
      low, high, n: counted.length, right: counted.filter((e) => e.right).length, levels, enough: counted.length >= ENOUGH,
      sure: mean(counted.map((e) => e.sure / 100)), hit: hits / counted.length
    };
  }

  // How far the interval reaches from a share of one half, in points, after so many predictions.
  const open = (n) => Math.round(100 * (interval(n / 2, n)[1] - 0.5));

  const percent = (share) => `${Math.round(100 * share)} %`;

  // Does the share of hits fit how sure the reader was?
  const verdict = ({ sure, low, high }) => (sure > high ? "too sure" : sure < low ? "not sure enough" : "no contradiction");
  const told = (level) => `at ${percent(level.sure)}, ${level.hits} of ${level.n}: ${verdict(level)}`;

  cnn.calibration = calibration;
  cnn.define("calibration", class extends cnn.Follower {
    static title = "How sure, and how often right";
    static style = cnn.Plot.style + `
      .key { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .9rem; margin: .3rem 0 0; padding: 0; list-style: none; }
      .key .blue { color: var(--blue); }
      .key .orange { color: var(--orange); }`;

    build() {
      this.controls.remove();
      this.plot = new cnn.Plot({ label: "", x: [0, 100], y: [0, 100], xLabel: "how sure, in %", yLabel: "right, in %",
        width: 340, height: 330 });
      this.plot.top = 28; // the highest number stands below the label
      this.key = cnn.make("ul", { class: "key" });
      this.stage.append(cnn.make("div", {}, this.plot.element, this.key));
    }

    update() {
      const { network = [] } = this.given, you = calibration(cnn.predictions.all()), { plot } = this;
      plot.width = Math.min(340, this.room);
      plot.clear();
      plot.curve([[0, 0], [100, 100]], "soft", { dashed: true });
      const key = [["soft", "- - as often right as sure"]];
      if (network.length) {
        const bins = network.map((bin) => bin.map((share) => 100 * share));
        plot.curve(bins, "blue");
        plot.points(bins, "blue", { hollow: true });
        key.push(["blue", "○ the network"]);
      }
      if (you.enough) {
        for (const { sure, low, high } of you.levels) {
          plot.curve([[100 * sure, 100 * low], [100 * sure, 100 * high]], "orange");
        }
        const dots = you.levels.map(({ sure, n, hits }) => [100 * sure, (100 * hits) / n]);
        plot.curve(dots, "orange");
        plot.points(dots, "orange");
        key.push(["orange", "● you, with 95 % intervals"]);
      }
      this.key.replaceChildren(...key.map(([colour, text]) => cnn.make("li", { class: colour }, text)));
        const yours = you.enough
        ? `Of your ${you.n} predictions, ${percent(you.hit)} came true; on average you were ${percent(you.sure)} sure: `
          + `${verdict(you)}. By level: ${you.levels.map(told).join("; ")}.`
        : `Your own curve is drawn from ${ENOUGH} predictions on; so far ${you.n === 1 ? "one has" : `${you.n} have`} met `
          + `${you.n === 1 ? "its answer" : "their answers"}. At one level, ${ENOUGH} predictions leave ±${open(ENOUGH)} points `
          + `open, ${4 * ENOUGH} leave ±${open(4 * ENOUGH)}.`;
      const nets = network.length ? ` The network's lowest bin: ${percent(network[0][0])} sure, ${percent(network[0][1])} right; `
        + `its highest: ${percent(network.at(-1)[0])} sure, ${percent(network.at(-1)[1])} right.` : "";
      plot.describe(`A plot of the share that was right against how sure. ${yours}${nets}`);
      this.say(yours + nets);
    }

    resized() {
      this.update();
    }
  });
}
