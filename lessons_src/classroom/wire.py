"""Plain data between two Pythons: the one with the answers, and the one with the tests.

The same text runs in both. What comes in is checked, and nothing in it is ever run: numbers,
strings, booleans, None, lists, tuples, dicts, sets, arrays, random generators, and Keras models of
standard layers, as their description and weights. A function travels as a number to call it by.
Anything else is a `Thing`, which can do nothing. An object that has come or gone keeps its number
until the wire is closed: sent back, it is the same object, with what was changed in it.
"""

import base64
import builtins
import json
import math
import resource
import sys
from collections import abc
from numbers import Number

import numpy as np
import zmq

LARGEST = 128 << 20  # bytes of a message with answers
PLAIN = 4_000_000  # numbers, texts and lists in it
TOO_LARGE = "an answer is too large"
DEEPEST = 20  # a list in a list in a list …
LONGEST = 1_000_000  # elements of a range
SHORT = 10  # numbers of a list in a model's description: more would be weights that nobody counts
SENTENCE = 500  # characters of what an exception says
# What a model may be made of: of each module of Keras, only this.
STANDARD = {
    "keras": "Sequential DTypePolicy",
    "keras.layers": "InputLayer Dense Conv1D Conv2D Conv3D DepthwiseConv1D DepthwiseConv2D "
    "SeparableConv1D SeparableConv2D Conv1DTranspose Conv2DTranspose MaxPooling1D MaxPooling2D "
    "MaxPooling3D AveragePooling1D AveragePooling2D AveragePooling3D GlobalMaxPooling1D "
    "GlobalMaxPooling2D GlobalAveragePooling1D GlobalAveragePooling2D Flatten Reshape Permute "
    "RepeatVector ZeroPadding1D ZeroPadding2D Cropping1D Cropping2D UpSampling1D UpSampling2D "
    "Dropout SpatialDropout1D SpatialDropout2D GaussianNoise GaussianDropout AlphaDropout "
    "BatchNormalization LayerNormalization GroupNormalization UnitNormalization Activation ReLU "
    "LeakyReLU PReLU ELU Softmax Identity Rescaling RandomFlip RandomRotation RandomZoom "
    "RandomTranslation RandomContrast RandomBrightness Add Subtract Multiply Average Maximum "
    "Minimum Concatenate Dot ActivityRegularization Embedding SimpleRNN LSTM GRU Normalization "
    "Resizing CenterCrop",
    "keras.initializers": "Zeros Ones Constant RandomNormal RandomUniform TruncatedNormal "
    "VarianceScaling GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal LecunUniform "
    "Orthogonal Identity",
    "keras.regularizers": "L1 L2 L1L2 OrthogonalRegularizer",
    "keras.constraints": "MaxNorm NonNeg UnitNorm MinMaxNorm",
    "keras.optimizers": "SGD Adam AdamW RMSprop Adagrad Adadelta Adamax Nadam Lion",
    "keras.losses": "SparseCategoricalCrossentropy CategoricalCrossentropy BinaryCrossentropy "
    "MeanSquaredError MeanAbsoluteError",
    "keras.src.models.functional": "Functional",
    "keras.src.ops.numpy": "Add Subtract Multiply Divide TrueDivide Negative Power Square Sqrt "
    "Tanh Exp Maximum Minimum Absolute Concatenate Reshape Transpose Mean Sum Max Pad Sin Cos "
    "ExpandDims Squeeze GetItem",
    "keras.src.ops.nn": "Relu Relu6 Sigmoid Softmax LogSoftmax Softplus Softsign Silu Elu Selu "
    "Gelu LeakyRelu HardSigmoid HardSilu Tanh MaxPool AveragePool",
}
STANDARD = {module: set(names.split()) for module, names in STANDARD.items()}
ACTIVATIONS = "relu relu6 sigmoid tanh softmax softplus softsign silu swish elu selu gelu linear "
ACTIVATIONS = {*ACTIVATIONS.split(), "leaky_relu", "log_softmax", "hard_sigmoid", "exponential"}
LISTS = abc.Sequence, abc.MappingView  # these go as lists
BYTES = bytes, bytearray, memoryview  # but these do not
TENSORS = ("tensorflow", "keras", "jax", "jaxlib", "torch")  # whose they are


class Strange(Exception):
    """What came, or should go, is not plain data; the message says why."""


class Thing:
    """What only the other side has. It equals nothing but itself."""

    def __init__(self, kind):
        self.kind = kind

    def __repr__(self):
        return f"<{self.kind}>"

    def __getattr__(self, name):
        raise AttributeError(f"a test can call {self.kind}, but not read its “{name}”")


