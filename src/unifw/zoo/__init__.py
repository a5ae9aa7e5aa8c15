"""Classic architectures, each a net of unifw's layers: ``uf.zoo.resnet18(classes=10)``.

Images are channels first; outputs are logits. Sizes are those that were published, and so are the
numbers of parameters.
"""

from __future__ import annotations

from unifw.zoo.mobile import mobilenet_v2, squeezenet
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
from unifw.zoo.segmenting import unet_small
from unifw.zoo.shuffled import shufflenet_v1, shufflenet_v2
from unifw.zoo.tables import deepfm, wide, wide_and_deep
from unifw.zoo.texts import lstm_classifier, text_cnn, transformer_classifier

__all__ = [
    "alexnet",
    "alexnet_small",
    "autoencoder",
    "deepfm",
    "lenet5",
    "lstm_classifier",
    "mlp",
    "mobilenet_v2",
    "resnet",
    "resnet8",
    "resnet18",
    "resnet20",
    "resnet34",
    "resnet50",
    "resnet_cifar",
    "shufflenet_v1",
    "shufflenet_v2",
    "squeezenet",
    "text_cnn",
    "transformer_classifier",
    "unet_small",
    "vgg",
    "vgg11",
    "vgg16",
    "wide",
    "wide_and_deep",
]
