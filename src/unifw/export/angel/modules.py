"""The modules that PyTorch on Angel trains, in TorchScript; torch is needed to import this.

Rows come as coordinates: entry ``k`` is ``values[k]`` in column ``feats[k]`` of row ``index[k]``. Weights come
row by row of the columns that are there; Angel's parameter servers keep them, and take the gradients.
"""

# No annotations from the future: TorchScript's compiler reads them as they stand.

from typing import List  # noqa: UP035 - as above

import torch
from torch import Tensor

__all__ = ["Deep", "Deep3", "Wide", "Wide3"]

Mats = List[Tensor]  # noqa: UP006 - as above


def linear(batch_size: int, index: Tensor, values: Tensor, bias: Tensor, weights: Tensor) -> Tensor:
    """Return a logit a row."""
    sums = torch.zeros(batch_size, dtype=values.dtype)
    return sums.scatter_add(0, index.view(-1), weights.view(-1) * values.view(-1)) + bias.view(-1)


def pairs(batch_size: int, index: Tensor, scaled: Tensor) -> Tensor:
    """Return the sum of the products of every two vectors of a row."""
    places = index.view(-1, 1).expand_as(scaled)
    empty = torch.zeros(batch_size, scaled.size(1), dtype=scaled.dtype)
    sums = empty.scatter_add(0, places, scaled)
    squares = empty.scatter_add(0, places, scaled * scaled)
    # A division would make a file that libtorch 1.5 cannot read: it counts as a newer operator.
    return ((sums * sums - squares) * 0.5).sum(1)


