// From strokes to the image that a network sees: drawing, making it like MNIST, shifting, zooming, turning.
// A stroke is a list of points [x, y] in pixels, where the pen has been from when it was put down until it was lifted.
"use strict";
{
  const SIZE = 28; // pixels of the network's image
  const FINE = 4; // the drawing is kept finer: 4 × 4 cells for each pixel
  const PEN = 1.2; // half the width of the pen, in pixels
  const BOX = 20; // the digits of MNIST fit into 20 × 20 pixels

  // The ready digits, drawn by these strokes and not taken from MNIST: points (x, y) in pixels. A stroke
  // of more than two points is a smooth curve through them, a ring if it ends where it began.
  const READY = [
    [[[14, 4], [9.5, 7], [8, 14], [9.5, 21], [14, 24], [18.5, 21], [20, 14], [18.5, 7], [14, 4]]],
    [[[15.5, 4], [13, 24]]],
    [[[8.5, 8.5], [11, 5], [15, 4], [18.5, 7], [17.5, 12], [13, 18], [8, 23.5]], [[8, 23.5], [20.5, 23]]],
    [[[8.5, 6], [13, 4], [18, 6], [17, 11], [12.5, 13.3]], [[12.5, 13.3], [18, 15], [19, 20], [14, 24], [8, 22]]],
    [[[11, 4], [8, 15]], [[8, 15], [20, 14.5]], [[17.5, 5], [16, 24]]],
    [[[19.5, 4.5], [10.5, 4.5]], [[10.5, 4.5], [9.5, 12.5]],
      [[9.5, 12.5], [14, 11], [18.5, 14.5], [18, 21], [13, 24], [8, 22]]],
    [[[17.5, 4], [11.5, 9], [8.5, 17], [10.5, 23], [15.5, 23.5], [18.5, 18.5], [14, 14.5], [9, 18]]],
    [[[8, 5.5], [20, 5]], [[20, 5], [12.5, 24]]],
    [[[14, 4], [9.8, 8], [14, 13.2], [18.6, 18.6], [14, 24], [9.2, 18.6], [14, 13.2], [18.2, 8], [14, 4]]],
    [[[14, 4.5], [9.5, 8.8], [13.5, 13.5], [18.3, 9.2], [14, 4.5]], [[18.3, 8.5], [17.8, 16], [15.5, 24]]],
  ];

  // A smooth curve through the points (Catmull and Rom), as many short straight lines.
  function curve(points) {
    const line = [points[0]], n = points.length, ring = String(points[0]) === String(points[n - 1]);
    for (let i = 0; i + 1 < n; i++) {
      const [b, c] = [points[i], points[i + 1]];
      const a = points[i - 1] ?? (ring ? points[n - 2] : b), d = points[i + 2] ?? (ring ? points[1] : c);
      for (let t = 0.125; t <= 1; t += 0.125) {
        line.push([0, 1].map((k) => b[k] + (t / 2) * (c[k] - a[k]
          + t * (2 * a[k] - 5 * b[k] + 4 * c[k] - d[k] + t * (3 * (b[k] - c[k]) + d[k] - a[k])))));
      }
    }
    return line;
  }

  // How far it is from a point to the straight line between two others.
  function distance([x, y], [x0, y0], [x1, y1]) {
    const length2 = (x1 - x0) ** 2 + (y1 - y0) ** 2;
    const along = length2 ? ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length2 : 0;
    const t = Math.min(1, Math.max(0, along)); // the nearest place of the line
    return Math.hypot(x - x0 - t * (x1 - x0), y - y0 - t * (y1 - y0));
  }

  // Strokes drawn with the pen, with soft edges: a drawing of FINE × FINE cells for each pixel.
  function penned(strokes) {
    const n = SIZE * FINE, drawing = cnn.array([n, n]), far = PEN + 1 / FINE;
    const first = (v) => Math.max(0, Math.floor((v - far) * FINE));
    const last = (v) => Math.min(n, Math.ceil((v + far) * FINE));
    for (const points of strokes) {
      points.forEach((to, i) => {
        const from = points[i - 1] ?? to, [[x0, y0], [x1, y1]] = [from, to];
        for (let r = first(Math.min(y0, y1)); r < last(Math.max(y0, y1)); r++) {
          for (let c = first(Math.min(x0, x1)); c < last(Math.max(x0, x1)); c++) {
            const middle = [(c + 0.5) / FINE, (r + 0.5) / FINE]; // of the cell
            const ink = Math.min(1, (PEN - distance(middle, from, to)) * FINE + 0.5);
            drawing.data[r * n + c] = Math.max(drawing.data[r * n + c], ink);
          }
        }
      });
    }
    return drawing;
  }

  // The smallest box around strokes: its upper left corner, its width and height.
  function around(strokes) {
    const along = [0, 1].map((k) => strokes.flat().map((point) => point[k]));
    const low = along.map((values) => values.reduce((a, b) => Math.min(a, b), Infinity));
    return { low, size: along.map((values, k) => values.reduce((a, b) => Math.max(a, b), -Infinity) - low[k]) };
  }
  const longer = (strokes) => Math.max(0, ...around(strokes).size);

  // Strokes without the specks: those that are far smaller than the largest one and outside the box around the others.
  function withoutSpecks(strokes) {
    const large = Math.max(...strokes.map((stroke) => longer([stroke])));
    const isSmall = (stroke) => longer([stroke]) < 0.15 * large;
    const { low, size } = around(strokes.filter((stroke) => !isSmall(stroke)));
    const isInside = (point) => point.every((v, k) => v > low[k] - 0.1 * large && v < low[k] + size[k] + 0.1 * large);
    return strokes.filter((stroke) => !isSmall(stroke) || stroke.some(isInside));
  }

  // `count` means of a line of numbers, each over the next `step` of them (not always a whole number).
  function means(line, count, step) {
    return Array.from({ length: count }, (_, i) => {
      const from = i * step, to = from + step;
      let sum = 0;
      for (let k = Math.floor(from); k < to && k < line.length; k++) {
        sum += line[k] * (Math.min(to, k + 1) - Math.max(from, k));
      }
      return sum / step;
    });
  }
  const flip = (rows) => rows[0].map((_, c) => rows.map((row) => row[c])); // rows become columns

  function shrink(rows, height, width, step) {
    return flip(flip(rows.map((row) => means(row, width, step))).map((column) => means(column, height, step)));
  }

  // The middle of the ink along one axis: the sum of place · ink, divided by the ink.
  function centreOfMass(rows) {
    const ink = rows.map((row) => row.reduce((a, b) => a + b, 0));
    return ink.reduce((sum, value, place) => sum + place * value, 0) / ink.reduce((a, b) => a + b, 0);
  }

  // Strokes as the digits of MNIST: so large that the longer side is 20 pixels, and the centre of mass at pixel 14
  // (counting from 0), as LeCun et al. made them in 1998. It is the points that are scaled; then they are drawn.
  // So the line is as wide as in MNIST however small the drawing is.
  function asMnist(strokes) {
    if (!strokes.length) return cnn.array([SIZE, SIZE]);
    const placed = (change) => strokes.map((points) => points.map((point) => point.map(change)));
    const { low, size } = around(strokes), scale = (BOX - 2 * PEN) / Math.max(...size, 1);
    const inBox = (v, k) => (v - low[k] - size[k] / 2) * scale + SIZE / 2;
    const rows = cnn.toRows(asDrawn(penned(placed(inBox)))), most = (SIZE - BOX) / 2; // further, and it leaves the image
    const shift = [flip(rows), rows].map((lines) => Math.max(-most, Math.min(most, 14 - centreOfMass(lines))));
    return asDrawn(penned(placed((v, k) => inBox(v, k) + shift[k])));
  }

  // The same for an image, whose lines cannot be drawn anew: it is cut out, shrunk or enlarged, and moved by whole pixels.
  function imageAsMnist(drawing) {
    const rows = cnn.toRows(drawing), image = cnn.array([SIZE, SIZE]);
    const span = (lines) => { // the first line with ink, and how many from there to the last
      const inked = lines.map((line) => line.some((ink) => ink > 0));
      return [inked.indexOf(true), inked.lastIndexOf(true) + 1 - inked.indexOf(true)];
    };
    const [top, height] = span(rows), [left, width] = span(flip(rows));
    if (top < 0) return image;
    const box = rows.slice(top, top + height).map((row) => row.slice(left, left + width));
    const step = Math.max(height, width) / BOX;
    const side = (cells) => Math.min(BOX, Math.ceil(cells / step - 1e-9));
    const small = shrink(box, side(height), side(width), step);
    const start = (lines) => // whole pixels, and nothing falls off
      Math.min(SIZE - lines.length, Math.max(0, Math.floor(14.5 - centreOfMass(lines))));
    const down = start(small), right = start(flip(small));
    small.forEach((row, r) => image.data.set(row, (down + r) * SIZE + right));
    return image;
  }

  // Each pixel is the mean of its 4 × 4 cells: nothing is moved.
  function asDrawn(drawing) {
    return cnn.fromRows(shrink(cnn.toRows(drawing), SIZE, SIZE, FINE));
  }

  // Shift, zoom and turn about the middle. Each pixel of the new image asks where in the old one to look,
  // and mixes the four pixels around that place (bilinear sampling). Outside, all is 0.
  function moved(image, { right, down, zoom, turn }) {
    const a = (turn * Math.PI) / 180, cos = Math.cos(a) / zoom, sin = Math.sin(a) / zoom;
    const out = cnn.array([SIZE, SIZE]), middle = (SIZE - 1) / 2;
    const old = (r, c) => (r >= 0 && c >= 0 && r < SIZE && c < SIZE ? image.data[r * SIZE + c] : 0);
    for (let r = 0; r < SIZE; r++) {
      for (let c = 0; c < SIZE; c++) {
        const x = c - middle - right, y = r - middle - down;
        const column = middle + cos * x + sin * y, row = middle - sin * x + cos * y;
        const j = Math.floor(column), i = Math.floor(row), u = column - j, v = row - i;
        out.data[r * SIZE + c] = (1 - v) * ((1 - u) * old(i, j) + u * old(i, j + 1))
          + v * ((1 - u) * old(i + 1, j) + u * old(i + 1, j + 1));
      }
    }
    return out;
  }

  Object.assign(cnn, { ink: { SIZE, FINE, READY, curve, penned, longer, withoutSpecks, asMnist, imageAsMnist, asDrawn, moved } });
}
