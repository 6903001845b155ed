"""Switches of PyTorch that are the process's, turned for as long as something runs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import torch


class Switch:
    """Context manager: the first one in turns the switch, the last one out turns it back. Any
    number of threads may be inside."""

    def __init__(self, read: Callable[[], Any], turn: Callable[[Any], Any], to: Any) -> None:
        self._read = read
        self._turn = turn
        self._to = to
        self._lock = threading.Lock()
        self._inside = 0
        self._before: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._before = self._read()
                self._turn(self._to)
            self._inside += 1

    def __exit__(self, *exc_info: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._turn(self._before)


#: The fused fast paths of multi-head attention hide the model.
unfused = Switch(
    torch.backends.mha.get_fastpath_enabled, torch.backends.mha.set_fastpath_enabled, False
)


def _is_said_to_be_causal(
    mask: Any, is_causal: bool | None = None, size: int | None = None
) -> bool:
    return is_causal is True


#: nn.Transformer and its parts look whether a mask is the causal one, and then leave it out: a
#: graph would do so with every mask. Now they take the user's word.
hinted = Switch(
    lambda: torch.nn.modules.transformer._detect_is_causal_mask,
    lambda function: setattr(torch.nn.modules.transformer, "_detect_is_causal_mask", function),
    _is_said_to_be_causal,
)


class _Exporting(Switch):
    """``torch.compiler.is_exporting()`` says yes, in the threads that are inside.

    It is where libraries ask whether they may look at the values of an input to save work: ``if
    mask.all(): mask = None`` would leave the mask out of the graph. Only Python that names the
    function hears yes: TorchScript asks too, from C++, and then calls the Python that a method was
    made of in place of the method, with the wrong arguments.
    """

    def __init__(self) -> None:
        super().__init__(
            lambda: torch.compiler.is_exporting,
            lambda function: setattr(torch.compiler, "is_exporting", function),
            self._is_exporting,
        )
        self._threads = threading.local()

    def _is_exporting(self) -> bool:
        names = sys._getframe(1).f_code.co_names
        return bool(getattr(self._threads, "depth", 0) and "is_exporting" in names)

    def __enter__(self) -> None:
        super().__enter__()
        self._threads.depth = getattr(self._threads, "depth", 0) + 1

    def __exit__(self, *exc_info: object) -> None:
        self._threads.depth -= 1
        super().__exit__(*exc_info)


exporting = _Exporting()
