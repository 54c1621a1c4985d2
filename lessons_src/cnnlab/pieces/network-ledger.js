// A network as a ledger: stack layers, and see for each of them what comes out, what it costs and
// how much of the image it sees. The arithmetic is that of cnnlab/ledger.py and fields.py, name by name: chapter 5.
"use strict";
{
  // A layer is {kind, …settings}, as cnnlab/network.py writes it; one of a reader's model has also {name, inputs,
  // dtype, trainable, rests, shares}. Without `inputs` it follows the one before.
  const { kinds: KINDS, merging: MERGING, systems: SYSTEMS } = cnn.keras;
  const RECORD = new Set(["kind", "name", "inputs", "shape", "dtype", "trainable", "rests", "shares"]);

  const made = (kind) => ({ kind, ...structuredClone(KINDS[kind]) });
  const settings = (layer) => Object.keys(layer).filter((key) => !RECORD.has(key));
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

  // ---- What each kind of layer gives. A rule takes a layer and the shape of its input ----
  // It gives {shape, looks, parameters, averages, multiplyAdds}, the last four if there are any: averages are
  // parameters that no gradient changes. looks: {axis: what the places of the output look at along it}, ALL or
  // {count, taps, at(place, tap), pace}: at() is a place of the input, beyond its ends if that is padding, or NOTHING;
  // pace is how far the looks move on from one place of the output to the next. Other axes stay as they are.
  const ALL = "all places", NOTHING = "nothing";

  function slide(n, kernel, stride, dilation, padding) {
    const causal = padding === "causal"; // all padding before the first
    const { count, before } = causal ? { count: Math.ceil(n / stride), before: (kernel - 1) * dilation }
      : cnn.places(n, kernel, stride, padding, dilation);
    return { count, taps: kernel, at: (place, tap) => place * stride + tap * dilation - before, pace: stride };
  }

  function windows(layer, shape, size) {
    const gaps = layer.dilation_rate ?? size.map(() => 1);
    const looks = size.map((kernel, axis) =>
      slide(shape[axis], kernel, layer.strides[axis], gaps[axis], layer.padding));
    const reach = size.map((kernel, axis) => (kernel - 1) * gaps[axis] + 1);
    fits(looks.every(({ count }) => count), `has a window that reaches over ${times(reach)} and does not fit into maps `
      + `of ${times(shape.slice(0, -1))}. Use a smaller size${layer.dilation_rate ? " or dilation" : ""}, `
      + 'padding "same", or less pooling before it.');
    return looks;
  }

  function oneStep({ strides, dilation_rate }) {
    fits(Math.max(...strides) === 1 || Math.max(...dilation_rate) === 1,
      "has a stride and a dilation above 1, which Keras does not allow together. Set one of them to 1.");
  }

  function conv(layer, shape) {
    const { kind, kernel_size: size, depth_multiplier, groups } = layer, channels = shape.at(-1);
    if (/^Conv/.test(kind)) oneStep(layer);
    const looks = windows(layer, shape, size), out = looks.map(({ count }) => count);
    let { filters } = layer, weights;
    if (/^Conv/.test(kind)) { // a kernel is as deep as its input, or its group
      fits(channels % groups === 0 && filters % groups === 0, `has ${groups} groups, which must divide both its `
        + `${grouped(channels)} channels and its ${grouped(filters)} kernels. Change one of these numbers.`);
      weights = product(size) * (channels / groups) * filters;
    } else {
      weights = product(size) * channels * depth_multiplier;
      if (kind === "SeparableConv2D") weights += channels * depth_multiplier * filters;
      else filters = channels * depth_multiplier;
    }
    looks.push(withinGroups(channels, kind === "DepthwiseConv2D" ? channels : groups ?? 1, filters));
    return { shape: [...out, filters], looks: { ...looks }, parameters: weights + (layer.use_bias ? filters : 0),
      multiplyAdds: product(out) * weights }; // each weight once for every place
  }

  // Which channels each filter looks at: those of its group.
  function withinGroups(channels, groups, filters) {
    if (groups === 1) return ALL;
    const size = channels / groups, group = (filter) => Math.floor((filter * groups) / filters);
    return { count: filters, taps: size, at: (filter, tap) => group(filter) * size + tap,
      like: (filter) => (group(filter) * filters) / groups }; // the first one of the group
  }

  // Each input place adds a kernel to the output: a convolution's gradient.
  function transpose(layer, shape) {
    const { kernel_size: size, strides, dilation_rate: gaps, padding, filters } = layer;
    const extra = [layer.output_padding].flat();
    oneStep(layer);
    const looks = size.map((kernel, axis) => {
      const n = shape[axis], stride = strides[axis], dilation = gaps[axis], more = extra[axis] ?? extra[0];
      const reach = (kernel - 1) * dilation + 1;
      fits(more === null || (more >= 0 && more < stride), `has an output padding of ${more} and a stride of ${stride}. `
        + "The padding must be smaller than the stride.");
      const ends = (n - 1) * stride + reach;
      const count = padding === "valid" ? ends + (more ?? Math.max(stride - reach, 0))
        : more === null ? n * stride : (n - 1) * stride + (reach % 2) + more;
      const before = padding === "valid" ? 0 : Math.floor(Math.max(0, ends - count) / 2);
      fits(count > 0, "gives maps without any place. Use a larger stride or output padding.", false);
      const at = (place, tap) => { // it gets kernel weight j of input place i where place = i · stride + j · dilation
        const source = (place + before - tap * dilation) / stride;
        return Number.isInteger(source) && source >= 0 && source < n ? source : NOTHING;
      };
      return { count, taps: kernel, at, pace: 1 / stride };
    });
    const weights = product(size) * shape[2] * filters;
    return { shape: [...looks.map(({ count }) => count), filters], looks: { ...looks, 2: ALL },
      parameters: weights + (layer.use_bias ? filters : 0), multiplyAdds: product(shape.slice(0, 2)) * weights };
  }

  function pool(layer, shape) {
    const looks = windows(layer, shape, layer.pool_size);
    return { shape: [...looks.map(({ count }) => count), shape.at(-1)], looks: { ...looks } };
  }

  function poolAll({ keepdims }, shape) {
    const places = shape.slice(0, -1);
    return { shape: [...(keepdims ? places.map(() => 1) : []), shape.at(-1)], looks: { ...places.map(() => ALL) } };
  }

  function dense({ units, use_bias }, shape) { // mixes the last axis, at each place
    const places = shape.slice(0, -1), weights = shape.at(-1) * units;
    return { shape: [...places, units], looks: { [places.length]: ALL }, parameters: weights + (use_bias ? units : 0),
      multiplyAdds: product(places) * weights };
  }

  // Zeros around the image, or the image cut.
  function pad(layer, shape) {
    const sign = layer.padding ? 1 : -1, told = layer.padding ?? layer.cropping;
    const looks = (Array.isArray(told[0]) ? told : [told]).map(([before, after], axis) => {
      const count = shape[axis] + sign * (before + after);
      fits(count > 0, `cuts ${before + after} off, and there are ${shape[axis]}. Cut less.`);
      return { count, taps: 1, at: (place) => place - sign * before };
    });
    return { shape: [...looks.map(({ count }) => count), shape.at(-1)], looks: { ...looks } };
  }

  const REACH = { nearest: 0, bilinear: 1, bicubic: 2, lanczos3: 3, lanczos5: 5 };
  function resize(layer, shape) {
    const { size, interpolation: how = "nearest" } = layer, reach = REACH[how];
    const out = size ? [size].flat().map((factor, axis) => shape[axis] * factor) : [layer.height, layer.width];
    const looks = out.map((count, axis) => {
      const n = shape[axis], clip = (place) => Math.min(Math.max(place, 0), n - 1);
      const middle = (place) => ((place + 0.5) * n) / count - 0.5; // the place in the input, a fraction
      const near = (place, tap) => {
        const found = Math.floor(middle(place) + 1e-9) + 1 - reach + tap, distance = Math.abs(found - middle(place));
        const used = distance < reach - 1e-6 && (distance < 1e-6 || distance % 1 > 1e-6);
        return used ? clip(found) : NOTHING;
      };
      const nearest = (place) => clip(Math.floor(middle(place) + 0.5 + 1e-9));
      return { count, taps: 2 * reach || 1, at: reach ? near : nearest, pace: n / count };
    });
    return { shape: [...out, ...shape.slice(out.length)], looks: { ...looks } };
  }

  function reshape({ kind, target_shape }, shape) {
    const size = product(shape);
    if (kind === "Flatten") return { shape: [size] };
    const rest = size / product(target_shape.filter((n) => n !== -1)); // where −1 stands
    const out = target_shape.map((n) => (n === -1 ? rest : n));
    fits(product(out) === size && out.every((n) => n > 0 && Number.isInteger(n)),
      `cannot make the shape ${target_shape.join(" × ")} of ${times(shape)}, which are ${grouped(size)} numbers. `
        + "The sizes multiplied must give this number; one of them may be −1, for what is left.");
    return { shape: out };
  }

  function permute({ dims }, shape) {
    fits([...dims].sort((a, b) => a - b).join() === shape.map((_, axis) => axis + 1).join(),
      `has the order ${dims.join(", ")} for ${times(shape)}. It must name each axis from 1 to ${shape.length} once.`);
    return { shape: dims.map((axis) => shape[axis - 1]) };
  }

  // Keras counts axes from 1, since 0 is the batch, or from the end.
  function axes(axis, shape, refused) {
    return [axis ?? []].flat().map((a) => {
      const at = a > 0 ? a - 1 : shape.length + a;
      const called = String(a).replace("-", "−");
      fits(at >= 0 && at < shape.length, `has axis ${called} for ${times(shape)}. Axes count from 1 `
        + `to ${shape.length}, or from the end: −1 is the last.`, refused);
      return at;
    });
  }

  function softmax({ axis }, shape) {
    return { looks: Object.fromEntries(axes(axis, shape, false).map((a) => [a, ALL])) };
  }

  function prelu({ shared_axes }, shape) {
    const shared = axes((shared_axes ?? []).map((a) => (a > 0 ? a : a - 1)), shape); // Keras takes 1 from all of them
    return { parameters: product(shape.filter((_, axis) => !shared.includes(axis))) };
  }

  function batchNorm({ axis, center, scale }, shape) {
    const n = shape[axes(axis, shape)[0]]; // running mean and variance stand still when the network runs
    return { parameters: (center + scale) * n, averages: 2 * n, multiplyAdds: product(shape) };
  }

  function layerNorm({ axis, center, scale, rms_scaling }, shape) {
    const along = axes(axis, shape), learned = (center && !rms_scaling) + (scale || rms_scaling);
    return { looks: Object.fromEntries(along.map((a) => [a, ALL])),
      parameters: learned * product(along.map((a) => shape[a])), multiplyAdds: product(shape) };
  }

  function groupNorm({ axis, groups, center, scale }, shape) {
    const [along] = axes(axis, shape), n = shape[along], parts = groups === -1 ? n : groups;
    fits(n % parts === 0, `has ${groups} groups, which do not divide ${grouped(n)} channels. Change one of the two.`);
    const look = withinGroups(n, parts, n);
    return { looks: { ...shape.map((_, a) => (a === along ? look : ALL)) },
      parameters: (center + scale) * n, multiplyAdds: product(shape) };
  }

  function normalize({ axis, input_mean }, shape) { // mean, variance, how many it has seen
    const values = 2 * product(axes(axis, shape).map((a) => shape[a])) + 1;
    return { averages: input_mean === null ? values : 0, multiplyAdds: product(shape) };
  }

  const rescale = (layer, shape) => ({ multiplyAdds: product(shape) });

  const RULES = {
    Conv1D: conv, Conv2D: conv, DepthwiseConv2D: conv, SeparableConv2D: conv, Conv2DTranspose: transpose,
    MaxPooling1D: pool, MaxPooling2D: pool, AveragePooling1D: pool, AveragePooling2D: pool,
    GlobalMaxPooling1D: poolAll, GlobalMaxPooling2D: poolAll,
    GlobalAveragePooling1D: poolAll, GlobalAveragePooling2D: poolAll,
    ZeroPadding1D: pad, ZeroPadding2D: pad, Cropping1D: pad, Cropping2D: pad,
    UpSampling1D: resize, UpSampling2D: resize, Resizing: resize,
    Flatten: reshape, Reshape: reshape, Permute: permute, Dense: dense, PReLU: prelu, Softmax: softmax,
    BatchNormalization: batchNorm, LayerNormalization: layerNorm, GroupNormalization: groupNorm,
    Normalization: normalize, Rescaling: rescale,
  };

  function join({ kind, axis }, shapes) {
    const rank = Math.max(...shapes.map((shape) => shape.length)), all = shapes.map(times).join(" and ");
    const filled = shapes.map((shape) => [...Array(rank - shape.length).fill(1), ...shape]);
    const most = filled[0].map((_, a) => Math.max(...filled.map((shape) => shape[a])));
    const same = (a, one) => filled.every((shape) => shape[a] === most[a] || (one && shape[a] === 1));
    if (kind !== "Concatenate") { // where the others have more, one row, column or channel is used again and again
      fits(most.every((_, a) => same(a, true)),
        `gets ${all}, which do not fit together: sizes must be the same, or 1. Change a layer before it.`);
      return { shape: most };
    }
    const [along] = axes(axis, most);
    fits(shapes.every((shape) => shape.length === rank) && most.every((_, a) => a === along || same(a)),
      `gets ${all}, which do not fit together: all sizes but that of axis ${axis} must be the same. `
        + "Change a layer before it.");
    return { shape: replaced(most, along, filled.reduce((sum, shape) => sum + shape[along], 0)), along };
  }

  // ---- What the places of a tensor see of the image ----
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

  // ---- The ledger of a network: a row a layer, as far as the layers fit, and the totals if all do ----
  const TOTALS = ["parameters", "trainable", "multiply_adds", "activation_bytes"];
  const sources = (stack) => stack.map(({ inputs }, at) => inputs ?? [at - 1]);

  function count(input, stack) {
    const called = names(stack), taken = sources(stack), rows = [];
    const totals = Object.fromEntries(TOTALS.map((what) => [what, 0]));
    const sights = { [-1]: image(input) }, shapes = { [-1]: input };
    for (const [at, { dtype = "float32", shares }] of stack.entries()) {
      const layer = stack[shares] ?? stack[at], { kind } = layer, again = shares !== undefined;
      const before = taken[at].map((source) => shapes[source]), seen = taken[at].map((source) => sights[source]);
      try {
        const merges = MERGING.includes(kind);
        if (!merges) needed(kind, before[0], () => culprit(at, taken, shapes, called, stack));
        const out = { shape: before[0], ...(merges ? join(layer, before) : RULES[kind]?.(layer, before[0])) };
        const { shape, parameters = 0, averages = 0, multiplyAdds = 0 } = out;
        const row = { name: called[at], kind, output_shape: shape, parameters: again ? 0 : parameters + averages,
          trainable: again || layer.trainable === false ? 0 : parameters, multiply_adds: multiplyAdds,
          activation_bytes: product(shape) * Math.ceil(Number(dtype.match(/\d+/)[0]) / 8), again };
        for (const what of TOTALS) totals[what] += row[what];
        fits(Object.values(totals).every(Number.isSafeInteger),
          "makes the network too large to be counted exactly. Use fewer kernels or neurons.", false);
        sights[at] = merges ? joined(seen, before, shape.length, out.along) : look(layer, ...seen, out, before[0]);
        shapes[at] = shape;
        [row.receptive_field, row.unclipped] = widths(sights[at]);
        rows.push(row);
      } catch (misfit) {
        if (!(misfit instanceof Misfit)) throw misfit;
        const text = `Layer ${at + 1}, ${called[at]}, ${misfit.message}`;
        return { rows, totals: null, problem: { layer: at, text, refused: misfit.refused } };
      }
    }
    return { rows, totals, problem: null };
  }

  // 2-D layers need maps, and 1-D layers a row of vectors.
  function needed(kind, shape, culprit) {
    const maps = /2D|^Resizing/.test(kind), rank = maps ? 3 : /1D/.test(kind) ? 2 : shape.length;
    if (shape.length === rank) return;
    const wants = maps ? "maps (rows × columns × channels)" : "a row of vectors (places × channels)";
    const got = shape.length === 1 ? `${grouped(shape[0])} numbers in one row` : `${times(shape)} numbers`;
    const other = maps ? kind.replace("2D", "1D") : kind.replace("1D", "2D"), otherRank = maps ? 2 : 3;
    const instead = other in KINDS && shape.length === otherRank ? `, or take ${other}` : "";
    const input = maps ? "rows × columns × channels" : "rows × columns";
    throw new Misfit(`needs ${wants} and gets ${got}. `
      + (culprit() ?? `Choose an input of ${input}${instead}, or remove this layer.`), kind !== "Resizing");
  }

  // The layer above that made another shape of what would have fitted, in words.
  function culprit(at, taken, shapes, called, stack) {
    const rank = /2D|^Resizing/.test(stack[at].kind) ? 3 : 2;
    for (let n = taken[at][0]; n >= 0; [n] = taken[n]) {
      if (shapes[n].length === rank || shapes[taken[n][0]].length !== rank) continue;
      return stack[n].inputs ? `Change the settings of ${called[n]}.`
        : `Move it above ${called[n]}, or remove one of the two.`;
    }
    return undefined;
  }

  // Keras calls layers conv2d, conv2d_1, conv2d_2, …; a reader's own names stay.
  const simple = (kind) =>
    kind.replace(/(.)([A-Z][a-z]+)/g, "$1_$2").replace(/([a-z])([A-Z])/g, "$1_$2").toLowerCase();
  const automatic = (name, kind) => RegExp(`^${simple(kind)}(_\\d+)?$`).test(name);
  function names(stack) {
    const taken = new Set(stack.map((layer) => layer.name));
    return stack.map(({ kind, name }) => {
      const called = name ?? unused(simple(kind), taken);
      taken.add(called);
      return called;
    });
  }
  function unused(name, taken) {
    let next = name;
    for (let n = 1; taken.has(next); n++) next = `${name}_${n}`;
    return next;
  }

  // ---- A network as Keras code ----
  const FIRST = ["filters", "kernel_size", "pool_size", "size", "units", "rate", "stddev", "height", "width",
    "target_shape", "dims", "cropping"]; // given without their names, also padding, activation or scale of these kinds:
  const FIRST_OF = { ZeroPadding1D: "padding", ZeroPadding2D: "padding", Activation: "activation", Rescaling: "scale" };
  const WHOLE = ["Identity", "ActivityRegularization"]; // rest, and need no setting
  const WITH_NUMBER = { Add: (x) => `${x} + 0.0`, Subtract: (x) => `${x} - 0.0`, Multiply: (x) => `${x} * 1.0`,
    Maximum: (x) => `keras.ops.maximum(${x}, 0.0)`, Minimum: (x) => `keras.ops.minimum(${x}, 0.0)` };

  const unknown = (layer) => layer.rests && !settings(layer).length && !WHOLE.includes(layer.kind);
  const own = (activation) => String(activation ?? "").match(/^your own (.*)/)?.[1].replace(/\W/g, "_");
  const withNumber = ({ kind, inputs }) => kind in WITH_NUMBER && inputs?.length === 1;
  const isChain = (stack) => stack.every(({ kind, inputs, shares }, at) =>
    shares === undefined && !MERGING.includes(kind) && (!inputs || (inputs.length === 1 && inputs[0] === at - 1)));

  function python(value, key) {
    if (value === null || (key === "axis" && value.length === 0)) return "None";
    if (Array.isArray(value) && ["input_mean", "scale", "offset"].includes(key)) return JSON.stringify(value); // a list
    if (Array.isArray(value)) {
      const sides = ["padding", "cropping"].includes(key) && Array.isArray(value[0]);
      if (sides && value.some(([a, b]) => a !== b)) { // ((top, bottom), (left, right))
        return `(${value.map((pair) => `(${pair.join(", ")})`).join(", ")})`;
      }
      const parts = value.map((part) => python(part)), alike = new Set(parts).size === 1;
      if (alike && !["target_shape", "dims"].includes(key)) return parts[0]; // a pair of equals is said once
      return `(${parts.join(", ")}${parts.length === 1 ? "," : ""})`;
    }
    return typeof value === "boolean" ? (value ? "True" : "False") : own(value) ?? JSON.stringify(value);
  }

  function layerCode(layer, name) {
    const { kind, dtype, pool_size: strides } = layer;
    const usual = { ...KINDS[kind], ...(strides && { strides }), ...(kind === "GroupNormalization" && { groups: 32 }) };
    const said = settings(layer).flatMap((key) => {
      const value = python(layer[key], key);
      if (FIRST.includes(key) || FIRST_OF[kind] === key) return value;
      if (value === python(usual[key], key)) return [];
      if (key !== "input_mean") return `${key}=${value}`;
      return [`mean=${value}`, `variance=${value.replace(/[^,[\]]+/g, "1.0")}`];
    });
    if (dtype) said.push(`dtype=${python(dtype)}`);
    if (layer.trainable === false) said.push("trainable=False");
    if (name) said.push(`name=${python(name)}`);
    return `layers.${kind}(${said.join(", ")})`;
  }

  // The names that the code gives: those of the reader, without the "/" that Keras forbids; all of them, if Keras
  // could give one of these to another layer.
  function namesInCode(stack, called) {
    const taken = new Set(), plain = [], there = [...new Set(stack.map(({ kind }) => kind))];
    for (const [at, { shares }] of stack.entries()) {
      plain.push(plain[shares] ?? unused(called[at].replaceAll("/", "_"), taken));
      taken.add(plain[at]);
    }
    const given = plain.map((name, at) => (stack[at].name && !automatic(name, stack[at].kind) ? name : undefined));
    return given.some((name) => name && there.some((kind) => automatic(name, kind))) ? plain : given;
  }

  function code(input, stack, { problem } = count(input, stack)) {
    const called = names(stack), inCode = namesInCode(stack, called);
    const makes = stack.map((layer, at) => layerCode(layer, inCode[at]));
    const shape = input.length === 1 ? `${input},` : input.join(", "), where = problem && `layer ${problem.layer + 1}`;
    const functions = [...new Set(stack.map(({ activation }) => own(activation)).filter(Boolean))];
    const leftOut = called.filter((_, at) => unknown(stack[at]));
    const notes = [
      problem?.refused && `Keras will refuse this: ${where} does not fit.`,
      problem && !problem.refused && `We cannot count this: ${where}.`,
      stack.some((layer) => layer.name) && "What does not count, such as initializers, is left out.",
      leftOut.length && `Left out, since their settings are not known here: ${leftOut.join(", ")}.`,
      functions.length && `Of your own, to be defined first: ${functions.join(", ")}.`,
      stack.some(withNumber) && "Numbers beside tensors are not known here: write yours for 0.0 or 1.0.",
      stack.some((layer) => (layer.input_mean ?? null) !== null) && "Variances are not known here: write yours.",
    ];
    const start = ["import keras", "from keras import layers", "",
      ...notes.filter(Boolean).map((note) => `# ${note}`)];
    const comment = ({ kind }) => `# layers.${kind}(…) is left out`;
    if (!isChain(stack)) {
      const graph = functional(stack, called, makes, comment);
      return [...start, `inputs = keras.Input((${shape}))`, ...graph, ""].join("\n");
    }
    const lines = stack.map((layer, at) => `    ${unknown(layer) ? comment(layer) : `${makes[at]},`}`);
    return [...start, "model = keras.Sequential([", `    keras.Input((${shape})),`, ...lines, "])", ""].join("\n");
  }

  // x is what goes on to the next layer; what is needed later has a name. A layer that is used again is made once.
  function functional(stack, called, makes, comment) {
    const gives = { [-1]: -1 }; // whose values come out of a layer: its own, or those that it takes if it is left out
    const taken = sources(stack).map((from, at) => {
      const real = from.map((source) => gives[source]);
      gives[at] = unknown(stack[at]) ? real[0] : at;
      return real;
    });
    const kept = [...stack.keys()].filter((at) => gives[at] === at), used = new Set();
    const variable = { [-1]: "inputs" }, shared = {};
    const named = (word, at) => {
      const name = unused(`${word}_${called[at].replace(/\W/g, "_")}`, used);
      used.add(name);
      return name;
    };
    const users = new Map(kept.map((at) => [at, []]));
    for (const user of kept) for (const source of new Set(taken[user])) users.get(source)?.push(user);
    const ends = kept.filter((at) => !users.get(at).length);
    kept.forEach((at, i) => {
      const next = kept[i + 1], onlyNext = users.get(at).every((user) => user === next);
      variable[at] = onlyNext && (users.get(at).length || next === undefined) ? "x" : named("x", at);
    });
    const lines = stack.flatMap((layer, at) => {
      if (unknown(layer)) return comment(layer);
      const { kind, shares } = layer, from = taken[at].map((source) => variable[source]), made = [];
      if (withNumber(layer)) return `${variable[at]} = ${WITH_NUMBER[kind](from[0])}`;
      if (stack.some((other) => other.shares === at)) made.push(`${shared[at] = named("shared", at)} = ${makes[at]}`);
      const what = shared[shares ?? at] ?? makes[at], on = MERGING.includes(kind) ? `[${from.join(", ")}]` : from[0];
      return [...made, `${variable[at]} = ${what}(${on})`];
    });
    const outputs = ends.length ? ends.map((at) => variable[at]) : ["inputs"];
    return [...lines, `model = keras.Model(inputs, ${outputs.length > 1 ? `[${outputs.join(", ")}]` : outputs[0]})`];
  }

  // ---- What the reader reads and sets ----
  const LABELS = { filters: "kernels", kernel_size: "size", pool_size: "size", strides: "stride",
    dilation_rate: "dilation", use_bias: "bias", units: "neurons", depth_multiplier: "kernels for each channel",
    output_padding: "output padding", keepdims: "keep axes of 1", size: "factor", height: "rows", width: "columns",
    target_shape: "shape", dims: "order of axes", max_value: "highest value", negative_slope: "slope below",
    shared_axes: "shared along axes", center: "offset", input_mean: "mean", stddev: "deviation",
    rms_scaling: "by root mean square" };
  const label = (key) => LABELS[key] ?? key.replaceAll("_", " ");
  const CHOICES = { padding: ["valid", "same"], activation: ["linear", "relu", "tanh", "sigmoid", "softmax"],
    interpolation: Object.keys(REACH) };
  const RANGES = { filters: [1, 4096], units: [1, 100000], rate: [0, 1, 0.05], padding: [0, 99], cropping: [0, 99],
    groups: [1, 4096], height: [1, 1024], width: [1, 1024], negative_slope: [0, 1, 0.05], alpha: [0, 10, 0.1],
    threshold: [0, 100, 0.1], stddev: [0, 10, 0.1], scale: [-1000, 1000, 0.1], offset: [-1000, 1000, 0.1] };
  // Written as text: how many numbers there may be, and whether a single one is a list, too.
  const LISTS = { target_shape: [1, 6, true], dims: [1, 6, true], shared_axes: [0, 6, true], output_padding: [0, 2],
    max_value: [0, 1], axis: [1, 6] };
  const PAIRS = new Set(["kernel_size", "pool_size", "strides", "dilation_rate", "size"]);
  const FIXED = new Set(["epsilon", "input_mean", "crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias"]);
  const GROUPS = {
    "often used": ["Conv2D", "MaxPooling2D", "Flatten", "Dense", "Dropout"],
    convolutions: ["SeparableConv2D", "DepthwiseConv2D", "Conv2DTranspose"],
    poolings: ["AveragePooling2D", "GlobalAveragePooling2D", "GlobalMaxPooling2D"],
    activations: ["Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax"],
    normalizations: ["BatchNormalization", "LayerNormalization", "GroupNormalization", "Normalization", "Rescaling"],
    "sizes and shapes": ["ZeroPadding2D", "Cropping2D", "UpSampling2D", "Resizing", "Reshape", "Permute"],
    "for rows of vectors": ["Conv1D", "MaxPooling1D", "AveragePooling1D", "GlobalAveragePooling1D",
      "GlobalMaxPooling1D", "ZeroPadding1D", "Cropping1D", "UpSampling1D"],
  };

  function listed(value) {
    if (Array.isArray(value)) {
      const numbers = value.flat(9);
      return numbers.length > 6 ? `of ${grouped(numbers.length)} numbers` : numbers.map(listed).join(", ");
    }
    return typeof value === "number" ? cnn.full(value) : value ?? "none";
  }

  // A layer's settings in a few words: "25 kernels of 3 × 3, relu".
  function inWords(layer) {
    const { kind, filters, units, kernel_size, pool_size, strides, padding, cropping, dilation_rate } = layer;
    const { activation } = layer, size = kernel_size ?? pool_size, sides = Array.isArray(padding) ? padding : cropping;
    const phrases = { // of these settings; others are said as they are, if they are not as usual
      filters: filters && `${grouped(filters)} ${filters === 1 ? "kernel" : "kernels"} of ${times(size)}`,
      kernel_size: !filters && size && times(size),
      pool_size: pool_size && times(pool_size),
      units: units && `${grouped(units)} ${units === 1 ? "neuron" : "neurons"}`,
      strides: strides && python(strides) !== python(pool_size ?? 1) && `stride ${python(strides)}`,
      padding: sides ? sidesInWords(sides) : padding !== "valid" && padding,
      cropping: sides && sidesInWords(sides),
      dilation_rate: dilation_rate && python(dilation_rate) !== "1" && `dilation ${python(dilation_rate)}`,
      activation: activation !== "linear" && activation,
    };
    return settings(layer).map((key) => {
      const value = layer[key], first = FIRST.includes(key) || FIRST_OF[kind] === key;
      if (key in phrases) return phrases[key];
      if (!first && python(value, key) === python(KINDS[kind]?.[key], key)) return "";
      if (typeof value === "boolean") return value ? label(key) : `no ${label(key)}`;
      return `${label(key)} ${listed(value)}`;
    }).filter(Boolean).join(", ");
  }

  function sidesInWords(sides) {
    if (new Set(sides.flat()).size === 1) return `${sides.flat()[0]} on each side`;
    return sides.flat().map((n, i) => `${sideNames(sides)[i]} ${n}`).join(", ");
  }
  const sideNames = (sides) => (Array.isArray(sides[0]) ? ["top", "bottom", "left", "right"] : ["before", "after"]);

  const COLUMNS = [["output", "output_shape"], ["parameters", "parameters"], ["trainable", "trainable"],
    ["multiply-adds", "multiply_adds"], ["bytes", "activation_bytes"], ["sees", "receptive_field"]];
  const STEPS = 100; // back

  class NetworkLedger extends cnn.Piece {
    static title = "Stack layers and count";
    static style = `
      label[hidden] { display: none; }
      label, select { max-width: 100%; min-width: 0; }
      .stage { display: block; }
      .many { max-height: 75vh; overflow-y: auto; padding: 4px; border: 1px solid var(--line); }
      .many thead th { position: sticky; top: -4px; z-index: 1; background: var(--paper); }
      table { width: 100%; }
      th, td { padding: .2rem .4rem; text-align: right; font-weight: normal; border-bottom: 1px solid var(--line); }
      .layer td, .total td { position: relative; white-space: nowrap; }
      thead th { white-space: nowrap; }
      @container (min-width: 800px) { th:first-child { width: 33%; } }
      @container (max-width: 800px) { td, thead th { font-size: .85rem; padding: .2rem .3rem; } }
      thead th, .total > * { font-size: .85rem; font-weight: 650; }
      th:first-child, .editor td { text-align: left; }
      th button { display: block; width: 100%; text-align: left; line-height: 1.25; padding: .2rem .4rem .2rem 7px; }
      th button b { overflow-wrap: anywhere; }
      th button span { display: block; font-size: .85rem; color: var(--soft); overflow-wrap: anywhere; }
      button[aria-expanded=true], .misfit button { border: solid var(--blue); border-width: 1px 1px 1px 5px;
        padding-left: 3px; }
      .misfit button { border-color: var(--orange); border-style: double; border-width: 3px 3px 3px 7px; }
      button[aria-disabled=true] { opacity: .5; cursor: default; }
      .bar { position: absolute; right: 0; bottom: 0; height: 4px; background: var(--blue); }
      td svg { vertical-align: middle; margin-left: .35rem; max-width: none; }
      .free { display: block; font-size: .8rem; color: var(--soft); white-space: normal; }
      table:not(.narrow) .free { max-width: 6.5em; margin-left: auto; }
      table:not(.narrow) th button { min-width: 10em; }
      .split td, .split thead th { font-size: .85rem; padding: .2rem .3rem; }
      .editor > td > div, .add { display: flex; flex-wrap: wrap; gap: .35rem .9rem; align-items: center; }
      .pair { display: inline-flex; gap: .3rem; align-items: center; font-size: .9rem; }
      .pair input { width: 3.6em; }
      input[type=text] { width: 7em; }
      .editor > td { background: var(--panel); padding: .5rem .6rem; }
      .editor input, .editor select, .editor button { background: var(--paper); }
      .editor p { margin: 0; font-size: .9rem; }
      .add { margin-top: .6rem; white-space: nowrap; }
      .branched :is(.new, .moving) { display: none; }
      .hint { margin: .5rem 0 0; font-size: .85rem; color: var(--soft); }
      .code { margin-top: .6rem; }
      textarea { display: block; width: 100%; margin-top: .4rem; font: 13px/1.4 ui-monospace, monospace;
        white-space: pre; }
      @media print { .add, .hint, .code { display: none; } .many { max-height: none; } }
      @media (forced-colors: active) {
        button[aria-disabled=true] { opacity: 1; color: GrayText; border-color: GrayText; }
      }
      /* on a phone: numbers under each layer's name */
      .narrow, .narrow :is(tbody, tfoot, tr, th, td) { display: block; }
      .narrow :is(.layer, .total) { padding: .35rem 0; border-bottom: 1px solid var(--line); }
      .narrow :is(th, .layer td, .total td) { border: 0; padding: .05rem .2rem .2rem; }
      .narrow :is(.layer, .total) td { display: flex; gap: .35rem; align-items: center; font-size: .85rem; }
      .narrow .layer .receptive_field { flex-wrap: wrap; }
      .narrow .free { flex-basis: 100%; text-align: right; }
      .narrow td[data-label]::before { content: attr(data-label); color: var(--soft); margin-right: auto; }
      .narrow :is(thead, .layer td:empty, .total td:empty) { display: none; }
      table:not(.split) .trainable.trainable.trainable { display: none; }`;
    static count = count;
    static code = code;

    build() {
      const { model, preset = "S2" } = this.given;
      this.choice("preset", "network", model ? "model" : preset, [...(model ? [["model", "your model"]] : []),
        ...Object.entries(SYSTEMS).map(([key, { title }]) => [key, `${key}: ${title}`]),
        ["empty", "no layers yet"], ["own", "your own"]]);
      this.choice("rank", "input", "3",
        [["3", "rows × columns × channels"], ["2", "rows × columns"], ["1", "numbers in one row"]]);
      this.number("rows", "rows", 28, { min: 1, max: 1024 });
      this.number("columns", "columns", 28, { min: 1, max: 1024 });
      this.number("channels", "channels", 1, { min: 1, max: 4096 });
      this.number("numbers", "numbers", 784, { min: 1, max: 100000 });

      this.rows = []; // the table's, one a layer
      this.fields = []; // the inputs of the open layer
      this.past = []; // what it was before each change
      this.#buildTable();
      this.stage.append(this.frame, this.#addBar(), cnn.make("p", { class: "hint" },
        "A bar is the layer's share of the total; the small square shows how much of the image one value sees. "
        + "Open a layer to change it; undo or Ctrl+Z or ⌘Z takes a change back. Keys on a layer: ↑ and ↓ go to "
        + "the next one",
      cnn.make("span", { class: "moving" }, ", Alt with ↑ or ↓ moves it, Delete removes it"), "."));
      this.words.after(this.#codeBox());
      this.shadowRoot.addEventListener("keydown", (event) => this.#undoKey(event));
      this.#load(this.state.preset);
    }

    get input() {
      const { rank, rows, columns, channels, numbers } = this.state;
      return { 3: [rows, columns, channels], 2: [rows, columns], 1: [numbers] }[rank];
    }

    // A network of the list, the reader's model, or an empty stack.
    #load(key) {
      if (key === "own") return;
      const { input, layers, title } = { model: this.given.model, empty: { input: this.input, layers: [] } }[key]
        ?? SYSTEMS[key];
      this.stack = structuredClone(layers);
      const chain = isChain(this.stack);
      for (const layer of this.stack) {
        if (chain) delete layer.inputs;
        if (layer.kind === "BatchNormalization" && !layer.center && !layer.scale) delete layer.trainable; // has no such
      }
      this.set("rank", String(input.length));
      const [a, b, c] = input;
      const sizes = input.length > 1 ? { rows: a, columns: b, channels: c ?? 1 } : { numbers: a };
      for (const [name, n] of Object.entries(sizes)) this.set(name, n);
      this.open = null; // the number of the layer that is being edited
      this.before = null; // totals to compare with
      this.news = () => (title ? `${key}, ${title}: in total` : key === "model" ? "Your model: in total" : "In total");
      this.#layOut();
    }

    changed(name) {
      const chosen = this.inputs.preset.selectedOptions[0].textContent;
      this.#remember(name === "preset" ? `the choice of ${chosen}` : "the change of the input");
      if (name === "preset") {
        this.#load(this.state.preset);
      } else {
        this.before = this.result.totals;
        this.news = () => `The input is ${times(this.input)} now. In total`;
        this.set("preset", "own");
      }
    }

    // Change the stack, then say it. `news` is called afterwards: names may have changed.
    #change(what, action, news, focus) {
      this.#remember(what);
      this.before = this.result.totals;
      action();
      this.news = news;
      this.set("preset", "own");
      if (focus) this.#layOut();
      this.update();
      focus?.()?.focus();
    }

    #remember(what) {
      this.past.push({ ...this.now, what });
      if (this.past.length > STEPS) this.past.shift();
    }

    #undo() {
      const then = this.past.pop();
      if (!then) {
        this.say("There is nothing to undo.");
        return;
      }
      const place = this.fields.findIndex(({ input }) => input.matches(":focus"));
      const fields = this.fields.length, rows = this.stack.length;
      for (const [name, value] of Object.entries(then.state)) this.set(name, value);
      Object.assign(this, { stack: then.stack, open: then.open, before: this.result.totals });
      this.news = () => `Undone: ${then.what}. In total`;
      this.undone = `Undone: ${then.what}. `;
      this.#layOut();
      this.update();
      this.undone = "";
      if (this.shadowRoot.activeElement) return;
      const again = rows === this.stack.length && fields === this.fields.length ? this.fields[place]?.input : null;
      (again ?? this.rows[this.open]?.button ?? this.undoButton).focus();
    }

    // ⌘Z or Ctrl+Z; in a field where something is being typed it belongs to the browser.
    #undoKey(event) {
      const { ctrlKey, metaKey, shiftKey, altKey, key } = event;
      if (!(ctrlKey || metaKey) || shiftKey || altKey || key.toLowerCase() !== "z") return;
      const field = this.fields.find(({ input }) => input === event.target);
      if (field && field.input.type !== "checkbox" && field.input.value !== String(field.read())) return;
      event.preventDefault();
      this.#undo();
    }

    #add(kind) {
      const at = this.open === null ? this.stack.length : this.open + 1, layer = made(kind);
      const called = names([...this.stack.slice(0, at), layer, ...this.stack.slice(at)])[at];
      this.#change(`the new layer ${called}`, () => {
        this.stack.splice(at, 0, layer);
        this.open = at;
      }, () => `${this.#called(at)} is layer ${at + 1} now. In total`, () => this.rows[at].button);
    }

    #move(from, by, focus = () => this.rows[from + by].button) {
      const to = from + by;
      if (this.branched || to < 0 || to >= this.stack.length) return;
      this.#change(`the move of ${this.#called(from)}`, () => {
        this.stack.splice(to, 0, ...this.stack.splice(from, 1));
        if (this.open === from || this.open === to) this.open = from + to - this.open;
      }, () => `${this.#called(to)} is layer ${to + 1} now. In total`, focus);
    }

    #remove(at) {
      if (this.branched) return;
      const name = this.#called(at);
      this.#change(`the removal of ${name}`, () => {
        this.stack.splice(at, 1);
        if (this.open === at) this.open = null;
        else if (this.open > at) this.open--;
      }, () => `Layer ${at + 1}, ${name}, is gone. In total`,
      () => this.rows[Math.min(at, this.stack.length - 1)]?.button ?? this.addKind);
    }

    #called(at) {
      return names(this.stack)[at];
    }

    // ---- The table ----
    #buildTable() {
      this.head = cell("tr", "row", {}, cell("th", "columnheader", { scope: "col" }, "layer"), ...COLUMNS.map(
        ([words, what]) => cell("th", "columnheader", { scope: "col", class: what }, words)));
      this.totals = cells();
      const total = cell("tr", "row", { class: "total" }, cell("th", "rowheader", { scope: "row" }, "total"),
        ...this.totals);
      this.body = cell("tbody", "rowgroup");
      this.table = cnn.make("table", { role: "table", "aria-label": "layers of the network" },
        cell("thead", "rowgroup", {}, this.head), this.body, cell("tfoot", "rowgroup", {}, total));
      this.frame = cnn.make("div", {}, this.table);
    }

    #addRow(at) {
      const button = cnn.make("button", { type: "button", "aria-expanded": "false" });
      button.addEventListener("click", () => this.#toggle(at));
      button.addEventListener("keydown", (event) => this.#key(event, at));
      const row = { button, cells: cells() };
      row.line = cell("tr", "row", {}, cell("th", "rowheader", { scope: "row" }, button), ...row.cells);
      this.rows.push(row);
      this.body.append(row.line);
    }

    // As many rows as layers, and the settings of the open one under its row.
    #layOut() {
      this.branched = this.stack.some(({ inputs }) => inputs);
      this.stage.classList.toggle("branched", this.branched);
      this.laidOut = true;
      this.fields = []; // before the old ones go: a field that goes says that it has changed
      this.editorLine?.remove();
      while (this.rows.length > this.stack.length) this.rows.pop().line.remove();
      while (this.rows.length < this.stack.length) this.#addRow(this.rows.length);
      this.frame.classList.toggle("many", this.rows.length > 40);
      this.rows.forEach(({ button }, at) => button.setAttribute("aria-expanded", String(at === this.open)));
      if (this.open === null) return;
      const editor = cell("td", "cell", { colspan: COLUMNS.length + 1 }, this.#editor(this.open));
      this.editorLine = cell("tr", "row", { class: "editor" }, editor);
      this.rows[this.open].line.after(this.editorLine);
    }

    #toggle(at) {
      this.open = this.open === at ? null : at;
      this.#layOut();
      this.update();
    }

    #key(event, at) {
      const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      if (by && event.altKey) this.#move(at, by);
      else if (by) this.rows[at + by]?.button.focus();
      else if (event.key === "Delete") this.#remove(at);
      else return;
      event.preventDefault();
    }

    // ---- The settings of one layer ----
    #editor(at) {
      const layer = this.stack[at], called = this.#called(at);
      const box = cnn.make("div", { role: "group", "aria-label": `settings of ${called}` });
      if (layer.shares !== undefined) {
        box.append(cnn.make("p", {}, `This is layer ${layer.shares + 1} again: open it there to change it.`));
        return box;
      }
      for (const key of settings(layer)) if (!FIXED.has(key)) box.append(...this.#setting(layer, key));
      if (this.branched) {
        box.append(cnn.make("p", {}, "This network branches: its layers cannot be moved, added or removed here."));
        return box;
      }
      const act = (words, action, disabled) => {
        const button = cnn.make("button", { type: "button", disabled }, words);
        button.addEventListener("click", action);
        box.append(button);
      };
      const again = (words) => () => [...this.editorLine.querySelectorAll("button:enabled")]
        .find((button) => button.textContent === words) ?? this.rows[this.open].button;
      act("move up", () => this.#move(at, -1, again("move up")), at === 0);
      act("move down", () => this.#move(at, 1, again("move down")), at === this.stack.length - 1);
      act("remove", () => this.#remove(at));
      return box;
    }

    // The fields of a setting. They read and write the open layer, which undoing replaces.
    #setting(layer, key) {
      const value = layer[key], get = () => this.stack[this.open][key], words = label(key);
      const set = (typed) => { this.stack[this.open][key] = typed; };
      if (key in LISTS) return [cnn.make("label", {}, words, this.#list(key, layer.kind, get, set))];
      if (PAIRS.has(key) && Array.isArray(value)) return [this.#pair(key, get)];
      if (["padding", "cropping"].includes(key) && Array.isArray(value)) {
        const write = (i) => (typed) => {
          if (Array.isArray(value[0])) get()[i >> 1][i & 1] = typed;
          else get()[i] = typed;
        };
        return sideNames(value).map((side, i) =>
          cnn.make("label", {}, side, this.#number(key, side, () => get().flat()[i], write(i))));
      }
      if (typeof value === "number") return [cnn.make("label", {}, words, this.#number(key, words, get, set))];
      return ["string", "boolean"].includes(typeof value) ? [this.#choice(key, get, set)] : [];
    }

    #has(field) {
      return this.fields.some(({ input }) => input === field);
    }

    #set(key, write) {
      const at = this.open;
      this.#change(`the change of ${label(key)} of ${this.#called(at)}`, write, () => {
        const { name, output_shape, parameters } = this.result.rows[at];
        return `${name} gives ${times(output_shape)} and has ${grouped(parameters)} parameters now. In total`;
      });
    }

    #number(key, words, read, write, aria) {
      const [min, max, step = 1] = RANGES[key] ?? [1, 99], whole = step === 1;
      const input = cnn.make("input", { type: "number", min, max, step: whole ? 1 : "any", "aria-label": aria });
      input.addEventListener("input", () => {
        const typed = input.valueAsNumber;
        if (typed >= min && typed <= max && (!whole || typed % 1 === 0)) this.#set(key, () => write(typed));
      });
      input.addEventListener("change", () => { // what cannot be goes
        if (!this.#has(input)) return;
        const kind = whole ? "a whole number" : "a number";
        if (input.valueAsNumber !== read()) this.say(`${words}: ${kind} from ${min} to ${max}.`, true);
        input.value = read();
      });
      this.fields.push({ input, read });
      return input;
    }

    // Rows and columns, or one number. As long as the two are equal, the columns follow the rows; the stride of a
    // pooling follows its size in the same way, as in Keras.
    #pair(key, get) {
      const words = label(key), ways = get().length === 2 ? ["rows", "columns"] : [""];
      const write = (axis) => (typed) => {
        const pair = get(), layer = this.stack[this.open];
        const followed = key === "pool_size" && python(pair) === python(layer.strides);
        if (axis === 0 && pair[0] === pair[1]) pair[1] = typed;
        pair[axis] = typed;
        if (followed) layer.strides = [...pair];
      };
      const inputs = ways.map((way, axis) =>
        this.#number(key, words, () => get()[axis], write(axis), way ? `${words}, ${way}` : words));
      return cnn.make("span", { class: "pair", role: "group", "aria-label": words }, words,
        ...inputs.flatMap((input, axis) => (axis ? ["×", input] : [input])));
    }

    #list(key, kind, get, set) {
      const [least, most, always] = LISTS[key], one = key === "axis" && /^(Batch|Group)/.test(kind);
      const input = cnn.make("input", { type: "text", autocomplete: "off" });
      const read = () => [get() ?? []].flat().join(", ");
      input.addEventListener("change", () => {
        if (!this.#has(input)) return;
        const numbers = input.value.replaceAll("−", "-").split(/[\s,×]+/).filter(Boolean).map(Number);
        const fine = numbers.every((n) => (key === "max_value" ? n >= 0 : Number.isInteger(n)));
        if (fine && numbers.length >= least && numbers.length <= (one ? 1 : most)) {
          this.#set(key, () => set(numbers.length ? (always || numbers.length > 1 ? numbers : numbers[0]) : null));
        } else {
          const wanted = one || most === 1 ? "one number" : "whole numbers with commas between them, such as 7, 7, 64";
          this.say(`${label(key)}: ${wanted}.`, true);
        }
        input.value = read();
      });
      this.fields.push({ input, read });
      return input;
    }

    #choice(key, get, set) {
      const value = get(), tick = typeof value === "boolean", { kind } = this.stack[this.open];
      const more = kind === "Conv1D" && key === "padding" ? ["causal"] : [];
      const options = [...new Set([...(CHOICES[key] ?? []), ...more, value])]; // a reader's model may have others
      const input = tick ? cnn.make("input", { type: "checkbox" })
        : cnn.make("select", {}, ...options.map((option) => cnn.make("option", {}, option)));
      input.addEventListener("input", () => this.#set(key, () => set(tick ? input.checked : input.value)));
      this.fields.push({ input, read: get });
      return cnn.make("label", {}, label(key), input);
    }

    #addBar() {
      const options = (some) => some.map((kind) => cnn.make("option", {}, kind));
      this.addKind = cnn.make("select", {},
        ...Object.entries(GROUPS).map(([words, some]) => cnn.make("optgroup", { label: words }, ...options(some))));
      this.addButton = cnn.make("button", { type: "button", class: "new" });
      this.addButton.addEventListener("click", () => this.#add(this.addKind.value));
      this.undoButton = cnn.make("button", { type: "button" }, "undo");
      this.undoButton.addEventListener("click", () => this.#undo());
      return cnn.make("div", { class: "add" }, cnn.make("label", { class: "new" }, "new layer", this.addKind),
        this.addButton, this.undoButton);
    }

    // ---- The code ----
    #codeBox() {
      this.code = cnn.make("textarea", { readonly: "", wrap: "off", spellcheck: "false", "aria-label": "Keras code" });
      const details = cnn.make("details", {}, cnn.make("summary", {}, "Keras code"), this.code);
      const copy = cnn.make("button", { type: "button" }, "copy as Keras code");
      copy.addEventListener("click", async () => {
        try {
          await navigator.clipboard.writeText(this.code.value);
          this.say(`Copied: ${this.stack.length} layers as Keras code.`);
        } catch { // no clipboard here, or no permission
          details.open = true;
          this.code.focus();
          this.code.select();
          this.say("This browser did not let us copy. The code is marked below: copy it with Ctrl+C or ⌘C.");
        }
      });
      return cnn.make("div", { class: "code" }, copy, details);
    }

    // ---- After every change ----
    resized() { // a table as long as there is room for one
      this.table.classList.remove("narrow");
      this.table.classList.toggle("narrow", this.frame.scrollWidth > this.frame.clientWidth);
    }

    update() {
      for (const [name, ranks] of [["rows", "23"], ["columns", "23"], ["channels", "3"], ["numbers", "1"]]) {
        const field = this.inputs[name];
        field.disabled = field.parentElement.hidden = !ranks.includes(this.state.rank);
      }
      this.result = count(this.input, this.stack);
      const { rows, totals, problem } = this.result, called = names(this.stack);
      const split = this.table.matches(".split");
      this.table.classList.toggle("split", rows.some((row) => row.trainable < row.parameters));
      this.rows.forEach((row, at) => this.#fill(row, at, called, rows[at], problem?.layer === at));
      COLUMNS.forEach(([, what], i) => {
        this.totals[i].textContent = totals && what in totals ? grouped(totals[what]) : "";
      });
      for (const { input, read } of this.fields) {
        if (input.type === "checkbox") input.checked = read();
        else if (!input.matches(":focus")) input.value = read();
      }
      if (this.laidOut || split !== this.table.matches(".split")) this.resized();
      this.laidOut = false;
      this.addButton.textContent = this.open === null ? "add at the end" : `add below ${called[this.open]}`;
      this.undoButton.setAttribute("aria-disabled", String(!this.past.length));
      this.code.value = code(this.input, this.stack, this.result);
      this.code.rows = Math.min(this.stack.length + 7, 40);
      this.now = { state: { ...this.state }, stack: structuredClone(this.stack), open: this.open };
      this.say(...this.#sentence());
    }

    // What a row of the table says; nothing is touched if it is as before.
    #fill({ button, cells, line, ...row }, at, called, counted, wrong) {
      const { totals } = this.result, about = this.#about(at, called, counted);
      const shares = ["parameters", "multiply_adds"].map((what) => // of the total, for the bars
        (totals && counted ? (100 * counted[what]) / Math.max(1, totals[what]) : 0).toFixed(1));
      const told = JSON.stringify([called[at], about, counted, shares, wrong, this.input]);
      if (this.rows[at].told === told) return;
      this.rows[at].told = told;
      const parts = called[at].split(/(?<=[_/])/).flatMap((part) => [cnn.make("wbr"), part]); // may break after _ and /
      button.replaceChildren(cnn.make("b", {}, `${at + 1}. `, ...parts), " ",
        ...about.filter(Boolean).flatMap((words) => [cnn.make("span", {}, words), " "]));
      line.className = wrong ? "layer misfit" : "layer";
      COLUMNS.forEach(([, what], i) => {
        const value = counted?.[what], share = { parameters: shares[0], multiply_adds: shares[1] }[what];
        cells[i].replaceChildren(...(counted ? [Array.isArray(value) ? times(value) : grouped(value)] : []));
        if (share > 0) cells[i].append(cnn.make("span", { class: "bar", style: `width: ${share}%` }));
        if (what === "receptive_field" && counted) cells[i].append(...this.#view(counted));
      });
      if (wrong) cells[0].textContent = "does not fit";
    }

    // What stands under a layer's name: its settings, and where its inputs come from if not from the row above.
    #about(at, called, counted) {
      const layer = this.stack[at], { kind } = layer, again = layer.shares !== undefined;
      const words = [automatic(called[at].split("/").at(-1), kind) ? "" : kind,
        inWords(this.stack[layer.shares] ?? layer), again && "again",
        layer.trainable === false && counted?.parameters && "frozen"];
      const from = (layer.inputs ?? []).map((source) => called[source] ?? "the image");
      const above = from.length === 1 && layer.inputs[0] === at - 1;
      return [words.filter(Boolean).join(", "), from.length && !above ? `from ${from.join(" and ")}` : ""];
    }

    // The input as a frame, and in it how much of it one value sees; what it would see beyond the edges.
    #view({ receptive_field: sees, unclipped }) {
      const [height, width] = this.input, unit = 18 / Math.max(height, width), parts = [];
      const box = (rows, columns, more) =>
        cnn.make("rect", { x: 1, y: 1, width: columns * unit, height: rows * unit, ...more });
      if (sees.length === 2 && width) {
        parts.push(cnn.make("svg", { width: 20, height: 20, "aria-hidden": "true" },
          box(...sees, { fill: "var(--blue)" }), box(height, width, { fill: "none", stroke: "var(--line)" })));
      }
      if (times(sees) !== times(unclipped)) parts.push(cnn.make("span", { class: "free" }, clippedFrom(unclipped)));
      return parts;
    }

    #sentence() {
      const { rows, totals, problem } = this.result;
      if (problem) return [(this.undone ?? "") + problem.text, true];
      if (!rows.length) return [`${this.undone ?? ""}There are no layers yet. Choose a new layer and add it.`];
      const words = { parameters: "parameters", multiply_adds: "multiply-adds", activation_bytes: "bytes of values" };
      const known = Object.entries(words).map(([what, word]) => {
        const more = this.before ? totals[what] - this.before[what] : 0;
        const change = more ? ` (${grouped(Math.abs(more))} ${more > 0 ? "more" : "fewer"})` : "";
        const some = what === "parameters" && totals.trainable < totals.parameters;
        const of = some ? `, ${grouped(totals.trainable)} of them trainable` : "";
        return `${grouped(totals[what])} ${word}${change}${of}`;
      });
      return [[`${this.news()} ${known.join(", ")}.`, this.#shares(), this.#viewInWords()].filter(Boolean).join(" ")];
    }

    // Where most parameters live, and where most of the work is done.
    #shares() {
      const { rows, totals } = this.result, told = [];
      for (const [what, does] of [["parameters", "holds"], ["multiply_adds", "does"]]) {
        const most = rows.reduce((a, b) => (b[what] > a[what] ? b : a));
        const share = `${Math.round((100 * most[what]) / totals[what])}% of the ${what.replace("_", "-")}`;
        if (most[what]) told.push(`${most.name} ${does} ${share}`);
      }
      return told.length ? `${told.join(", ")}.` : "";
    }

    #viewInWords() {
      const { receptive_field: sees, unclipped, name } = this.result.rows.at(-1), all = this.input.slice(0, 2);
      const unit = this.input.length > 1 ? "pixels" : "numbers", clipped = times(sees) !== times(unclipped);
      const of = sees.length === all.length ? ` of ${times(all)} ${unit}` : ` ${unit}`;
      const part = times(sees) === times(all) ? `all ${times(all)} ${unit}` : times(sees) + of;
      return `One value of the last layer, ${name}, sees ${part}${clipped ? `, ${clippedFrom(unclipped)}` : ""}.`;
    }
  }

  const clippedFrom = (unclipped) => `clipped from ${times(unclipped)}`;
  const cell = (tag, role, attributes, ...content) => cnn.make(tag, { role, ...attributes }, ...content);
  const cells = () => COLUMNS.map(([words, what]) => cell("td", "cell", { "data-label": words, class: what }));

  cnn.define("network-ledger", NetworkLedger);
}
