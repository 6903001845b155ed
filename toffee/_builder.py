"""What a registered lowering gets to build with, and how it is asked."""

from __future__ import annotations

import copy
import functools
import inspect
import numbers
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _core, helper
from ._core import Attribute, Node, Tensor, TracedValue
from ._places import Place, attach

if TYPE_CHECKING:
    import torch

__all__ = ["GraphBuilder", "Result", "lower"]


class Result(NamedTuple):
    """What the operator returned in the run, or wrote to.

    Of a complex tensor, these are those of its value in the graph: reals with a last axis of 2.

    Attributes
    ----------
    dtype : torch.dtype
    elem_type : int
        The same as a ``data_type`` of :class:`toffee.Tensor`.
    shape : tuple of int
    """

    dtype: torch.dtype
    elem_type: int
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return _described(self.elem_type, self.shape)


class GraphBuilder(_core.Builder):
    """Adds nodes and constants to the graph of the export that asks a lowering.

    It is good only while the lowering runs; so are the values that it makes.

    Attributes
    ----------
    results : tuple of Result or None
        What came out when the operator ran: what it returned (lists of tensors laid out flat, None
        for what is no tensor), and then the tensors that it wrote to and did not return, in the
        order of the schema. A lowering returns a value for each.
    """

    __slots__ = ("results",)

    results: tuple[Result | None, ...]

    def op(self, op_type: str, /, *inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
        """Append a node.

        Parameters
        ----------
        op_type : str
            An operator of ONNX opset 20 (``"Gelu"``), or ``"domain::Name"`` for one of another
            domain, which the graph then declares in version 1 (see :meth:`import_domain`).
        *inputs : TracedValue, None, or what :meth:`constant` takes
            None stands for one that is left out. A number gets the dtype of the inputs that it has
            to agree with.
        outputs : int
            How many outputs the node has.
        **attributes
            Numbers, strings, bytes, lists of them, arrays and tensors, ``torch.dtype``,
            :class:`toffee.Tensor`, :class:`toffee.Graph`, :class:`toffee.Attribute`; None leaves
            one out. An int where ONNX wants a float becomes one.

        Returns
        -------
        TracedValue, or with ``outputs`` other than 1 a tuple of them. Their dtypes and shapes are
        known as far as they follow from the inputs.

        Raises
        ------
        toffee.CheckError
            ONNX has no such operator, or it does not take these inputs or attributes.
        TypeError, ValueError
            An input or an attribute is nothing that can be in a graph, or from another export.
        RuntimeError
            The lowering has returned.
        """
        domain, name = _split(op_type)
        row = None if domain else _rows().get(name)
        node = Node(op_type=name, domain=domain)
        node.attribute.extend(
            _attribute(key, value, row) for key, value in attributes.items() if value is not None
        )
        values = tuple(self._input(item, i, inputs, row) for i, item in enumerate(inputs))
        made = self.emit(node, values, outputs)
        return made[0] if outputs == 1 else made

    def constant(
        self, value: Any, dtype: torch.dtype | None = None, like: TracedValue | None = None
    ) -> TracedValue:
        """A constant of the graph.

        Parameters
        ----------
        value : number, nested list of numbers, numpy.ndarray or torch.Tensor
            Its shape is that of the constant; it is copied. A complex one becomes reals with a last
            axis of 2, as complex tensors are in the graph.
        dtype : torch.dtype, optional
            By default that of an array or tensor; int64, bool or PyTorch's default float for
            numbers.
        like : TracedValue, optional
            Stands for ``dtype=like.dtype``.

        Raises
        ------
        TypeError
            ``value`` is none of these, or has elements that PyTorch has no dtype for.
        RuntimeError
            The lowering has returned.
        """
        import torch

        if like is not None:
            dtype = like.dtype
        if isinstance(value, TracedValue):
            raise TypeError("it is a value of the graph already: g.constant() makes new ones")
        if type(value).__module__ == "numpy":
            import numpy as np

            value = np.array(value)  # in order, without negative strides
        try:
            tensor = torch.as_tensor(value, dtype=dtype)
        except (TypeError, ValueError, RuntimeError) as error:
            raise TypeError(
                f"a constant of the graph cannot be made of {_short(value)}: {error}"
            ) from error
        tensor = tensor.detach().resolve_conj().resolve_neg().cpu()
        if tensor.is_complex():
            tensor = torch.view_as_real(tensor)
        return self.initializer(tensor.clone(memory_format=torch.contiguous_format))

    def _input(
        self, item: Any, index: int, inputs: Sequence[Any], row: dict[str, Any] | None
    ) -> TracedValue | None:
        """INPUTS[INDEX] as a value; one of another kind becomes a constant of the dtype that ROW
        wants there."""
        if item is None or isinstance(item, TracedValue):
            return item
        if isinstance(item, (list, tuple)) and any(isinstance(x, TracedValue) for x in item):
            raise TypeError(
                f"input {index} is a list of values; a node takes them one by one: "
                'g.op("Concat", *values, axis=0)'
            )
        dtype = None
        if row is not None and not hasattr(item, "dtype"):
            dtype = _wanted(row, index, inputs)
        return self.constant(item, dtype)


# ---- operators and attributes ------------------------------------------------------------------


def _split(op_type: str) -> tuple[str, str]:
    """Domain and name of an operator."""
    if not isinstance(op_type, str):
        raise TypeError(f'the operator is a {type(op_type).__name__}, not a name like "Gelu"')
    domain, _, name = op_type.rpartition("::")
    if not name:
        raise ValueError(f'\'{op_type}\' names no operator: it is "Gelu" or "mylib::MyOp"')
    return ("" if domain == "ai.onnx" else domain), name


@functools.cache
def _rows() -> dict[str, dict[str, Any]]:
    """The table of ONNX's operators, by name."""
    return {row["name"]: row for row in _core.op_table()}


def _port(row: dict[str, Any], index: int) -> dict[str, Any] | None:
    ports = row["inputs"]
    if not ports or (index >= len(ports) and ports[-1]["arity"] != "variadic"):
        return None
    port: dict[str, Any] = ports[min(index, len(ports) - 1)]
    return None if port["mixed"] else port


def _wanted(row: dict[str, Any], index: int, inputs: Sequence[Any]) -> torch.dtype | None:
    """The dtype that input INDEX must have, by the one that the table allows or by another input
    that has to have the same."""
    port = _port(row, index)
    if port is None or port["type"] is None:
        return None
    for i, other in enumerate(inputs):
        other_port = _port(row, i)
        if (
            isinstance(other, TracedValue)
            and other_port is not None
            and other_port["type"] == port["type"]
        ):
            found: torch.dtype | None = other.dtype
            return found
    allowed = {variable["name"]: variable["dtypes"] for variable in row["types"]}
    return _torch_dtype(allowed[port["type"]])


def _torch_dtype(names: list[str]) -> torch.dtype | None:
    """The dtype of the one of NAMES (``["INT64"]``); None if there are more."""
    import torch

    if len(names) != 1:
        return None
    name = helper._DTYPES[getattr(Tensor, names[0])][1]
    found = getattr(torch, str(name), None)
    return found if isinstance(found, torch.dtype) else None


def _attribute(key: str, value: Any, row: dict[str, Any] | None) -> Attribute:
    """VALUE as the attribute KEY; of the type that ROW gives it, where it does."""
    if isinstance(value, Attribute):
        named = copy.copy(value)
        named.name = key
        return named
    wanted = None
    for entry in row["attributes"] if row is not None else ():
        if entry["name"] == key:
            wanted = getattr(Attribute, entry["type"])
    value = _plain(value, wanted)
    if wanted == Attribute.TENSOR and not isinstance(value, Tensor):
        value = Tensor.from_numpy(value)
    return helper.make_attribute(key, value, attr_type=wanted)


def _plain(value: Any, wanted: int | None) -> Any:
    """Tensors and arrays as :class:`toffee.Tensor`, or as numbers where WANTED is no tensor."""
    if isinstance(value, TracedValue):
        raise TypeError(
            f"{value!r} cannot be an attribute, which is fixed in the graph; operators take values "
            "as inputs"
        )
    if type(value).__module__ == "torch" and type(value).__name__ == "dtype":
        return _data_type(value)
    if type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "numpy"):
        value = value.detach().cpu().resolve_conj().resolve_neg().numpy()
    if not hasattr(value, "__array__") or isinstance(value, (Tensor, numbers.Number)):
        return value
    if wanted not in (None, Attribute.TENSOR):
        return value.tolist()
    return Tensor.from_numpy(value)


