"""``check``: what Angel's parser would refuse, drop without a word, or take for something else."""

from __future__ import annotations

import json
import os
import reprlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from unifw.errors import FileError
from unifw.export.angel import keys
from unifw.export.angel.links import links

__all__ = ["check"]

shown = reprlib.Repr().repr  # what is nested a thousand deep, or a megabyte long, is cut

LARGEST = 1 << 24  # bytes; a thousand layers have a hundredth of it


def check(conf: Any) -> list[str]:
    """Return what is wrong with an ``angel.ml.conf``, a sentence each; an empty list if nothing is.

    Angel's parser looks keys up letter by letter, and takes no notice of those that it does not know:
    ``loadPath`` is not ``loadpath``, and a list of activations that is too short drops layers. All of that is
    told here, besides what the parser refuses. Nothing of Angel is run.

    Parameters
    ----------
    conf : dict or path
        The contents, or the file that holds them.

    Raises
    ------
    FileError
        If the file cannot be read, or holds no JSON.
    """
    if isinstance(conf, (str, os.PathLike)):
        conf, problems = _read(Path(conf))
        return [*problems, *_conf(conf)]
    return list(_conf(conf))


def _read(path: Path) -> tuple[Any, list[str]]:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as err:
        message = f"cannot read {path}: {err.strerror}"
        raise FileError(message) from err
    if len(content) > LARGEST:
        message = f"{path} is too large for an angel.ml.conf"
        raise FileError(message)
    problems: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        often = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
        problems.extend(f"{key!r} stands twice in one object" for key in often)
        return dict(pairs)

    def strange(word: str) -> float:
        problems.append(f"{word} is no number in JSON")
        return float(word)

    try:
        text = content.decode()
        return json.loads(text, object_pairs_hook=once, parse_constant=strange), problems
    except (ValueError, RecursionError) as err:
        message = f"{path} holds no JSON: {type(err).__name__} {err}"
        raise FileError(message) from err


def _conf(conf: Any) -> Iterator[str]:
    if not isinstance(conf, Mapping):
        yield "it must be one object, { … }"
        return
    yield from _unknown("the file", conf, keys.TOP)
    for section, known in keys.SECTIONS.items():
        yield from _section(section, conf.get(section, {}), known)
    for key in ("default_optimizer", "default_transfunc", "default_lossfunc"):
        if key in conf:
            yield from VALUES[key.removeprefix("default_")](key, conf[key])
    layers = conf.get("layers")
    if isinstance(layers, Mapping):
        yield "layers: must be a list; an object by name is the form of another project, mlcore"
    elif not isinstance(layers, Sequence) or isinstance(layers, str) or not layers:
        yield "layers: must be a list of layers; without one there is nothing to build"
    else:
        found = [
            problem
            for place, layer in enumerate(layers)
            for problem in _layer(place, layer, "default_transfunc" in conf)
        ]
        # Where layers are broken in themselves, how they hang together says nothing.
        yield from found or links(layers, conf.get("data"))


def _unknown(where: str, given: Mapping[str, Any], known: Sequence[str]) -> Iterator[str]:
    spelled = {key.lower(): key for key in known}
    for key in given:
        if key not in known:
            right = spelled.get(str(key).lower())
            hint = f"; write {right!r}" if right else f"; it knows {', '.join(known)}"
            yield f"{where}: {key!r} is not read{hint}"


# ------------------------------------------------------------------------ values


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or _is_whole(value)


# For each kind of value what it must be, and whether it is.
KINDS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "text": ("a text", lambda value: isinstance(value, str) and bool(value.strip())),
    "flag": ("true or false", lambda value: isinstance(value, bool)),
    "whole": ("a whole number", _is_whole),
    "count": ("a whole number above 0", lambda value: _is_whole(value) and value > 0),
    "number": ("a number of at least 0", lambda value: _is_number(value) and value >= 0),
    "share": ("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1),
    "texts": (
        "a list of texts",
        lambda value: isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value),
    ),
    "counts": (
        "a list of whole numbers above 0",
        lambda value: isinstance(value, list) and bool(value) and all(_is_whole(v) and v > 0 for v in value),
    ),
}  # fmt: skip


def _is(kind: str, where: str, value: Any) -> Iterator[str]:
    what, holds = KINDS[kind]
    if not holds(value):
        yield f"{where}: must be {what}, got {shown(value)}"


def _word(where: str, value: Any, known: Sequence[str], *, any_case: bool = False) -> Iterator[str]:
    """Find fault with a word that must be one of some."""
    if not isinstance(value, str):
        yield f"{where}: must be one of {', '.join(known)}, got {shown(value)}"
        return
    given = value.strip().lower() if any_case else value.strip()
    if given not in ([word.lower() for word in known] if any_case else known):
        yield f"{where}: there is no {shown(value)}; there are {', '.join(known)}"


def _section(name: str, given: Any, known: Mapping[str, str]) -> Iterator[str]:
    if not isinstance(given, Mapping):
        yield f"{name}: must be an object, got {shown(given)}"
        return
    yield from _unknown(name, given, tuple(known))
    for key, kind in known.items():
        if key in WORDS and key in given:
            words, any_case = WORDS[key]
            yield from _word(f"{name}.{key}", given[key], words, any_case=any_case)
        elif key in given:
            yield from _is(kind, f"{name}.{key}", given[key])


