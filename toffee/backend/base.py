"""What every backend has in common: inputs in, outputs out, devices, errors.

A backend is a module with the functions ``prepare``, ``run``, ``run_node`` and
``supports_device``, and a class derived from :class:`Rep` for a graph that is ready to run. This
module knows no runtime; it needs NumPy only.
"""

from __future__ import annotations

import abc
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from .. import helper
from .._core import Graph, Node, OperatorSetId, Tensor
from .._symbols import Misfit, Sizes, limits_of
from ..errors import BackendError

if TYPE_CHECKING:
    import numpy as np

    #: A NumPy array, a torch tensor, or anything else that speaks DLPack; also a number.
    Value = Any
    #: One value (of a graph with one input), one for each input in order, or values by name.
    Inputs = Value | Sequence[Value] | Mapping[str, Value]

__all__ = [
    "BackendError",
    "Device",
    "InputSpec",
    "Outputs",
    "Rep",
    "bind_inputs",
    "graph_of_node",
    "input_specs",
    "missing_package",
    "parse_device",
    "run_graph",
    "run_single_node",
    "to_numpy",
]

_R = TypeVar("_R", bound="Rep")


# ---- outputs -----------------------------------------------------------------------------------


class Outputs(tuple[Any, ...]):
    """What a run returns: a tuple of arrays, which can also be addressed by output name.

    ``outputs[0]``, ``outputs["logits"]``; ``outputs.names`` and ``outputs.asdict()``.
    """

    names: tuple[str, ...]

    def __new__(cls, values: Sequence[Any], names: Sequence[str]) -> Outputs:
        self = super().__new__(cls, values)
        self.names = tuple(names)
        if len(self) != len(self.names):
            raise ValueError(f"{len(self)} values for {len(self.names)} output names")
        return self

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return super().__getitem__(key)
        if key not in self.names:
            raise KeyError(f"there is no output {key!r}; the outputs are {list(self.names)}")
        return super().__getitem__(self.names.index(key))

    def __reduce__(self) -> tuple[Any, ...]:
        return (Outputs, (tuple(self), self.names))

    def asdict(self) -> dict[str, Any]:
        """The values by name."""
        return dict(zip(self.names, self, strict=True))


# ---- devices -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Device:
    """``CPU``, or ``CUDA`` with the number of the card."""

    kind: str
    index: int = 0

    def __str__(self) -> str:
        return self.kind if self.kind == "CPU" else f"{self.kind}:{self.index}"


def parse_device(device: str) -> Device:
    """``"CPU"``, ``"CUDA"`` or ``"CUDA:1"``, in upper or lower case.

    Raises
    ------
    toffee.BackendError
        It is something else.
    """
    kind, colon, number = str(device).upper().partition(":")
    known = kind in ("CPU", "CUDA") and (not colon or (number.isascii() and number.isdigit()))
    if not known or (kind == "CPU" and int(number or 0) != 0):
        raise BackendError(f"unknown device {device!r}: it can be 'CPU', 'CUDA' or 'CUDA:N'")
    return Device(kind, int(number or 0))


def missing_package(what: str, package: str) -> BackendError:
    """The error for a run-time library that is not installed; its extra has the same name."""
    return BackendError(f"{what} is not installed: pip install {package}, or toffee[{package}]")


# ---- inputs ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class InputSpec:
    """What a graph declares about an input.

    ``dtype`` is a ``data_type`` of :class:`toffee.Tensor`, 0 where the graph does not say;
    ``shape`` has a number, a symbol or None for each dimension, and is None where not even the rank
    is known.
    """

    name: str
    dtype: int
    shape: tuple[int | str | None, ...] | None

    def __str__(self) -> str:
        """For messages: ``float32[N, 3, 224, 224]``."""
        return f"{_dtype_text(self.dtype)}{_shape_text(self.shape)}"

    def check_shape(self, shape: Sequence[int], sizes: Sizes, given: str) -> None:
        """Compare the SHAPE of a value with the declared one.

        SIZES has the sizes of the symbols met so far and takes those of this one; expressions are
        compared by ``sizes.settle()``, after the last input. GIVEN describes the value, for the
        message.

        Raises
        ------
        toffee.BackendError
            Another rank or size, a symbol that has two sizes, or one that it may not have.
        """
        try:
            sizes.take(self.name, self.shape, shape)
        except Misfit as misfit:
            raise BackendError(
                f"input '{self.name}' must be {self}, but {given} was given: {misfit}"
            ) from None

    def mismatch(self, given: str) -> BackendError:
        """The error for a value that does not fit; GIVEN describes it."""
        return BackendError(f"input '{self.name}' must be {self}, but {given} was given")


