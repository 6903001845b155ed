"""Run graphs with ONNX Runtime.

Weights that lie in a file, as those of a loaded graph do, are read from there by ONNX Runtime
itself, which maps the file: they are in memory once. All others are handed over as values, of which
ONNX Runtime (1.32) makes one copy. Neither way needs the graph as a whole in one piece, so there is
no limit of 2 GiB.
"""

from __future__ import annotations

import copy
import ctypes
import importlib
import os
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .. import _core, helper
from .._core import Graph, Node, Tensor
from . import base
from .base import BackendError, Device, Outputs, Rep
from .mapped import FilePart, file_parts, still_there

if TYPE_CHECKING:
    import numpy as np

    from .base import Inputs

__all__ = ["OnnxRuntimeRep", "prepare", "run", "run_node", "supports_device"]

#: Smaller weights stay in the model: ONNX Runtime looks at them to infer shapes, and external data
#: has to be mapped, each on its own.
_INSIDE_BYTES = 1024

_FOLDER_KEY = "session.model_external_initializers_file_folder_path"
_PREPACK_KEY = "session.disable_prepacking"


def _runtime() -> ModuleType:
    try:
        return importlib.import_module("onnxruntime")
    except ImportError:
        raise base.missing_package("ONNX Runtime", "onnxruntime") from None


def _providers(device: Device) -> list[Any]:
    """What ONNX Runtime calls DEVICE."""
    if device.kind == "CPU":
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in _runtime().get_available_providers():
        raise BackendError(
            f"device {device}: this ONNX Runtime was built without CUDA: "
            "pip install onnxruntime-gpu in place of onnxruntime"
        )
    return [("CUDAExecutionProvider", {"device_id": device.index}), "CPUExecutionProvider"]


# ---- weights -----------------------------------------------------------------------------------


def _is_native(dtype: int) -> bool:
    """Whether NumPy itself has the element type, so that ONNX Runtime takes arrays of it."""
    import numpy as np

    name = helper._DTYPES[dtype][1]
    return isinstance(name, str) and hasattr(np, "bool_" if name == "bool" else name)


def _weight(tensor: Tensor) -> np.ndarray | None:
    """The bytes of a large TENSOR, as elements if NumPy has those; None for a small one."""
    import numpy as np

    if tensor.data_type == Tensor.STRING or not _is_native(tensor.data_type):
        raw = b"" if tensor.data_type == Tensor.STRING else tensor.raw_data
        return np.frombuffer(raw, np.uint8) if len(raw) >= _INSIDE_BYTES else None
    array = tensor.numpy()
    return array if array.nbytes >= _INSIDE_BYTES else None


def _can_be_declared(part: FilePart, tensor: Tensor) -> bool:
    """Whether a model can say where PART is (the path is text), and ONNX Runtime compute with the
    elements of TENSOR as they lie there (mappings begin at pages, which are aligned for all)."""
    size: int = helper._DTYPES[tensor.data_type][2] or 1  # type: ignore[assignment]
    return part.offset % size == 0 and part.path.isprintable()


def _fits_value(tensor: Tensor) -> bool:
    """Whether ONNX Runtime can be handed TENSOR: not elements smaller than a byte."""
    return bool(helper._DTYPES[tensor.data_type][2])


def _ort_value(array: np.ndarray, dtype: int, dims: Sequence[int]) -> Any:
    """A value of ONNX Runtime that shares the memory of ARRAY."""
    import numpy as np

    ort_value = _runtime().OrtValue
    if _is_native(dtype):
        return ort_value.ortvalue_from_numpy(array)
    size: int = helper._DTYPES[dtype][2]  # type: ignore[assignment]
    bits = array.view(np.uint16 if size == 2 else np.uint8).reshape(tuple(dims))
    return ort_value.ortvalue_from_numpy_with_onnx_type(bits, dtype)


class _Model:
    """The bytes of a model, and where ONNX Runtime finds the weights that are not among them."""

    def __init__(self, graph: Graph, use_files: bool) -> None:
        tensors = list(graph.initializer)
        arrays = [_weight(tensor) for tensor in tensors]
        large = [i for i, array in enumerate(arrays) if array is not None]
        found = file_parts([arrays[i] for i in large]) if use_files else []  # type: ignore[misc]
        self.parts: dict[int, FilePart] = {
            i: part
            for i, part in zip(large, found, strict=False)
            if part is not None and _can_be_declared(part, tensors[i])
        }
        folders = [os.path.dirname(part.path) for part in self.parts.values()]
        self.folder = os.path.commonpath(folders) if folders else None
        self.values: dict[str, Any] = {}
        places: list[tuple[str, int] | None] = [None] * len(tensors)
        for i in large:
            tensor, part = tensors[i], self.parts.get(i)
            if part is not None:
                places[i] = (os.path.relpath(part.path, self.folder), part.offset)
            elif _fits_value(tensor):
                array = arrays[i]
                assert array is not None
                self.values[tensor.name] = _ort_value(array, tensor.data_type, tuple(tensor.dims))
                places[i] = ("in memory", 0)
        self.bytes = _core.dumps(graph, format="onnx", places=places)