class Function(Thing):
    """A function of the other side."""

    def __init__(self, kind, wire):
        super().__init__(kind)
        self.wire = wire

    def __call__(self, *arguments, **options):
        return self.wire.call(self, arguments, options)


def standard(node, depth=0):
    """A model's description with Keras's own parts only, named by us; Strange if it has others."""
    if depth > 40:
        raise Strange("a model is nested too deep")
    if isinstance(node, list):
        if (size := numbers(node)) and size > SHORT:
            raise Strange(f"a model has a list of {size} numbers, which is no layer's setting")
        return [standard(item, depth + 1) for item in node]
    if isinstance(node, (int, float)) and abs(node) > 1e7:
        raise Strange("a model has a number that is too large")
    if not isinstance(node, dict):
        return node
    kind, module = node.get("class_name"), node.get("module")
    for key, value in node.items():
        if key.endswith("activation") and isinstance(value, dict) and "class_name" not in value:
            raise Strange("a model has a lambda in it, which is none of Keras's usual layers")
    if isinstance(node.get("seed"), dict) or abs(node.get("seed") or 0) > 1e7:
        node = node | {"seed": None}
    if kind is None or kind in ("__keras_tensor__", "__tuple__", "__slice__", "__ellipsis__"):
        return {key: standard(value, depth + 1) for key, value in node.items()}
    name = str(node.get("config") if kind == "function" else kind)
    if kind == "function" and name in ACTIVATIONS:
        return name
    if not isinstance(module, str) or name not in STANDARD.get(module, ()):
        raise Strange(f"a model has {name[:60]} in it, which is none of Keras's usual layers")
    rest = {key: standard(value, depth + 1) for key, value in node.items()}
    return rest | {"module": module, "class_name": name, "registered_name": None}


def numbers(node):
    """How many numbers a list of nothing else holds, in lists or not; 0 if it holds others."""
    if not isinstance(node, list):
        return isinstance(node, (int, float))
    sizes = [numbers(item) for item in node]
    return sum(sizes) if all(sizes) else 0


