"""The net: a frozen graph of layers, and the one walk that gives every name and shape."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from unifw.errors import FileError, ShapeError, SpecError, UnknownName
from unifw.spec import constraints, initializers, layers, regularizers
from unifw.spec.constraints import Constraint
from unifw.spec.layers.base import Layer, Part, Shape
from unifw.spec.regularizers import Regularizer
from unifw.spec.symbol import Symbol, placeholder
from unifw.spec.value import decode

__all__ = ["Graph", "Input", "InputNode", "Node", "Placed", "Sequential"]

FORMAT = 1
Input = placeholder


@dataclass(frozen=True)
class InputNode:
    """An input of the net: its name, the shape of one sample, and ``"float"`` or ``"int"``."""

    name: str
    shape: Shape
    dtype: str = "float"


@dataclass(frozen=True)
class Node:
    """A layer in its place: its name, the names it reads, and whose weights it uses."""

    name: str
    layer: Layer
    sources: tuple[str, ...]
    owner: str


@dataclass(frozen=True)
class Placed:
    """A layer with all that follows from its place in the net.

    Attributes
    ----------
    name, layer, sources : str, Layer, tuple of str
        The node's name, its layer, and the names of the nodes it reads.
    owner : str
        Whose weights it uses: its own name, unless weights are shared.
    in_shapes, out_shape : tuple of shapes, shape
        Without the batch axis.
    dtype : str
        ``"float"`` or ``"int"``: what it gives.
    parts : dict of str to Part
        Its weights by part name.
    """

    name: str
    layer: Any  # a Layer; the rule that is found by its class knows its fields
    sources: tuple[str, ...]
    owner: str
    in_shapes: tuple[Shape, ...]
    out_shape: Shape
    dtype: str
    parts: dict[str, Part]

    @property
    def in_shape(self) -> Shape:
        """The shape of its first, often its only, input."""
        return self.in_shapes[0]

    @property
    def weights(self) -> dict[str, str]:
        """Its parts and the full names of their weights."""
        return {part: f"{self.owner}.{part}" for part in self.parts}


@dataclass(frozen=True, init=False, repr=False, eq=False)
class Graph:
    """A net of layers with branches, several inputs and outputs.

    Parameters
    ----------
    inputs, outputs : Symbol or sequence of Symbol
        Where the net begins (``uf.Input``) and what it gives.
    name : str
        Name of the net, kept in files; default ``"net"``.

    Examples
    --------
    >>> import unifw as uf
    >>> from unifw import layers as L
    >>> x = uf.Input((4,))
    >>> h = L.Dense(4)(x)
    >>> net = uf.Graph(x, L.Add()(x, h))
    >>> net.out_shapes
    ((4,),)
    """

    inputs: tuple[InputNode, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    name: str

    def __init__(
        self,
        inputs: Symbol | Sequence[Symbol],
        outputs: Symbol | Sequence[Symbol],
        name: str = "net",
    ) -> None:
        starts = _symbols("inputs", inputs)
        ends = _symbols("outputs", outputs)
        laid_out = (*_lay_out(starts, ends), name)
        for field, value in zip(("inputs", "nodes", "outputs", "name"), laid_out, strict=True):
            object.__setattr__(self, field, value)
        for placed in self.walk:
            _check_shared(placed, self[placed.owner])
        for full, part in self.parts.items():
            _check_first(full, part)

    @cached_property
    def walk(self) -> tuple[Placed, ...]:
        """Every layer in an order in which it can be computed, with names, shapes and weights."""
        shapes = {node.name: node.shape for node in self.inputs}
        dtypes = {node.name: node.dtype for node in self.inputs}
        placed = []
        for node in self.nodes:
            ins = tuple(shapes[source] for source in node.sources)
            shapes[node.name] = node.layer.out_shape(*ins)
            kept = node.layer.gives == "same"
            dtypes[node.name] = dtypes[node.sources[0]] if kept else "float"
            placed.append(
                Placed(
                    node.name, node.layer, node.sources, node.owner, ins,
                    shapes[node.name], dtypes[node.name], _parts(node.layer, ins),
                )
            )  # fmt: skip
        return tuple(placed)

    def __iter__(self) -> Iterator[Placed]:
        return iter(self.walk)

    def __getitem__(self, name: str) -> Placed:
        return next(p for p in self.walk if p.name == name)

    @cached_property
    def parts(self) -> Mapping[str, Part]:
        """Every weight of the net by its full name ``layer.part``, in the walk's order."""
        return {full: p.parts[part] for p in self.walk for part, full in p.weights.items()}

    @property
    def regularizers(self) -> dict[str, Regularizer]:
        """What is added to the loss for each trained weight that is regularized, by full name."""
        return {name: p.regularizer for name, p in self.parts.items() if p.regularizer is not None}

    @property
    def constraints(self) -> dict[str, Constraint]:
        """What each trained weight that is constrained is turned into after a step, by full name."""
        return {name: p.constraint for name, p in self.parts.items() if p.constraint is not None}

    @property
    def labelled(self) -> dict[str, Layer]:
        """Every layer under the label by which messages name it: ``"conv2d_1 (Conv2D)"``."""
        return {f"{node.name} ({type(node.layer).__name__})": node.layer for node in self.nodes}

    @property
    def in_shapes(self) -> tuple[Shape, ...]:
        """Shapes of the inputs, without the batch axis."""
        return tuple(node.shape for node in self.inputs)

    @property
    def out_shapes(self) -> tuple[Shape, ...]:
        """Shapes of the outputs, without the batch axis."""
        shapes = {p.name: p.out_shape for p in self.walk} | {i.name: i.shape for i in self.inputs}
        return tuple(shapes[name] for name in self.outputs)

    @property
    def parameter_count(self) -> int:
        """Number of weights that training changes by their gradient."""
        return sum(math.prod(p.shape) for p in self.parts.values() if p.trainable)

    @property
    def frozen_count(self) -> int:
        """Number of weights of the frozen layers, their running statistics included."""
        still = (p for p in self.walk if p.owner == p.name and not p.layer.trainable)
        return sum(math.prod(part.shape) for p in still for part in p.parts.values())

    def frozen(self, pattern: str, *more: str) -> Graph:
        """Return the net with some layers frozen: ``trainable=False``. Weights of this net fit it.

        Parameters
        ----------
        pattern, *more : str
            Names of nodes, with ``*``, ``?`` and ``[…]`` as in file names: ``"conv*"``; ``"*"`` for
            all. Of nodes that share their weights, one is enough for all.

        Raises
        ------
        UnknownName
            If a pattern matches no layer with weights.

        Examples
        --------
        >>> import unifw as uf
        >>> from unifw import layers as L
        >>> net = uf.Sequential([L.Dense(4, name="body"), L.Dense(2, name="head")], input_shape=3)
        >>> tuned = net.frozen("body")
        >>> tuned.parameter_count, tuned.frozen_count
        (10, 16)
        """
        return self._marked((pattern, *more), trainable=False)

    def thawed(self, pattern: str, *more: str) -> Graph:
        """Return the net with some layers trained again; the reverse of ``frozen``."""
        return self._marked((pattern, *more), trainable=True)

    def _marked(self, patterns: tuple[str, ...], *, trainable: bool) -> Graph:
        weighted = {p.name: p.owner for p in self.walk if p.parts}
        chosen = set()
        for pattern in patterns:
            found = {o for n, o in weighted.items() if fnmatchcase(n, str(pattern))}
            if not found:
                raise UnknownName("layer with weights", pattern, weighted)
            chosen |= found
        marked = {
            node.owner: node.layer.replace(trainable=trainable)
            for node in self.nodes
            if node.owner in chosen
        }
        nodes = [(n.name, marked.get(n.owner, n.layer), n.sources, n.owner) for n in self.nodes]
        return connected(self.inputs, [Node(*node) for node in nodes], self.outputs, self.name)

    def to_json(self) -> str:
        """Return the net as JSON text; ``uf.Graph.from_json`` reads it back."""
        return json.dumps(
            {
                "unifw_graph": FORMAT,
                "name": self.name,
                "inputs": [[i.name, list(i.shape), i.dtype] for i in self.inputs],
                "nodes": [
                    {"name": n.name, "layer": n.layer.to_data(), "sources": list(n.sources)}
                    | ({"weights_of": n.owner} if n.owner != n.name else {})
                    for n in self.nodes
                ],
                "outputs": list(self.outputs),
            }
        )

    @staticmethod
    def from_json(text: str) -> Graph:
        """Read a net from JSON text, checking it as if it were described anew.

        Raises
        ------
        FileError
            If the text is no net, or one that needs a newer unifw.
        """
        try:
            data = json.loads(text)
            version = data["unifw_graph"]
        except (ValueError, KeyError, TypeError) as err:
            message = f"this is not a net in unifw's JSON form: {err}"
            raise FileError(message) from err
        if version != FORMAT:
            message = f"the net was written in format {version!r}; this unifw reads format {FORMAT}"
            raise FileError(message)
        try:
            return _rebuild(data)
        except FileError:
            raise
        except (KeyError, IndexError, TypeError, ValueError) as err:
            message = f"the stored net is damaged: {err}"
            raise FileError(message) from err

    def summary(self) -> None:
        """Print a table of layers, output shapes and parameter counts."""
        from rich.console import Console

        from unifw.spec.summary import table

        Console().print(table(self))

    def __repr__(self) -> str:
        lines = [f"  {i.name}: Input({i.shape}, {i.dtype!r})" for i in self.inputs]
        lines += [
            f"  {n.name}: {n.layer!r} on {', '.join(n.sources)}"
            + (f", weights of {n.owner}" if n.owner != n.name else "")
            for n in self.nodes
        ]
        return "\n".join([f"Graph {self.name!r} (", *lines, f") -> {', '.join(self.outputs)}"])

    def _identity(self) -> tuple[Any, ...]:
        return (self.inputs, self.nodes, self.outputs, self.name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Graph):
            return NotImplemented
        return self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())