def _data_type(dtype: torch.dtype) -> int:
    """The ``data_type`` of a dtype of PyTorch."""
    name = str(dtype).removeprefix("torch.")
    for number, (_, known, _) in helper._DTYPES.items():
        if known == name:
            return number
    raise TypeError(f"a graph has no tensors of {dtype}")


# ---- the call ----------------------------------------------------------------------------------


def lower(
    builder: GraphBuilder,
    lowering: Callable[..., Any],
    func: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    results: tuple[Any, ...],
    *,
    place: Callable[[], Place],
) -> Any:
    """Ask LOWERING what a call of the operator FUNC means, and look at what it says.

    Parameters
    ----------
    args, kwargs
        The arguments by the operator's schema, with values in place of tensors.
    results
        A row for :class:`Result`, or None, for each result.
    place
        Says the user's line that is running.

    Returns
    -------
    A list with a value, or None where there is none, for each result; or NotImplemented.

    Raises
    ------
    toffee.TraceError
        The lowering raised, which is the cause.
    TypeError, ValueError
        What it returned does not fit.
    """
    expected = tuple(None if row is None else Result(*row) for row in results)
    builder.results = expected
    try:
        given = lowering(builder, *args, **kwargs)
    except MemoryError:
        raise
    except Exception as error:
        users = place()
        raise attach(
            _core.TraceError(
                f"the lowering of {func._schema}\n  {describe(lowering)} raised "
                f"{type(error).__name__}: {error}\n  {users}"
            ),
            [users],
        ) from error
    if given is NotImplemented:
        return given
    try:
        return _checked(given, expected, bool(func._schema.is_mutable))
    except (TypeError, ValueError) as error:
        users = place()
        raise attach(
            type(error)(
                f"the lowering of {func._schema}\n  {describe(lowering)} {error}\n  {users}"
            ),
            [users],
        ) from None


