// Counting: what comes out of each layer of a network, what it costs and what it sees. The arithmetic is that
// of cnnlab/ledger.py, name by name.
"use strict";
{
  // A layer is {kind, …settings}, as cnnlab/network.py writes it; one of a reader's model has also {name, inputs,
  // dtype, trainable, rests, shares}. Without `inputs` it follows the one before.
  const { kinds: KINDS, merging: MERGING } = cnn.keras;
  const { ALL, NOTHING, Misfit, fits, grouped, image, joined, look, product, replaced, times, widths } = cnn.fields;
  const RECORD = new Set(["kind", "name", "inputs", "shape", "dtype", "trainable", "rests", "shares"]);

  const made = (kind) => ({ kind, ...structuredClone(KINDS[kind]) });
  const settings = (layer) => Object.keys(layer).filter((key) => !RECORD.has(key));

  // ---- What each kind of layer gives. A rule takes a layer and the shape of its input ----
  // It gives {shape, looks, parameters, averages, multiplyAdds}, the last four if there are any: averages are
  // parameters that no gradient changes. looks: {axis: what the places of the output look at along it, as
  // fields.js says}; other axes stay as they are.
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

  Object.assign(cnn, { counting: { REACH, automatic, count, made, names, settings, simple, sources, unused } });
}