class Sequential(Graph):
    """A net in which each layer reads the one before.

    Parameters
    ----------
    layers : sequence of Layer
        The layers, first to last; the same object twice shares its weights.
    input_shape : int or tuple of int
        Shape of one sample without the batch axis; images are ``(channels, height, width)``.
    input_dtype : {"float", "int"}, optional
        Default ``"int"`` when the first layer looks up indices (``Embedding``), else ``"float"``.
    name : str
        Name of the net, kept in files; default ``"net"``.

    Raises
    ------
    ShapeError
        If a layer cannot take what the one before gives; names both and the mend.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        input_shape: Any,
        input_dtype: str | None = None,
        name: str = "net",
    ) -> None:
        if isinstance(layers, Layer) or not isinstance(layers, (list, tuple)) or not layers:
            message = f"Sequential takes a list of at least one layer, got {layers!r}"
            raise SpecError(message)
        for place, layer in enumerate(layers):
            if not isinstance(layer, Layer):
                mend = f"; write {layer.__name__}(...)" if isinstance(layer, type) else ""
                message = f"layer {place} of Sequential must be a layer, got {layer!r}{mend}"
                raise SpecError(message)
        dtype = input_dtype or ("int" if layers[0].takes == "int" else "float")
        start = end = placeholder(input_shape, dtype)
        for place, layer in enumerate(layers):
            try:
                end = layer(end)
            except ShapeError as err:
                message = f"layer {place}, {err}"
                raise ShapeError(message) from None
        super().__init__(start, end, name)


def _parts(layer: Layer, shapes: tuple[Shape, ...]) -> dict[str, Part]:
    parts = layer.parts(*shapes)
    if layer.trainable:
        return parts
    # What is not trained is neither pulled nor held: as in Keras, it adds nothing to the loss.
    return {
        name: part._replace(trainable=False, regularizer=None, constraint=None)
        for name, part in parts.items()
    }


def _check_shared(placed: Placed, owner: Placed) -> None:
    ours = {name: part.shape for name, part in placed.parts.items()}
    theirs = {name: part.shape for name, part in owner.parts.items()}
    if ours != theirs:
        message = (
            f"{placed.name} shares the weights of {owner.name}, but needs {ours} where those are "
            f"{theirs}; call a layer again only on inputs of the same shape"
        )
        raise ShapeError(message)


def _check_first(name: str, part: Part) -> None:
    try:
        part.init.fits(part.shape)
    except ShapeError as err:
        raise ShapeError(f"{name} cannot begin so: {err}") from None


def _symbols(what: str, given: Symbol | Sequence[Symbol]) -> tuple[Symbol, ...]:
    symbols = tuple(given) if isinstance(given, (list, tuple)) else (given,)
    if not symbols or not all(isinstance(s, Symbol) for s in symbols):
        message = f"{what} must be one or more results of uf.Input or of layers, got {given!r}"
        raise SpecError(message)
    return symbols


def _lay_out(
    starts: tuple[Symbol, ...], ends: tuple[Symbol, ...]
) -> tuple[tuple[InputNode, ...], tuple[Node, ...], tuple[str, ...]]:
    """Order the symbols so that each stands after what it reads, and give every one its name."""
    if len(set(map(id, starts))) < len(starts) or any(s.layer is not None for s in starts):
        message = "inputs must be different results of uf.Input"
        raise SpecError(message)
    if len(set(map(id, ends))) < len(ends):
        message = "outputs must be different; predict once and use the result twice"
        raise SpecError(message)
    order = _ordered(ends)
    reached = {id(symbol) for symbol in order}
    for symbol in order:
        if symbol.layer is None and all(symbol is not start for start in starts):
            message = f"the outputs need {symbol!r}, which is not among the inputs"
            raise SpecError(message)
    for start in starts:
        if id(start) not in reached:
            message = f"{start!r} does not reach any output"
            raise SpecError(message)
    names = _names(starts, order)
    inputs = tuple(InputNode(names[id(s)], s.shape, s.dtype) for s in starts)
    owners: dict[int, str] = {}
    nodes = []
    for symbol in order:
        if symbol.layer is None:
            continue
        name = names[id(symbol)]
        weighted = symbol.layer.parts(*(parent.shape for parent in symbol.parents))
        owner = owners.setdefault(id(symbol.layer), name) if weighted else name
        sources = tuple(names[id(parent)] for parent in symbol.parents)
        nodes.append(Node(name, symbol.layer, sources, owner))
    return inputs, tuple(nodes), tuple(names[id(end)] for end in ends)


def _ordered(ends: tuple[Symbol, ...]) -> list[Symbol]:
    """Return all symbols that ``ends`` rest on, parents first (iterative, so depth has no limit)."""
    order: list[Symbol] = []
    done: set[int] = set()
    stack = [(end, False) for end in reversed(ends)]
    while stack:
        symbol, ready = stack.pop()
        if id(symbol) in done:
            continue
        if ready:
            done.add(id(symbol))
            order.append(symbol)
        else:
            stack.append((symbol, True))
            stack.extend((parent, False) for parent in reversed(symbol.parents))
    return order


def _names(starts: tuple[Symbol, ...], order: list[Symbol]) -> dict[int, str]:
    """Give every symbol a unique name: the given one, else its kind's (``dense``, ``dense_1``)."""
    wanted: dict[str, object] = {}
    for symbol in (*starts, *order):
        name = symbol.layer.name if symbol.layer else symbol.label
        who = symbol.layer or symbol
        if name is not None and wanted.setdefault(name, who) is not who:
            message = f"two nodes of the net are named {name!r}; rename one"
            raise SpecError(message)
    names: dict[int, str] = {}
    taken: set[str] = set()
    for symbol in (*starts, *order):
        if id(symbol) in names:
            continue
        given = symbol.layer.name if symbol.layer else symbol.label
        stem = given or (symbol.layer.stem() if symbol.layer else "input")
        number, name = 0, stem
        while name in taken or (name in wanted and name != given):
            number += 1
            name = f"{stem}_{number}"
        taken.add(name)
        names[id(symbol)] = name
    return names


