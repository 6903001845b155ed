"""Any size: trace a model at several sizes, and make one graph of the traces.

``_size_choice`` has the sizes, and ``_size_runs`` makes the runs; most compute only what is cheap,
since nobody looks at their values. Calls that make data of the moment (``torch.arange(n)``) and
made other data at other sizes are recorded as operators. Runs that did the same are a group, of
which ``csrc/size`` makes one graph; ``_size_compare`` holds it against the runs that did not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from . import _core, _dims, _models, _places, _size_choice, _size_errors, _verify, numpy_helper
from ._size_compare import Claim
from ._size_runs import Run, Runner, Tracer
from .errors import DynamicShapeError

#: A model of fewer operators costs so little that it is traced at many sizes.
_FEW_OPERATORS = 100

#: Operators whose windows depend on sizes.
_WINDOWS = re.compile(r"aten::_?adaptive_avg_pool")

#: With how many values a model of few operators is compared: after a layer_norm, or a softmax, what
#: is wrong may not show in all.
_DRAWS = 4

#: What a graph says of sizes beyond what was seen: see toffee_guess in csrc/size/fit.h. What is cut
#: off is usual, too.
_NOTHING, _USUAL, _RARE = range(3)

_Sizes = tuple[int, ...]

#: How many runs that did the same speak for a graph; and for one that divides or cuts sizes.
_LEAST = 3
_ENOUGH = 8


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
    runner = Runner(model, args, kwargs, request, tracer, examples)
    first = runner.first()
    with runner.undone():
        graph = _Twins(runner, lines).graph_from(first)
    untraced = _size_choice.untraced(request, runner.traced) if not examples else []
    return Traced(graph, first.output, untraced)


class _Twins:
    """Makes one graph of the runs of a runner."""

    def __init__(self, runner: Runner, lines: _size_errors.Lines) -> None:
        self.runner = runner
        self.request = runner.request
        self.examples = runner.examples
        self.lines = lines
        self.named: list[str] = []  # the operators that the runner's sources count
        #: Lines that were another at a special size, in runs with the same nodes.
        self.suspects: tuple[_places.Place, ...] = ()
        self.guess = _NOTHING

    def graph_from(self, first: Run) -> _core.Graph:
        """One graph for all sizes, or the error of the last way in which runs can be made."""
        while True:
            try:
                return self._unified(first)
            except DynamicShapeError:
                if not self._looks_closer(first):
                    raise
            self.runner.sources.clear()

    def _looks_closer(self, first: Run) -> bool:
        """Whether there is a way left in which the runs can be made, and it is taken."""
        if self._may_reckon_windows(first):
            self.runner.is_any = True
        elif not self.runner.computes:  # what was not computed may have decided something
            self.runner.computes = True
        else:
            return False
        return True

    def _may_reckon_windows(self, first: Run) -> bool:
        return not self.runner.is_any and any(map(_WINDOWS.match, first.operators()))

    def _unified(self, first: Run) -> _core.Graph:
        """One graph of the runs that did the same, held against the others by its results. Where
        that does not do, once more with runs at further sizes: they make out of too few that did
        the same enough of them, and tell apart numbers that were the same so far. So, too, where
        the graph says more of sizes than so many runs tell."""
        points = (
            [[self.runner.sizes_of(example)] for example in self.examples]
            if self.examples
            else _size_choice.points(self.request)
        )
        ends = points[:: max(len(points) - 1, 1)]  # between these all sizes move
        runs = self._sourced([first, *(self.runner.attempt(wanted) for wanted in ends)])
        runs += [self.runner.attempt(wanted) for wanted in points[1:-1]]
        if self.examples:
            return self._of_some(runs)
        is_small = self._is_small(first)
        if is_small:
            runs += self.runner.taken(_size_choice.more(self.request), runs)
        for wanted in _size_choice.ends(self.request):
            runs += self.runner.first_taken(wanted, runs)
        stages = (_size_choice.further, _size_choice.many)
        n_done = 0  # of these
        while True:
            try:
                graph = self._of_some(runs)
                n_wanted = self._n_wanted(runs, is_small)
                if n_wanted <= n_done:
                    return graph
                n_done = n_wanted if is_small else n_done + 1
            except DynamicShapeError:
                self.runner.sources.clear()
                if n_done == len(stages) or self._may_reckon_windows(first):
                    raise
                n_done += 1
            sizes = stages[n_done - 1](self.request, self.runner.computes, not is_small)
            runs += self.runner.taken(sizes, runs)

    def _n_wanted(self, runs: Sequence[Run], is_small: bool) -> int:
        """How far a graph of RUNS has to be looked at again: at further sizes (1), or at many
        (2). What is rare in a large model may be usual after the first of these; but not in one
        that refuses most sizes."""
        if self.guess == _NOTHING:
            return 1 if not is_small and _n_sizes(runs) < _LEAST else 0
        return 2 if is_small or self.guess == _RARE or _n_sizes(runs) < _ENOUGH else 1

    def _is_small(self, run: Run) -> bool:
        return len(run.journal) <= _FEW_OPERATORS

    def _of_some(self, runs: Sequence[Run]) -> _core.Graph:
        """One graph for what all RUNS do. What is done from some size on, or at every other one,
        makes several groups of runs: the graph of one of these may compute it all."""

        def of_those_like(same: Sequence[Run]) -> _core.Graph:
            # Of an attempt before, graphs may be spent, and the calls counted otherwise.
            is_counted = not self.runner.sources or same[0].operators() == self.named
            if not is_counted:
                self.runner.sources.clear()
            return self._of_group([self.runner.unspent(run) for run in runs], same)

        groups = self._enough(runs, Run.operators, self._diverged)
        return _first_that_does(groups, of_those_like)

    def _of_group(self, runs: Sequence[Run], same: Sequence[Run]) -> _core.Graph:
        """One graph, of those of RUNS that do what SAME do."""
        runs = self._recorded(list(runs), same)

        def of_those_like(same: Sequence[Run]) -> _core.Graph:
            graph, used = self._unify_most(same)
            others = used[1:]  # the first's graph is spent
            usual = min(others, key=lambda run: math.prod(run.sizes))
            claim = Claim(self.runner, graph, usual, self.lines, self.suspects)
            for run in runs:
                if run not in used:
                    claim.hold_against(run, _DRAWS if self._is_small(run) else 1)
            if self.runner.computes:  # an attempt before may have failed at other sizes
                known = [run.sizes for run in runs]
                n_most = 64 if self._is_small(runs[0]) else 8
                beyond = _size_choice.beyond(self.runner.traced, known, n_most)
                for run in self.runner.taken(beyond, runs):
                    claim.hold_against(run, 1)
            self.guess = max(self.guess, _USUAL if _cuts(graph) else _NOTHING)
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
        self.runner.sources |= self._moved(same)
        return [self.runner.run(run.sizes) for run in runs] if self.runner.sources else runs

    def _recorded(self, runs: list[Run], same: Sequence[Run]) -> list[Run]:
        """RUNS once more, with the calls recorded that made other data at other sizes."""
        self.named = same[0].operators()
        for _ in range(4):  # what is recorded now may make more data move
            found = self._moved([run for run in runs if run.operators() == self.named])
            if found <= self.runner.sources:
                break
            self.runner.sources |= found
            runs = [self.runner.run(run.sizes) for run in runs]
        return runs

    def _moved(self, runs: Sequence[Run]) -> set[int]:
        """The calls that made data, and other data at other sizes. RUNS have the same operators."""
        head = runs[0]
        return {
            k
            for run in runs[1:]
            for k, (one, other) in enumerate(zip(head.journal, run.journal, strict=True))
            if one[1] != other[1] and k not in self.runner.sources
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
        ordinary[0] = self.runner.run(ordinary[0].sizes)  # its graph is spent
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
            self.guess = _core.unify(graphs, self.request.names, sizes, places)
        except _core.TraceError as error:
            raise _size_errors.after_unify(error, self.lines) from None
        return graphs[0]

    def _n_inputs(self) -> int:
        return len(_verify.tensors_in((self.runner.args, self.runner.kwargs)))


def _n_sizes(runs: Sequence[Run]) -> int:
    """How many sizes beside 1 a symbol had, at least."""
    columns = zip(*(run.sizes for run in runs), strict=True)
    return min(len({*sizes} - {1}) for sizes in columns)


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
    try:
        raise refusals[0]
    finally:
        del refusals  # it would hold the error, which holds this frame and all runs
