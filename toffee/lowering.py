"""Lowerings of your own: what an operator means, said in Python.

A lowering is a function ``(g, *arguments) -> values``. It is asked, during an export, about every
call of the operator that it is registered for; it adds nodes with ``g``, a :class:`GraphBuilder`,
and returns the values that the operator's results are. ``docs/register_lowering.md`` has an
example.

Packages bring lowerings along as entry points of the group ``toffee.lowerings``. Where the name of
the entry point is that of an operator (``mylib::op``), the object is its lowering, and loaded when
the operator is first met. Under any other name it is a module or a function without arguments,
imported or called at the first export, that registers lowerings itself.
"""

from __future__ import annotations

import contextlib
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any, TypeVar, overload

from . import _core
from ._builder import GraphBuilder, Result, describe
from ._core import TracedValue

__all__ = [
    "GraphBuilder",
    "Result",
    "TracedValue",
    "register_lowering",
    "registered_lowerings",
    "unregister_lowering",
]

#: What a lowering is: called with a builder and the operator's arguments.
Lowering = Callable[..., Any]
_F = TypeVar("_F", bound=Lowering)

_GROUP = "toffee.lowerings"
_OPERATOR = re.compile(r"\w+::\w+(\.\w+)?")


@overload
def register_lowering(name: str) -> Callable[[_F], _F]: ...
@overload
def register_lowering(name: str, lowering: _F) -> _F: ...
def register_lowering(name: str, lowering: Any = None) -> Any:
    """Say what an operator means, from the next call of it on, in every thread.

    Parameters
    ----------
    name : str
        ``"mylib::op"`` for all overloads of an operator, also its in-place spelling ``op_``;
        ``"mylib::op.Tensor"`` for one (``"mylib::op.default"`` for the one without a name), which
        goes first. An operator that toffee knows is overridden: ``"aten::gelu"``. An earlier
        lowering of the same name is replaced.
    lowering : callable, optional
        ``lowering(g, *arguments)``, called with a :class:`~toffee.lowering.GraphBuilder` and the
        arguments of the call: by position and, after the ``*`` of the schema, by name, defaults
        filled in, ``out=`` left out. Tensors are :class:`~toffee.lowering.TracedValue`, lists of
        tensors are lists of them, and all else is as in Python. It returns a value for each result
        (see ``g.results``; None for one that it does not give), or NotImplemented to decline the
        call, which then goes on as if nothing was registered. Left out: returns a decorator.

    Returns
    -------
    The lowering.

    Raises
    ------
    ValueError
        ``name`` is no name of an operator.
    TypeError
        ``lowering`` cannot be called.

    Notes
    -----
    The lowering is asked after the operator has run, for calls in which some tensor depends on the
    model's inputs or parameters, and for operators that take no tensors. What it raises ends the
    export with a ``toffee.TraceError`` that has the user's line and, as its cause, what was raised.

    Examples
    --------
    >>> import toffee
    >>> @toffee.register_lowering("mylib::double")
    ... def lower_double(g, x):
    ...     return g.op("Add", x, x)
    >>> "mylib::double" in toffee.registered_lowerings()
    True
    >>> toffee.unregister_lowering("mylib::double") is lower_double
    True
    """
    if not isinstance(name, str):
        raise TypeError(
            f"the name of an operator is a str, not a {type(name).__name__}: "
            '@register_lowering("mylib::op")'
        )
    if not _OPERATOR.fullmatch(name):
        raise ValueError(
            f"{name!r} is no name of an operator: it is like 'mylib::op' or 'mylib::op.Tensor'"
        )
    if lowering is None:
        return lambda function: register_lowering(name, function)
    if not callable(lowering):
        raise TypeError(f"the lowering of {name} is {lowering!r}, which cannot be called")
    _registry.add(name, lowering)
    return lowering


def unregister_lowering(name: str) -> Lowering:
    """Take a lowering back. What it had overridden counts again, toffee's own or an entry point's.

    Parameters
    ----------
    name : str
        As it was registered.

    Returns
    -------
    The lowering.

    Raises
    ------
    ValueError
        There is none of that name.
    """
    return _registry.remove(name)


def registered_lowerings() -> dict[str, Lowering]:
    """The lowerings that count now, by name; those of entry points from the first export on."""
    return _registry.active()


