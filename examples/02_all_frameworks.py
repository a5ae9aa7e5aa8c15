"""All frameworks in one program (or notebook), whatever Python it runs on: python 02_all_frameworks.py.

Beforehand, once:  unifw env create paddle mindspore megengine
"""

import numpy as np
from sklearn.datasets import load_digits

import unifw as uf
from unifw import layers as L

digits = load_digits()
x, y = (digits.images[:, None] / 16).astype("float32"), digits.target

net = uf.Sequential(
    [L.Conv2D(8, 3, padding="same"), L.ELU(), L.AvgPool2D(2), L.Flatten(), L.Dense(10)],
    input_shape=(1, 8, 8),
)

# The yardstick: eight epochs on NumPy alone.
alone = uf.Model(net, loss="cross_entropy", optimizer=uf.optimizers.Adam(3e-3))
alone.fit(x, y, epochs=8, batch_size=64)

# The same eight epochs, two on each framework in turn. Weights, optimizer state and position travel;
# a framework that cannot be imported here runs in a process and an environment of its own.
model = uf.Model(net, loss="cross_entropy", optimizer=uf.optimizers.Adam(3e-3))
for backend in ("numpy", "paddle", "mindspore", "megengine"):
    model = model.to(backend)
    model.fit(x, y, epochs=2, batch_size=64)
    print(f"epoch {model.epoch}: {model.session.framework}, {model.session.where}")

for one, other in zip(alone.history["loss"], model.history["loss"], strict=True):
    print(f"{one:.6f}  {other:.6f}")
apart = np.max(np.abs(np.divide(model.history["loss"], alone.history["loss"]) - 1))
print("the curve is", "unbroken" if apart < 1e-4 else "broken", f"(apart by {apart:.1e} at most)")

# All of them live at once, and agree.
models = {
    name: uf.Model(net, name, weights=model.weights)
    for name in ("paddle", "mindspore", "megengine")
}
for name, each in models.items():
    print(f"{name}: {np.abs(each.predict(x) - alone.predict(x)).max():.1e} from NumPy")