# ---- sessions ----------------------------------------------------------------------------------


class _Options:
    """The options of a session, and the weights that have been handed over with them: they cannot
    be taken back, nor handed over twice."""

    def __init__(self, options: Any) -> None:
        self.options = options
        self.values: dict[str, Any] = {}

    def set(self, key: str, value: str) -> None:
        """Set an entry of the configuration, without the warning if it is set already."""
        try:
            if self.options.get_session_config_entry(key) == value:
                return
        except Exception:  # noqa: S110 -- what ONNX Runtime raises for a key that is not set
            pass
        self.options.add_session_config_entry(key, value)

    def hand_over(self, values: Mapping[str, Any]) -> None:
        """Give ONNX Runtime the weights VALUES, by name."""
        new = {name: value for name, value in values.items() if name not in self.values}
        if new:
            self.options.add_external_initializers(list(new), list(new.values()))
            self.values.update(new)


def _open_model(model: _Model, options: _Options, providers: Sequence[Any]) -> Any:
    if model.folder is not None:
        options.set(_FOLDER_KEY, model.folder)
    options.hand_over(model.values)
    session = _runtime().InferenceSession(model.bytes, options.options, providers=list(providers))
    session.disable_fallback()  # to another provider, in the middle of a run
    return session


def _open_session(graph: Graph, options: _Options, providers: Sequence[Any]) -> Any:
    model = _Model(graph, use_files=True)
    if model.parts:
        # Opened by name, though found by content: somebody may put another file there meanwhile.
        # And an ONNX Runtime that does not know the key for the folder does not find the file. If
        # it is the graph's fault, the second try says so once more.
        try:
            session = _open_model(model, options, providers)
            if still_there(list(model.parts.values())):
                return session
        except Exception:  # noqa: S110 -- see above
            pass
        model = _Model(graph, use_files=False)
    return _open_model(model, options, providers)


class OnnxRuntimeRep(Rep):
    """A graph in an ``onnxruntime.InferenceSession``, which is ``rep.session``."""

    def __init__(
        self, graph: Graph, device: Device, options: Any, providers: Sequence[Any]
    ) -> None:
        super().__init__(graph, device)
        self._options = _Options(options)
        self._providers = providers
        self._types: tuple[int, ...] = ()
        self._untyped = [spec.name for spec in self.inputs if spec.dtype == 0]
        self.session: Any = None
        if self._untyped:  # as in files of 2017: then the first inputs say it
            self._graph = copy.copy(graph)
        else:
            self._open(graph)

    def _open(self, graph: Graph) -> None:
        try:
            self.session = _open_session(graph, self._options, self._providers)
        except (_core.Error, MemoryError, ImportError):
            raise
        except Exception as error:
            raise BackendError(f"ONNX Runtime cannot prepare the graph: {error}") from error
        wanted = [p if isinstance(p, str) else p[0] for p in self._providers]
        missing = [name for name in wanted if name not in self.session.get_providers()]
        if missing:
            self.session = None
            raise BackendError(
                f"ONNX Runtime could not start {missing[0]} on this machine for device "
                f"{self.device}; its log says why"
            )
        values = [*self.session.get_inputs(), *self.session.get_outputs()]
        self._by_value = any("float8" in v.type or "bfloat16" in v.type for v in values)

    def _open_for(self, feeds: dict[str, np.ndarray]) -> None:
        """Open the session of a graph that does not say the types of all its inputs."""
        types = tuple(helper.np_dtype_to_tensor_dtype(feeds[name].dtype) for name in self._untyped)
        if self.session is not None and types == self._types:
            return
        graph = copy.copy(self._graph)
        known = dict(zip(self._untyped, types, strict=True))
        for info in graph.input_info:
            if info.name in known:
                info.dtype = known[info.name]
        self._open(graph)
        self._types = types

    def _run(self, feeds: dict[str, np.ndarray]) -> Sequence[Any]:
        if self._untyped:
            self._open_for(feeds)
        try:
            if self._by_value:
                return self._run_values(feeds)
            return self.session.run(None, feeds)  # type: ignore[no-any-return]
        except MemoryError:
            raise
        except Exception as error:
            raise BackendError(f"ONNX Runtime failed as it ran the graph: {error}") from error

    def _run_values(self, feeds: dict[str, np.ndarray]) -> list[Any]:
        """The same for element types that NumPy does not have."""
        values = {}
        for name, array in feeds.items():
            dtype = helper.np_dtype_to_tensor_dtype(array.dtype)
            dense = array if array.flags.c_contiguous else array.copy()
            values[name] = _ort_value(dense, dtype, array.shape)
        return [_from_value(v) for v in self.session.run_with_ort_values(None, values)]

    def _close(self) -> None:
        self.session = None
        self._options = _Options(None)


