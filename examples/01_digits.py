"""Train a small CNN on handwritten digits, on any backend: python 01_digits.py [BACKEND]."""

import sys

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import unifw as uf
from unifw import layers as L

backend = sys.argv[1] if len(sys.argv) > 1 else "numpy"

# Real data: 1797 images of 8 × 8 pixels. Channels go first, and the batch axis stays free.
digits = load_digits()
x = (digits.images[:, None] / 16).astype("float32")
x, x_test, y, y_test = train_test_split(x, digits.target, test_size=0.2, random_state=0)

# The net is data. It prints, compares and serialises, and no framework is needed to describe it.
net = uf.Sequential(
    [
        L.Conv2D(16, 3, padding="same"),
        L.ReLU(),
        L.MaxPool2D(2),
        L.Flatten(),
        L.Dropout(0.2),
        L.Dense(10),
    ],
    input_shape=(1, 8, 8),
)
net.summary()

# The model lives on a backend. The same seed gives the same weights and batches on each of them.
model = uf.Model(
    net,
    backend=backend,
    loss="cross_entropy",
    optimizer=uf.optimizers.Adam(3e-3),
    metrics=["accuracy"],
    seed=0,
)
model.fit(x, y, epochs=6, batch_size=64, validation_data=(x_test, y_test))
print(model.evaluate(x_test, y_test))

# Half trained, it moves: weights, optimizer state and position go along. (Name another backend here.)
model = model.to("numpy")
model.fit(x, y, epochs=6, batch_size=64)
print(model.evaluate(x_test, y_test))

# One file holds it all; an export is run by its own runtime and compared, or it fails.
model.save("digits.unifw")
print(uf.load("digits.unifw"))
print(model.export("digits.onnx"))
