"""Any size: trace a model at several sizes, and make one graph of the traces.

The first trace is of the caller's arguments. Then, for each symbol, a trace where it alone has
another size, and two where all have others; these runs compute only what is cheap, since nobody
looks at their values. Calls that make data of the moment (``torch.arange(n)``) and made other data
at other sizes are recorded as operators. ``csrc/size`` unifies the graphs. A last run with each
symbol at 1 sees whether the model does something else there.
"""

from __future__ import annotations

import contextlib
import logging
import math
import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from . import (
    _core,
    _dims,
    _models,
    _places,
    _size_choice,
    _size_errors,
    _structure,
    _symbols,
    _tracing,
    _twin,
    _verify,
    numpy_helper,
)
from .backend.base import as_pairs, to_numpy
from .errors import DynamicShapeError

_log = logging.getLogger("toffee")

#: A model of fewer operators costs so little that it is traced at many sizes.
_FEW_OPERATORS = 100

#: Operators whose windows depend on sizes.
_WINDOWS = re.compile(r"aten::_?adaptive_avg_pool")

#: With how many values a model of few operators is compared: after a layer_norm, or a softmax, what
#: is wrong may not show in all.
_DRAWS = 4

#: Inputs of as many elements are not grown by their values, if nobody looks at these.
_LARGE = 1 << 15

#: How many runs that did the same speak for a graph.
_LEAST = 3


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


class Traced(NamedTuple):
    """What comes of the runs at several sizes."""

    graph: _core.Graph  # for all sizes
    output: Any  # what the model returned for the caller's arguments
    #: Sizes that the graph can be tried at, since no run had them. None where the inputs cannot be
    #: grown and cut.
    untraced: Sequence[tuple[int, ...]]


def trace(
    model: _models.Model,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    request: _dims.Request,
    tracer: Tracer,
    lines: _size_errors.Lines,
    examples: Sequence[tuple[Any, ...]] = (),
) -> Traced:
    """Trace MODEL at several sizes, and make one graph of the traces.

    Parameters
    ----------
    lines : callable
        The line that a ``doc_string`` of the traces names.
    examples : sequence of tuple
        Other positional arguments to trace with, in place of the caller's grown or cut.

    Raises
    ------
    toffee.DynamicShapeError
        The model does something else at another size, or a number in it is no expression in the
        sizes, or it does not take another size at all.
    """
    twins = _Twins(model, args, kwargs, request, tracer, lines, examples)
    graph, output = twins.trace()
    untraced = _size_choice.untraced(request, twins.traced) if not examples else []
    return Traced(graph, output, untraced)


