"""What an export's options ask for, checked: what is written, and what it is compared with on what."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.data import check_inputs
from unifw.errors import SpecError
from unifw.export.baking import Baked
from unifw.export.content import Content
from unifw.export.format import Format, formats
from unifw.export.smaller import Trial, trial_of
from unifw.export.verify import Predict, given_inputs, sample_inputs, typed
from unifw.spec import check

__all__ = ["QUANTIZED", "Judge", "content_of", "judge_of"]

Array = npt.NDArray[Any]
Arrays = tuple[Array, ...]

# Under which a file's metadata say how it was made smaller.
QUANTIZED = "quantize"


@dataclass(frozen=True)
class Judge:
    """What a file is compared with.

    Attributes
    ----------
    model : callable
        The arrays that the file takes, to the outputs that it is to give.
    given : dict of int to tuple of ndarray
        For each batch size the inputs.
    tolerance : float or None
        Largest relative difference allowed; ``None`` if accuracy decides.
    trial : Trial or None
        Data to judge accuracy on.
    """

    model: Predict
    given: Mapping[int, Arrays]
    tolerance: float | None
    trial: Trial | None


def content_of(  # noqa: PLR0913 - a net, and three options
    form: Format,
    baked: Baked,
    metadata: Mapping[str, str],
    opset: int | None,
    quantize: str | None,
    calibration: Any,
) -> Content:
    """Return what is to be written.

    Raises
    ------
    SpecError, DataError
        If the format does not know an option, or one is wrong.
    """
    about = {**metadata, **baked.metadata} | ({} if quantize is None else {QUANTIZED: quantize})
    content = Content(baked.graph, baked.weights, about, _opset(form, opset), quantize)
    _check_quantize(form, quantize)
    needed = quantize in form.calibrated
    if needed != (calibration is not None):
        message = (
            f"quantize={quantize!r} needs calibration, a hundred rows or so of real inputs"
            if needed
            else "calibration is for quantize='static', which measures activations on it"
        )
        raise SpecError(message)
    if not needed:
        return content
    rows = typed(baked.graph, check_inputs(baked.graph, calibration))
    return dataclasses.replace(content, calibration=rows)


def judge_of(  # noqa: PLR0913 - what is written, and the options of its check
    form: Format,
    content: Content,
    baked: Baked,
    predict: Predict,
    *,
    tolerance: float | None,
    batch_sizes: Sequence[int],
    inputs: Any,
    evaluate: Any,
    drop: float | None,
) -> Judge:
    """Return what the file is to be compared with.

    Raises
    ------
    SpecError, DataError
        If an option is wrong.
    """
    graph, sizes = content.graph, _sizes(batch_sizes)
    trial = _trial(content, evaluate, drop)
    if tolerance is not None:
        tolerance = check.number("tolerance", tolerance, least=0, open_=True)
    elif trial is None:
        quantize = content.quantize
        tolerance = form.tolerance if quantize is None else form.quantizations[quantize]
    own = content.calibration or (trial.xs if trial else ())
    if inputs is not None:
        given = given_inputs(graph, check_inputs(graph, inputs), sizes)
    elif own and len(own[0]) >= max(sizes):
        # What is cut to the range of real data is judged on real data.
        given = given_inputs(graph, own, sizes)
    else:
        given = {rows: baked.back(sample_inputs(baked.inner, rows)) for rows in sizes}

    def model(xs: Arrays) -> Arrays:
        with np.errstate(all="ignore"):  # what is not finite is told by the comparison
            return baked.out_of(predict(baked.into(xs)))

    return Judge(model, given, tolerance, trial)


def _check_quantize(form: Format, quantize: str | None) -> None:
    if quantize is None:
        return
    if not form.quantizations:
        able = [other.name for other in formats().values() if other.quantizations]
        message = f"format {form.name!r} cannot be quantized by unifw; these can: {', '.join(able)}"
        raise SpecError(message)
    check.choice("quantize", quantize, tuple(form.quantizations))


def _opset(form: Format, opset: int | None) -> int:
    if opset is None:
        return 17
    if not form.opsets:
        message = f"format {form.name!r} has no opset"
        raise SpecError(message)
    if opset not in form.opsets:
        message = f"opset must lie in {form.opsets[0]} … {form.opsets[-1]}, got {opset!r}"
        raise SpecError(message)
    return opset


def _trial(content: Content, evaluate: Any, drop: float | None) -> Trial | None:
    allowed = 0.01 if drop is None else check.number("max_drop", drop, least=0)
    if evaluate is None:
        if drop is not None:
            message = "max_drop is judged on evaluate=(x, y), which is missing"
            raise SpecError(message)
        return None
    if content.quantize is None:
        message = "evaluate judges what quantize costs; without it, the numbers are compared"
        raise SpecError(message)
    return trial_of(content.graph, evaluate, allowed)


def _sizes(batch_sizes: Sequence[int]) -> list[int]:
    if not isinstance(batch_sizes, (tuple, list)):
        message = f"batch_sizes must be a list such as [1, 3, 8], got {batch_sizes!r}"
        raise SpecError(message)
    sizes = [check.count("every batch size", size) for size in batch_sizes]
    if not sizes:
        message = "batch_sizes must name at least one"
        raise SpecError(message)
    return sizes