class Wire:
    """One end. `socket` is ZeroMQ's; the names that may be asked for are in `names`."""

    def __init__(self, socket, names=None):
        self.socket, self.names, self.asked = socket, names, 0
        self.ours, self.theirs = {}, {}  # number → object
        self.numbers, self.copies = {}, []  # id of an object → [whose, its number]
        self.touched = {}  # what came last and could be changed
        self.met, self.unread = [], {}  # kinds of Things that came: in this answer, in which
        self.changes = True  # do we see what a function of theirs does to our objects?

    # --- objects to text and back ---

    def pack(self, value, depth=0):
        """An object as JSON can hold it; raises Strange if it is too much."""
        if value is None or type(value) in (bool, str, int, float):
            return value
        if depth > DEEPEST:
            raise Strange("lists are nested too deep")

        def inside(items):
            return [self.pack(item, depth + 1) for item in items]

        if isinstance(value, (np.generic, np.ndarray)) and value.dtype.kind in "biufcU":
            array = np.asarray(value)
            if array.nbytes > LARGEST:
                raise Strange(TOO_LARGE)
            text = base64.b64encode(array.tobytes()).decode()
            kind = ["number"] if isinstance(value, np.generic) else ["array", *self.mark(value)]
            return [*kind, array.dtype.str, list(array.shape), text]
        for plain in (int, float, str):  # what inherits from these goes as what it is
            if isinstance(value, plain):
                return getattr(plain, f"__{plain.__name__}__")(value)
        if isinstance(value, tuple):
            return ["tuple", inside(tuple.__iter__(value))]
        if isinstance(value, Number):  # a Fraction, a Decimal, and what SymPy has
            kind = np.complex128 if isinstance(value, complex) else float
            return self.pack(kind(value), depth)
        endless = isinstance(value, range) and len(value) > LONGEST
        if isinstance(value, LISTS) and not isinstance(value, BYTES) and not endless:
            return ["list", *self.mark(value), inside(list(value))]
        if isinstance(value, (set, frozenset)):
            return ["set", *self.mark(value), inside(list(value))]
        if isinstance(value, dict):
            return ["dict", *self.mark(value), inside([pair for pair in value.items()])]
        if isinstance(value, np.ndarray) and value.dtype == object:
            items = inside(value.ravel().tolist())
            return ["objects", *self.mark(value), list(value.shape), items]
        if isinstance(value, np.random.Generator):
            state = value.bit_generator.state
            if state.get("bit_generator") == "PCG64":
                return ["generator", *self.mark(value), state]
        keras = sys.modules.get("keras")
        if keras and isinstance(value, keras.Model):
            try:
                text = keras.saving.serialize_keras_object(value)
            except Exception:
                text = {"class_name": type(value).__name__}
            weights = [self.pack(np.asarray(array)) for array in value.get_weights()]
            return ["model", *self.mark(value), text, weights]
        if type(value).__module__.split(".")[0] in TENSORS:
            try:
                array = np.asarray(value)
            except Exception:
                array = None
            if array is not None and array.dtype.kind in "biufc":
                return self.pack(array if array.ndim else array[()], depth)
        kind = "function" if callable(value) else "thing"
        return [kind, *self.mark(value), getattr(value, "__name__", type(value).__name__)[:60]]

    def mark(self, value):
        """[whose it is, its number]; an object is kept, so that its number stays its own."""
        if id(value) not in self.numbers:
            number = len(self.ours)
            self.ours[number] = value
            self.numbers[id(value)] = ["mine", number]
        return self.numbers[id(value)]

    def unpack(self, data, depth=0):
        """The object that a text describes; raises Strange if it does not describe any."""
        if not isinstance(data, list):
            if data is None or isinstance(data, (bool, int, float, str)):
                return data
            raise Strange("what came is not plain data")
        if depth > DEEPEST:
            raise Strange("lists are nested too deep")
        kind, *rest = data

        def inside(items):
            return [self.unpack(item, depth + 1) for item in items]

        if kind == "tuple":
            return tuple(inside(rest[0]))
        if kind == "number":
            return self.array(*rest)[()]
        whose, number, *rest = rest
        if whose not in ("mine", "yours") or type(number) is not int:
            raise Strange("what came is not plain data")
        there = (self.theirs if whose == "mine" else self.ours).get(number)
        if whose == "yours" and there is None:
            raise Strange("something came back that never went")
        if whose == "yours" and not self.changes and kind not in ("function", "thing"):
            there = None  # a copy, for them the same: ours stays as it is
        if kind in ("function", "thing"):
            name = str(rest[0])[:60]
            new = there
            self.met += [name] if kind == "thing" else []
            if there is None:
                new = Function(name, self) if kind == "function" else Thing(name)
        elif kind == "model":
            new = self.model(there, *rest)
        else:
            new = self.filled(kind, there, inside, *rest)
        if whose == "mine" and there is not new:
            self.theirs[number] = new
            self.numbers[id(new)] = ["yours", number]
        elif there is None:
            self.copies.append(new)
            self.numbers[id(new)] = ["mine", number]
        if kind not in ("function", "thing"):
            self.touched[id(new)] = new
        return new

    def array(self, dtype, shape, text):
        kind, data = np.dtype(dtype), base64.b64decode(text)
        if kind.kind not in "biufcU" or any(type(n) is not int or n < 0 for n in shape):
            raise Strange("an array of another kind than numbers and text")
        if math.prod(shape) * kind.itemsize != len(data):
            raise Strange("an array whose shape does not fit")
        return np.frombuffer(data, kind).reshape(shape).copy()

    def filled(self, kind, there, inside, *rest):
        """A container with what came; the one that is there, if it can hold that."""
        if kind in ("array", "objects"):
            if kind == "array":
                new = self.array(*rest)
            else:
                items = inside(rest[1])
                if math.prod(rest[0]) != len(items):
                    raise Strange("an array whose shape does not fit")
                new = np.fromiter(items, object, len(items)).reshape(rest[0])
            if not isinstance(there, np.ndarray) or there.shape != new.shape:
                return new
            if there.flags.writeable and there.dtype == new.dtype:  # what is given stays as it is
                there[...] = new
            return there
        if kind == "generator":
            new = there if isinstance(there, np.random.Generator) else np.random.default_rng()
            new.bit_generator.state = rest[0]
            return new
        if kind not in ("list", "set", "dict"):
            raise Strange("what came is not plain data")
        made = {"list": list, "set": set, "dict": dict}[kind](inside(rest[0]))
        if type(there) is not type(made):
            return made
        if kind == "list":
            there[:] = made
        else:
            there.clear()
            there.update(made)
        return there

    def model(self, there, text, weights):
        import keras

        arrays = [self.unpack(array) for array in weights]
        if not isinstance(there, keras.Model):
            if self.names is None:  # a test trains no model of an answer: how, does not matter
                text = {key: value for key, value in text.items() if key != "compile_config"}
            there = keras.saving.deserialize_keras_object(standard(text), safe_mode=True)
            if not isinstance(there, keras.Model):
                raise Strange("a model that is none")
            if self.names is None:
                there.jit_compile = False  # what `predict` does would take seconds to translate
            elif getattr(there, "optimizer", None) is not None and there.built:
                there.optimizer.build(there.trainable_variables)  # else two plans of the first step
        if arrays:
            there.set_weights(arrays)
        return there

    # --- messages ---

    def send(self, message):
        data = json.dumps(message).encode()
        if len(data) > LARGEST or items(data) > PLAIN:
            raise Strange(TOO_LARGE)
        self.socket.send(data)

    def receive(self):
        """The next message; raises Strange if it is none."""
        data = self.socket.recv()
        try:
            message = json.loads(data) if items(data) <= PLAIN else None
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            raise Strange("what came is not plain data")
        return message

    def ask(self, message):
        """Send a request and answer those of the other side until the reply is there."""
        self.asked += 1
        number = self.asked
        self.send(message | {"number": number})
        while True:
            reply = self.receive()
            if reply.get("do") == "call":
                self.reply(reply)
            elif reply.get("number") == number:
                return reply

    def checked(self, reply, what):
        """A reply's value, or the exception that it tells of."""
        try:
            for data in reply.get("changed", []) if self.changes else ():
                self.unpack(data)
            if "is" in reply:
                self.met.clear()
                value = self.unpack(reply["is"])
                if self.met:
                    self.unread[what] = self.met[0]
                return value
            name, text = map(str, reply["error"])
        except Strange:
            raise
        except Exception as error:
            raise Strange(f"what came cannot be read ({type(error).__name__})") from None
        raise failure(name, f"{text} [in {what}]" if text else f"in {what}")

    def call(self, function, arguments, options):
        message = {"do": "call", "function": self.pack(function), "changes": self.changes}
        message |= {"arguments": self.pack(list(arguments)), "options": self.pack(options)}
        given = [shown(one) for one in arguments]
        given += [f"{name}={shown(one)}" for name, one in options.items()]
        return self.checked(self.ask(message), f"{function.kind}({', '.join(given)})")

    def look(self, name):
        """The value of a name of the other side; raises KeyError."""
        reply = self.ask({"do": "look", "name": name})
        if "is" not in reply and "error" not in reply:
            raise KeyError(name)
        return self.checked(reply, name)

    def reply(self, request):
        """Do what the other side asks, and say what came of it."""
        number = {"number": request.get("number")}
        try:
            self.send(self.done(request) | number)
        except BaseException as error:
            if isinstance(error, MemoryError):
                give_back()
            try:
                text = str(error)[:SENTENCE]
            except Exception:
                text = ""
            self.send({"error": [type(error).__name__, text]} | number)

    def done(self, request):
        if request.get("do") == "look":
            known = self.names is not None and request["name"] in self.names
            return {"is": self.pack(self.names[request["name"]])} if known else {}
        function = self.unpack(request["function"])
        if not callable(function) or isinstance(function, Function):
            raise Strange("this is no function")
        self.touched = {}
        arguments, options = self.unpack(request["arguments"]), self.unpack(request["options"])
        seen = self.touched.values() if request.get("changes") else ()
        before = [(one, json.dumps(self.pack(one))) for one in seen]
        value = function(*arguments, **options)
        packed = [(self.pack(one), known) for one, known in before]
        changed = [data for data, known in packed if json.dumps(data) != known]
        return {"changed": changed, "is": self.pack(value)}

    def serve(self):
        """Answer until the other side has no more questions."""
        while True:
            try:
                request = self.receive()
                if request.get("do") == "end":
                    return
                self.reply(request)
            except KeyboardInterrupt:
                continue


def items(data):
    """How many things a JSON text names, at the most; letters of an array do not count."""
    return data.count(b",") + data.count(b"[")


def give_back():
    """All memory is used up: have what was kept back for this case."""
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def shown(value):
    """An argument in a message: short."""
    if isinstance(value, np.ndarray) and value.size > 6:
        return f"array of {' × '.join(map(str, value.shape))}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:79]}…"


def serve(address, names):
    """Answer the questions of one test, over a wire of its own."""
    with zmq.Context() as context, context.socket(zmq.PAIR) as socket:
        socket.linger = 0
        socket.bind(address)
        Wire(socket, names).serve()


def failure(name, text):
    """An exception of the other side: Python's own of that name, else an Exception.

    Never one that the reader takes for its own (a failed assert, the end of a `map`). What it was
    called there is its `far`.
    """
    kind, ours = getattr(builtins, name, None), (AssertionError, StopIteration, StopAsyncIteration)
    known = isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, ours)
    try:
        error = kind(text) if known else Exception(text)
    except Exception:  # a UnicodeError wants five arguments
        error = Exception(text)
    error.far = name if name.isidentifier() and len(name) <= 60 else "Exception"
    return error
