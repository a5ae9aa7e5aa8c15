"""Classic architectures, each a net of unifw's layers: ``uf.zoo.resnet18(classes=10)``.

Images are channels first; outputs are logits. Sizes are those that were published, and so are the
numbers of parameters.
"""

from __future__ import annotations

from unifw.zoo.mobile import shufflenet_v1, squeezenet
from unifw.zoo.perceptrons import autoencoder, mlp
from unifw.zoo.plain import alexnet, alexnet_small, lenet5, vgg, vgg11, vgg16
from unifw.zoo.resnets import (
    resnet,
    resnet8,
    resnet18,
    resnet20,
    resnet34,
    resnet50,
    resnet_cifar,
)
from unifw.zoo.tables import wide_and_deep
from unifw.zoo.texts import text_cnn

__all__ = [
    "alexnet",
    "alexnet_small",
    "autoencoder",
    "lenet5",
    "mlp",
    "resnet",
    "resnet8",
    "resnet18",
    "resnet20",
    "resnet34",
    "resnet50",
    "resnet_cifar",
    "shufflenet_v1",
    "squeezenet",
    "text_cnn",
    "vgg",
    "vgg11",
    "vgg16",
    "wide_and_deep",
]