@dataclass
class _Twins:
    model: _models.Model
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    request: _dims.Request
    tracer: Tracer
    lines: _size_errors.Lines
    examples: Sequence[tuple[Any, ...]]
    computes: bool = False
    is_any: bool = False
    sources: set[int] = field(default_factory=set)
    named: list[str] = field(default_factory=list)  # the operators that SOURCES counts
    #: Lines that were another at a special size, in runs with the same nodes.
    suspects: tuple[_places.Place, ...] = ()
    has_guessed: bool = False  # the graph divides or cuts, and few runs say how
    shapes: _twin.ShapeOnly = field(default_factory=_twin.ShapeOnly)
    traced: set[tuple[int, ...]] = field(default_factory=set)  # sizes that the model took

    def trace(self) -> tuple[_core.Graph, Any]:
        self.module = _models.module_of(self.model)
        self.before = _verify._State(self.module)
        self.dice = torch.get_rng_state()
        call = self.args, self.kwargs
        self.args, self.kwargs = _structure.as_they_are(*call)
        first = Run(self.request.sizes, is_first=True)
        self.tracer(*call, first)
        self.traced.add(first.sizes)
        self.computes = first.reads_values
        with _undone(self.module):
            while True:
                try:
                    return self._unified(first), first.output
                except DynamicShapeError:
                    if not self._looks_closer(first):
                        raise
                self.sources.clear()

    def _looks_closer(self, first: Run) -> bool:
        """Whether there is a way left in which the runs can be made, and it is taken."""
        has_windows = any(map(_WINDOWS.match, first.operators()))
        if has_windows and not self.is_any:
            self.is_any = True
            first.graph = None  # is made otherwise
        elif not self.computes:  # what was not computed may have decided something
            self.computes = True
        else:
            return False
        return True

    # ---- runs ------------------------------------------------------------------------------------

    def _run(self, sizes: tuple[int, ...]) -> Run:
        """Trace at SIZES, from the state that the model had at first."""
        skip = None if self.computes else self.shapes
        run = Run(sizes, tuple(sorted(self.sources)), skip=skip, is_any=self.is_any)
        self.before.put_back()
        torch.set_rng_state(self.dice)  # what is drawn shall not differ for being drawn later
        args, kwargs = self._arguments(sizes, self.computes)
        self.tracer(args, kwargs, run)
        self.traced.add(sizes)
        if run.reads_values and not self.computes:  # trace() does it all over
            where = self.request.describe(sizes)
            raise DynamicShapeError(f"a value that was not computed is read at {where}")
        return run

    def _arguments(
        self, sizes: tuple[int, ...], with_values: bool = True
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The caller's arguments, or an example of the caller's, with open dimensions of SIZES."""
        for example in self.examples:
            if self._sizes_of(example) == sizes:
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

    def _sizes_of(self, example: tuple[Any, ...]) -> tuple[int, ...]:
        tensors = _verify.tensors_in((example, self.kwargs))
        return tuple(
            tensors[places[0].input].shape[places[0].axis] for places in self.request.places
        )

    def _try(self, wanted: Sequence[tuple[int, ...]]) -> Run:
        """The first of the sizes WANTED that the model takes."""
        error: Exception | None = None
        for sizes in wanted:
            try:
                return self._run(sizes)
            except _core.Error:
                raise
            except Exception as raised:  # the model's own: it may not take these sizes
                error = error or raised
        assert error is not None
        raise self._refused(wanted[0], error) from error

    def _taken(self, wanted: Sequence[tuple[int, ...]], known: Sequence[Run]) -> list[Run]:
        """Runs at those of the sizes WANTED that none of the runs KNOWN had and that the model
        takes: it need not take every one."""
        runs = []
        done = {run.sizes for run in known}
        for sizes in [sizes for sizes in dict.fromkeys(wanted) if sizes not in done]:
            try:
                runs.append(self._run(sizes))
            except _core.Error:
                raise
            except Exception as error:
                _log.info("the model refuses %s: %s", self.request.describe(sizes), error)
        return runs

    def _refused(self, sizes: tuple[int, ...], error: Exception) -> DynamicShapeError:
        """ERROR is what the model raised at SIZES; the last time, others are tried."""

        def tries(others: tuple[int, ...]) -> Exception | None:
            if not self.computes or self.examples:
                return error
            try:
                self._run(others)
            except Exception as raised:
                return raised
            return None

        places = _tracing.users_lines(error, _models.parts(self.module))[-1:]
        return _size_errors.refused(self.request, sizes, error, places, tries)

    # ---- one graph -------------------------------------------------------------------------------

    def _unified(self, first: Run) -> _core.Graph:
        """One graph of the runs that did the same, held against the others by its results. Where
        that does not do, once more with runs at further sizes: they make out of too few that did
        the same enough of them, and tell apart numbers that were the same so far. So, too, where a
        large model, of which few runs were made, divides sizes, cuts what they are of, or refuses
        some."""
        points = (
            [[self._sizes_of(example)] for example in self.examples]
            if self.examples
            else _size_choice.points(self.request)
        )
        ends = points[:: max(len(points) - 1, 1)]  # between these all sizes move
        runs = self._sourced([first, *(self._try(wanted) for wanted in ends)])
        runs += [self._try(wanted) for wanted in points[1:-1]]
        is_small = len(first.journal) <= _FEW_OPERATORS
        others: list[tuple[int, ...]] = []
        if not self.examples:
            runs += self._taken(_size_choice.more(self.request) if is_small else [], runs)
            runs += self._taken(_size_choice.ends(self.request), runs)
            others = _size_choice.further(self.request)
        try:
            graph = self._of_some(runs)
            if not self.has_guessed and (is_small or not _are_few(runs)):
                return graph
            if is_small:
                others = _size_choice.many(self.request, self.computes)
        except DynamicShapeError:
            self.sources.clear()
            further = self._taken(others, runs)
            if not further:
                raise
        else:
            further = self._taken(others, runs)
            if not further:
                return graph
        return self._of_some([*runs, *further])

    def _of_some(self, runs: Sequence[Run]) -> _core.Graph:
        """One graph for what all RUNS do. What is done from some size on, or at every other one,
        makes several groups of runs: the graph of one of these may compute it all."""

        def of_those_like(same: Sequence[Run]) -> _core.Graph:
            # Of an attempt before, graphs may be spent, and the calls counted otherwise.
            is_counted = not self.sources or same[0].operators() == self.named
            if not is_counted:
                self.sources.clear()
            return self._of_group([self._unspent(run) for run in runs], same)

        groups = self._enough(runs, Run.operators, self._diverged)
        return _first_that_does(groups, of_those_like)

    def _unspent(self, run: Run) -> Run:
        """RUN, or one like it if its graph is spent or counts calls otherwise."""
        is_as_asked = run.sources == tuple(sorted(self.sources)) and run.is_any == self.is_any
        return run if is_as_asked and run.graph is not None else self._run(run.sizes)

    def _of_group(self, runs: Sequence[Run], same: Sequence[Run]) -> _core.Graph:
        """One graph, of those of RUNS that do what SAME do."""
        runs = self._recorded(list(runs), same)

        def of_those_like(same: Sequence[Run]) -> _core.Graph:
            graph, used = self._unify_most(same)
            usual = min(
                used[1:], key=lambda run: math.prod(run.sizes)
            )  # the first's graph is spent
            for run in runs:
                if run not in used:
                    self._compare(graph, run, usual)
            self.has_guessed = self.has_guessed or _cuts(graph)
            if len(used) < len(runs):  # there, values on the way may have other sizes
                graph.value_info = []
            return graph

        groups = self._enough(runs, _signature, self._lowered_otherwise)
        return _first_that_does(groups, of_those_like)

    def _enough(
        self,
        runs: Sequence[Run],
        kind: Callable[[Run], Sequence[str]],
        differ: Callable[[Run, Run], DynamicShapeError],
    ) -> list[list[Run]]:
        """The groups of RUNS of one KIND that say enough, the largest first.

        Raises
        ------
        DynamicShapeError
            None does: what DIFFER says of two runs that are not of one kind.
        """
        groups = _grouped(runs, kind)
        enough = [group for group in groups if self._all_move(group)]
        if enough:
            return enough
        raise differ(groups[0][0], groups[1][0]) if len(groups) > 1 else self._too_few(runs)

    def _sourced(self, runs: list[Run]) -> list[Run]:
        """RUNS, once more if calls among them made other data at other sizes: most of these show
        in the first few, and what comes after records them at once."""
        same = _grouped(runs, Run.operators)[0]
        if len(same) < 2:
            return runs
        self.named = same[0].operators()
        self.sources |= self._moved(same)
        return [self._run(run.sizes) for run in runs] if self.sources else runs

    def _recorded(self, runs: list[Run], same: Sequence[Run]) -> list[Run]:
        """RUNS once more, with the calls recorded that made other data at other sizes."""
        self.named = same[0].operators()
        for _ in range(4):  # what is recorded now may make more data move
            found = self._moved([run for run in runs if run.operators() == self.named])
            if found <= self.sources:
                break
            self.sources |= found
            runs = [self._run(run.sizes) for run in runs]
        return runs

    def _moved(self, runs: Sequence[Run]) -> set[int]:
        """The calls that made data, and other data at other sizes. RUNS have the same operators."""
        head = runs[0]
        return {
            k
            for run in runs[1:]
            for k, (one, other) in enumerate(zip(head.journal, run.journal, strict=True))
            if one[1] != other[1] and k not in self.sources
        }

    def _unify_most(self, runs: Sequence[Run]) -> tuple[_core.Graph, Sequence[Run]]:
        """One graph of RUNS, or of those at sizes that say nothing special; and of which."""
        ordinary = [run for run in runs if min(run.sizes) > 1]
        others = [run for run in runs if run not in ordinary]
        if not self._all_move(ordinary):
            ordinary, others = list(runs), []
        try:
            return self._unify([*ordinary, *others]), runs
        except DynamicShapeError as error:
            if not others:
                raise
            self.suspects = error.places
        ordinary[0] = self._run(ordinary[0].sizes)  # its graph is spent
        return self._unify(ordinary), ordinary

    def _all_move(self, runs: Sequence[Run]) -> bool:
        """Whether RUNS are enough to say something: each symbol has several sizes among them."""
        least = min(_LEAST, len(self.examples) + 1) if self.examples else _LEAST
        columns = zip(*(run.sizes for run in runs), strict=True)
        return bool(runs) and all(len(set(sizes)) >= least for sizes in columns)

    def _too_few(self, runs: Sequence[Run]) -> DynamicShapeError:
        taken = "; ".join(sorted({self.request.describe(run.sizes) for run in runs}))
        return DynamicShapeError(
            f"the model takes too few sizes for a graph of any size: {taken}\nLeave the dimension "
            "fixed, or say which sizes it takes: toffee.Dim(name, min=, max=, multiple_of=)"
        )

    def _diverged(self, head: Run, run: Run) -> DynamicShapeError:
        mine, others = head.operators(), run.operators()
        at = next(
            (k for k, (a, b) in enumerate(zip(mine, others, strict=False)) if a != b),
            min(len(mine), len(others)),
        )
        one = mine[at] if at < len(mine) else "nothing more"
        other = others[at] if at < len(others) else "nothing more"
        return _size_errors.diverged(
            f"what the model does depends on its sizes: after {at} operators it calls {one} at "
            f"{self.request.describe(head.sizes)}, and {other} at "
            f"{self.request.describe(run.sizes)}",
            head.graph,
            run.graph,
            self.lines,
        )

    def _lowered_otherwise(self, head: Run, run: Run) -> DynamicShapeError:
        return _size_errors.diverged(
            "the same operators need other nodes at other sizes: there are "
            f"{len(_signature(head))} at {self.request.describe(head.sizes)}, and "
            f"{len(_signature(run))} or others at {self.request.describe(run.sizes)}",
            head.graph,
            run.graph,
            self.lines,
        )

    def _unify(self, runs: Sequence[Run]) -> _core.Graph:
        graphs = tuple(run.graph for run in runs if run.graph is not None)
        runs[0].graph = None  # spent, whatever comes of it
        names = [info.name for info in graphs[0].input_info][-self._n_inputs() :]
        places = tuple(
            (names[place.input], place.axis, symbol)
            for symbol, same in enumerate(self.request.places)
            for place in same
        )
        try:
            sizes = tuple(run.sizes for run in runs)
            self.has_guessed = _core.unify(graphs, self.request.names, sizes, places)
        except _core.TraceError as error:
            raise _size_errors.after_unify(error, self.lines) from None
        return graphs[0]

    def _n_inputs(self) -> int:
        return len(_verify.tensors_in((self.args, self.kwargs)))

    def _compare(self, graph: _core.Graph, run: Run, usual: Run) -> None:
        """That GRAPH, whose traces are like USUAL, computes what the model does at the sizes of
        RUN, where it does other things on the way: a mask that is left out for one token, padding
        that is not needed.

        Raises
        ------
        DynamicShapeError
            It computes something else there, or cannot be run.
        """
        for draw in range(_DRAWS if len(run.journal) <= _FEW_OPERATORS else 1):
            self._compare_once(graph, run, usual, draw)
        where = self.request.describe(run.sizes)
        _log.info("the model does other things at %s, and the graph computes the same", where)

    def _compare_once(self, graph: _core.Graph, run: Run, usual: Run, draw: int) -> None:
        try:
            found, results = self._differences(graph, run.sizes, draw)
            wrong = [i for i, difference in enumerate(found) if not difference.fits]
            # Where the graph is right, what it is off by there is rounding.
            usually = self._differences(graph, usual.sizes, draw)[0] if wrong else found
        except (_core.Error, ValueError, RuntimeError) as error:
            raise self._does_otherwise(graph, run, usual, f"it fails with {error}") from error
        for i in wrong:
            what = found[i].problem and f"is {found[i]}" or f"is off by {found[i].absolute:.2g}"
            if found[i].problem or not found[i].is_like(usually[i]):
                raise self._does_otherwise(graph, run, usual, f"output {i} {what}")
        self._loosen(graph, run, results)

    def _loosen(self, graph: _core.Graph, run: Run, results: Sequence[Any]) -> None:
        """Let GRAPH not declare sizes of outputs that the RESULTS at the sizes of RUN do not have:
        runtimes believe them."""
        known = dict(zip(self.request.names, run.sizes, strict=True))
        shapes = dict(zip(graph.output, (result.shape for result in results), strict=True))
        for info in graph.output_info:
            if info.shape is not None:
                info.shape = tuple(
                    said if _is_size(said, size, known) else None
                    for said, size in zip(info.shape, shapes[info.name], strict=True)
                )

    def _differences(
        self, graph: _core.Graph, sizes: tuple[int, ...], draw: int
    ) -> tuple[list[_verify.Difference], list[Any]]:
        """How far what GRAPH computes at SIZES is from what the model does; and what it computes.
        DRAW: which values the inputs have."""
        from .backend import torch as backend

        whole = Run(sizes)
        inputs = self._other_values(whole, draw)
        if inputs is None:
            arguments = self._arguments(sizes)
            inputs = _verify.copies(_verify.tensors_in(arguments))  # the model may write to its own
            self.tracer(*arguments, whole)
        expected = _verify.tensors_in(whole.output)
        with backend.TorchRep(graph, "CPU", shares=True) as rep:
            results = list(rep.run(inputs))
        found = [
            _verify.difference(result, as_pairs(to_numpy(tensor)))
            for result, tensor in zip(results, expected, strict=True)
        ]
        return found, results

    def _other_values(self, run: Run, draw: int) -> list[torch.Tensor] | None:
        """Trace at the sizes of RUN with values drawn anew, and return these: what repeats hides
        whether it was rolled, flipped or taken from elsewhere. None: the model refuses them."""
        self.before.put_back()
        if self.examples:
            return None
        arguments = self._arguments(run.sizes)
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

    def _does_otherwise(
        self, graph: _core.Graph, run: Run, usual: Run, found: str
    ) -> DynamicShapeError:
        places = _size_errors.divergence(usual.graph, run.graph, self.lines) or self.suspects
        least = self._least(graph, run, usual)
        return _size_errors.elsewhere(self.request, run.sizes, usual.sizes, found, places, least)

    def _least(self, graph: _core.Graph, run: Run, usual: Run) -> tuple[int, ...]:
        """The least sizes from those of RUN on at which GRAPH is right, if they are near."""
        if run.graph is None:  # it is one of those made here
            return ()
        for sizes in _size_choice.upwards(self.request, run.sizes):
            with contextlib.suppress(Exception):  # the model's own, or this one is not right either
                self._compare(graph, Run(sizes), usual)
                return sizes
        return ()


def _are_few(runs: Sequence[Run]) -> bool:
    """Whether some symbol had fewer sizes beside 1 than speak for a graph."""
    return any(len({*sizes} - {1}) < _LEAST for sizes in zip(*(r.sizes for r in runs), strict=True))


#: Operators that take a part of an axis, or put something to it, and which of their inputs says the
#: axes; None: their attribute.
_CUTS = {"Slice": 3, "Pad": 3, "Split": None}


def _cuts(graph: _core.Graph) -> bool:
    """Whether GRAPH does to an open dimension what may look the same at many sizes: of all that are
    less than 8, x[: n // 8 * 8] is empty."""
    shapes = {info.name: info.shape for info in (*graph.input_info, *graph.value_info)}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type not in _CUTS:
            continue
        name = node.input[0]
        shape = tuple(constants[name].dims) if name in constants else shapes.get(name)
        if shape is None:
            return True
        at = _CUTS[node.op_type]
        if at is None:
            axes = [attribute.i for attribute in node.attribute if attribute.name == "axis"]
        elif at < len(node.input) and node.input[at] in constants:
            axes = numpy_helper.to_array(constants[node.input[at]]).tolist()
        else:
            axes = list(range(len(shape)))
        if not all(isinstance(shape[axis], int) for axis in axes):
            return True
    return False


def _is_size(said: int | str | None, size: int, known: dict[str, int]) -> bool:
    """Whether what is declared, SAID, is SIZE where symbols are as KNOWN."""
    if not isinstance(said, str):
        return said in (None, size)
    declared = _symbols.parse(said)
    try:
        return not declared.known(known) or declared.value(known) == size
    except ZeroDivisionError:
        return False


def _signature(run: Run) -> tuple[str, ...]:
    """What nodes the graph of RUN has."""
    return tuple(node.op_type for node in run.graph.node) if run.graph is not None else ()


def _grouped(runs: Sequence[Run], kind: Callable[[Run], Sequence[str]]) -> list[list[Run]]:
    """The RUNS that are of one KIND together, most first; of two as many, those that come first."""
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(tuple(kind(run)), []).append(run)
    return sorted(groups.values(), key=len, reverse=True)


def _first_that_does(
    groups: Sequence[Sequence[Run]], attempt: Callable[[Sequence[Run]], _core.Graph]
) -> _core.Graph:
    """What ATTEMPT makes of the first of GROUPS that it does not refuse; the first refusal, if it
    refuses all."""
    refusals = []
    for group in groups:
        try:
            return attempt(group)
        except DynamicShapeError as error:
            refusals.append(error)
    raise refusals[0]


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


@contextlib.contextmanager
def _undone(module: torch.nn.Module | None) -> Iterator[None]:
    """The state of the model and of random generators is afterwards what it is now."""
    now = _verify._State(module)
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
