"""Random networks of every kind of layer that the course reads, small ones, from a seed."""

import keras
import numpy as np
from keras import layers

# Kinds through which every value that goes in can be traced to what comes out: nothing is chosen.
SMOOTH = (
    *("conv", "grouped", "depthwise", "separable", "transpose", "average", "pad", "crop", "up"),
    *("resize", "norm", "layer norm", "group norm", "permute", "reshape", "flatten and back"),
    *("softmax", "dense", "rest", "scale", "add", "concatenate", "gate", "shared", "nested"),
)
ANY = (*SMOOTH, "max", "relu", "prelu", "activation", "operator", "frozen")
_RESTS = (
    lambda: layers.Dropout(0.5),
    lambda: layers.SpatialDropout2D(0.5),
    lambda: layers.GaussianNoise(0.1),
    lambda: layers.RandomFlip("horizontal"),
    lambda: layers.RandomTranslation(0.1, 0.1),
    lambda: layers.RandomZoom(0.2),
    lambda: layers.Identity(),
)


class Random:
    """Draws layers that fit what is there so far."""

    def __init__(self, seed, kinds=ANY, dilated=True):
        self.rng, self.kinds, self.dilated = np.random.default_rng(seed), kinds, dilated

    def pick(self, *options):
        return options[self.rng.integers(len(options))]

    def whole(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def yes(self):
        return bool(self.rng.random() < 0.5)

    def window(self, sizes, pooling=False):
        """Size, strides, padding and dilation of a window that fits."""
        padding = self.pick("valid", "same")
        size = [self.whole(1, min(4, n) if padding == "valid" else 4) for n in sizes]
        steps = tuple(self.whole(1, 3) for _ in sizes)
        told = {"padding": padding, "strides": steps}
        if pooling:
            return {**told, "pool_size": tuple(size), "strides": self.pick(None, steps)}
        if self.dilated and self.rng.random() < 0.4:
            gaps = [self.whole(1, 3) for _ in sizes]
            fits = [
                d if padding == "same" or (k - 1) * d < n else 1
                for k, d, n in zip(size, gaps, sizes, strict=True)
            ]
            told["dilation_rate"] = tuple(fits)
            if max(told["dilation_rate"]) > 1:
                told["strides"] = (1,) * len(sizes)
        return {**told, "kernel_size": tuple(size)}

    def convolution(self, x, filters=None):
        kind = layers.Conv2D if len(x.shape) == 4 else layers.Conv1D
        options = self.window(x.shape[1:-1])
        if kind is layers.Conv1D and self.rng.random() < 0.2:
            options["padding"] = "causal"
        return kind(filters or self.whole(1, 3), use_bias=self.yes(), **options)

    def block(self, x):
        kind = self.pick(*self.kinds)
        if len(x.shape) == 2:
            return self.on_vector(kind, x)
        if len(x.shape) == 3:
            return self.on_row(kind, x)
        return self.on_image(kind, x)

    def on_vector(self, kind, x):
        n = x.shape[1]
        if kind == "reshape" and n % 4 == 0:
            return layers.Reshape(self.pick((n // 4, 2, 2), (2, n // 2), (1, n), (n, 1, 1)))(x)
        if kind in ("dense", "conv"):
            return layers.Dense(self.whole(2, 9), use_bias=self.yes())(x)
        return self.anywhere(kind, x)

    def on_row(self, kind, x):
        n, channels = x.shape[1:]
        if kind in ("conv", "grouped"):
            return self.convolution(x)(x)
        if kind in ("average", "max"):
            pooling = layers.AveragePooling1D if kind == "average" else layers.MaxPooling1D
            padding = self.pick("valid", "same")
            size = self.whole(1, min(3, n))
            return pooling(size, strides=self.pick(None, 1, 2), padding=padding)(x)
        if kind == "pad":
            return layers.ZeroPadding1D((self.whole(0, 2), self.whole(0, 2)))(x)
        if kind == "crop" and n > 3:
            return layers.Cropping1D((self.whole(0, 1), self.whole(0, 2)))(x)
        if kind == "up" and n < 12:
            return layers.UpSampling1D(self.whole(1, 3))(x)
        if kind == "permute":
            return layers.Permute((2, 1))(x)
        if kind == "reshape":
            return layers.Reshape(self.pick((n, channels, 1), (n * channels,), (1, n, channels)))(x)
        if kind == "gate":
            pooled = layers.GlobalAveragePooling1D(keepdims=True)(x)
            return layers.Multiply()([x, pooled])
        return self.anywhere(kind, x)

    def on_image(self, kind, x):
        height, width, channels = x.shape[1:]
        if kind == "conv":
            return self.convolution(x)(x)
        if kind == "grouped":
            options = self.window((height, width))
            return layers.Conv2D(channels * self.whole(1, 2), groups=channels, **options)(x)
        if kind in ("depthwise", "separable"):
            options = self.window((height, width))
            options["strides"] = options["strides"][:1] * 2
            options |= {"depth_multiplier": self.whole(1, 2), "use_bias": self.yes()}
            if kind == "depthwise":
                return layers.DepthwiseConv2D(**options)(x)
            return layers.SeparableConv2D(self.whole(1, 3), **options)(x)
        if kind == "transpose" and height * width < 60:
            options = {"padding": self.pick("valid", "same"), "use_bias": self.yes()}
            strides = (self.whole(1, 3), self.whole(1, 3))
            size = (self.whole(1, 4), self.whole(1, 4))
            return layers.Conv2DTranspose(self.whole(1, 3), size, strides=strides, **options)(x)
        if kind in ("average", "max"):
            pooling = layers.AveragePooling2D if kind == "average" else layers.MaxPooling2D
            return pooling(**self.window((height, width), pooling=True))(x)
        if kind == "pad":
            sides = [(self.whole(0, 2), self.whole(0, 2)) for _ in range(2)]
            return layers.ZeroPadding2D(sides)(x)
        if kind == "crop" and min(height, width) > 3:
            sides = [(self.whole(0, 1), self.whole(0, 2)) for _ in range(2)]
            return layers.Cropping2D(sides)(x)
        if kind == "up" and height * width < 60:
            how = self.pick("nearest", "bilinear")
            return layers.UpSampling2D((self.whole(1, 2), self.whole(1, 3)), interpolation=how)(x)
        if kind == "resize":
            how = self.pick("nearest", "bilinear")
            return layers.Resizing(self.whole(2, 12), self.whole(2, 12), interpolation=how)(x)
        if kind == "permute":
            return layers.Permute(self.pick((2, 1, 3), (3, 1, 2), (1, 3, 2)))(x)
        if kind == "reshape":
            return layers.Reshape(self.pick((height, -1, 1), (height, width * channels), (-1,)))(x)
        if kind == "gate":
            pooled = layers.GlobalAveragePooling2D(keepdims=self.yes())(x)
            gate = layers.Dense(channels)(pooled)
            return layers.Multiply()([x, gate][:: self.pick(1, -1)])
        return self.anywhere(kind, x)

    def anywhere(self, kind, x):
        """Layers for values of any shape."""
        rank, channels = len(x.shape), x.shape[-1]
        if kind == "norm":
            axis = self.pick(-1, self.whole(1, rank - 1))
            return layers.BatchNormalization(axis=axis, scale=self.yes(), center=self.yes())(x)
        if kind == "layer norm":
            axis = self.pick(-1, self.whole(1, rank - 1), [1, rank - 1])
            axis = -1 if axis == [1, 1] else axis
            return layers.LayerNormalization(axis=axis, scale=self.yes(), center=self.yes())(x)
        if kind == "group norm":
            groups = self.pick(1, channels, *(g for g in (2, 3) if channels % g == 0))
            return layers.GroupNormalization(groups, scale=self.yes())(x)
        if kind == "softmax":
            return layers.Softmax(axis=self.pick(-1, self.whole(1, rank - 1)))(x)
        if kind == "flatten and back":
            return layers.Reshape(x.shape[1:])(layers.Flatten()(x))
        if kind == "rest":
            fits = _RESTS if rank == 4 and channels in (1, 3) else (_RESTS[0], _RESTS[2], _RESTS[6])
            return self.pick(*fits)()(x)
        if kind == "scale":
            return self.pick(layers.Rescaling(0.5, offset=0.1), layers.Normalization())(x)
        if kind in ("relu", "activation"):
            own = layers.Activation(self.pick("tanh", "softmax", "gelu"))
            return self.pick(layers.ReLU(max_value=6.0), layers.LeakyReLU(), layers.ELU(), own)(x)
        if kind == "prelu":
            shared = self.pick(None, list(range(1, rank - 1)) or None)
            return layers.PReLU(shared_axes=shared)(x)
        if kind == "operator":
            return self.pick(lambda: x + 1.0, lambda: x * x, lambda: 2.0 - x)()
        if kind in ("add", "concatenate"):
            branches = [layers.Dense(channels, use_bias=False)(x), x]
            if kind == "add":
                return self.pick(layers.Add, layers.Average, layers.Subtract)()(branches)
            return layers.Concatenate(axis=self.pick(-1, self.whole(1, rank - 1)))(branches)
        if kind == "shared":
            layer = layers.Dense(channels)
            return layers.Add()([layer(layer(x)), layer(x)])
        if kind in ("nested", "frozen"):
            start = keras.Input(x.shape[1:])
            kinds = [k for k in self.kinds if k != "nested"]
            inner = Random(self.whole(0, 10**6), kinds, self.dilated)
            y = start
            for _ in range(self.whole(1, 2)):
                y = inner.block(y)
            model = keras.Model(start, y)
            if kind == "frozen":
                model.trainable = False
            return model(x)
        return layers.Dense(self.whole(1, 4), use_bias=self.yes())(x)

    def model(self, size=(5, 11), shape=None):
        """A model of one to six blocks, for images, rows of vectors or vectors."""
        sizes = [self.whole(*size) for _ in range(2)]
        images = (*sizes, self.whole(1, 3)), (*sizes, 1), (*sizes, 3)
        shape = shape or self.pick(*images, tuple(sizes), (36,))
        x = start = keras.Input(shape)
        for _ in range(self.whole(1, 6)):
            if np.prod(x.shape[1:]) > 1500:
                break
            x = self.block(x)
        if x is start:
            x = layers.Identity()(x)
        return keras.Model(start, x)
