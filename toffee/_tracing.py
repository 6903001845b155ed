"""The Python half of the tracer: what is rare enough to be slow, or a question to PyTorch.

The C half (``csrc/trace``) records every operator; it calls the functions of this module when an
operator has no lowering, when a value leaves the trace, and when an error needs the user's line.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from . import _builder, _core, _decompositions, _guards, _places, _switches
from ._places import Place, is_internal

#: Files whose lines are better than none, and those there that say nothing either.
_LAYERS = os.path.join(os.path.dirname(torch.__file__), "nn", "")
_NO_LAYERS = (_LAYERS + "functional.py", os.path.join(_LAYERS, "modules", "module.py"))


class Tracer(_core.Tracer, TorchDispatchMode):  # type: ignore[no-untyped-call]
    """One trace. On as a context manager: every ATen call of this thread goes through it.

    The body is empty on purpose: PyTorch wraps a ``__torch_dispatch__`` that is written in Python
    with a slow guard, and finds the C one of the base class without.
    """


class Witness(_core.Witness, TorchFunctionMode):
    """Sees values that leave a trace without an ATen call. The body is empty as the Tracer's is."""


class Slices(TorchFunctionMode):
    """Has ``x[:, :n]`` slice also where n is the whole size.

    PyTorch leaves such a slice out, and so at one size there would be an operator that there is not
    at another.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func in _INDEXED and not kwargs and isinstance(args[0], torch.Tensor):
            view, index = _sliced(args[0], args[1])
            args = (view, index, *args[2:])
        return func(*args, **(kwargs or {}))


_INDEXED = frozenset({torch.Tensor.__getitem__, torch.Tensor.__setitem__})


def _sliced(tensor: torch.Tensor, index: Any) -> tuple[torch.Tensor, Any]:
    """TENSOR[INDEX] in two steps: with its slices taken, and what is left of the index."""
    items = list(index) if isinstance(index, tuple) else [index]
    kinds = {type(item) for item in items}
    if slice not in kinds or not kinds <= {int, slice, type(None), type(Ellipsis)}:
        return tensor, index
    if sum(item is Ellipsis for item in items) > 1:
        return tensor, index
    n_axes = sum(type(item) in (int, slice) for item in items)
    axis = 0
    for i, item in enumerate(items):
        if item is Ellipsis:
            axis += tensor.dim() - n_axes
        elif type(item) is slice and axis < tensor.dim():
            bounds = (item.start, item.stop, item.step)
            is_plain = all(bound is None or type(bound) is int for bound in bounds)
            if is_plain and bounds != (None, None, None) and (item.step is None or item.step > 0):
                step = 1 if item.step is None else item.step
                tensor = torch.ops.aten.slice.Tensor(tensor, axis, item.start, item.stop, step)
                items[i] = slice(None)
        axis += type(item) in (int, slice)
    return tensor, tuple(items)


_BAKED = "the graph has it as it was in this run"
_LEAKS = {
    "a value": f"takes a value that depends on an input out of the trace: {_BAKED}",
    "a shape": "makes a shape that depends on the values of an input: what follows may have the "
    "shape of this run",
    "a subclass": "is a subclass of Tensor and made while the model runs (nn.Parameter(), "
    f"as_subclass()), of what cannot be seen: {_BAKED}",
    "random numbers": "draws random numbers: the graph has those of this run",
}

#: What Python's conversions call next; of the two, the conversion is the one that is reported.
_SCALAR_READS = frozenset({"aten::item", "aten::is_nonzero", "aten::_local_scalar_dense"})


class Journal:
    """What a trace has to say, each thing once, and the stack of operators being taken apart."""

    def __init__(
        self,
        strict: bool,
        parts: Sequence[tuple[str, torch.nn.Module]] = (),
        is_silent: bool = False,
    ) -> None:
        self.strict = strict
        self.is_silent = is_silent  # another run of the same model has said it
        #: What strict=True refused, and where.
        self.leaks: list[tuple[str, Place]] = []
        #: Something that the model did may hang on values, not on sizes alone.
        self.reads_values = False
        self._parts = parts
        self._said: set[tuple[str, str, int]] = set()
        self._conversions: set[tuple[str, int]] = set()
        self._stack: list[Any] = []

    def leak(self, operator: str, what: str) -> None:
        """Warn that WHAT (a key of _LEAKS) left the trace at OPERATOR, from the user's line.

        Raises
        ------
        toffee.TraceError
            With ``strict=True``; the export fails even if the model catches it.
        """
        self.reads_values |= what in ("a value", "a shape")
        line = user_line()
        if "::" not in operator:
            self._conversions.add(line)
        elif operator in _SCALAR_READS and line in self._conversions:
            return
        if (operator, *line) in self._said:
            return
        if what == "a value" and _guards.only_checks(sys._getframe(1), line):
            return
        self._say(operator, _LEAKS[what], self.place()._replace(operator=operator))

    def hidden_input(self, name: str, owner: Any, place: tuple[str, int]) -> None:
        """Warn about the tensor NAME in an argument that nobody knows how to take apart."""
        self._say(
            name,
            f"is a tensor inside of a {type(owner).__name__}, which is no known container: it is "
            "a constant of the graph. torch.utils._pytree.register_pytree_node makes it an input",
            Place(*place),
        )

    @contextlib.contextmanager
    def dice(self, place: tuple[str, int]) -> Iterator[None]:
        """Warn if Python's or NumPy's shared random numbers were drawn inside. The line of the
        draw cannot be seen: PLACE is where the model is defined."""
        before = _dice_states()
        yield
        for name, state in _dice_states().items():
            if name in before and before[name] != state:
                text = f"was drawn from while the model ran: {_BAKED}"
                self._say(f"the random generator of {name}", text, Place(*place))

    def _say(self, subject: str, text: str, place: Place) -> None:
        if (subject, place.file, place.line) in self._said:
            return
        self._said.add((subject, place.file, place.line))
        if self.is_silent:
            return
        text = f"{subject} {text}"
        if self.strict:
            self.leaks.append((f"{text}\n  {place}", place))
            self.refuse()
        warning = _places.attach(_core.TraceWarning(text), [place])
        warnings.warn_explicit(warning, None, place.file, place.line)

    def refuse(self) -> None:
        """Raise the first of what ``strict=True`` refused, if there was any."""
        for text, place in self.leaks[:1]:
            raise _places.attach(_core.TraceError(text), [place])

    # -- where the program is

    def place(self) -> Place:
        """The user's line that is running, and the module that it is in."""
        frame: FrameType | None = sys._getframe(1)
        users, outermost, module = None, frame, ""
        while frame is not None:
            outermost = frame
            if users is None and not is_internal(frame.f_code.co_filename):
                users = frame
            module = module or self._module_of(frame)
            frame = frame.f_back
        found = users or outermost
        assert found is not None
        return _places.of_frame(found, found.f_lineno, module)

    def locate(self, error: _core.Error) -> None:
        """Give ERROR, which went through the model, its place if it has none."""
        if not error.places:
            _places.attach(error, _places.of_traceback(error.__traceback__, self._module_of)[-1:])

    def _module_of(self, frame: FrameType) -> str:
        return _module_of(frame, self._parts)

    def lower(self, builder: _builder.GraphBuilder, *call: Any) -> Any:
        """Ask a registered lowering; see :func:`toffee._builder.lower`."""
        return _builder.lower(builder, *call, place=self.place)

    def decompose(self, tracer: Tracer, func: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
        """Run FUNC in pieces that come back to the tracer; NotImplemented if PyTorch knows none."""
        if self._stack.count(func) >= 2:  # two decompositions that call each other
            return NotImplemented
        self._stack.append(func)
        try:
            for attempt in (_ours, _composite, _registered, _out_of_place):
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


def _module_of(frame: FrameType, parts: Sequence[tuple[str, torch.nn.Module]]) -> str:
    """The path of the module, one of PARTS, that FRAME calls; empty if it calls none of them."""
    if frame.f_code is not MODULE_CALL:
        return ""
    called = frame.f_locals.get("self")
    return next((path for path, part in parts if part is called), "")


def users_lines(error: BaseException, parts: Sequence[tuple[str, torch.nn.Module]]) -> list[Place]:
    """The user's lines that ERROR went through, with the modules among PARTS that were called."""
    return _places.of_traceback(error.__traceback__, lambda frame: _module_of(frame, parts))


def _ours(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What toffee knows better than PyTorch, or alone."""
    function = _decompositions.find(func)
    if function is not None:
        return function(*args, **kwargs)
    return _into_out(func, args, kwargs)


def _into_out(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The same for the spelling with ``out=``: its results, written there."""
    names = [argument.name for argument in func._schema.arguments if argument.is_out]
    function = _decompositions.find(_without_out(func)) if names else None
    if function is None:
        return NotImplemented
    plain = {key: value for key, value in kwargs.items() if key not in names}
    made = function(*args, **plain)
    if made is NotImplemented:
        return NotImplemented
    targets = [kwargs[key] for key in names]
    results = made if isinstance(made, (list, tuple)) else (made,)
    for target, result in zip(targets, results, strict=True):
        if target.shape != result.shape:
            target.resize_(result.shape)
        target.copy_(result)
    return tuple(targets) if len(targets) > 1 else targets[0]


def _without_out(func: Any) -> Any:
    """The overload that takes what FUNC takes but for ``out=``, or FUNC."""
    packet = func.overloadpacket
    wanted = [(a.name, str(a.type)) for a in func._schema.arguments if not a.is_out]
    for name in packet.overloads():
        plain = getattr(packet, name)
        if wanted == [(a.name, str(a.type)) for a in plain._schema.arguments]:
            return plain
    return func


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
    result = plain(*args, **kwargs)
    if result.shape != args[0].shape:  # resize_
        return NotImplemented
    return args[0].copy_(result)


# ---- values that leave without an ATen call ------------------------------------------------------


def _deepcopy(tensor: torch.Tensor, memo: dict[int, Any]) -> Any:
    if id(tensor) not in memo:
        copied = tensor.detach().clone()
        if isinstance(tensor, torch.nn.Parameter):
            copied = torch.nn.Parameter(copied, tensor.requires_grad)
        memo[id(tensor)] = copied
    return memo[id(tensor)]


def _as_tensor(data: Any, dtype: Any = None, device: Any = None, **options: Any) -> Any:
    """torch.as_tensor and torch.asarray, of a tensor or of nested lists with tensors in them."""
    if options:
        return NotImplemented
    if isinstance(data, torch.Tensor):
        return data.to(dtype=dtype or data.dtype, device=device or data.device)
    made = torch.as_tensor(data, dtype=dtype, device=device)  # for its dtype, and its errors
    return _stack(data, made.dtype)


def _stack(data: Any, dtype: torch.dtype) -> torch.Tensor:
    if isinstance(data, torch.Tensor):
        return data.detach().to(dtype).reshape(())
    if isinstance(data, (list, tuple)):
        return torch.stack([_stack(item, dtype) for item in data])
    return torch.as_tensor(data, dtype=dtype)


def _tensor(data: Any, **options: Any) -> Any:
    """torch.tensor, of the same; always a new one."""
    made = _as_tensor(data, **options)
    return made if made is NotImplemented else made.detach().clone()


def _pad_packed(data: Any, batch_sizes: Any, batch_first: Any, value: Any, length: Any) -> Any:
    """What is behind ``torch.nn.utils.rnn.pad_packed_sequence``, which says how long the longest
    sequence of this run is where the user said nothing. -1 is how the operator says nothing."""
    caller = sys._getframe(1)
    if caller.f_code is _PAD_CODE and caller.f_locals["total_length"] is None:
        length = -1
    return torch._VF._pad_packed_sequence(data, batch_sizes, batch_first, value, length)


def _refuse(name: str, instead: str) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise _core.TraceError(f"{name} has no form in a graph: {instead}\n  {Place(*user_line())}")

    return refuse


_PAD_CODE = torch.nn.utils.rnn.pad_packed_sequence.__code__


def _set_data(tensor: torch.Tensor, data: torch.Tensor) -> None:
    """``tensor.data = data``. Module.to() does that for every parameter, also where the tensor has
    the wanted type already and gets its own memory back."""
    if not (
        isinstance(data, torch.Tensor)
        and (tensor.dtype, tensor.device) == (data.dtype, data.device)
        and (tensor.shape, tensor.stride()) == (data.shape, data.stride())
        and tensor.data_ptr() == data.data_ptr()
    ):
        _refuse("Assigning to .data", "use copy_(), or the other tensor itself")()


#: Functions that look into a tensor's memory and tell nobody. A number: traced tensors from that
#: argument on are reported. A function: it is called instead and says the same in operators, or
#: raises, or returns NotImplemented.
_READERS: dict[Any, int | Callable[..., Any]] = {
    torch.Tensor.__array__: 0,
    torch.Tensor.__complex__: 0,
    torch.Tensor.__dlpack__: 0,
    torch.Tensor.__float__: 0,
    torch.Tensor.__index__: 0,
    torch.Tensor.__int__: 0,
    torch.Tensor.__reduce_ex__: 0,
    torch.Tensor.__repr__: 0,
    torch.Tensor._typed_storage: 0,
    torch.Tensor.data_ptr: 0,
    torch.Tensor.new: 1,
    torch.Tensor.new_tensor: 1,
    torch.Tensor.numpy: 0,
    torch.Tensor.storage: 0,
    torch.Tensor.tolist: 0,
    torch.Tensor.untyped_storage: 0,
    torch.as_tensor: _as_tensor,
    torch.asarray: _as_tensor,
    torch.tensor: _tensor,
    torch._VF._pad_packed_sequence: _pad_packed,
    torch.Tensor.__deepcopy__: _deepcopy,
    torch.Tensor.apply_: _refuse("Tensor.apply_", "write it with tensor operators"),
    torch.Tensor.map_: _refuse("Tensor.map_", "write it with tensor operators"),
    torch.Tensor.map2_: _refuse("Tensor.map2_", "write it with tensor operators"),
    torch.Tensor.data.__set__: _set_data,  # type: ignore[attr-defined]
}


def _dice_states() -> dict[str, Any]:
    """What the shared generators outside of PyTorch are at; those of PyTorch are seen at work."""
    states: dict[str, Any] = {"Python": random.getstate()}
    if "numpy" in sys.modules:
        import numpy.random  # NumPy itself waits for the first draw

        _, keys, *rest = numpy.random.get_state(legacy=True)
        states["NumPy"] = (numpy.asarray(keys).tobytes(), *rest)
    return states


# ---- the run -------------------------------------------------------------------------------------

#: The code that runs whenever a module is called.
MODULE_CALL = getattr(
    getattr(torch.nn.Module, "_wrapped_call_impl", torch.nn.Module.__call__), "__code__", None
)


def recording(tracer: Tracer, is_twin: bool = False) -> contextlib.ExitStack:
    """Both doors open: the context in which the model runs."""
    witness = Witness()
    witness.watch(tracer, _READERS)
    stack = contextlib.ExitStack()
    stack.enter_context(torch.inference_mode())
    stack.enter_context(_switches.unfused)
    stack.enter_context(_switches.hinted)
    stack.enter_context(_switches.exporting)
    stack.enter_context(tracer)
    stack.enter_context(witness)
    if is_twin:
        stack.enter_context(Slices())
    return stack


def whole_storage(tensor: torch.Tensor) -> torch.Tensor:
    """All of TENSOR's storage as a dense tensor: TENSOR itself where that is the same."""
    storage = tensor.untyped_storage()
    if tensor.is_contiguous() and tensor.nbytes == storage.nbytes():
        return tensor
    whole = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
    return whole.set_(storage, 0, (storage.nbytes() // tensor.itemsize,), (1,))


def user_line() -> tuple[str, int]:
    """File and line of the innermost frame that is neither PyTorch's, Python's nor ours."""
    frame = sys._getframe(1)
    while frame.f_back is not None and is_internal(frame.f_code.co_filename):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


class Sources:
    """Whose code is in a file, and what the file is called in the graph: as it is imported.

    That is its path below a folder of ``sys.path``, so that a graph is the same wherever the
    libraries and the program are installed, and says nothing of the machine; else below the current
    folder; else as it is.
    """

    def __init__(self) -> None:
        absolute = {f"{path.rstrip(os.sep)}{os.sep}" for path in sys.path if os.path.isabs(path)}
        self._folders = sorted(absolute - {os.sep}, key=len, reverse=True)
        with contextlib.suppress(OSError):  # it may be gone
            self._folders.append(os.path.join(os.getcwd(), ""))
        self._files: dict[str, str] = {}  # by what they are called

    def __call__(self, filename: str) -> tuple[str, bool] | None:
        """What FILENAME is called, and whether it is the user's or else a layer's of PyTorch; None
        for other files of PyTorch, Python and toffee."""
        is_users = not is_internal(filename)
        if not is_users and (not filename.startswith(_LAYERS) or filename in _NO_LAYERS):
            return None
        name = next((filename[len(f) :] for f in self._folders if filename.startswith(f)), filename)
        name = name.encode("utf-8", "backslashreplace").decode()
        self._files[name] = filename
        return name, is_users

    def place(self, doc: str) -> Place | None:
        """The line that a ``doc_string`` names, if it is one of these files."""
        name, _, line = doc.rpartition(":")
        known = name in self._files and line.isdecimal()
        return Place(self._files[name], int(line)) if known else None
