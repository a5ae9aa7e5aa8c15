"""How the layers of an ``angel.ml.conf`` hang together: names, and who reads whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["links"]

Layers = Mapping[str, Mapping[str, Any]]


def links(layers: Sequence[Mapping[str, Any]], data: Any) -> Iterator[str]:
    """Find fault with the names of layers that are sound in themselves, and with what they read.

    Parameters
    ----------
    layers : sequence of dict
        As in the file.
    data : dict or None
        The section of that name.
    """
    named = {layer["name"].strip(): layer for layer in layers}
    counts = Counter(layer["name"].strip() for layer in layers)
    yield from (
        f"layers: {count} are called {name!r}, of which the last alone is built"
        for name, count in counts.items()
        if count > 1
    )
    yield from _zipped(named)
    yield from _made_up(named)
    yield from _embeddings(named, data)
    ends = [name for name, layer in named.items() if _kind(layer) == "simplelosslayer"]
    if len(ends) != 1:
        wrong = (
            f"the last alone is built: {', '.join(ends)}" if ends else "there is nothing to build"
        )
        yield f"layers: there must be exactly one simplelosslayer; {wrong}"
    missing = [problem for name in named for problem in _missing(name, named)]
    yield from missing
    if not missing and len(ends) == 1:
        yield from _walk(ends[0], named)


def _kind(layer: Mapping[str, Any]) -> str:
    return str(layer["type"]).strip().lower()


def _reads(layer: Mapping[str, Any]) -> list[str]:
    return [
        *layer.get("inputlayers", ()),
        *([layer["inputlayer"]] if "inputlayer" in layer else ()),
    ]


def _missing(name: str, named: Layers) -> Iterator[str]:
    spelled = {known.lower(): known for known in named}
    for source in _reads(named[name]):
        if source not in named:
            near = spelled.get(source.strip().lower())
            hint = f"write {near!r}, letter by letter" if near else f"there are {', '.join(named)}"
            yield f"{name}: reads {source!r}, which no layer is called; {hint}"
        elif _kind(named[source]) == "simplelosslayer":
            yield f"{name}: reads the loss layer {source!r}, which ends the net"


def _zipped(named: Layers) -> Iterator[str]:
    """Find an fclayer whose two lists differ in length: what is over in the longer is dropped."""
    for name, layer in named.items():
        sizes, functions = (len(layer.get(key, ())) for key in ("outputdims", "transfuncs"))
        if sizes != functions:
            yield (
                f"{name}: {sizes} outputdims and {functions} transfuncs are zipped, so that what is over "
                "in the longer list is dropped; give as many of each"
            )


def _made_up(named: Layers) -> Iterator[str]:
    """Find layers called as the parts of an fclayer of several sizes: ``name_0``, ``name_1`` … ``name``."""
    for name, layer in named.items():
        sizes = layer["outputdims"] if _kind(layer) == "fclayer" else ()
        for made in (f"{name}_{place}" for place in range(len(sizes) - 1)):
            if made in named:
                yield f"{made}: is also what Angel calls the parts of {name!r}; call it something else"


def _embeddings(named: Layers, data: Any) -> Iterator[str]:
    fields = data.get("numfield") if isinstance(data, Mapping) else None
    if not isinstance(fields, int) or fields <= 0:
        return
    for name, layer in named.items():
        if _kind(layer) == "embedding" and layer["outputdim"] != fields * layer["numfactors"]:
            yield (
                f"{name}: outputdim must be numfield × numfactors = {fields * layer['numfactors']}, "
                f"got {layer['outputdim']}"
            )


def _walk(end: str, named: Layers) -> Iterator[str]:
    """Angel builds backwards from the loss: a circle never ends, what is not reached is not built."""
    waiting = {name: set(_reads(layer)) for name, layer in named.items()}
    while done := {name for name, sources in waiting.items() if not sources}:
        waiting = {n: sources - done for n, sources in waiting.items() if n not in done}
    if waiting:
        yield f"layers: {', '.join(waiting)} wait for each other in a circle"
        return
    reached, ahead = set[str](), [end]
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead += _reads(named[name])
    yield from (
        f"{name}: nothing that leads to the loss reads it, so it is not built"
        for name in named
        if name not in reached
    )