class _EntryPoint:
    """A lowering that another distribution brings along, loaded when it is first asked."""

    def __init__(self, entry: metadata.EntryPoint) -> None:
        self._entry = entry
        self._loaded: Lowering | None = None

    @property
    def source(self) -> str:
        """For messages."""
        return _source(self._entry)

    def __call__(self, g: GraphBuilder, *args: Any, **kwargs: Any) -> Any:
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded(g, *args, **kwargs)

    def _load(self) -> Lowering:
        try:
            loaded = self._entry.load()
        except Exception as error:
            raise ImportError(
                f"it cannot be loaded from {self.source}: {type(error).__name__}: {error}; repair "
                f"or uninstall that, or register a lowering of {self._entry.name} of your own"
            ) from error
        if not callable(loaded):
            raise TypeError(f"{self.source} is {loaded!r}, which cannot be called")
        return loaded  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<lowering of {self._entry.name} from {self.source}>"


def _owner(entry: metadata.EntryPoint) -> str:
    dist = entry.dist
    return f"{dist.name} {dist.version}" if dist is not None else "of unknown name"


def _source(entry: metadata.EntryPoint) -> str:
    return f"entry point '{entry.value}' of the distribution {_owner(entry)}"


class _Registry:
    """Two layers: what was registered, over what entry points bring."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # held for a moment only
        self._registered: dict[str, Lowering] = {}
        self._provided: dict[str, Lowering] = {}
        self._loading = threading.RLock()  # held while modules of entry points are imported
        self._found = False
        self._inside = threading.local()

    def active(self) -> dict[str, Lowering]:
        with self._lock:
            return {**self._provided, **self._registered}

    def add(self, name: str, lowering: Lowering) -> None:
        inside = getattr(self._inside, "value", False)
        with self._changing():
            (self._provided if inside else self._registered)[name] = lowering

    def remove(self, name: str) -> Lowering:
        with self._changing():
            for layer in (self._registered, self._provided):
                if name in layer:
                    return layer.pop(name)
        raise ValueError(
            f"no lowering of {name} is registered"
            + "".join(f"; '{other}' is" for other in self.active() if other.startswith(name + "."))
        )

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        with self._lock:
            yield
            _core.set_lowerings({**self._provided, **self._registered}, GraphBuilder)

    def find_entry_points(self) -> None:
        """Once in a process: read which entry points there are. Other threads wait for that."""
        if self._found:
            return
        with self._loading:
            if self._found or getattr(self._inside, "value", False):  # an export of a module
                return
            try:
                entries = sorted(
                    metadata.entry_points(group=_GROUP),
                    key=lambda entry: (_owner(entry), entry.name),
                )
            except Exception as error:  # the metadata of some package are broken
                _warn(f"entry points of the group {_GROUP} cannot be read", error)
                entries = []
            for entry in entries:
                if "::" in entry.name:
                    self._provide(entry)
                else:
                    self._load_module(entry)
            self._found = True

    def _provide(self, entry: metadata.EntryPoint) -> None:
        if not _OPERATOR.fullmatch(entry.name):
            _warn(f"{_source(entry)}: {entry.name!r} is no name of an operator")
            return
        lowering = _EntryPoint(entry)
        with self._changing():
            first = self._provided.setdefault(entry.name, lowering)
        if first is not lowering:
            other = first.source if isinstance(first, _EntryPoint) else describe(first)
            _warn(
                f"{entry.name} has two lowerings, and the first counts: {other}; {_source(entry)}"
            )

    def _load_module(self, entry: metadata.EntryPoint) -> None:
        self._inside.value = True
        try:
            loaded = entry.load()
            if callable(loaded):
                loaded()
        except Exception as error:
            _warn(f"the lowerings of {_source(entry)} are not there", error)
        finally:
            self._inside.value = False


def _warn(text: str, error: Exception | None = None) -> None:
    if error is not None:
        text += f": {type(error).__name__}: {error}"
    warnings.warn(text, RuntimeWarning, stacklevel=2)


_registry = _Registry()


def find_entry_points() -> None:
    """Make the lowerings of entry points known; the exporter calls it."""
    _registry.find_entry_points()
