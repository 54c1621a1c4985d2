// A Keras network: its layers one after the other, what model.predict computes for one image.
// cnnlab.pieces writes it down as {input: shape, layers: [{kind, name, …settings, shape, weights: shapes}], bits, numbers,
// steps}, where the settings have Keras's names and `numbers` are all the weights in one line.
"use strict";
{
  // Weights travel as text: as base64 of float32, or as a letter each, which counts steps from −31 to 31. How large a
  // step is, each array of weights has for itself.
  const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  function decode(text, bits) {
    if (bits === 6) return Float32Array.from(text, (letter) => LETTERS.indexOf(letter) - 32);
    return new Float32Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
  }

  // The same function for every number.
  function each(x, f) {
    const out = cnn.array(x.shape);
    for (let i = 0; i < x.data.length; i++) out.data[i] = f(x.data[i], i);
    return out;
  }

  // Numbers into shares that add up to 1, along the last axis.
  function softmax(x) {
    const n = x.shape.at(-1), out = cnn.array(x.shape);
    for (let start = 0; start < x.data.length; start += n) {
      let largest = -Infinity, sum = 0;
      for (let i = start; i < start + n; i++) largest = Math.max(largest, x.data[i]);
      for (let i = start; i < start + n; i++) sum += out.data[i] = Math.exp(x.data[i] - largest); // cannot overflow
      for (let i = start; i < start + n; i++) out.data[i] /= sum;
    }
    return out;
  }

  const ACTIVATIONS = {
    linear: (x) => x,
    relu: (x) => each(x, (v) => Math.max(0, v)),
    tanh: (x) => each(x, Math.tanh),
    sigmoid: (x) => each(x, (v) => 1 / (1 + Math.exp(-v))),
    softmax,
  };

  // Every output is a sum over all inputs, each with a weight of its own: (…, n) with (n, m) -> (…, m).
  function dense(x, weights, bias) {
    const [n, m] = weights.shape, places = x.data.length / n;
    const out = cnn.array([...x.shape.slice(0, -1), m]);
    for (let p = 0; p < places; p++) {
      for (let o = 0; o < m; o++) out.data[p * m + o] = bias ? bias.data[o] : 0;
      for (let i = 0; i < n; i++) {
        const value = x.data[p * n + i];
        for (let o = 0; o < m; o++) out.data[p * m + o] += value * weights.data[i * m + o];
      }
    }
    return out;
  }

  // A border of zeros: (H, W, C) -> (top + H + bottom, left + W + right, C).
  function pad(x, [[top, bottom], [left, right]]) {
    const [H, W, C] = x.shape, out = cnn.array([top + H + bottom, left + W + right, C]);
    for (let row = 0; row < H; row++) {
      const line = x.data.subarray(row * W * C, (row + 1) * W * C);
      out.data.set(line, ((top + row) * out.shape[1] + left) * C);
    }
    return out;
  }

  // When asked, batch norm uses the running mean and variance of each channel, not those of a batch.
  function batchNorm(x, [scale, offset, mean, variance], epsilon) {
    const C = x.shape.at(-1);
    return each(x, (v, i) => {
      const c = i % C;
      return ((v - mean.data[c]) / Math.sqrt(variance.data[c] + epsilon)) * scale.data[c] + offset.data[c];
    });
  }

  // The mean of each channel.
  function average(x, shape) {
    const C = x.shape.at(-1), places = x.data.length / C, out = cnn.array(shape);
    x.data.forEach((v, i) => { out.data[i % C] += v / places; });
    return out;
  }

  const same = (x) => x;
  const RULES = {
    Rescaling: (x, layer) => each(x, (v) => v * layer.scale + layer.offset),
    ZeroPadding2D: (x, layer) => pad(x, layer.padding),
    Conv2D: (x, layer) => cnn.conv2d(x, layer.weights[0], layer.weights[1], { ...layer, dilation: layer.dilation_rate }),
    MaxPooling2D: (x, layer) => cnn.pool2d(x, { ...layer, size: layer.pool_size, mode: "max" }),
    AveragePooling2D: (x, layer) => cnn.pool2d(x, { ...layer, size: layer.pool_size, mode: "average" }),
    GlobalAveragePooling2D: (x, layer) => average(x, layer.shape),
    BatchNormalization: (x, layer) => batchNorm(x, layer.weights, layer.epsilon),
    Dense: (x, layer) => dense(x, layer.weights[0], layer.weights[1]),
    Flatten: (x, layer) => ({ shape: layer.shape, data: x.data }), // the same numbers in one line
    Reshape: (x, layer) => ({ shape: layer.shape, data: x.data }),
    Activation: same, // what these two do is their `activation`
    Softmax: same,
    ReLU: (x, layer) => each(x, (v) =>
      (v >= layer.threshold ? Math.min(v, layer.max_value ?? Infinity) : layer.negative_slope * (v - layer.threshold))),
  };

  class Network {
    constructor({ input, layers, bits, numbers, steps = [] }) {
      const all = decode(numbers, bits);
      let start = 0, arrays = 0;
      const take = (shape) => {
        const size = shape.reduce((a, b) => a * b, 1), step = steps[arrays++] ?? 1;
        return { shape, data: all.subarray(start, (start += size)).map((v) => v * step) };
      };
      this.input = input;
      this.layers = layers.map((layer) => ({ ...layer, weights: (layer.weights ?? []).map(take) }));
    }

    // The outputs of all layers for one image (a line of numbers), in order.
    run(image) {
      let x = { shape: this.input, data: image };
      return this.layers.map((layer) => {
        const rule = layer.rests ? same : RULES[layer.kind]; // dropout and its like rest when the network is asked
        return (x = ACTIVATIONS[layer.activation](rule(x, layer)));
      });
    }
  }

  Object.assign(cnn, { Network, softmax });
}