def _rebuild(data: dict[str, Any]) -> Graph:
    inputs = [InputNode(name, tuple(shape), dtype) for name, shape, dtype in data["inputs"]]
    catalogue = {
        **layers.CATALOGUE,
        **initializers.CATALOGUE,
        **regularizers.CATALOGUE,
        **constraints.CATALOGUE,
    }
    nodes = []
    for node in data["nodes"]:
        layer, owner = decode(node["layer"], catalogue), node.get("weights_of", node["name"])
        nodes.append(Node(node["name"], layer, tuple(node["sources"]), owner))
    return connected(inputs, nodes, data["outputs"], str(data["name"]))


def connected(
    inputs: Sequence[InputNode], nodes: Sequence[Node], outputs: Sequence[str], name: str
) -> Graph:
    """Lay a net out anew through the symbols, so that nothing unchecked comes in."""
    starts = [placeholder(node.shape, node.dtype, node.name) for node in inputs]
    symbols = dict(zip((node.name for node in inputs), starts, strict=True))
    # What is called by its own name in several places is one object, whether or not it has weights.
    objects: dict[object, Layer] = {}
    for node in nodes:
        layer = objects.setdefault(node.layer if node.layer.name else node.owner, node.layer)
        symbols[node.name] = layer(*(symbols[source] for source in node.sources))
    return Graph(starts, [symbols[output] for output in outputs], name)
