"""Whether a graph computes what the model does at sizes where the model does other things.

A run that called other operators on the way (a mask that one token does not need) tells nothing of
the nodes; so the graph is run in PyTorch and held against what the model returns.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import _core, _size_choice, _size_errors, _symbols, _verify
from ._places import Place
from ._size_runs import Run, Runner
from .backend.base import as_pairs, to_numpy
from .errors import DynamicShapeError

_log = logging.getLogger("toffee")


@dataclass(frozen=True)
class Claim:
    """That a graph, which was made of runs like one of them, holds at all sizes."""

    runner: Runner
    graph: _core.Graph
    usual: Run
    lines: _size_errors.Lines
    #: Lines that may be to blame where the runs have the same nodes.
    suspects: Sequence[Place]

    def hold_against(self, run: Run, n_draws: int) -> None:
        """That the graph computes what the model does at the sizes of RUN, where it did other
        things on the way: a mask that is left out for one token, padding that is not needed. Sizes
        of outputs that are others there are not declared any more.

        Parameters
        ----------
        n_draws : int
            With how many values: after a layer_norm, or a softmax, what is wrong may not show in
            all.

        Raises
        ------
        DynamicShapeError
            It computes something else there, or cannot be run.
        """
        for draw in range(n_draws):
            results = self._compare(run.sizes, draw, run.graph)
            self._loosen(run.sizes, results)
        where = self.runner.request.describe(run.sizes)
        _log.info("the model does other things at %s, and the graph computes the same", where)

    def _compare(
        self, sizes: tuple[int, ...], draw: int, trace: _core.Graph | None = None
    ) -> list[Any]:
        """What the graph computes at SIZES, if it is right. TRACE is of the model there."""
        try:
            found, results = self._differences(sizes, draw)
            wrong = [i for i, difference in enumerate(found) if not difference.fits]
            # Where the graph is right, what it is off by there is rounding.
            usually = self._differences(self.usual.sizes, draw)[0] if wrong else found
        except (_core.Error, ValueError, RuntimeError) as error:
            raise self._fails(sizes, trace, f"it fails with {error}") from error
        for i in wrong:
            what = found[i].problem and f"is {found[i]}" or f"is off by {found[i].absolute:.2g}"
            if found[i].problem or not found[i].is_like(usually[i]):
                raise self._fails(sizes, trace, f"output {i} {what}")
        return results

    def _fails(
        self, sizes: tuple[int, ...], trace: _core.Graph | None, found: str
    ) -> DynamicShapeError:
        places = _size_errors.divergence(self.usual.graph, trace, self.lines) or self.suspects
        request = self.runner.request
        least = self._least(sizes) if trace is not None else ()
        return _size_errors.elsewhere(request, sizes, self.usual.sizes, found, places, least)

    def _least(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """The least sizes from SIZES on at which the graph is right, if they are near."""
        for larger in _size_choice.upwards(self.runner.request, sizes):
            with contextlib.suppress(Exception):  # the model's own, or this one is not right either
                self._compare(larger, draw=0)
                return larger
        return ()

    def _differences(
        self, sizes: tuple[int, ...], draw: int
    ) -> tuple[list[_verify.Difference], list[Any]]:
        """How far what the graph computes at SIZES is from what the model does; and what it
        computes. DRAW: which values the inputs have."""
        from .backend import torch as backend

        whole = Run(sizes)
        inputs = self.runner.other_values(whole, draw)
        if inputs is None:
            arguments = self.runner.arguments(sizes)
            inputs = _verify.copies(_verify.tensors_in(arguments))  # the model may write to its own
            self.runner.tracer(*arguments, whole)
        expected = _verify.tensors_in(whole.output)
        with backend.TorchRep(self.graph, "CPU", shares=True) as rep:
            results = list(rep.run(inputs))
        found = [
            _verify.difference(result, as_pairs(to_numpy(tensor)))
            for result, tensor in zip(results, expected, strict=True)
        ]
        return found, results

    def _loosen(self, sizes: tuple[int, ...], results: Sequence[Any]) -> None:
        """Let the graph not declare sizes of outputs that RESULTS, at SIZES, do not have: runtimes
        believe them."""
        known = dict(zip(self.runner.request.names, sizes, strict=True))
        shapes = dict(zip(self.graph.output, (result.shape for result in results), strict=True))
        for info in self.graph.output_info:
            if info.shape is not None:
                info.shape = tuple(
                    said if _is_size(said, size, known) else None
                    for said, size in zip(info.shape, shapes[info.name], strict=True)
                )


def _is_size(said: int | str | None, size: int, known: dict[str, int]) -> bool:
    """Whether what is declared, SAID, is SIZE where symbols are as KNOWN."""
    if not isinstance(said, str):
        return said in (None, size)
    declared = _symbols.parse(said)
    try:
        return not declared.known(known) or declared.value(known) == size
    except ZeroDivisionError:
        return False
