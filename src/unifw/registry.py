"""Names and how to get what they name. Nothing is imported until it is asked for.

Built-in and foreign plugins take the same road: an entry point in the group ``unifw.backends`` whose
object is a subclass of ``unifw.backend.Backend``.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from unifw.backend import Backend
from unifw.errors import BackendError, UnknownName

__all__ = ["backend", "backend_names", "found"]


def found(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name.

    Raises
    ------
    BackendError
        If two installed packages claim the same name for different things.
    """
    points: dict[str, EntryPoint] = {}
    for point in entry_points(group=group):
        other = points.setdefault(point.name, point)
        if other.value != point.value:
            message = (
                f"two installed packages claim {point.name!r} in {group}: {other.value} and "
                f"{point.value}; uninstall one"
            )
            raise BackendError(message)
    return points


def backend_names() -> tuple[str, ...]:
    """Return the names of all backends, installed framework or not; ``"numpy"`` comes first."""
    return tuple(sorted(found("unifw.backends"), key=lambda name: (name != "numpy", name)))


@cache
def backend(name: str) -> Backend:
    """Return the backend of that name; its framework is not imported yet.

    Raises
    ------
    UnknownName
        If no plugin has that name; gives the nearest that one has.
    """
    points = found("unifw.backends")
    if not isinstance(name, str) or name not in points:
        raise UnknownName("backend", name, points)
    kind = points[name].load()
    if not (isinstance(kind, type) and issubclass(kind, Backend)):
        message = f"the plugin {points[name].value} is not a subclass of unifw.backend.Backend"
        raise BackendError(message)
    return kind()