def deep(batch_size: int, scaled: Tensor, mats: Mats) -> Tensor:
    """Return the logit of a perceptron on the vectors of a row, of which each has as many."""
    x = scaled.reshape(batch_size, -1)
    for layer in range(len(mats) // 2):
        x = torch.relu(torch.matmul(x, mats[2 * layer]) + mats[2 * layer + 1])
    return torch.matmul(x, mats[-1]).view(-1)


def cross_entropy(output: Tensor, targets: Tensor) -> Tensor:
    """Return the loss of probabilities."""
    return torch.nn.functional.binary_cross_entropy(output, targets.view(-1))


class Scored(torch.nn.Module):
    """What gives a probability a row."""

    @torch.jit.export
    def loss(self, output: Tensor, targets: Tensor) -> Tensor:
        """Return the loss that versions 0.1.0 to 0.2.1 ask for."""
        return cross_entropy(output, targets)


class Linear(Scored):
    """``zoo.wide``."""

    def __init__(self, bias: Tensor, weights: Tensor) -> None:
        super().__init__()
        self.input_dim = int(weights.size(0))
        self.bias = torch.nn.Parameter(bias)
        self.weights = torch.nn.Parameter(weights)

    @torch.jit.export
    def get_type(self) -> str:
        """Return which weights the parameter servers are to keep."""
        return "BIAS_WEIGHT"

    @torch.jit.export
    def get_name(self) -> str:
        """Return what Angel calls the model."""
        return "wide"

    @torch.jit.export
    def score(
        self, rows: int, index: Tensor, values: Tensor, bias: Tensor, weights: Tensor
    ) -> Tensor:
        """Return probabilities."""
        return torch.sigmoid(linear(rows, index, values, bias, weights))


class Factored(Scored):
    """``zoo.deepfm``."""

    mats: Mats

    def __init__(
        self, n_fields: int, bias: Tensor, weights: Tensor, embedding: Tensor, mats: Mats
    ) -> None:
        super().__init__()
        self.input_dim = int(weights.size(0))
        self.embedding_dim = int(embedding.size(1))
        self.n_fields = n_fields
        self.bias = torch.nn.Parameter(bias)
        self.weights = torch.nn.Parameter(weights)
        self.embedding = torch.nn.Parameter(embedding)
        self.mats = mats

    @torch.jit.export
    def get_type(self) -> str:
        """Return which weights the parameter servers are to keep."""
        return "BIAS_WEIGHT_EMBEDDING_MATS"

    @torch.jit.export
    def get_name(self) -> str:
        """Return what Angel calls the model."""
        return "deepfm"

    @torch.jit.export
    def score(
        self, rows: int, index: Tensor, values: Tensor, bias: Tensor, weights: Tensor, vectors: Tensor,
        mats: Mats,
    ) -> Tensor:  # fmt: skip
        """Return probabilities."""
        scaled = vectors * values.view(-1, 1)
        logits = linear(rows, index, values, bias, weights) + pairs(rows, index, scaled)
        return torch.sigmoid(logits + deep(rows, scaled, mats))


class Wide(Linear):
    """As versions 0.1.0 to 0.2.1 call it."""

    def forward(self, batch_size: int, index: Tensor, feats: Tensor, values: Tensor) -> Tensor:
        """Return probabilities by the weights in the file."""
        return self.score(batch_size, index, values, self.bias, self.weights[feats])

    @torch.jit.export
    def forward_(
        self, batch_size: int, index: Tensor, feats: Tensor, values: Tensor, bias: Tensor, weights: Tensor
    ) -> Tensor:  # fmt: skip
        """Return probabilities by weights that are given."""
        return self.score(batch_size, index, values, bias, weights)


class Deep(Factored):
    """As versions 0.1.0 to 0.2.1 call it."""

    def forward(self, batch_size: int, index: Tensor, feats: Tensor, values: Tensor) -> Tensor:
        """Return probabilities by the weights in the file."""
        weights, vectors = self.weights[feats], self.embedding[feats]
        return self.score(batch_size, index, values, self.bias, weights, vectors, self.mats)

    @torch.jit.export
    def forward_(
        self, batch_size: int, index: Tensor, feats: Tensor, values: Tensor, bias: Tensor, weights: Tensor,
        embeddings: Tensor, mats: Mats,
    ) -> Tensor:  # fmt: skip
        """Return probabilities by weights that are given."""
        return self.score(batch_size, index, values, bias, weights, embeddings, mats)


class Wide3(Linear):
    """As version 0.3 calls it: what ``forward_`` gives in training is the loss."""

    def forward(
        self, batch_size: int, training: int, index: Tensor, feats: Tensor, values: Tensor, targets: Tensor
    ) -> Tensor:  # fmt: skip
        """Return probabilities by the weights in the file; training and targets mean nothing here."""
        return self.score(batch_size, index, values, self.bias, self.weights[feats])

    @torch.jit.export
    def forward_(
        self, batch_size: int, training: int, index: Tensor, feats: Tensor, values: Tensor, targets: Tensor,
        bias: Tensor, weights: Tensor,
    ) -> Tensor:  # fmt: skip
        """Return the loss where ``training`` is 1, else probabilities; the targets are no targets then."""
        output = self.score(batch_size, index, values, bias, weights)
        return cross_entropy(output, targets) if training == 1 else output


class Deep3(Factored):
    """As version 0.3 calls it: what ``forward_`` gives in training is the loss."""

    def forward(
        self, batch_size: int, training: int, index: Tensor, feats: Tensor, values: Tensor, targets: Tensor
    ) -> Tensor:  # fmt: skip
        """Return probabilities by the weights in the file; training and targets mean nothing here."""
        weights, vectors = self.weights[feats], self.embedding[feats]
        return self.score(batch_size, index, values, self.bias, weights, vectors, self.mats)

    @torch.jit.export
    def forward_(
        self, batch_size: int, training: int, index: Tensor, feats: Tensor, values: Tensor, targets: Tensor,
        bias: Tensor, weights: Tensor, embeddings: Tensor, mats: Mats,
    ) -> Tensor:  # fmt: skip
        """Return the loss where ``training`` is 1, else probabilities; the targets are no targets then."""
        output = self.score(batch_size, index, values, bias, weights, embeddings, mats)
        return cross_entropy(output, targets) if training == 1 else output
