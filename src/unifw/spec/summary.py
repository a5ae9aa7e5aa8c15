"""The table that ``net.summary()`` prints."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from unifw.spec.graph import Graph

__all__ = ["table"]


def table(net: Graph) -> Table:
    """Return a table of the net's nodes: name, layer, output shape, what it reads, parameters."""
    result = Table(title=net.name, caption=_totals(net), caption_justify="left")
    result.add_column("name", no_wrap=True)
    result.add_column("layer")
    result.add_column("output shape", no_wrap=True)
    result.add_column("reads", no_wrap=True)
    result.add_column("parameters", justify="right")
    for node in net.inputs:
        result.add_row(node.name, f"Input ({node.dtype})", _batched(node.shape), "", "")
    for placed in net.walk:
        count = sum(math.prod(part.shape) for part in placed.parts.values())
        shared = placed.owner != placed.name
        shown = f"those of {placed.owner}" if shared else f"{count:,}" if count else "0"
        result.add_row(
            placed.name, repr(placed.layer), _batched(placed.out_shape),
            ", ".join(placed.sources), shown,
        )  # fmt: skip
    return result


def _batched(shape: tuple[int, ...]) -> str:
    return f"({', '.join(['n', *map(str, shape)])})"


def _totals(net: Graph) -> str:
    total = sum(math.prod(part.shape) for part in net.parts.values())
    running = total - net.parameter_count - net.frozen_count
    more = {"frozen": net.frozen_count, "running": running}
    told = [f"{count:,} {kind}" for kind, count in more.items() if count]
    return ", ".join([f"{net.parameter_count:,} trained parameters", *told])
