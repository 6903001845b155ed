"""The Python half of the tracer: what is rare enough to be slow, or a question to PyTorch.

The C half (``csrc/trace``) records every operator; it calls the functions of this module when an
operator has no lowering, when a value leaves the trace, and when an error needs the user's line.
"""

from __future__ import annotations

import contextlib
import linecache
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from . import _core

_INTERNAL = (os.path.dirname(torch.__file__) + os.sep, os.path.dirname(__file__) + os.sep, "<")


class Tracer(_core.Tracer, TorchDispatchMode):  # type: ignore[misc]
    """One trace. On as a context manager: every ATen call of this thread goes through it.

    The body is empty on purpose: PyTorch wraps a ``__torch_dispatch__`` that is written in Python
    with a slow guard, and finds the C one of the base class without.
    """


class Witness(_core.Witness, TorchFunctionMode):  # type: ignore[misc]
    """Sees values that leave a trace without an ATen call. The body is empty as the Tracer's is."""


# Functions that read a tensor's memory and tell nobody.
_READERS = frozenset(
    {
        torch.Tensor.numpy,
        torch.Tensor.tolist,
        torch.Tensor.__array__,
        torch.Tensor.__dlpack__,
        torch.Tensor.__deepcopy__,
        torch.Tensor.__reduce_ex__,
        torch.as_tensor,
        torch.asarray,
        torch.tensor,
    }
)


_BAKED = "the graph has it as it was in this run"
_LEAKS = {
    "a value": f"takes a value that depends on an input out of the trace: {_BAKED}",
    "a shape": f"makes a shape that depends on the values of an input: {_BAKED}",
    "random numbers": "draws random numbers: the graph has those of this run",
}


class Journal:
    """What a trace has to say at its end, and the stack of operators being taken apart."""

    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self.leaks: list[str] = []
        self._stack: list[Any] = []

    def leak(self, operator: str, what: str) -> None:
        """Warn that WHAT (a key of _LEAKS) left the trace at OPERATOR.

        Raises
        ------
        toffee.TraceError
            With ``strict=True``; the export fails even if the model catches it.
        """
        filename, line = user_line()
        text = f"{operator} {_LEAKS[what]}\n  {describe(filename, line)}"
        if self.strict:
            self.leaks.append(text)
            raise _core.TraceError(text)
        warnings.warn_explicit(text, _core.TraceWarning, filename, line)

    def decompose(self, tracer: Tracer, func: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
        """Run FUNC in pieces that come back to the tracer; NotImplemented if PyTorch knows none."""
        if self._stack.count(func) >= 2:  # two decompositions that call each other
            return NotImplemented
        self._stack.append(func)
        try:
            for attempt in (_composite, _registered, _out_of_place):
                try:
                    with tracer:
                        result = attempt(func, args, kwargs or {})
                except NotImplementedError:  # it ends in a primitive without a lowering
                    continue
                if result is not NotImplemented:
                    return result
            return NotImplemented
        finally:
            self._stack.pop()


def _composite(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """One level of an operator that PyTorch itself defines by others."""
    return func.decompose(*args, **kwargs)


def _registered(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """PyTorch's decompositions in Python, as its compiler uses them."""
    from torch._decomp import decomposition_table

    decomposition = decomposition_table.get(func)
    return NotImplemented if decomposition is None else decomposition(*args, **kwargs)


def _out_of_place(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``x.foo_(y)`` as ``x.copy_(x.foo(y))``, where the plain spelling exists."""
    name = func._schema.name.split("::")[1]
    if not name.endswith("_") or name.endswith("__") or not func._schema.is_mutable:
        return NotImplemented
    packet = getattr(getattr(torch.ops, func.namespace), name[:-1], None)
    plain = getattr(packet, func._overloadname, None)
    if plain is None or not isinstance(args[0], torch.Tensor):
        return NotImplemented
    args[0].copy_(plain(*args, **kwargs))
    return args[0]


def recording(tracer: Tracer) -> contextlib.ExitStack:
    """Both doors open: the context in which the model runs."""
    witness = Witness()
    witness.watch(tracer, _READERS)
    stack = contextlib.ExitStack()
    stack.enter_context(torch.inference_mode())
    stack.enter_context(unfused())
    stack.enter_context(tracer)
    stack.enter_context(witness)
    return stack


def whole_storage(tensor: torch.Tensor) -> torch.Tensor:
    """All of TENSOR's storage as a dense tensor: TENSOR itself where that is the same."""
    storage = tensor.untyped_storage()
    if tensor.is_contiguous() and tensor.nbytes == storage.nbytes():
        return tensor
    whole = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
    return whole.set_(storage, 0, (storage.nbytes() // tensor.itemsize,))  # type: ignore[arg-type]


def user_line() -> tuple[str, int]:
    """File and line of the innermost frame that is neither PyTorch's nor ours."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INTERNAL):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def describe(filename: str, line: int) -> str:
    """``file:line: source text``, for messages."""
    text = linecache.getline(filename, line).strip()
    return f"{filename}:{line}: {text}" if text else f"{filename}:{line}"


def place() -> str:
    """The user's line that is running, for messages."""
    return describe(*user_line())


@contextlib.contextmanager
def unfused() -> Iterator[None]:
    """Switch off the fused fast paths of multi-head attention, which hide the model."""
    mha = torch.backends.mha
    enabled = mha.get_fastpath_enabled()
    mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        mha.set_fastpath_enabled(enabled)


@contextlib.contextmanager
def mode_of(model: Callable[..., Any], training: bool) -> Iterator[None]:
    """Put the module MODEL into training or evaluation mode; every flag is put back afterwards."""
    if not isinstance(model, torch.nn.Module):
        yield
        return
    flags = [(module, module.training) for module in model.modules()]
    try:
        model.train(training)
        yield
    finally:
        for module, flag in flags:
            module.training = flag
