"""Will it be clicked? Sparse logistic regression and DeepFM on a libsvm file: python 04_ctr.py [BACKEND]."""

import sys

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.datasets import dump_svmlight_file, load_svmlight_file
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

import unifw as uf

backend = sys.argv[1] if len(sys.argv) > 1 else "numpy"

# Made-up clicks whose truth is known: ten categories of six values, a fifth of which is missing, and two
# numbers. A click's log-odds are a sum of coefficients, one for each column.
draw = np.random.RandomState(0)
rows, categories, size = 20_000, 10, 6
there = draw.uniform(size=(rows, categories)) < 0.8
column = draw.randint(size, size=(rows, categories)) + size * np.arange(categories)
where = np.nonzero(there)[0], column[there]
ones = csr_matrix((np.ones(there.sum()), where), shape=(rows, size * categories))
x = hstack([ones, csr_matrix(draw.normal(size=(rows, 2)))]).tocsr()
truth = draw.normal(size=x.shape[1])
odds = x @ truth - 0.5
y = (draw.uniform(size=rows) < 1 / (1 + np.exp(-odds))).astype(int)
dump_svmlight_file(x, y, "clicks.libsvm", zero_based=True)

# The file is read back as a sparse matrix; rows differ in length, so they are filled up to the longest.
x, y = load_svmlight_file("clicks.libsvm", n_features=x.shape[1], zero_based=True)
fields, values = uf.sparse.padded(x)
fields, fields_test, values, values_test, y, y_test, _, odds_test = train_test_split(
    fields, values, y[:, None], odds, test_size=0.25, random_state=0
)
vocabulary, width = x.shape[1] + 1, fields.shape[1]


def train(net, rate, epochs):
    model = uf.Model(
        net,
        backend=backend,
        loss="binary_cross_entropy",
        optimizer=uf.optimizers.Adam(rate),
        metrics=["roc_auc"],
    )
    model.fit([fields, values], y, epochs=epochs, batch_size=512)
    print(f"{net.name}: {model.evaluate([fields_test, values_test], y_test)}")
    print(f"losses {model.history['loss']}")
    return model


print(f"AUC of the truth {roc_auc_score(y_test, odds_test):.4f}")
wide = train(uf.zoo.wide(vocabulary, width), 0.05, 10)
found = wide.weights["wide.weight"][1:, 0]
print(f"correlation with the truth {np.corrcoef(found, truth)[0, 1]:.4f}")
print(f"largest error {np.abs(found - truth).max():.3f}")
deep = uf.zoo.deepfm(vocabulary, width, embedding=4, hidden=(16,), dropout=0, values=True)
train(deep, 0.01, 6)
