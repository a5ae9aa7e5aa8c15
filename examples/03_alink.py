"""Train on Alibaba's Alink, go on elsewhere, and take Alink's own file along: python 03_alink.py.

Beforehand, once, with Java 8, 11 or 17:  pip install 'unifw[alink,demo]'  and  unifw env create alink
"""

import numpy as np
from sklearn.datasets import load_digits

import unifw as uf
from unifw import layers as L
from unifw.backends.alink.ak import load_ak, save_ak

digits = load_digits()
x, y = (digits.images[:, None] / 16).astype("float32"), digits.target

net = uf.Sequential(
    [L.Flatten(), L.Dense(32), L.Tanh(), L.Dense(10)], input_shape=(1, 8, 8), name="digits"
)

# One epoch is one job of Alink's, here of 60 iterations of its L-BFGS over all rows.
model = uf.Model(
    net, "alink", loss="cross_entropy", optimizer="lbfgs", metrics=["accuracy"], iterations=60
)
model.fit(x[:1400], y[:1400], batch_size=1400, validation_data=(x[1400:], y[1400:]), verbose=2)

# The same net elsewhere, and as a file for other runtimes.
moved = model.to("numpy")
print("apart from NumPy by", np.abs(moved.predict(x) - model.predict(x)).max())
print(moved.export("digits.onnx"))

# Alink's own model file, for those who serve it there; and one of theirs becomes a net.
save_ak(net, model.weights, "digits.ak")
theirs = load_ak("digits.ak")
again = uf.Model(theirs.net, weights=theirs.weights).predict(x.reshape(len(x), -1))
print("same classes:", (again.argmax(axis=1) == moved.predict(x).argmax(axis=1)).all())