def describe(lowering: Callable[..., Any]) -> str:
    """``name (file:line)`` of a function, for messages."""
    plain = inspect.unwrap(lowering)
    while isinstance(plain, functools.partial):
        plain = plain.func
    name = getattr(plain, "__qualname__", None) or repr(plain)
    code = getattr(plain, "__code__", None)
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code is not None else name


def _checked(given: Any, expected: tuple[Result | None, ...], written: bool) -> list[Any]:
    """GIVEN as a list that goes with EXPECTED. WRITTEN: results are written to tensors, which keep
    their dtype."""
    items = _flat(given)
    if given is None and any(result is not None for result in expected):
        raise TypeError(
            "returned None: it must return a value of the graph (NotImplemented, to leave the call "
            "to toffee)"
        )
    if given is None:
        items = [None] * len(expected)
    if len(items) != len(expected):
        raise ValueError(
            f"returned {_count(len(items))}; the operator has {_count(len(expected))} here: "
            f"{', '.join(map(str, expected)) or 'none'} (see g.results)"
        )
    for i, (item, result) in enumerate(zip(items, expected, strict=True)):
        which = f"result {i}" if len(items) > 1 else "the result"
        if item is None:
            continue
        if result is None:
            raise TypeError(f"returned {_short(item)} for {which}, which is no tensor: say None")
        if not isinstance(item, TracedValue):
            raise TypeError(
                f"returned {_short(item)} for {which}, not a value of the graph; g.constant() "
                "makes one of numbers, arrays and tensors"
            )
        _check_type(item, result, which, written)
    return items


def _check_type(value: TracedValue, result: Result, which: str, written: bool) -> None:
    try:
        elem_type, shape = value.elem_type, value.shape
    except RuntimeError as error:  # of an export that is over
        raise ValueError(f"returned for {which} what is no value of this export: {error}") from None
    if elem_type not in (0, result.elem_type) and not written:
        raise TypeError(
            f"returned {_described(elem_type, shape)} for {which}, which is {result}: "
            'g.op("Cast", value, to=g.results[0].dtype) converts'
        )
    if shape is not None and (
        len(shape) != len(result.shape)
        or any(a not in (None, b) for a, b in zip(shape, result.shape, strict=True))
    ):
        raise ValueError(f"returned {_described(elem_type, shape)} for {which}, which is {result}")


def _flat(given: Any) -> list[Any]:
    """Lists and tuples, which may hold lists, laid out flat."""
    if not isinstance(given, (list, tuple)):
        return [given]
    return [item for part in given for item in _flat(part)]


def _count(n: int) -> str:
    return f"{n} result{'' if n == 1 else 's'}"


def _short(value: Any) -> str:
    text = repr(value)
    return f"a {type(value).__name__}" if len(text) > 60 or "\n" in text else text


def _described(elem_type: int, shape: tuple[int | None, ...] | None) -> str:
    name = helper._DTYPES[elem_type][0] if elem_type in helper._DTYPES else "an unknown dtype"
    if shape is None:
        return f"{name} of unknown shape"
    return f"{name} ({', '.join('?' if dim is None else str(dim) for dim in shape)})"