# The words of some keys, and whether capitals do not matter.
WORDS: Mapping[str, tuple[Sequence[str], bool]] = {
    "format": (keys.DATA_FORMATS, False),
    "modeltype": (keys.MODEL_TYPES, False),
    "decayclass": (keys.DECAYS, True),
    # Version 2 took true here, which version 3 cannot read.
    "translabel": (keys.LABEL_CHANGES, True),
}


def _typed(where: str, given: Any) -> Iterator[str]:
    """Find fault with what may be a name, or an object with a type."""
    if isinstance(given, Mapping):
        yield from _is("text", f"{where}.type", given.get("type"))
    else:
        yield from _is("text", where, given)


def _split(given: Any) -> tuple[str, Mapping[str, Any]]:
    """Return the name in small letters, and what stands beside it."""
    if isinstance(given, Mapping):
        return given["type"].strip().lower(), {k: v for k, v in given.items() if k != "type"}
    return given.strip().lower(), {}


def _optimizer(where: str, given: Any) -> Iterator[str]:
    broken = list(_typed(where, given))
    if broken:
        yield from broken
        return
    name, options = _split(given)
    yield from _word(where, name, tuple(keys.OPTIMIZERS))
    kind = keys.OPTIMIZERS.get(name)
    if kind is not None:
        yield from _unknown(f"{where} ({name})", options, kind.keys)
        for key in kind.keys:
            if key in options:
                yield from _is("number", f"{where}.{key}", options[key])


def _transfunc(where: str, given: Any) -> Iterator[str]:
    broken = list(_typed(where, given))
    if broken:
        yield from broken
        return
    name, options = _split(given)
    yield from _word(where, name, (*keys.TRANSFUNCS, *keys.DROPOUTS))
    drops = name in keys.DROPOUTS
    yield from _unknown(f"{where} ({name})", options, ("proba", "actiontype") if drops else ())
    if drops and "proba" in options:
        yield from _is("share", f"{where}.proba", options["proba"])
    if drops and options.get("actiontype", "train") not in keys.ACTIONS:
        yield f"{where}.actiontype: must be 'train' or 'predict', in small letters"


def _lossfunc(where: str, given: Any) -> Iterator[str]:
    broken = list(_typed(where, given))
    if broken:
        yield from broken
        return
    name, options = _split(given)
    yield from _word(where, name, keys.LOSSES)
    yield from _unknown(f"{where} ({name})", options, ("delta",) if name == "huberloss" else ())
    if name == "huberloss" and "delta" in options:
        delta = options["delta"]
        if _is_whole(delta):
            yield f"{where}.delta: is matched only with a decimal point; write {delta}.0"
        else:
            yield from _is("number", f"{where}.delta", delta)


# ------------------------------------------------------------------------ layers


def _transfuncs(where: str, given: Any) -> Iterator[str]:
    if not isinstance(given, list) or not given:
        yield f"{where}: must be a list, one for each of outputdims, got {shown(given)}"
        return
    for place, one in enumerate(given):
        yield from _transfunc(f"{where}[{place}]", one)


VALUES: Mapping[str, Callable[[str, Any], Iterator[str]]] = {
    "optimizer": _optimizer,
    "transfunc": _transfunc,
    "transfuncs": _transfuncs,
    "lossfunc": _lossfunc,
    "outputdim": lambda where, value: _is("count", where, value),
    "numfactors": lambda where, value: _is("count", where, value),
    "outputdims": lambda where, value: _is("counts", where, value),
    "inputlayer": lambda where, value: _is("text", where, value),
    "inputlayers": lambda where, value: _is("texts", where, value),
}


def _layer(place: int, layer: Any, has_transfunc: bool) -> Iterator[str]:  # noqa: FBT001 - a fact of the file
    where = f"layers[{place}]"
    if not isinstance(layer, Mapping):
        yield f"{where}: must be an object, got {shown(layer)}"
        return
    broken = [p for key in ("name", "type") for p in _is("text", f"{where}.{key}", layer.get(key))]
    if broken:
        yield from broken
        return
    name = layer["type"].strip().lower()
    where = f"{where} ({layer['name'].strip()})"
    if name in ("biouttercross", "bioutercross"):
        yield f"{where}: {name} has a name in the parser, but is never built"
        return
    unheard = list(_word(f"{where}.type", name, tuple(keys.LAYERS)))
    if unheard:
        yield from unheard
        return
    kind = keys.LAYERS[name]
    yield from _unknown(f"{where} ({name})", layer, ("name", "type", *kind.keys))
    wanted = kind.required
    if name == "simpleinputlayer" and not has_transfunc:
        wanted = (*wanted, "transfunc")
    yield from (f"{where}: {key!r} is missing" for key in wanted if key not in layer)
    for key in kind.keys:
        if key in layer:
            yield from VALUES[key](f"{where}.{key}", layer[key])
