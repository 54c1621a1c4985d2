// How a network learns, written out: forwards, the loss, its gradient backwards, and a step. One image after the
// other; the gradient of a batch is the mean of its images' gradients. What Keras computes, in plain loops.
"use strict";
{
  // All of it is one function, since a worker in the background is given this text, too.
  function training() {
    // ---- Layers. forward(x) takes the values of one image and gives new ones; backward(error) takes the slope of
    // the loss by each value that came out, adds to the slopes by its own weights, and gives the slope by each value
    // that came in. Values are in one line, the channels of a pixel side by side, as in Keras.

    // A convolution (stride 1, "valid"). A dense layer is the same where the image is a single pixel with many channels.
    // weights[((i · columns + j) · channels + k) · count + n] is what kernel n has for channel k at row i, column j.
    class Convolution {
      constructor([height, width, channels], [rows, columns], count) {
        const down = height - rows + 1, across = width - columns + 1, line = columns * channels;
        Object.assign(this, { width, channels, rows, line, count, down, across, shape: [down, across, count] });
        this.sees = rows * line; // how many numbers come into one neuron
        this.out = new Float32Array(down * across * count);
        this.error = new Float32Array(height * width * channels);
        Object.assign(this, { inked: new Float32Array(this.sees), places: new Int32Array(this.sees) }); // see look()
      }

      // What the window shows at row r and column c: its values that are not 0, and where the weights for them begin.
      // Many are 0: background, and what did not come through ReLU.
      look(x, r, c) {
        const { width, channels, rows, line, count, inked, places } = this;
        let many = 0;
        for (let i = 0; i < rows; i++) {
          const from = ((r + i) * width + c) * channels;
          for (let k = 0; k < line; k++) {
            if (x[from + k] === 0) continue;
            inked[many] = x[from + k];
            places[many++] = (i * line + k) * count;
          }
        }
        return many;
      }

      forward(x) {
        const { count, down, across, weights, biases, out, inked, places } = this;
        this.x = x;
        for (let r = 0, at = 0; r < down; r++) {
          for (let c = 0; c < across; c++, at += count) {
            const many = this.look(x, r, c);
            let n = 0;
            for (; n + 3 < count; n += 4) { // four kernels at a time: that is faster
              let s = biases[n], t = biases[n + 1], u = biases[n + 2], v = biases[n + 3];
              for (let j = 0; j < many; j++) {
                const value = inked[j], w = places[j] + n;
                s += value * weights[w];
                t += value * weights[w + 1];
                u += value * weights[w + 2];
                v += value * weights[w + 3];
              }
              out[at + n] = s;
              out[at + n + 1] = t;
              out[at + n + 2] = u;
              out[at + n + 3] = v;
            }
            for (; n < count; n++) { // and those that are left
              let s = biases[n];
              for (let j = 0; j < many; j++) s += inked[j] * weights[places[j] + n];
              out[at + n] = s;
            }
          }
        }
        return out;
      }

      // A weight's slope is what came in times the error that came back, added up over all places, which share the
      // weight. The error goes on over the same weights; where several meet, they are added up.
      backward(errors) {
        const { width, channels, rows, line, count, down, across, weights, x, error, inked, places, isFirst } = this;
        const { weightSlopes, biasSlopes } = this;
        error.fill(0);
        for (let r = 0, at = 0; r < down; r++) {
          for (let c = 0; c < across; c++, at += count) {
            let many = -1; // not looked at yet
            for (let n = 0; n < count; n++) {
              const e = errors[at + n];
              if (e === 0) continue; // most are, behind ReLU and max pooling
              if (many < 0) many = this.look(x, r, c);
              biasSlopes[n] += e;
              for (let j = 0; j < many; j++) weightSlopes[places[j] + n] += inked[j] * e;
              if (isFirst) continue; // nobody asks for the slopes by the pixels
              for (let i = 0; i < rows; i++) {
                const from = ((r + i) * width + c) * channels;
                for (let k = 0, w = i * line * count + n; k < line; k++, w += count) error[from + k] += weights[w] * e;
              }
            }
          }
        }
        return error;
      }
    }

    // The largest of 2 × 2 values; the error goes back to it alone.
    class MaxPooling {
      constructor([height, width, channels]) {
        Object.assign(this, { width, channels, shape: [height >> 1, width >> 1, channels] });
        const size = this.shape[0] * this.shape[1] * channels;
        Object.assign(this, { out: new Float32Array(size), winner: new Int32Array(size) });
        this.error = new Float32Array(height * width * channels);
      }

      forward(x) {
        const { width, channels, shape: [down, across], out, winner } = this;
        for (let r = 0, at = 0; r < down; r++) {
          for (let c = 0; c < across; c++) {
            for (let k = 0; k < channels; k++, at++) {
              const first = (2 * r * width + 2 * c) * channels + k, below = first + width * channels;
              let best = first; // of equal ones the first
              if (x[first + channels] > x[best]) best = first + channels;
              if (x[below] > x[best]) best = below;
              if (x[below + channels] > x[best]) best = below + channels;
              winner[at] = best;
              out[at] = x[best];
            }
          }
        }
        return out;
      }

      backward(errors) {
        this.error.fill(0);
        for (let i = 0; i < this.winner.length; i++) this.error[this.winner[i]] = errors[i];
        return this.error;
      }
    }

    // Below 0 nothing passes, forwards or backwards.
    class ReLU {
      forward(x) {
        for (let i = 0; i < x.length; i++) if (x[i] < 0) x[i] = 0;
        return (this.out = x);
      }

      backward(errors) {
        for (let i = 0; i < errors.length; i++) if (this.out[i] === 0) errors[i] = 0;
        return errors;
      }
    }

    // In training each value is kept with probability 1 − rate and then divided by 1 − rate, else it becomes 0.
    class Dropout {
      constructor(size, rate) {
        Object.assign(this, { size, rate, out: new Float32Array(size), error: new Float32Array(size) });
        this.mask = new Float32Array(size);
      }

      draw(next) {
        for (let i = 0; i < this.size; i++) this.mask[i] = next() >= this.rate ? 1 / (1 - this.rate) : 0;
      }

      forward(x, learning) {
        if (!learning) return x;
        for (let i = 0; i < this.size; i++) this.out[i] = x[i] * this.mask[i];
        return this.out;
      }

      backward(errors) {
        for (let i = 0; i < this.size; i++) this.error[i] = errors[i] * this.mask[i];
        return this.error;
      }
    }

    // ---- Softmax and cross-entropy: from ten scores and a label to a loss, and to its slope by each score, which is
    // prediction minus label.
    function crossEntropy(scores, label, error) {
      let largest = -Infinity, sum = 0;
      for (const score of scores) if (score > largest) largest = score;
      for (let i = 0; i < scores.length; i++) sum += error[i] = Math.exp(scores[i] - largest); // cannot overflow
      for (let i = 0; i < scores.length; i++) error[i] /= sum;
      error[label] -= 1;
      return Math.log(sum) + largest - scores[label];
    }

    // ---- Networks, layer by layer: a convolution's kernels are so many times so many pixels. The last layer has ten
    // neurons, and dropout stands before it.
    const NETWORKS = {
      dense: [{ kind: "dense", count: 64 }],
      shared: [{ kind: "convolution", side: 5, count: 6 }],
      lenet: [{ kind: "convolution", side: 5, count: 6 }, { kind: "pooling" },
        { kind: "convolution", side: 5, count: 16 }, { kind: "pooling" }, { kind: "dense", count: 64 }],
    };

    // `network` is one of those, or a list like them.
    function layersOf(network, rate) {
      const layers = [], used = {};
      let shape = [28, 28, 1];
      const add = (layer) => {
        layers.push(layer);
        shape = layer.shape ?? shape;
      };
      const learning = (kind, side, count) => {
        used[kind] = (used[kind] ?? 0) + 1;
        const name = used[kind] > 1 ? `${kind} ${used[kind]}` : kind;
        add(Object.assign(new Convolution(shape, [side, side], count), { name }));
      };
      const dense = (kind, count) => { // the values before it in one line
        shape = [1, 1, shape.reduce((a, b) => a * b)];
        learning(kind, 1, count);
      };
      for (const { kind, side, count } of NETWORKS[network] ?? network) {
        if (kind === "pooling") add(new MaxPooling(shape));
        else {
          if (kind === "dense") dense(kind, count);
          else learning(kind, side, count);
          add(new ReLU());
        }
      }
      if (rate) add(new Dropout(shape.reduce((a, b) => a * b), rate));
      dense("output", 10);
      return layers;
    }

    // A chain of layers. All weights and biases stand in one line, `values`, in Keras's order; their slopes in another.
    class Network {
      constructor(layers) {
        this.layers = layers;
        this.trained = layers.filter((layer) => layer instanceof Convolution);
        this.dropout = layers.find((layer) => layer instanceof Dropout);
        layers[0].isFirst = true;
        const total = this.trained.reduce((sum, { sees, count }) => sum + (sees + 1) * count, 0);
        Object.assign(this, { values: new Float32Array(total), slopes: new Float32Array(total) });
        let start = 0;
        for (const layer of this.trained) {
          const middle = start + layer.sees * layer.count, end = middle + layer.count;
          Object.assign(layer, { start, end, weights: this.values.subarray(start, middle),
            biases: this.values.subarray(middle, end), weightSlopes: this.slopes.subarray(start, middle),
            biasSlopes: this.slopes.subarray(middle, end) });
          start = end;
        }
        this.error = new Float32Array(this.trained.at(-1).out.length);
      }

      // Glorot and Bengio's start: weights by lot from −limit to limit, biases 0.
      start(next) {
        this.values.fill(0);
        for (const { weights, sees, channels, count } of this.trained) {
          const limit = Math.sqrt(6 / (sees + (sees / channels) * count));
          for (let i = 0; i < weights.length; i++) weights[i] = limit * (2 * next() - 1);
        }
      }

      // The scores of one image.
      forward(image, learning = false) {
        return this.layers.reduce((x, layer) => layer.forward(x, learning), image);
      }

      // The mean loss of a batch. Its gradient, the mean of the images' gradients, then stands in `slopes`.
      gradient(images, labels, next) {
        let loss = 0;
        this.slopes.fill(0);
        images.forEach((image, i) => {
          this.dropout?.draw(next);
          loss += crossEntropy(this.forward(image, true), labels[i], this.error);
          this.layers.reduceRight((error, layer) => layer.backward(error), this.error);
        });
        for (let i = 0; i < this.slopes.length; i++) this.slopes[i] /= images.length;
        return loss / images.length;
      }

      // The mean loss, and the answer to each image.
      measure(images, labels) {
        let loss = 0;
        const answers = images.map((image, i) => {
          const scores = this.forward(image);
          loss += crossEntropy(scores, labels[i], this.error);
          return scores.indexOf(Math.max(...scores));
        });
        return { loss: loss / images.length, answers };
      }

      // How long the gradient of each layer is: the root of the sum of its squares.
      sizes() {
        return this.trained.map(({ start, end }) =>
          Math.sqrt(this.slopes.subarray(start, end).reduce((sum, slope) => sum + slope * slope, 0)));
      }
    }

    // ---- Rules for a step, as Keras has them. `memory` is what a rule keeps from step to step.
    const KEEP = 0.9, KEEP_SQUARES = 0.999, TINY = 1e-7;
    const RULES = {
      sgd(values, slopes, memory, rate) {
        for (let i = 0; i < values.length; i++) values[i] -= rate * slopes[i];
      },

      momentum(values, slopes, memory, rate) {
        const v = (memory.v ??= new Float32Array(values.length));
        for (let i = 0; i < values.length; i++) {
          v[i] = KEEP * v[i] - rate * slopes[i];
          values[i] += v[i];
        }
      },

      adam(values, slopes, memory, rate) {
        const m = (memory.m ??= new Float32Array(values.length)), s = (memory.s ??= new Float32Array(values.length));
        memory.keep = (memory.keep ?? 1) * KEEP; // 0.9 to the power of the step's number
        memory.keepSquares = (memory.keepSquares ?? 1) * KEEP_SQUARES;
        // Both averages start at 0 and are too small at first; this corrects it.
        const step = (rate * Math.sqrt(1 - memory.keepSquares)) / (1 - memory.keep);
        for (let i = 0; i < values.length; i++) {
          m[i] += (1 - KEEP) * (slopes[i] - m[i]);
          s[i] += (1 - KEEP_SQUARES) * (slopes[i] * slopes[i] - s[i]);
          values[i] -= (step * m[i]) / (Math.sqrt(s[i]) + TINY);
        }
      },
    };

    // One step. Weight decay first shrinks every weight a little.
    function step({ values, slopes }, rule, rate, decay, memory) {
      if (decay) for (let i = 0; i < values.length; i++) values[i] *= 1 - rate * decay;
      RULES[rule](values, slopes, memory, rate);
    }

    return { Convolution, MaxPooling, ReLU, Dropout, Network, layersOf, crossEntropy, step };
  }

  Object.assign(cnn, { training: Object.assign(training(), { source: String(training) }) });
}
