// Receptive fields: what of the image the values of a tensor depend on, layer after layer. The arithmetic is
// that of cnnlab/fields.py, name by name.
"use strict";
{
  const product = (numbers) => numbers.reduce((a, b) => a * b, 1);
  const times = (numbers) => numbers.map(grouped).join(" × "); // 28 × 28 × 1
  const replaced = (list, at, value) => list.map((old, i) => (i === at ? value : old));
  function grouped(number) {
    return number.toLocaleString("en-US"); // 137,660
  }

  // Why a layer cannot be counted, and what to do. `refused`: Keras would not build it either.
  class Misfit extends Error {
    constructor(words, refused = true) {
      super(words);
      this.refused = refused;
    }
  }
  function fits(right, words, refused) {
    if (!right) throw new Misfit(words, refused);
  }

  // What the places of a layer's output look at along an axis: {count, taps, at(place, tap), pace}, or ALL. at() is a
  // place of the input, beyond its ends if that is padding, or NOTHING; pace is how far the looks move on from one
  // place of the output to the next.
  const ALL = "all places", NOTHING = "nothing";

  // A sight says it along one axis of the image. spans: four arrays of this `shape`, which is 1 along axes of the
  // tensor that make no difference: the first pixel and minus the last one; then the same if the image went on beyond
  // its edges. So the union of two sights is their minimum, and Infinity sees nothing. steps: for each axis of the
  // tensor how many pixels lie between what neighbours see; 0 if it runs over channels, Infinity if in no even steps.
  // `flat`: the shape before a Flatten that has not been carried out, since mostly all is looked at next.

  // How many blocks of an array lie before an axis, its length, and the length of one entry.
  const around = (shape, axis) => [product(shape.slice(0, axis)), shape[axis], product(shape.slice(axis + 1))];

  // One sight for rows and one for columns; for a vector one, and channels are not looked at.
  function image(shape) {
    return (shape.length > 2 ? shape.slice(0, -1) : shape).map((n, axis) => {
      const first = Float64Array.from({ length: n }, (_, i) => i), minusLast = first.map((i) => -i);
      const steps = shape.map((_, a) => Number(a === axis));
      return { shape: shape.map((m, a) => (a === axis ? m : 1)), spans: [first, minusLast, first, minusLast], steps };
    });
  }

  // (rows, columns) that the best value sees; the same beyond the edges.
  function widths(sights) {
    const widest = (first, minusLast) => first.reduce((most, f, i) => Math.max(most, 1 - f - minusLast[i]), 0);
    return [sights.map(({ spans: [first, minusLast] }) => widest(first, minusLast)),
      sights.map(({ spans: [, , first, minusLast] }) => Math.ceil(widest(first, minusLast) - 1e-6))];
  }

  // The sight of values that look along an axis of `n` places at several values, or at all.
  const lookAlong = (sight, axis, look, n) => (look === ALL ? lookAll(sight, axis) : lookAtSome(sight, axis, look, n));

  function lookAll({ shape, spans, steps, flat }, axis) {
    const [outer, n, inner] = flat ? [1, product(shape), 1] : around(shape, axis);
    const least = (values) => {
      const found = new Float64Array(outer * inner).fill(Infinity);
      for (let o = 0; o < outer; o++) {
        for (let at = 0; at < n; at++) {
          for (let i = 0; i < inner; i++) {
            found[o * inner + i] = Math.min(found[o * inner + i], values[(o * n + at) * inner + i]);
          }
        }
      }
      return found;
    };
    const seen = spans.slice(0, 2).map(least); // a look over the whole map ends where the map ends
    return { shape: flat ? [1] : replaced(shape, axis, 1), steps: replaced(steps, axis, 0),
      spans: [...seen, ...(steps[axis] ? seen : spans.slice(2).map(least))] };
  }

  function lookAtSome(sight, axis, { count, taps, at, pace = 1, like }, n) {
    const { shape, spans, steps } = unflat(sight), [outer, m, inner] = around(shape, axis);
    const step = Number.isFinite(steps[axis]) ? steps[axis] : 0;
    const moved = replaced(steps, axis, steps[axis] && steps[axis] * pace);
    const numbers = (length) => [...Array(length).keys()];
    const inImage = (place) => numbers(taps).some((tap) => at(place, tap) >= 0 && at(place, tap) < n);
    if (m === 1 && !step && (like || numbers(count).every(inImage))) return { shape, spans, steps: moved }; // all alike
    const size = roomFor(outer * count * inner), result = spans.map(() => new Float64Array(size).fill(Infinity));
    const [first, minusLast, freeFirst, minusFreeLast] = spans;
    const see = (place, found) => {
      const inside = Math.min(Math.max(found, 0), n - 1), beyond = (found - inside) * step;
      for (let o = 0; o < outer; o++) {
        for (let i = 0; i < inner; i++) {
          const to = (o * count + place) * inner + i, from = (o * m + (m === 1 ? 0 : inside)) * inner + i;
          if (found === inside) { // padding is no pixel
            result[0][to] = Math.min(result[0][to], first[from]);
            result[1][to] = Math.min(result[1][to], minusLast[from]);
          }
          result[2][to] = Math.min(result[2][to], freeFirst[from] + beyond);
          result[3][to] = Math.min(result[3][to], minusFreeLast[from] - beyond);
        }
      }
    };
    for (let place = 0; place < count; place++) {
      const twin = like?.(place) ?? place; // an earlier place that looks at the same
      for (let tap = 0; twin === place && tap < taps; tap++) {
        const found = at(place, tap);
        if (found !== NOTHING) see(place, found);
      }
      for (let o = 0; twin < place && o < outer; o++) {
        const there = (o * count + twin) * inner, to = (o * count + place) * inner;
        for (const values of result) values.copyWithin(to, there, there + inner);
      }
    }
    return once({ shape: replaced(shape, axis, count), spans: result, steps: moved }, axis);
  }

  // One entry along the axis, if all are equal.
  function once(sight, axis) {
    const [outer, n, inner] = around(sight.shape, axis), block = n * inner;
    const equal = (values) => values.every((value, i) => value === values[i - (i % block) + (i % inner)]);
    if (n === 1 || !sight.spans.every(equal)) return sight;
    const spans = sight.spans.map((values) =>
      Float64Array.from({ length: outer * inner }, (_, i) => values[Math.floor(i / inner) * block + (i % inner)]));
    return { ...sight, shape: replaced(sight.shape, axis, 1), spans };
  }

  // One entry along the axis, again and again.
  function repeated(sight, axis, count) {
    const [outer, n, inner] = around(sight.shape, axis);
    if (n === count) return sight;
    const spans = sight.spans.map((values) => {
      const all = new Float64Array(roomFor(outer * count * inner));
      for (let o = 0; o < outer; o++) {
        const entry = values.subarray(o * inner, (o + 1) * inner), to = o * count * inner;
        if (inner === 1) all.fill(entry[0], to, to + count);
        else for (let at = 0; at < count; at++) all.set(entry, to + at * inner);
      }
      return all;
    });
    return { ...sight, shape: replaced(sight.shape, axis, count), spans };
  }
  const spread = (sight, shape) => shape.reduce((wide, n, axis) => repeated(wide, axis, n), sight);

  function roomFor(size) {
    fits(size <= 4e6, "makes the network too large to be counted here. Use fewer rows and columns.", false);
    return size;
  }

  // Carry out a Flatten that was put off.
  function unflat({ flat, ...sight }) {
    return flat ? { ...sight, shape: [product(flat)], spans: spread(sight, flat).spans } : sight;
  }

  function reshaped(sights, before, after) {
    const [{ shape: [n], spans: [first] }] = sights, untouched = n === before[0] && first.every((f, i) => f === i);
    if (sights.length < after.length && before.length === 1 && untouched) return image(after); // it holds this image
    return sights.map(({ flat, ...sight }) => {
      let result = after.length === 1 ? { ...sight, flat: flat ?? before } : inBlocks(sight, flat ?? before, after);
      result.shape.forEach((_, axis) => { result = once(result, axis); });
      const steps = after.map((n, a) => { // an axis that stays keeps its steps
        const outer = product(after.slice(0, a));
        const old = before.findLastIndex((m, b) => m === n && product(before.slice(0, b)) === outer);
        if (old >= 0) return sight.steps[old];
        return (after.length === 1 ? product(result.shape) : result.shape[a]) > 1 ? Infinity : 0;
      });
      return { ...result, steps };
    });
  }

  // Wherever the sizes multiplied so far are equal, a block of axes ends. If all is alike in a block, it stays so.
  function inBlocks(sight, before, after) {
    const shape = [];
    for (let b = 0, a = 0; b < before.length || a < after.length;) {
      const [fromB, fromA] = [b, a];
      let old = before[b++] ?? 1, now = after[a++] ?? 1;
      while (old !== now) {
        if (old < now) old *= before[b++];
        else now *= after[a++];
      }
      const varied = sight.shape.slice(fromB, b).some((n) => n > 1);
      if (varied) sight = spread(sight, sight.shape.map((n, axis) => (axis >= fromB && axis < b ? before[axis] : n)));
      shape.push(...after.slice(fromA, a).map((n) => (varied ? n : 1)));
    }
    return { ...sight, shape };
  }

  const dropped = ({ shape, spans, steps }) => ({ shape: shape.slice(-1), spans, steps: steps.slice(-1) });

  function permuted(sight, order) {
    const { shape: old, spans, steps } = unflat(sight), shape = order.map((axis) => old[axis]);
    const from = (at) => order.reduceRight((sum, axis, a) => {
      const place = at % shape[a];
      at = (at - place) / shape[a];
      return sum + place * product(old.slice(axis + 1));
    }, 0);
    return { shape, spans: spans.map((values) => values.map((_, at) => values[from(at)])),
      steps: order.map((axis) => steps[axis]) };
  }

  function joined(branches, shapes, rank, along) {
    fits(branches.every((sights) => sights.length === branches[0].length),
      "joins a vector with an image that is made of it. What it sees cannot be said here.", false);
    const filled = (list, one) => [...Array(rank - list.length).fill(one), ...list];
    return branches[0].map((_, which) => {
      let parts = branches.map((sights) => unflat(sights[which]));
      const steps = filled([], 0).map((_, a) => Math.max(...parts.map((part) => filled(part.steps, 0)[a])));
      parts = parts.map((part) => ({ ...part, shape: filled(part.shape, 1) }));
      const most = steps.map((_, a) => Math.max(...parts.map((part) => part.shape[a])));
      const concatenates = along !== undefined;
      parts = parts.map((part, i) => spread(part, concatenates ? replaced(most, along, shapes[i][along]) : most));
      if (!concatenates) {
        const spans = parts[0].spans.map((values, s) =>
          values.map((value, i) => parts.reduce((least, { spans }) => Math.min(least, spans[s][i]), value)));
        return { shape: most, spans, steps };
      }
      const shape = replaced(most, along, parts.reduce((sum, part) => sum + part.shape[along], 0));
      const [outer, n, inner] = around(shape, along);
      const spans = parts[0].spans.map((_, s) => {
        const all = new Float64Array(roomFor(outer * n * inner));
        for (let o = 0, to = o; o < outer; o++) {
          for (const part of parts) {
            const block = part.shape[along] * inner;
            all.set(part.spans[s].subarray(o * block, (o + 1) * block), to);
            to += block;
          }
        }
        return all;
      });
      return once({ shape, spans, steps }, along);
    });
  }

  // The sights of a layer's output from those of its input.
  function look(layer, sights, { shape: after, looks = {} }, before) {
    if (layer.kind === "Flatten" || layer.kind === "Reshape") return reshaped(sights, before, after);
    if (layer.kind === "Permute") return sights.map((sight) => permuted(sight, layer.dims.map((axis) => axis - 1)));
    const along = Object.entries(looks).map(([axis, found]) => [Number(axis), found]);
    if (["softmax", "log_softmax", "sparsemax"].includes(layer.activation)) along.push([after.length - 1, ALL]);
    for (const [axis, found] of along) sights = sights.map((sight) => lookAlong(sight, axis, found, before[axis]));
    return after.length < before.length ? sights.map(dropped) : sights; // a global pooling drops its axes
  }

  Object.assign(cnn, { fields: {
    ALL, NOTHING, Misfit, fits, grouped, image, joined, look, product, replaced, times, widths } });
}
