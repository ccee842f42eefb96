"""Makes keras-small.onnx and keras-gray.onnx: channels last, as TensorFlow has them, by tf2onnx.

python -m venv env && env/bin/pip install tensorflow-cpu==2.15.1 tf2onnx==1.16.1 onnx==1.16.2 "numpy<2"
env/bin/python tests/onnx_import/models/make_keras.py
"""

from pathlib import Path

import numpy as np
import onnx
import tensorflow as tf
import tf2onnx

LAYERS = tf.keras.layers


def save(model, name, shape):
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "gamma" in weight.name or "variance" in weight.name:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif "kernel" not in weight.name:
            weight.assign(rng.normal(size=weight.shape) * 0.1)
    images = (tf.TensorSpec((None, *shape), tf.float32, name="images"),)
    converted, _ = tf2onnx.convert.from_keras(model, input_signature=images, opset=17)
    onnx.save(converted, Path(__file__).with_name(f"{name}.onnx"))


def small():
    """Strided "same" padding, depthwise, residual, padded and valid, a map flattened channels last."""
    images = LAYERS.Input((16, 16, 3))
    x = LAYERS.Conv2D(8, 3, strides=2, padding="same")(images)
    x = LAYERS.ReLU(6.0)(LAYERS.BatchNormalization()(x))
    y = LAYERS.DepthwiseConv2D(3, padding="same")(x)
    y = LAYERS.ReLU()(LAYERS.BatchNormalization()(y))
    x = LAYERS.ReLU()(LAYERS.add([x, LAYERS.Conv2D(8, 1)(y)]))
    x = LAYERS.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = LAYERS.Conv2D(6, 3, strides=2, padding="valid", activation="relu")(x)
    x = LAYERS.Flatten()(LAYERS.MaxPooling2D(2)(x))
    x = LAYERS.Dense(10, activation="relu")(x)
    return tf.keras.Model(images, LAYERS.Dense(4, activation="softmax")(x))


def gray():
    """One channel, which tf2onnx moves by a Reshape."""
    images = LAYERS.Input((12, 10, 1))
    x = LAYERS.LeakyReLU(0.125)(LAYERS.Conv2D(4, (5, 3), padding="same")(images))
    x = LAYERS.AveragePooling2D(2, padding="same")(x)
    x = LAYERS.ReLU()(LAYERS.Conv2D(5, 3, padding="valid")(x))
    return tf.keras.Model(images, LAYERS.Dense(3)(LAYERS.GlobalAveragePooling2D()(x)))


tf.random.set_seed(0)
save(small(), "keras-small", (16, 16, 3))
save(gray(), "keras-gray", (12, 10, 1))
