"""Runs of a model at several sizes: what each is to do, what it saw, and from which state it began.

Arguments of another size are the caller's, grown or cut by repeating slices. Every run begins with
the state that the model and its arguments had before the first, so that none sees what another did.
"""

from __future__ import annotations

import contextlib
import logging
import math
import operator
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from . import (
    _core,
    _dims,
    _models,
    _size_errors,
    _structure,
    _tracing,
    _twin,
    _verify,
)
from .errors import DynamicShapeError

_log = logging.getLogger("toffee")

#: How many elements more than at the caller's sizes a model may make of its sizes, np.ones(n * n),
#: where a run is one of many.
_MOST_MADE = 1 << 24

#: Inputs of as many elements are not grown by their values, if nobody looks at these.
_LARGE = 1 << 15


@dataclass(eq=False)  # each is one of its own
class Run:
    """One trace among several: what it is to do, and what it saw."""

    sizes: tuple[int, ...]
    sources: tuple[int, ...] = ()
    is_first: bool = False  # of the caller's own arguments, computed in full, with warnings
    #: What the tracer asks instead of computing something expensive; None: it computes all.
    skip: Callable[..., Any] | None = None
    #: Windows that depend on sizes are reckoned in the graph: right for any, and more nodes.
    is_any: bool = False
    journal: Sequence[tuple[str, int]] = ()
    reads_values: bool = False  # of what depends on an input
    graph: _core.Graph | None = None
    output: Any = None

    def operators(self) -> list[str]:
        return [name for name, _ in self.journal]


#: Traces the model with these arguments, and fills in the run.
Tracer = Callable[[tuple[Any, ...], dict[str, Any], Run], None]