def _dtype_text(dtype: int) -> str:
    return "any dtype" if dtype == 0 else _dtype_name(dtype) or "string"


def _shape_text(shape: Sequence[Any] | None) -> str:
    if shape is None:
        return " of any shape"
    return f"[{', '.join('?' if dim is None else str(dim) for dim in shape)}]"


def input_specs(graph: Graph) -> tuple[InputSpec, ...]:
    """The inputs that a run needs: those of GRAPH without an initializer, in order. Parameters
    that were not exported are among them, in front."""
    stored = {tensor.name for tensor in graph.initializer}
    infos = {info.name: info for info in graph.input_info}
    specs = []
    for name in graph.input:
        if name not in stored:
            info = infos.get(name)
            specs.append(
                InputSpec(name, info.dtype, info.shape) if info else InputSpec(name, 0, None)
            )
    return tuple(specs)


def _is_torch(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _is_one_value(inputs: Any) -> bool:
    return not isinstance(inputs, (list, tuple))


def bind_inputs(specs: Sequence[InputSpec], inputs: Inputs) -> list[Any]:
    """The values of INPUTS in the order of SPECS, as they were given.

    Raises
    ------
    toffee.BackendError
        Too few, too many, or names that the graph does not have.
    """
    names = [spec.name for spec in specs]
    if isinstance(inputs, Mapping):
        unknown = [str(name) for name in inputs if name not in names]
        missing = [name for name in names if name not in inputs]
        if unknown or missing:
            parts = [f"has no input {unknown[0]!r}"] if unknown else []
            parts += [f"needs input {missing[0]!r}, which was not given"] if missing else []
            raise BackendError(f"the graph {' and '.join(parts)}; its inputs are {names}")
        return [inputs[name] for name in names]
    values = [inputs] if _is_one_value(inputs) else list(inputs)
    if len(values) != len(names):
        given = f"{len(values)} {'was' if len(values) == 1 else 'were'} given"
        count = f"{len(names)} input{'' if len(names) == 1 else 's'}"
        raise BackendError(f"the graph has {count}, {names}, but {given}")
    return values


def to_numpy(value: Any) -> np.ndarray:
    """VALUE as an array: shares its memory if it is an array, a torch tensor in host memory or
    another thing that speaks DLPack; tensors on a device are copied to the host.

    Raises
    ------
    TypeError
        It is no array, nor can NumPy make one of numbers or strings from it.
    """
    import numpy as np

    if isinstance(value, np.ndarray):
        return value
    if _is_torch(value):
        return _torch_to_numpy(value)
    if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
        return np.from_dlpack(value)
    array = np.asarray(value)
    if array.dtype.kind == "O" and not all(isinstance(x, (str, bytes)) for x in array.flat):
        raise TypeError(f"a {type(value).__name__} is no array of numbers or strings")
    return array


def _torch_to_numpy(tensor: Any) -> np.ndarray:
    """NumPy has no bfloat16 and float8 of its own, and PyTorch no way to those of ml_dtypes."""
    import torch

    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    name = str(tensor.dtype).removeprefix("torch.")
    if name == "bfloat16" or name.startswith("float8_"):
        bits = torch.int16 if tensor.itemsize == 2 else torch.uint8
        number = next(n for n in helper.get_all_tensor_dtypes() if _dtype_name(n) == name)
        array: np.ndarray = tensor.view(bits).numpy()
        return array.view(helper.tensor_dtype_to_np_dtype(number))
    return tensor.numpy()  # type: ignore[no-any-return]


def _dtype_name(dtype: int) -> str | None:
    name: str | None = helper._DTYPES[dtype][1]  # type: ignore[assignment]
    return name


def describe_value(value: Any) -> str:
    """``float64[2, 3]``, for messages, of anything with dtype and shape."""
    dtype = str(getattr(value.dtype, "name", value.dtype)).removeprefix("torch.")
    return f"{dtype}{_shape_text(tuple(value.shape))}"


def as_pairs(array: np.ndarray) -> np.ndarray:
    """ARRAY; if it is of complex numbers, as real ones with a last axis of 2: what an exported
    graph has for them."""
    import numpy as np

    if array.dtype.kind != "c":
        return array
    return np.ascontiguousarray(array).view(array.real.dtype).reshape(*array.shape, 2)


def _stands_for_complex(spec: InputSpec) -> bool:
    is_float = spec.dtype in (Tensor.FLOAT, Tensor.DOUBLE)
    return is_float and bool(spec.shape) and spec.shape is not None and spec.shape[-1] == 2


def fit_numpy(spec: InputSpec, value: Any, sizes: Sizes) -> np.ndarray:
    """VALUE as the array that SPEC declares, cast where NumPy calls that ``same_kind``. Complex
    numbers are taken where pairs of real ones are declared.

    Raises
    ------
    toffee.BackendError
        Another kind of dtype, or another shape.
    """
    import numpy as np

    try:
        array = to_numpy(value)
    except (TypeError, ValueError, BufferError, RuntimeError) as error:
        raise BackendError(f"input '{spec.name}' must be {spec}: {error}") from error
    given = describe_value(array)
    if _stands_for_complex(spec) and array.ndim + 1 == len(spec.shape or ()):
        array = as_pairs(array)
    spec.check_shape(array.shape, sizes, given)
    if spec.dtype == 0:
        return array
    wanted = helper.tensor_dtype_to_np_dtype(spec.dtype)
    if array.dtype == wanted:
        return array
    if wanted.kind == "O":
        if array.dtype.kind not in "OSU":
            raise spec.mismatch(given)
        return array.astype(object)
    if array.dtype.kind == "O" or not np.can_cast(array.dtype, wanted, "same_kind"):
        raise spec.mismatch(given)
    return array.astype(wanted)


def settle(sizes: Sizes) -> None:
    """Compare what is an expression in symbols, once every input was in :meth:`check_shape`.

    Raises
    ------
    toffee.BackendError
        It is something else.
    """
    try:
        sizes.settle()
    except Misfit as misfit:
        raise BackendError(str(misfit)) from None


# ---- a graph that is ready to run --------------------------------------------------------------


class Rep(abc.ABC):
    """A graph that is ready to run, on one device. A context manager; see :meth:`close`.

    For those who derive: give the constructor the graph and the device, and define ``_run``;
    override ``_feed`` where inputs are to be something else than NumPy arrays, and ``_close``
    where there is something to let go of.

    Attributes
    ----------
    inputs : tuple of InputSpec
        What :meth:`run` takes, in order.
    output_names : tuple of str
    device : Device
    """

    def __init__(self, graph: Graph, device: Device) -> None:
        self.inputs: tuple[InputSpec, ...] = input_specs(graph)
        self.output_names: tuple[str, ...] = tuple(graph.output)
        self.device = device
        self._limits = limits_of(graph)
        self._closed = False

    @abc.abstractmethod
    def _run(self, feeds: dict[str, Any]) -> Sequence[Any]:
        """The outputs, in the order of output_names, for FEEDS: what :meth:`_feed` returned, by
        input name."""

    def _feed(self, spec: InputSpec, value: Value, sizes: Sizes) -> Any:
        """VALUE in the form that :meth:`_run` wants, checked against SPEC (SIZES: see
        :meth:`InputSpec.check_shape`)."""
        return fit_numpy(spec, value, sizes)

    def _close(self) -> None:  # noqa: B027 -- not abstract: most have nothing to let go of
        """Let go of what the run-time library holds. Called once."""

    def run(self, inputs: Inputs = ()) -> Outputs:
        """Compute the outputs.

        Parameters
        ----------
        inputs : array, sequence of arrays, or mapping from input names to arrays
            NumPy arrays or torch tensors, of the declared shapes: any size where a symbol is
            declared, the same wherever it stands, within what the graph says of it. Another dtype
            is cast where NumPy calls that ``same_kind`` (float64 for float32, int64 for float32,
            but not float32 for int64). They are read, never written. Without inputs: ``()``.

        Returns
        -------
        Outputs
            NumPy arrays, in the order of the graph's outputs; also by name.

        Raises
        ------
        toffee.BackendError
            Inputs that do not fit: says which, which dimension, what was expected and what was
            given. What the runtime itself reports while it runs. The rep was closed.
        """
        if self._closed:
            raise BackendError("the rep was closed: prepare() the graph again")
        sizes = Sizes(self._limits)
        values = bind_inputs(self.inputs, inputs)
        feeds = {
            spec.name: self._feed(spec, value, sizes)
            for spec, value in zip(self.inputs, values, strict=True)
        }
        settle(sizes)
        return Outputs(self._run(feeds), self.output_names)

    def close(self) -> None:
        """Let go of the memory that the run-time library holds. May be called again; a run
        afterwards is an error."""
        if not self._closed:
            self._closed = True
            self._close()

    def __enter__(self: _R) -> _R:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        inputs = ", ".join(f"{spec.name}: {spec}" for spec in self.inputs)
        state = " (closed)" if self._closed else ""
        return f"<{type(self).__module__}.{type(self).__name__} on {self.device}: {inputs}{state}>"


# ---- the functions of a backend module ---------------------------------------------------------


def check_is_graph(graph: Any) -> None:
    """Raise TypeError if GRAPH is no graph."""
    if not isinstance(graph, Graph):
        raise TypeError(f"expected a toffee.Graph, not {type(graph).__name__}")


def run_graph(
    prepare: Callable[..., Rep], target: Graph | Rep, inputs: Inputs, **kwargs: Any
) -> Outputs:
    """``run`` of a backend with PREPARE: TARGET is a graph, or what prepare returned."""
    if isinstance(target, Rep):
        if kwargs:
            raise TypeError(f"{next(iter(kwargs))} is for prepare(): this graph has been prepared")
        return target.run(inputs)
    with prepare(target, **kwargs) as rep:
        return rep.run(inputs)


def _node_values(node: Node, inputs: Inputs) -> Iterator[tuple[str, np.ndarray]]:
    names = list(dict.fromkeys(name for name in node.input if name))
    specs = [InputSpec(name, 0, None) for name in names]
    for spec, value in zip(specs, bind_inputs(specs, inputs), strict=True):
        yield spec.name, fit_numpy(spec, value, Sizes())


def graph_of_node(
    node: Node, inputs: Inputs, opsets: Mapping[str, int] | None = None
) -> tuple[Graph, dict[str, np.ndarray]]:
    """A graph with NODE alone, whose inputs have the types of INPUTS, and these by name.

    Inputs of the node that are left out (their name is empty) take no value; one that is used twice
    takes one. OPSETS says which operators the node speaks, by default those of today.

    Raises
    ------
    toffee.BackendError
        Too few or too many inputs.
    """
    if not isinstance(node, Node):
        raise TypeError(f"expected a toffee.Node, not {type(node).__name__}")
    values = dict(_node_values(node, inputs))
    infos = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(value.dtype), list(value.shape)
        )
        for name, value in values.items()
    ]
    outputs = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
    graph = helper.make_graph([node], "node", infos, outputs)
    opsets = dict(opsets or {})
    if node.domain and node.domain not in opsets:
        opsets[node.domain] = 1
    if opsets:
        kept = {entry.domain: entry.version for entry in graph.opset_import} | opsets
        graph.opset_import = [OperatorSetId(domain=d, version=v) for d, v in kept.items()]
    return graph, values


def run_single_node(
    prepare: Callable[..., Rep],
    node: Node,
    inputs: Inputs,
    *,
    opsets: Mapping[str, int] | None = None,
    **kwargs: Any,
) -> Outputs:
    """``run_node`` of a backend with PREPARE."""
    graph, values = graph_of_node(node, inputs, opsets)
    return run_graph(prepare, graph, values, **kwargs)
