"""A backend for unifw: what it is called, what it needs, and what it cannot do."""

from __future__ import annotations

from unifw.backend import Backend, Options, Session
from unifw.rules import Reason
from unifw.spec.graph import Graph

__all__ = ["ToyBackend"]


class ToyBackend(Backend):
    """Dense nets in plain NumPy."""

    name = "toy"
    title = "Toy"
    module = "unifw_toy"  # a framework's plugin names the framework here: what must be importable
    distributions = ("unifw-toy",)  # and here under which names it is installed
    tested = ">=1,<2"

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def missing(self, graph: Graph, options: Options) -> list[str]:
        from unifw.measures.losses import rules as losses
        from unifw_toy.rules import rules

        asked = options.optimizer
        beyond = {
            "several losses": len(options.losses) > 1,
            "regularizers": graph.regularizers,
            "constraints": graph.constraints,
            "clipping": asked.clip_norm or asked.clip_value,
            "groups, ema, accumulate and L-BFGS": asked.groups or asked.extras or asked.full_batch,
        }
        more = [f"{what}: {Reason.NOT_WRITTEN.value}" for what, wanted in beyond.items() if wanted]
        return rules.gaps(graph.labelled) + losses.gaps(options.labelled) + more

    def session(self, graph: Graph, options: Options) -> Session:
        from unifw_toy.session import ToySession

        return ToySession(graph, options)