@dataclass
class Runner:
    """Makes the runs."""

    model: _models.Model
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    request: _dims.Request
    tracer: Tracer
    examples: Sequence[tuple[Any, ...]]
    #: Everything is computed, also what only has to have a size.
    computes: bool = False
    is_any: bool = False
    #: Calls that are recorded though no input is among what they read.
    sources: set[int] = field(default_factory=set)
    shapes: _twin.ShapeOnly = field(default_factory=_twin.ShapeOnly)
    traced: set[tuple[int, ...]] = field(default_factory=set)  # sizes that the model took
    heavy: set[tuple[int, ...]] = field(default_factory=set)  # sizes at which it made too much

    def first(self) -> Run:
        """The run of the caller's own arguments. What it leaves in the model stays; what later runs
        leave there goes with :meth:`undone`."""
        self.module = _models.module_of(self.model)
        self.before = _verify._State(self.module)
        self.dice = torch.get_rng_state()
        call = self.args, self.kwargs
        self.args, self.kwargs = _structure.as_they_are(*call)
        first = Run(self.request.sizes, is_first=True)
        self.tracer(*call, first)
        self.traced.add(first.sizes)
        self.n_own = _n_elements(first.graph)
        self.computes = first.reads_values
        return first

    @contextlib.contextmanager
    def undone(self) -> Iterator[None]:
        """The state of the model and of random generators is afterwards what it is now."""
        now = _verify._State(self.module)
        dice = random.getstate()
        numpy_random = getattr(sys.modules.get("numpy"), "random", None)
        numpy_dice = numpy_random.get_state() if numpy_random is not None else None
        try:
            with torch.random.fork_rng():
                yield
        finally:
            now.put_back()
            random.setstate(dice)
            if numpy_random is not None:
                numpy_random.set_state(numpy_dice)

    def run(self, sizes: tuple[int, ...]) -> Run:
        """Trace at SIZES, from the state that the model had at first."""
        skip = None if self.computes else self.shapes
        run = Run(sizes, tuple(sorted(self.sources)), skip=skip, is_any=self.is_any)
        self.before.put_back()
        torch.set_rng_state(self.dice)  # what is drawn shall not differ for being drawn later
        args, kwargs = self.arguments(sizes, self.computes)
        self.tracer(args, kwargs, run)
        self.traced.add(sizes)
        if _n_elements(run.graph) > self.n_own + _MOST_MADE:
            self.heavy.add(sizes)
        if run.reads_values and not self.computes:  # all is done over
            where = self.request.describe(sizes)
            raise DynamicShapeError(f"a value that was not computed is read at {where}")
        return run

    def unspent(self, run: Run) -> Run:
        """RUN, or one like it if its graph is spent or counts calls otherwise."""
        is_as_asked = run.sources == tuple(sorted(self.sources)) and run.is_any == self.is_any
        return run if is_as_asked and run.graph is not None else self.run(run.sizes)

    def arguments(
        self, sizes: tuple[int, ...], with_values: bool = True
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The caller's arguments, or an example of the caller's, with open dimensions of SIZES."""
        for example in self.examples:
            if self.sizes_of(example) == sizes:
                return _structure.as_they_are(example, self.kwargs)
        tensors = _verify.tensors_in((self.args, self.kwargs))
        made = resized(self.request, sizes, tensors, with_values)
        # The model may write to its own.
        same = iter(
            _verify.copies([old for old, new in zip(tensors, made, strict=True) if old is new])
        )
        made = [next(same) if old is new else new for old, new in zip(tensors, made, strict=True)]
        changed: Any = _verify.with_tensors(_structure.as_they_are(self.args, self.kwargs), made)
        return changed[0], changed[1]

    def other_values(self, run: Run, draw: int) -> list[torch.Tensor] | None:
        """Trace at the sizes of RUN with values drawn anew, and return these: what repeats hides
        whether it was rolled, flipped or taken from elsewhere. None: the model refuses them."""
        self.before.put_back()
        if self.examples:
            return None
        arguments = self.arguments(run.sizes)
        dice = torch.Generator().manual_seed(draw)
        inputs = [
            _verify.drawn_anew(t, dice) if t.dtype != torch.bool or not t.all() else t.clone()
            for t in _verify.tensors_in(arguments)
        ]
        args, kwargs = _verify.with_tensors(arguments, _verify.copies(inputs))
        try:
            self.tracer(args, kwargs, run)
        except _core.Error:
            raise
        except Exception as error:
            _log.info("the model refuses other values: %s", error)
            self.before.put_back()
            return None
        return inputs

    def sizes_of(self, example: tuple[Any, ...]) -> tuple[int, ...]:
        tensors = _verify.tensors_in((example, self.kwargs))
        return tuple(
            tensors[places[0].input].shape[places[0].axis] for places in self.request.places
        )

    def attempt(self, wanted: Sequence[tuple[int, ...]]) -> Run:
        """The first of the sizes WANTED that the model takes."""
        error: Exception | None = None
        for sizes in wanted:
            try:
                return self.run(sizes)
            except _core.Error:
                raise
            except Exception as raised:  # the model's own: it may not take these sizes
                error = error or raised
        assert error is not None
        raise self._refused(wanted[0], error) from error

    def taken(self, wanted: Sequence[tuple[int, ...]], known: Sequence[Run]) -> list[Run]:
        """Runs at those of the sizes WANTED that none of the runs KNOWN had, that are not as large
        as heavy ones, and that the model takes: it need not take every one."""
        runs = []
        done = {run.sizes for run in known}
        for sizes in [sizes for sizes in dict.fromkeys(wanted) if sizes not in done]:
            if any(all(map(operator.ge, sizes, heavy)) for heavy in self.heavy):
                continue
            try:
                runs.append(self.run(sizes))
            except _core.Error:
                raise
            except Exception as error:
                _log.info("the model refuses %s: %s", self.request.describe(sizes), error)
        return runs

    def first_taken(self, wanted: Sequence[tuple[int, ...]], known: Sequence[Run]) -> list[Run]:
        """A run at the first of the sizes WANTED that the model takes; none if there is none, or if
        one of the runs KNOWN was there."""
        for sizes in wanted:
            if any(run.sizes == sizes for run in known):
                return []
            if taken := self.taken([sizes], known):
                return taken
        return []

    def _refused(self, sizes: tuple[int, ...], error: Exception) -> DynamicShapeError:
        """ERROR is what the model raised at SIZES; the last time, others are tried."""

        def tries(others: tuple[int, ...]) -> Exception | None:
            if not self.computes or self.examples:
                return error
            try:
                self.run(others)
            except Exception as raised:
                return raised
            return None

        places = _tracing.users_lines(error, _models.parts(self.module))[-1:]
        return _size_errors.refused(self.request, sizes, error, places, tries)


def _n_elements(graph: _core.Graph | None) -> int:
    """Of all initializers of GRAPH."""
    return sum(math.prod(tensor.dims) for tensor in graph.initializer) if graph is not None else 0


def resized(
    request: _dims.Request,
    sizes: tuple[int, ...],
    tensors: Sequence[torch.Tensor],
    with_values: bool = True,
) -> list[torch.Tensor]:
    """The input TENSORS with the open dimensions of REQUEST of SIZES. Not WITH_VALUES: large ones
    of floats are zeros, which cost nothing."""
    wanted = [list(tensor.shape) for tensor in tensors]
    for places, size in zip(request.places, sizes, strict=True):
        for place in places:
            wanted[place.input][place.axis] = size
    found = []
    for tensor, shape in zip(tensors, wanted, strict=True):
        is_large = math.prod(shape) >= _LARGE and tensor.is_floating_point()
        if is_large and not with_values and list(tensor.shape) != shape:
            found.append(_twin.zeros(shape, tensor.dtype, tensor.device))
            continue
        for axis, size in enumerate(shape):
            tensor = _with_slices(tensor, axis, size)
        found.append(tensor)
    return found


def _with_slices(tensor: torch.Tensor, axis: int, size: int) -> torch.Tensor:
    """TENSOR with SIZE slices along AXIS: cut, or its own over and over."""
    old = tensor.shape[axis]
    if old == size:
        return tensor
    if old == 0:
        return tensor.new_zeros((*tensor.shape[:axis], size, *tensor.shape[axis + 1 :]))
    index = torch.arange(size, device=tensor.device) % old
    return tensor.index_select(axis, index)
