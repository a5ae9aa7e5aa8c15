"""What Angel's parser reads: its keys, letter by letter, and the words that may stand there.

Read off ``com.tencent.angel.ml.core.utils.paramsutils`` of Angel 3 (``JsonUtils``, ``ParamKeys``,
``LayerParams``, ``DataTrainParams``, ``OptParams``, ``TransFuncParams``, ``LossFuncParams``), where a key that
is spelled otherwise is not an error but is not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "ACTIONS",
    "DATA_FORMATS",
    "DECAYS",
    "DROPOUTS",
    "LABEL_CHANGES",
    "LAYERS",
    "LOSSES",
    "MODEL_TYPES",
    "OPTIMIZERS",
    "SECTIONS",
    "TOP",
    "TRANSFUNCS",
    "Kind",
]


@dataclass(frozen=True)
class Kind:
    """The keys of a layer or optimizer besides ``name`` and ``type``."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.required, *self.optional)


TOP = (
    "data", "model", "train", "default_optimizer", "default_transfunc", "default_lossfunc", "layers",
)  # fmt: skip
# Each with what its value is; blockSize alone is not in small letters.
SECTIONS: Mapping[str, Mapping[str, str]] = {
    "data": {
        "path": "text", "format": "text", "indexrange": "whole", "numfield": "whole",
        "validateratio": "share", "sampleratio": "share", "useshuffle": "flag", "posnegratio": "number",
        "translabel": "text",
    },
    "model": {
        "loadpath": "text", "savepath": "text", "modeltype": "text", "modelsize": "whole",
        "blockSize": "whole",
    },
    "train": {
        "epoch": "count", "numupdateperepoch": "count", "batchsize": "count", "lr": "number",
        "decayclass": "text", "decayalpha": "number", "decaybeta": "number",
    },
}  # fmt: skip

_JOIN = Kind(("outputdim", "inputlayers"))
LAYERS: Mapping[str, Kind] = {
    "simpleinputlayer": Kind(("outputdim",), ("transfunc", "optimizer")),
    "embedding": Kind(("outputdim", "numfactors"), ("optimizer",)),
    "fclayer": Kind(("outputdims", "transfuncs", "inputlayer"), ("optimizer",)),
    "concatlayer": _JOIN,
    "dotpooling": _JOIN,
    "mulpooling": _JOIN,
    "sumpooling": _JOIN,
    "biinnercross": Kind(("inputlayer", "outputdim")),
    "biinnersumcross": Kind(("inputlayer",), ("outputdim",)),
    "biinteractioncross": Kind(("inputlayer", "outputdim")),
    "simplelosslayer": Kind(("inputlayer",), ("lossfunc",)),
}
# reg1 is read for all, but adam and momentum take no notice of it.
OPTIMIZERS: Mapping[str, Kind] = {
    "sgd": Kind((), ("lr", "reg1", "reg2")),
    "momentum": Kind((), ("lr", "reg2", "momentum")),
    "adam": Kind((), ("lr", "reg2", "gamma", "beta")),
    "ftrl": Kind((), ("lr", "reg1", "reg2", "alpha", "beta")),
    "adagrad": Kind((), ("lr", "reg1", "reg2", "beta")),
    "adadelta": Kind((), ("lr", "reg1", "reg2", "alpha", "beta")),
}
TRANSFUNCS = ("identity", "sigmoid", "relu", "tanh", "softmax")
DROPOUTS = ("dropout", "sigmoidwithdropout", "tanhwithdropout")
LOSSES = ("l2loss", "logloss", "hingeloss", "crossentropyloss", "softmaxloss", "huberloss")
DECAYS = ("StandardDecay", "WarmRestarts", "CorrectionDecay", "ConstantLearningRate")
DATA_FORMATS = ("dense", "dummy", "libsvm")
ACTIONS = ("train", "predict")
LABEL_CHANGES = ("NoTrans", "PosNegTrans", "ZeroOneTrans", "AddOneTrans", "SubOneTrans")
MODEL_TYPES = tuple(
    f"T_{number}_{form}{tail}"
    for number in ("DOUBLE", "FLOAT")
    for form in ("DENSE", "SPARSE")
    for tail in ("", "_COMPONENT", "_LONGKEY", "_LONGKEY_COMPONENT")
    if (form, tail) != ("DENSE", "_LONGKEY")
)
