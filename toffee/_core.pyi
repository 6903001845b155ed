"""Types of the extension module. tests/test_stubs.py compares this file with the module."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import (
    Any,
    Final,
    Generic,
    Literal,
    NamedTuple,
    NoReturn,
    SupportsIndex,
    TypeAlias,
    TypeVar,
    final,
    overload,
)

import numpy as np
import numpy.typing as npt
from typing_extensions import Buffer, disjoint_base

from ._picture import Picture  # type: ignore[import-untyped, unused-ignore]
from ._places import Place  # type: ignore[import-untyped, unused-ignore]

_T = TypeVar("_T")
_Path: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]

IR_VERSION: Final[int]
ONNX_IR_VERSION: Final[int]
OPSET: Final[int]

# ---- exceptions --------------------------------------------------------------------------------

class Error(Exception):
    places: tuple[Place, ...]
    def _render_traceback_(self) -> list[str]: ...
    def _repr_html_(self) -> str: ...

class UnsupportedOperatorError(Error): ...
class TraceError(Error): ...

class FormatError(Error, ValueError):
    offset: int | None

class CheckError(Error, ValueError): ...
class LimitError(Error): ...

class TraceWarning(UserWarning):
    places: tuple[Place, ...]
    def _render_traceback_(self) -> list[str]: ...
    def _repr_html_(self) -> str: ...

# ---- graphs ------------------------------------------------------------------------------------

@final
class Repeated(Generic[_T]):
    """A list inside a graph: elements are copied in; what comes out is a view."""

    __hash__: None  # type: ignore[assignment]
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, key: SupportsIndex, /) -> _T: ...
    @overload
    def __getitem__(self, key: slice, /) -> list[_T]: ...
    @overload
    def __setitem__(self, key: SupportsIndex, value: _T, /) -> None: ...
    @overload
    def __setitem__(self, key: slice, value: Iterable[_T], /) -> None: ...
    def __delitem__(self, key: SupportsIndex | slice, /) -> None: ...
    def __contains__(self, key: object, /) -> bool: ...
    def __iadd__(self, value: Iterable[_T], /) -> Repeated[_T]: ...
    def __iter__(self) -> Iterator[_T]: ...
    def __eq__(self, value: object, /) -> bool: ...
    def add(self, **fields: Any) -> _T: ...
    def append(self, item: _T, /) -> None: ...
    def clear(self) -> None: ...
    def copy(self) -> list[_T]: ...
    def count(self, item: object, /) -> int: ...
    def extend(self, items: Iterable[_T], /) -> None: ...
    def index(self, item: object, /) -> int: ...
    def insert(self, index: SupportsIndex, item: _T, /) -> None: ...
    def pop(self, index: SupportsIndex = -1, /) -> _T: ...
    def remove(self, item: object, /) -> None: ...
    def reverse(self) -> None: ...

class _Part:
    """What the types below have in common; not a class at run time."""

    __hash__: None  # type: ignore[assignment]
    def __eq__(self, value: object, /) -> bool: ...
    def __reduce__(self) -> tuple[Any, ...]: ...

@final
class Graph(_Part):
    def __init__(
        self,
        *,
        doc_string: str = ...,
        domain: str = ...,
        function: Iterable[Function] = ...,
        initializer: Iterable[Tensor] = ...,
        input: Iterable[str] = ...,
        input_info: Iterable[ValueInfo] = ...,
        ir_version: int = ...,
        metadata_props: Iterable[StringStringEntry] = ...,
        name: str = ...,
        node: Iterable[Node] = ...,
        opset_import: Iterable[OperatorSetId] = ...,
        output: Iterable[str] = ...,
        output_info: Iterable[ValueInfo] = ...,
        producer_tag: str = ...,
        producer_version: int = ...,
        value_info: Iterable[ValueInfo] = ...,
    ) -> None: ...
    doc_string: str
    domain: str
    ir_version: int
    name: str
    producer_tag: str
    producer_version: int
    @property
    def function(self) -> Repeated[Function]: ...
    @function.setter
    def function(self, value: Iterable[Function]) -> None: ...
    @property
    def initializer(self) -> Repeated[Tensor]: ...
    @initializer.setter
    def initializer(self, value: Iterable[Tensor]) -> None: ...
    @property
    def input(self) -> Repeated[str]: ...
    @input.setter
    def input(self, value: Iterable[str]) -> None: ...
    @property
    def input_info(self) -> Repeated[ValueInfo]: ...
    @input_info.setter
    def input_info(self, value: Iterable[ValueInfo]) -> None: ...
    @property
    def metadata_props(self) -> Repeated[StringStringEntry]: ...
    @metadata_props.setter
    def metadata_props(self, value: Iterable[StringStringEntry]) -> None: ...
    @property
    def node(self) -> Repeated[Node]: ...
    @node.setter
    def node(self, value: Iterable[Node]) -> None: ...
    @property
    def opset_import(self) -> Repeated[OperatorSetId]: ...
    @opset_import.setter
    def opset_import(self, value: Iterable[OperatorSetId]) -> None: ...
    @property
    def output(self) -> Repeated[str]: ...
    @output.setter
    def output(self, value: Iterable[str]) -> None: ...
    @property
    def output_info(self) -> Repeated[ValueInfo]: ...
    @output_info.setter
    def output_info(self, value: Iterable[ValueInfo]) -> None: ...
    @property
    def value_info(self) -> Repeated[ValueInfo]: ...
    @value_info.setter
    def value_info(self, value: Iterable[ValueInfo]) -> None: ...
    def _repr_html_(self) -> str: ...
    def picture(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        format: Literal["svg", "dot", "png"] | None = None,
        collapse: int | bool | None = None,
        theme: Literal["auto", "light", "dark"] = "auto",
        initializers: bool = False,
        engine: Literal["auto", "dot", "builtin"] = "auto",
    ) -> Picture: ...
    def to_onnx(self) -> Any: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Node]: ...
    def __copy__(self) -> Graph: ...
    def __deepcopy__(self, memo: Any, /) -> Graph: ...

@final
class Function(_Part):
    def __init__(
        self,
        *,
        attribute: Iterable[str] = ...,
        attribute_proto: Iterable[Attribute] = ...,
        doc_string: str = ...,
        domain: str = ...,
        input: Iterable[str] = ...,
        metadata_props: Iterable[StringStringEntry] = ...,
        name: str = ...,
        node: Iterable[Node] = ...,
        opset_import: Iterable[OperatorSetId] = ...,
        output: Iterable[str] = ...,
        overload: str = ...,
        value_info: Iterable[ValueInfo] = ...,
    ) -> None: ...
    doc_string: str
    domain: str
    name: str
    overload: str
    @property
    def attribute(self) -> Repeated[str]: ...
    @attribute.setter
    def attribute(self, value: Iterable[str]) -> None: ...
    @property
    def attribute_proto(self) -> Repeated[Attribute]: ...
    @attribute_proto.setter
    def attribute_proto(self, value: Iterable[Attribute]) -> None: ...
    @property
    def input(self) -> Repeated[str]: ...
    @input.setter
    def input(self, value: Iterable[str]) -> None: ...
    @property
    def metadata_props(self) -> Repeated[StringStringEntry]: ...
    @metadata_props.setter
    def metadata_props(self, value: Iterable[StringStringEntry]) -> None: ...
    @property
    def node(self) -> Repeated[Node]: ...
    @node.setter
    def node(self, value: Iterable[Node]) -> None: ...
    @property
    def opset_import(self) -> Repeated[OperatorSetId]: ...
    @opset_import.setter
    def opset_import(self, value: Iterable[OperatorSetId]) -> None: ...
    @property
    def output(self) -> Repeated[str]: ...
    @output.setter
    def output(self, value: Iterable[str]) -> None: ...
    @property
    def value_info(self) -> Repeated[ValueInfo]: ...
    @value_info.setter
    def value_info(self, value: Iterable[ValueInfo]) -> None: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Node]: ...
    def __copy__(self) -> Function: ...
    def __deepcopy__(self, memo: Any, /) -> Function: ...

@final
class Node(_Part):
    def __init__(
        self,
        *,
        attribute: Iterable[Attribute] = ...,
        doc_string: str = ...,
        domain: str = ...,
        input: Iterable[str] = ...,
        name: str = ...,
        op_type: str = ...,
        output: Iterable[str] = ...,
        overload: str = ...,
    ) -> None: ...
    doc_string: str
    domain: str
    name: str
    op_type: str
    overload: str
    @property
    def attribute(self) -> Repeated[Attribute]: ...
    @attribute.setter
    def attribute(self, value: Iterable[Attribute]) -> None: ...
    @property
    def attributes(self) -> dict[str, Any]: ...
    @property
    def input(self) -> Repeated[str]: ...
    @input.setter
    def input(self, value: Iterable[str]) -> None: ...
    @property
    def output(self) -> Repeated[str]: ...
    @output.setter
    def output(self, value: Iterable[str]) -> None: ...
    def __copy__(self) -> Node: ...
    def __deepcopy__(self, memo: Any, /) -> Node: ...

@final
class Attribute(_Part):
    UNDEFINED: Final[int]
    FLOAT: Final[int]
    INT: Final[int]
    STRING: Final[int]
    TENSOR: Final[int]
    GRAPH: Final[int]
    FLOATS: Final[int]
    INTS: Final[int]
    STRINGS: Final[int]
    TENSORS: Final[int]
    GRAPHS: Final[int]
    SPARSE_TENSOR: Final[int]
    SPARSE_TENSORS: Final[int]
    TYPE_PROTO: Final[int]
    TYPE_PROTOS: Final[int]
    def __init__(
        self,
        *,
        doc_string: str = ...,
        f: float = ...,
        floats: Iterable[float] = ...,
        g: Graph = ...,
        graphs: Iterable[Graph] = ...,
        i: int = ...,
        ints: Iterable[int] = ...,
        name: str = ...,
        ref_attr_name: str = ...,
        s: bytes | str = ...,
        strings: Iterable[bytes | str] = ...,
        t: Tensor = ...,
        tensors: Iterable[Tensor] = ...,
        type: int = ...,
    ) -> None: ...
    doc_string: str
    f: float
    i: int
    name: str
    ref_attr_name: str
    type: int
    @property
    def sparse_tensor(self) -> _SparseTensorView | None: ...
    @property
    def sparse_tensors(self) -> tuple[_SparseTensorView, ...]: ...
    @property
    def tp(self) -> _TypeView | None: ...
    @property
    def type_protos(self) -> tuple[_TypeView, ...]: ...
    @property
    def s(self) -> bytes: ...
    @s.setter
    def s(self, value: bytes | str) -> None: ...
    @property
    def t(self) -> Tensor | None: ...
    @t.setter
    def t(self, value: Tensor) -> None: ...
    @property
    def g(self) -> Graph | None: ...
    @g.setter
    def g(self, value: Graph) -> None: ...
    @property
    def floats(self) -> Repeated[float]: ...
    @floats.setter
    def floats(self, value: Iterable[float]) -> None: ...
    @property
    def ints(self) -> Repeated[int]: ...
    @ints.setter
    def ints(self, value: Iterable[int]) -> None: ...
    @property
    def strings(self) -> Repeated[bytes]: ...
    @strings.setter
    def strings(self, value: Iterable[bytes | str]) -> None: ...
    @property
    def tensors(self) -> Repeated[Tensor]: ...
    @tensors.setter
    def tensors(self, value: Iterable[Tensor]) -> None: ...
    @property
    def graphs(self) -> Repeated[Graph]: ...
    @graphs.setter
    def graphs(self, value: Iterable[Graph]) -> None: ...
    def value(self) -> Any: ...
    def __copy__(self) -> Attribute: ...
    def __deepcopy__(self, memo: Any, /) -> Attribute: ...

@final
class Tensor(_Part):
    UNDEFINED: Final[int]
    FLOAT: Final[int]
    UINT8: Final[int]
    INT8: Final[int]
    UINT16: Final[int]
    INT16: Final[int]
    INT32: Final[int]
    INT64: Final[int]
    STRING: Final[int]
    BOOL: Final[int]
    FLOAT16: Final[int]
    DOUBLE: Final[int]
    UINT32: Final[int]
    UINT64: Final[int]
    COMPLEX64: Final[int]
    COMPLEX128: Final[int]
    BFLOAT16: Final[int]
    FLOAT8E4M3FN: Final[int]
    FLOAT8E4M3FNUZ: Final[int]
    FLOAT8E5M2: Final[int]
    FLOAT8E5M2FNUZ: Final[int]
    UINT4: Final[int]
    INT4: Final[int]
    FLOAT4E2M1: Final[int]
    FLOAT8E8M0: Final[int]
    UINT2: Final[int]
    INT2: Final[int]
    FLOAT6E2M3: Final[int]
    FLOAT6E3M2: Final[int]
    def __init__(
        self,
        *,
        name: str = "",
        dims: Iterable[int] | None = None,
        data_type: int = ...,
        raw_data: Buffer = b"",
        string_data: Iterable[bytes | str] = (),
    ) -> None: ...
    data_type: int
    name: str
    @property
    def dims(self) -> Repeated[int]: ...
    @dims.setter
    def dims(self, value: Iterable[int]) -> None: ...
    @property
    def doc_string(self) -> str: ...
    @property
    def raw_data(self) -> memoryview: ...
    @raw_data.setter
    def raw_data(self, value: Buffer) -> None: ...
    @property
    def string_data(self) -> tuple[bytes, ...]: ...
    @string_data.setter
    def string_data(self, value: Iterable[bytes | str]) -> None: ...
    @classmethod
    def from_numpy(cls, array: npt.ArrayLike, name: str = "") -> Tensor: ...
    def numpy(self) -> np.ndarray: ...
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray: ...
    def __copy__(self) -> Tensor: ...
    def __deepcopy__(self, memo: Any, /) -> Tensor: ...

class _DimView(NamedTuple):
    dim_value: int
    dim_param: str

class _ShapeView(NamedTuple):
    dim: tuple[_DimView, ...]

class _TensorTypeView(NamedTuple):
    elem_type: int
    shape: _ShapeView | None

class _ElemTypeView(NamedTuple):
    elem_type: _TypeView

class _MapTypeView(NamedTuple):
    key_type: int
    value_type: _TypeView

class _TypeView(tuple[_TensorTypeView]):
    """A named tuple of the first; the others are found by name only."""

    @property
    def tensor_type(self) -> _TensorTypeView: ...
    @property
    def sequence_type(self) -> _ElemTypeView | None: ...
    @property
    def optional_type(self) -> _ElemTypeView | None: ...
    @property
    def map_type(self) -> _MapTypeView | None: ...
    @property
    def sparse_tensor_type(self) -> _TensorTypeView | None: ...
    @property
    def which(self) -> str: ...

class _SparseTensorView(NamedTuple):
    values: Tensor
    indices: Tensor | None
    dims: tuple[int, ...]

@final
class ValueInfo(_Part):
    def __init__(
        self,
        *,
        doc_string: str = ...,
        dtype: int = ...,
        name: str = ...,
        shape: Iterable[int | str | None] | None = ...,
    ) -> None: ...
    doc_string: str
    dtype: int
    name: str
    @property
    def shape(self) -> tuple[int | str | None, ...] | None: ...
    @shape.setter
    def shape(self, value: Iterable[int | str | None] | None) -> None: ...
    @property
    def type(self) -> _TypeView: ...
    def __copy__(self) -> ValueInfo: ...
    def __deepcopy__(self, memo: Any, /) -> ValueInfo: ...

@final
class StringStringEntry(_Part):
    def __init__(self, *, key: str = "", value: str = "") -> None: ...
    key: str
    value: str

@final
class OperatorSetId(_Part):
    def __init__(self, *, domain: str = "", version: int = 0) -> None: ...
    domain: str
    version: int

# ---- files -------------------------------------------------------------------------------------

def load(path: _Path, *, upgrade: bool = True) -> Graph: ...
def loads(data: Buffer, *, upgrade: bool = True) -> Graph: ...
def save(
    graph: Graph,
    path: _Path,
    *,
    format: str = "toffee",
    with_initializers: bool = True,
    external_data: bool = False,
    progress: Callable[[int, int], object] | None = None,
    interval: float = 0.1,
    max_onnx_bytes: int = 0,
) -> None: ...
def save_file(
    graph: Graph,
    write: Callable[[Any], int | None],
    *,
    format: str = "toffee",
    with_initializers: bool = True,
    raw: bool = False,
    trusted: bool = False,
    progress: Callable[[int, int], object] | None = None,
    interval: float = 0.1,
    max_onnx_bytes: int = 0,
) -> None: ...
def dumps(
    graph: Graph,
    *,
    format: str = "toffee",
    with_initializers: bool = True,
    places: Sequence[tuple[str, int] | None] | None = None,
) -> bytes: ...
def downgrade(graph: Graph, /) -> Graph: ...
def _unpickle(kind: int, data: bytes, /) -> Any: ...

# ---- rules and tables --------------------------------------------------------------------------

def caffe2_emit(
    graph: Graph, *, cuda: int = -1, prefer: str = "caffe2", weights: bool = True
) -> tuple[bytes, bytes, list[int]]:
    """The graph as (init net, predict net, index of the node of each operator)."""

def caffe2_rules() -> list[tuple[str, str | None, str | None]]:
    """Rows of (operator, Caffe2's operators, ATen's function)."""

def caffe2_import(
    init: Buffer, predict: Buffer, inputs: list[tuple[str, int, tuple[int, ...]]], /
) -> Graph:
    """The graph of two nets; inputs are (name, dtype, dims)."""

def caffe2_import_rules() -> list[tuple[str, str | None, str | None]]:
    """Rows of (Caffe2's operator, ONNX's operators, what is refused)."""

def check_graph(graph: Graph, /) -> None: ...
def check_node(node: Node, /) -> None: ...
def dtype_table() -> tuple[tuple[int, str, str | None, int], ...]: ...
def infer_shapes(graph: Graph, /) -> None: ...
def lowerings() -> list[tuple[str, str | None]]: ...
def op_table() -> list[dict[str, Any]]: ...
def optimize(graph: Graph, passes: tuple[str, ...], keep_parameters: bool, /) -> Graph: ...
def passes() -> tuple[tuple[str, str], ...]: ...
def unify(
    graphs: tuple[Graph, ...],
    symbols: tuple[str, ...],
    sizes: tuple[tuple[int, ...], ...],
    dims: tuple[tuple[str, int, int], ...],
    /,
) -> int: ...

# ---- tracing -----------------------------------------------------------------------------------

@disjoint_base
class Tracer:
    @property
    def operators(self) -> int: ...
    unsupported: list[tuple[str, Place]]
    journal: list[tuple[str, int]]
    skipped: int
    def begin(
        self,
        decompose: Callable[..., Any],
        place: Callable[..., Place],
        leak: Callable[..., None],
        lower: Callable[..., Any],
        whole_storage: Callable[..., Any],
        training: bool,
        fallback_to_aten: bool,
        /,
    ) -> None: ...
    def keep_journal(
        self,
        sources: tuple[int, ...],
        skip: Callable[[Any, tuple[Any, ...], dict[str, Any]], Any] | None,
        any: bool,
        /,
    ) -> None: ...
    def locate(
        self,
        source: Callable[[str], tuple[str, bool] | None] | None,
        modules: list[tuple[str, Any]] | None,
        call: Any,
        /,
    ) -> None: ...
    def report(self, listener: Callable[[int, int], object], interval: float, /) -> None: ...
    def declare_parameter(self, tensor: Any, name: str, /) -> str: ...
    def declare_input(self, tensor: Any, name: str, /) -> str: ...
    def finish(self, outputs: list[Any], names: list[str | None], /) -> Graph | str: ...
    def abandon(self) -> None: ...
    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any: ...

@final
class TracedValue:
    @property
    def dtype(self) -> Any: ...
    @property
    def elem_type(self) -> int: ...
    @property
    def rank(self) -> int | None: ...
    @property
    def shape(self) -> tuple[int | None, ...] | None: ...
    def __bool__(self) -> NoReturn: ...

@disjoint_base
class Builder:
    def emit(
        self, node: Node, inputs: tuple[TracedValue | None, ...], n_outputs: int, /
    ) -> tuple[TracedValue, ...]: ...
    def import_domain(self, domain: str, version: int, /) -> None: ...
    def initializer(self, tensor: Any, /) -> TracedValue: ...

def set_lowerings(lowerings: dict[str, Callable[..., Any]], builder: type[Builder], /) -> None: ...

@disjoint_base
class Witness:
    def watch(self, tracer: Tracer, functions: Any, /) -> None: ...
    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any: ...

# ---- for the tests -----------------------------------------------------------------------------

class _Testing:
    @staticmethod
    def allocation_count() -> int: ...
    @staticmethod
    def fail_allocation(n: int, /) -> None: ...
    @staticmethod
    def graph_bytes(graph: Graph, /) -> int: ...
    @staticmethod
    def lint(graph: Graph, /) -> None: ...
    @staticmethod
    def prune(graph: Graph, /) -> None: ...
    @staticmethod
    def size_eval(*args: Any) -> int | None: ...
    @staticmethod
    def size_expr(*args: Any) -> tuple[Any, ...]: ...
    @staticmethod
    def size_fit(*args: Any) -> str | None: ...
    @staticmethod
    def size_fit_real(*args: Any) -> tuple[int, str | None, float, str | None, float]: ...
    @staticmethod
    def view_facts(*args: Any) -> tuple[bool, bool, bool]: ...
    @staticmethod
    def view_read(*args: Any) -> bytes: ...
    @staticmethod
    def view_write(*args: Any) -> bytes: ...

_testing: _Testing
