// A network as the Keras code that builds it.
"use strict";
{
  const { kinds: KINDS, merging: MERGING } = cnn.keras;
  const { automatic, count, names, settings, sources, unused } = cnn.counting;

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

  Object.assign(cnn, { kerasCode: { FIRST, FIRST_OF, code, isChain, own, python } });
}