def _from_value(value: Any) -> Any:
    """A value of ONNX Runtime as an array."""
    import numpy as np

    if not value.is_tensor() or _is_native(value.element_type()):
        return value.numpy()
    dtype = helper.tensor_dtype_to_np_dtype(value.element_type())
    shape = tuple(value.shape())
    raw = ctypes.string_at(value.data_ptr(), int(np.prod(shape)) * dtype.itemsize)
    return np.frombuffer(bytearray(raw), dtype).reshape(shape)


# ---- the interface -----------------------------------------------------------------------------


def supports_device(device: str) -> bool:
    """Whether ``prepare`` can use a device here: ``"CPU"``, ``"CUDA"``, ``"CUDA:1"``."""
    try:
        _runtime()
        _providers(base.parse_device(device))
    except BackendError:
        return False
    return True


def prepare(
    graph: Graph,
    device: str = "CPU",
    *,
    session_options: Any = None,
    providers: Sequence[Any] | None = None,
    optimize: bool = True,
) -> OnnxRuntimeRep:
    """Make a graph ready to run.

    Parameters
    ----------
    graph : Graph
        It is read now: what is changed afterwards is not seen. While the rep lives, the file that
        the graph was loaded from must not be changed in place (replacing it is fine).
    device : str
        ``"CPU"``, ``"CUDA"`` or ``"CUDA:N"``.
    session_options : onnxruntime.SessionOptions, optional
        Taken over: give each call its own.
    providers : sequence, optional
        As ``onnxruntime.InferenceSession`` takes them, in place of those for ``device``.
    optimize : bool
        Let ONNX Runtime rewrite the graph, and copy the weights into the order that its kernels
        like best. False: every node runs as it is; sooner ready, less memory, slower runs. That is
        for graphs that run once, and to see what a graph says and not what was made of it.

    Returns
    -------
    OnnxRuntimeRep
        ``rep.run(inputs)`` takes and returns NumPy arrays.

    Raises
    ------
    toffee.BackendError
        An unknown device, one that is not there, ONNX Runtime is not installed, or it cannot run
        the graph.

    Examples
    --------
    >>> import numpy as np
    >>> from toffee import Tensor, helper
    >>> import toffee.backend.onnxruntime as backend
    >>> x = helper.make_tensor_value_info("x", Tensor.FLOAT, [3])
    >>> y = helper.make_tensor_value_info("y", Tensor.FLOAT, [3])
    >>> graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "net", [x], [y])
    >>> with backend.prepare(graph) as rep:
    ...     outputs = rep.run(np.array([-1, 0, 2], np.float32))
    >>> outputs["y"]
    array([0., 0., 2.], dtype=float32)
    """
    base.check_is_graph(graph)
    parsed = base.parse_device(device)
    runtime = _runtime()
    chosen = _providers(parsed) if providers is None else list(providers)
    options = session_options
    if options is None:
        options = runtime.SessionOptions()
        options.log_severity_level = 3  # errors: they come as exceptions anyway
    if not optimize:
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_session_config_entry(_PREPACK_KEY, "1")
    return OnnxRuntimeRep(graph, parsed, options, chosen)


def run(target: Graph | Rep, inputs: Inputs = (), **kwargs: Any) -> Outputs:
    """Run a graph once, or what :func:`prepare` returned.

    Parameters
    ----------
    target : Graph or Rep
    inputs : array, sequence of arrays, or mapping from input names to arrays
        As for :meth:`toffee.backend.base.Rep.run`.
    **kwargs
        Of :func:`prepare`.

    Returns
    -------
    Outputs

    Raises
    ------
    toffee.BackendError
        As :func:`prepare` and ``Rep.run``.
    """
    return base.run_graph(prepare, target, inputs, **kwargs)


def run_node(
    node: Node, inputs: Inputs = (), *, opsets: Mapping[str, int] | None = None, **kwargs: Any
) -> Outputs:
    """Run one node.

    Parameters
    ----------
    node : Node
    inputs : array, sequence of arrays, or mapping from input names to arrays
        As for a graph whose inputs are those of the node; those that the node leaves out take no
        value.
    opsets : mapping from domains to versions, optional
        Which operators the node speaks; by default those of today.
    **kwargs
        Of :func:`prepare`.

    Returns
    -------
    Outputs
        Of the outputs that have a name.

    Raises
    ------
    toffee.BackendError
        As :func:`prepare` and ``Rep.run``.
    """
    return base.run_single_node(prepare, node, inputs, opsets=opsets, **kwargs)
