// The forward pass, written out: what cnnlab.conv and cnnlab.pooling compute, with Keras's rules.
// An array is {shape, data}: the numbers in one line, the last axis fastest, as in NumPy.
"use strict";
{
  function array(shape, data = 0) {
    const size = shape.reduce((a, b) => a * b, 1);
    return { shape, data: typeof data === "number" ? new Float64Array(size).fill(data) : Float64Array.from(data) };
  }

  // rows of rows (of rows …) of numbers <-> array
  function fromRows(rows) {
    const shape = [];
    for (let r = rows; Array.isArray(r); r = r[0]) shape.push(r.length);
    return array(shape, rows.flat(shape.length));
  }
  function toRows({ shape, data }) {
    let rows = Array.from(data);
    for (const n of shape.slice(1).reverse()) {
      rows = Array.from({ length: rows.length / n }, (_, i) => rows.slice(i * n, (i + 1) * n));
    }
    return rows;
  }

  // Along one axis: how many places a window takes, and how many zeros stand before the first pixel.
  // "valid" floors; "same" gives ceil(n / stride) places and puts the odd zero at the end.
  function places(n, kernel, stride, padding, dilation = 1) {
    const reach = (kernel - 1) * dilation + 1;
    if (padding === "valid") return { count: Math.max(0, Math.floor((n - reach) / stride) + 1), before: 0, after: 0 };
    const count = Math.ceil(n / stride);
    const zeros = Math.max(0, (count - 1) * stride + reach - n);
    return { count, before: Math.floor(zeros / 2), after: Math.ceil(zeros / 2) };
  }

  // image (H, W, Cin) with kernels (kh, kw, Cin, Cout) -> (H', W', Cout); a cross-correlation.
  function conv2d(image, kernels, bias, { strides = [1, 1], padding = "valid", dilation = [1, 1] } = {}) {
    const [H, W, cin] = image.shape, [kh, kw, , cout] = kernels.shape;
    const down = places(H, kh, strides[0], padding, dilation[0]);
    const across = places(W, kw, strides[1], padding, dilation[1]);
    const out = array([down.count, across.count, cout]);
    for (let r = 0; r < down.count; r++) {
      for (let c = 0; c < across.count; c++) {
        const at = (r * across.count + c) * cout;
        if (bias) for (let o = 0; o < cout; o++) out.data[at + o] = bias.data[o];
        for (let i = 0; i < kh; i++) {
          const y = r * strides[0] - down.before + i * dilation[0];
          if (y < 0 || y >= H) continue; // a zero of the padding
          for (let j = 0; j < kw; j++) {
            const x = c * strides[1] - across.before + j * dilation[1];
            if (x < 0 || x >= W) continue;
            for (let k = 0; k < cin; k++) {
              const pixel = image.data[(y * W + x) * cin + k];
              if (pixel === 0) continue;
              const weights = ((i * kw + j) * cin + k) * cout;
              for (let o = 0; o < cout; o++) out.data[at + o] += pixel * kernels.data[weights + o];
            }
          }
        }
      }
    }
    return out;
  }

  // image (H, W, C) -> (H', W', C). Padding takes no part: not in the maximum, not in the mean.
  function pool2d(image, { size = [2, 2], strides = size, padding = "valid", mode = "max" } = {}) {
    const [H, W, channels] = image.shape;
    const down = places(H, size[0], strides[0], padding), across = places(W, size[1], strides[1], padding);
    const out = array([down.count, across.count, channels]);
    for (let r = 0; r < down.count; r++) {
      for (let c = 0; c < across.count; c++) {
        for (let k = 0; k < channels; k++) {
          let largest = -Infinity, sum = 0, count = 0;
          for (let y = r * strides[0] - down.before, i = 0; i < size[0]; i++, y++) {
            for (let x = c * strides[1] - across.before, j = 0; j < size[1]; j++, x++) {
              if (y < 0 || y >= H || x < 0 || x >= W) continue;
              const pixel = image.data[(y * W + x) * channels + k];
              largest = Math.max(largest, pixel);
              sum += pixel;
              count++;
            }
          }
          out.data[(r * across.count + c) * channels + k] = mode === "max" ? largest : sum / count;
        }
      }
    }
    return out;
  }

  Object.assign(cnn, { array, fromRows, toRows, places, conv2d, pool2d });
}
