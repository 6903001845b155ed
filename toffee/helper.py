"""Build graphs by hand, with the functions and signatures that ONNX users know."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import _core
from ._core import Attribute, Graph, Node, OperatorSetId, Tensor, ValueInfo

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "get_all_tensor_dtypes",
    "get_attribute_value",
    "get_node_attr_value",
    "make_attribute",
    "make_empty_tensor_value_info",
    "make_graph",
    "make_node",
    "make_operatorsetid",
    "make_opsetid",
    "make_tensor",
    "make_tensor_value_info",
    "np_dtype_to_tensor_dtype",
    "printable_attribute",
    "printable_graph",
    "printable_node",
    "set_metadata_props",
    "tensor_dtype_to_np_dtype",
    "tensor_dtype_to_string",
]

#: data_type -> (its name in the format, NumPy's name or None, bytes of an element)
_DTYPES = {number: row for number, *row in _core.dtype_table()}


# ---- element types -----------------------------------------------------------------------------


def get_all_tensor_dtypes() -> list[int]:
    """Every ``data_type`` that a tensor can have."""
    return list(_DTYPES)


def _dtype_row(tensor_dtype: int) -> Sequence[Any]:
    if tensor_dtype not in _DTYPES:
        raise ValueError(f"{tensor_dtype!r} is no data_type: see the constants of toffee.Tensor")
    return _DTYPES[tensor_dtype]


def tensor_dtype_to_string(tensor_dtype: int) -> str:
    """``"TensorProto.FLOAT"`` for 1, and so on."""
    return f"TensorProto.{_dtype_row(tensor_dtype)[0]}"


def tensor_dtype_to_np_dtype(tensor_dtype: int) -> np.dtype:
    """The NumPy dtype of a ``data_type``; ``object`` for strings.

    Raises
    ------
    ValueError
        No such ``data_type``.
    ImportError
        bfloat16 or float8, and the package ``ml_dtypes`` is not installed.
    """
    import numpy as np

    name: str | None = _dtype_row(tensor_dtype)[1]
    if name is None:
        return np.dtype(object)
    if hasattr(np, name if name != "bool" else "bool_"):
        return np.dtype(name)
    try:
        import ml_dtypes
    except ImportError:
        raise ImportError(
            f"NumPy has no {name} of its own: pip install ml_dtypes, or toffee[dtypes]"
        ) from None
    scalar: type = getattr(ml_dtypes, name)
    return np.dtype(scalar)


def np_dtype_to_tensor_dtype(np_dtype: Any) -> int:
    """The ``data_type`` of a NumPy dtype (or of what ``numpy.dtype`` takes).

    Raises
    ------
    ValueError
        The format has none.
    """
    import numpy as np

    dtype = np.dtype(np_dtype)
    if dtype.kind in "OSU":
        return Tensor.STRING
    for number, (_, name, _) in _DTYPES.items():
        if name == dtype.name:
            return number
    raise ValueError(f"a tensor cannot hold elements of dtype {dtype.name}")


# ---- parts -------------------------------------------------------------------------------------


def make_tensor(
    name: str, data_type: int, dims: Sequence[int], vals: Any, raw: bool = False
) -> Tensor:
    """A tensor from a flat sequence of values.

    Parameters
    ----------
    name : str
    data_type : int
        A constant of :class:`toffee.Tensor`.
    dims : sequence of int
    vals : sequence, array or bytes
        ``prod(dims)`` elements in row-major order; with ``raw=True`` their bytes, little-endian.
    raw : bool

    Raises
    ------
    ValueError
        Too many or too few values, or no such ``data_type``.
    """
    dims = [int(dim) for dim in dims]
    if raw:
        return Tensor(name=name, dims=dims, data_type=data_type, raw_data=vals)
    import numpy as np

    dtype = tensor_dtype_to_np_dtype(data_type)
    array = np.asarray(vals, dtype=dtype)
    if array.size != math.prod(dims):
        raise ValueError(f"{array.size} values do not fill dims {dims} of tensor {name!r}")
    if data_type == Tensor.STRING:
        return Tensor(name=name, dims=dims, data_type=data_type, string_data=array.ravel().tolist())
    return Tensor.from_numpy(array.reshape(dims), name)


def make_tensor_value_info(
    name: str,
    elem_type: int,
    shape: Sequence[int | str | None] | None,
    doc_string: str = "",
    shape_denotation: list[str] | None = None,
) -> ValueInfo:
    """The declaration of a value.

    Parameters
    ----------
    name : str
    elem_type : int
        A constant of :class:`toffee.Tensor`; 0 where it is not known.
    shape : sequence of int, str or None; or None
        A number, a symbol or an unknown size for each dimension. None: not even the rank is known.
    doc_string : str
    shape_denotation : None
        Taken for ONNX's sake; anything else is an error, since ToffeeIR has no denotations.
    """
    if shape_denotation:
        raise ValueError("ToffeeIR has no shape denotations")
    return ValueInfo(name=name, dtype=elem_type, shape=shape, doc_string=doc_string)


def make_empty_tensor_value_info(name: str) -> ValueInfo:
    """The declaration of a value of which nothing is known but its name."""
    return ValueInfo(name=name)


def make_opsetid(domain: str, version: int) -> OperatorSetId:
    """An entry of ``graph.opset_import``.

    Parameters
    ----------
    domain : str
        ``""`` is ONNX's own.
    version : int
        Which version of its operators.
    """
    return OperatorSetId(domain=domain, version=version)


make_operatorsetid = make_opsetid


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real)


def _is_int(value: Any) -> bool:
    return isinstance(value, numbers.Integral)


def _is_text(value: Any) -> bool:
    return isinstance(value, (str, bytes, bytearray))


#: For make_attribute, in this order: the field, and whether a value belongs there.
_SINGLE: list[tuple[str, Callable[[Any], bool]]] = [
    ("i", _is_int),
    ("s", _is_text),
    ("t", lambda value: isinstance(value, Tensor)),
    ("g", lambda value: isinstance(value, Graph)),
    ("f", _is_number),
]
_MANY = {"i": "ints", "f": "floats", "s": "strings", "t": "tensors", "g": "graphs"}
_FIELD_OF_TYPE = {
    Attribute.FLOAT: "f",
    Attribute.INT: "i",
    Attribute.STRING: "s",
    Attribute.TENSOR: "t",
    Attribute.GRAPH: "g",
    Attribute.FLOATS: "floats",
    Attribute.INTS: "ints",
    Attribute.STRINGS: "strings",
    Attribute.TENSORS: "tensors",
    Attribute.GRAPHS: "graphs",
}


def _field_for(key: str, value: Any) -> tuple[str, Any]:
    """Which field VALUE goes to, and what to put there."""
    if getattr(value, "ndim", None) == 0:  # a NumPy scalar or an array of one element
        value = value.item()
    for field, fits in _SINGLE:
        if fits(value):
            return field, value
    if isinstance(value, Iterable):
        values = list(value)
        if not values:
            raise ValueError(
                f"the value of attribute {key!r} is an empty sequence: say attr_type as well"
            )
        for field, fits in _SINGLE:
            if all(map(fits, values)):
                return _MANY[field], values
    raise TypeError(f"attribute {key!r} cannot hold {value!r}")


def make_attribute(
    key: str, value: Any, doc_string: str | None = None, attr_type: int | None = None
) -> Attribute:
    """An attribute whose type follows from its value.

    Parameters
    ----------
    key : str
        Its name.
    value : int, float, str, bytes, Tensor, Graph, or a sequence of one of them
        A sequence with both int and float becomes FLOATS.
    doc_string : str, optional
    attr_type : int, optional
        A constant of :class:`toffee.Attribute`, where the value leaves it open (an empty sequence)
        or to make an int a FLOAT.

    Raises
    ------
    TypeError
        No type of attribute can hold ``value``, or not the one of ``attr_type``.
    ValueError
        An empty sequence without ``attr_type``.
    """
    attribute = Attribute(name=key)
    if attr_type is None:
        field, value = _field_for(key, value)
    elif attr_type in _FIELD_OF_TYPE:
        field = _FIELD_OF_TYPE[attr_type]
    else:
        raise ValueError(f"{attr_type!r} is no type of attribute")
    setattr(attribute, field, value)
    if doc_string:
        attribute.doc_string = doc_string
    return attribute


def make_node(
    op_type: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    name: str | None = None,
    doc_string: str | None = None,
    domain: str | None = None,
    overload: str | None = None,
    **kwargs: Any,
) -> Node:
    """A node that belongs to no graph yet.

    Parameters
    ----------
    op_type : str
    inputs, outputs : sequence of str
        Names of values; ``""`` for one that is left out.
    name, doc_string, domain : str, optional
    overload : None
        Taken for ONNX's sake; ToffeeIR has no overloads.
    **kwargs
        Attributes, on the terms of :func:`make_attribute`; None leaves one out.

    Raises
    ------
    TypeError, ValueError
        As :func:`make_attribute`.
    """
    if overload:
        raise ValueError("ToffeeIR has no overloads of operators")
    node = Node(op_type=op_type, input=inputs, output=outputs)
    if name:
        node.name = name
    if doc_string:
        node.doc_string = doc_string
    if domain:
        node.domain = domain
    node.attribute.extend(
        make_attribute(key, value) for key, value in sorted(kwargs.items()) if value is not None
    )
    return node


def make_graph(
    nodes: Iterable[Node],
    name: str,
    inputs: Iterable[ValueInfo | str],
    outputs: Iterable[ValueInfo | str],
    initializer: Iterable[Tensor] | None = None,
    doc_string: str | None = None,
    value_info: Iterable[ValueInfo] | None = None,
) -> Graph:
    """A graph of copies of its parts, for opset 20.

    Parameters
    ----------
    nodes : iterable of Node
        In the order in which they run.
    name : str
    inputs, outputs : iterable of ValueInfo or str
        Declarations, or names only.
    initializer : iterable of Tensor, optional
        Their names go in front of ``graph.input``, as the format wants it, unless ``inputs`` has
        them.
    doc_string : str, optional
    value_info : iterable of ValueInfo, optional
        Types of values between the nodes.

    Examples
    --------
    >>> from toffee import Tensor, helper
    >>> x = helper.make_tensor_value_info("x", Tensor.FLOAT, ["batch", 3])
    >>> node = helper.make_node("Softmax", ["x"], ["y"], axis=1)
    >>> print(helper.make_graph([node], "net", [x], ["y"]))
    graph(%x : Float(batch, 3)) {
      %y = Softmax[axis=1](%x)
      return (%y)
    }
    """
    graph = Graph(name=name, node=nodes)
    graph.initializer.extend(initializer or ())
    named = [(port if isinstance(port, str) else port.name, port) for port in inputs]
    given = {port_name for port_name, _ in named}
    graph.input.extend(tensor.name for tensor in graph.initializer if tensor.name not in given)
    for ports, names, infos in (
        (named, graph.input, graph.input_info),
        (
            [(port if isinstance(port, str) else port.name, port) for port in outputs],
            graph.output,
            graph.output_info,
        ),
    ):
        names.extend(port_name for port_name, _ in ports)
        infos.extend(port for _, port in ports if not isinstance(port, str))
    if doc_string:
        graph.doc_string = doc_string
    graph.value_info.extend(value_info or ())
    return graph


def set_metadata_props(graph: Graph, dict_value: Mapping[str, str]) -> None:
    """Replace all of ``graph.metadata_props``.

    Parameters
    ----------
    graph : Graph
        Is changed.
    dict_value : mapping of str to str
    """
    graph.metadata_props.clear()
    for key, value in dict_value.items():
        graph.metadata_props.add(key=key, value=value)


# ---- reading -----------------------------------------------------------------------------------


def get_attribute_value(attr: Attribute) -> Any:
    """The value of an attribute: float, int, bytes, Tensor, Graph, or a list of them.

    Raises
    ------
    ValueError
        The attribute has no type.
    """
    if attr.type == Attribute.UNDEFINED:
        raise ValueError(f"attribute {attr.name!r} has no type")
    return attr.value()


def get_node_attr_value(node: Node, attr_name: str) -> Any:
    """The value of an attribute of a node.

    Parameters
    ----------
    node : Node
    attr_name : str

    Returns
    -------
    float, int, bytes, Tensor, Graph, or a list of them

    Raises
    ------
    ValueError
        The node has none of that name.
    """
    for attribute in node.attribute:
        if attribute.name == attr_name:
            return get_attribute_value(attribute)
    raise ValueError(f"no attribute {attr_name!r} in {node!r}")


def printable_attribute(attr: Attribute) -> str:
    """``name=value`` as a listing has it."""
    text = str(Node(op_type="_", attribute=[attr]))
    return text[text.index("[") + 1 : text.rindex("]")]


def printable_node(node: Node, prefix: str = "") -> str:
    """The one line of a node.

    Parameters
    ----------
    node : Node
    prefix : str
        Stands before it.
    """
    return prefix + str(node)


def printable_graph(graph: Graph, prefix: str = "") -> str:
    """The listing of a graph.

    Parameters
    ----------
    graph : Graph
    prefix : str
        Stands before every line.
    """
    return "".join(prefix + line for line in str(graph).splitlines(keepends=True))
