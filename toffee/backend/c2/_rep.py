"""The interface of a backend, for Caffe2."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ... import _core, helper
from ..._core import Graph, Node, Tensor
from .. import base
from ..base import BackendError, Device, Outputs, Rep
from . import _install
from ._channel import DTYPES
from ._emit import is_exact, nets_of, with_sizes
from ._memory import Weight
from ._process import NetError, Runner

if TYPE_CHECKING:
    import numpy as np

    from ..base import Inputs

__all__ = ["C2Rep", "prepare", "run", "run_node", "supports_device"]


# ---- weights -----------------------------------------------------------------------------------


def _tensors(graph: Graph) -> Iterator[tuple[str, Tensor]]:
    """All tensors of GRAPH that a node may read, by the name of the value."""
    for tensor in graph.initializer:
        yield tensor.name, tensor
    for node in graph.node:
        if node.op_type == "Constant" and not node.domain:
            for attribute in node.attribute:
                if attribute.name == "value" and attribute.t is not None:
                    yield node.output[0], attribute.t


def _weights(graph: Graph) -> list[Weight]:
    """What the nets leave to the caller: see weights=False of nets_of."""
    weights = []
    for name, tensor in _tensors(graph):
        if tensor.data_type not in DTYPES:
            dtype = "string"
            if tensor.data_type != Tensor.STRING:
                dtype = str(helper._DTYPES[tensor.data_type][1])
            raise BackendError(f"'{name}' has elements of type {dtype}, which Caffe2 has not")
        weights.append(Weight(name, tensor.data_type, tuple(tensor.dims), tensor.raw_data))
    return weights


# ---- errors ------------------------------------------------------------------------------------


class _NodeText(NamedTuple):
    """What an error says about a node; the graph itself is not kept, for its weights are large."""

    op_type: str
    name: str
    doc: str

    def at(self, index: int) -> str:
        """``node 3 'features.0' (Conv, model.py:7)``"""
        where = self.doc.splitlines()[0].strip() if self.doc else ""
        name = f" '{self.name}'" if self.name else ""
        return f"node {index}{name} ({self.op_type}{', ' + where if where else ''})"


def _first_lines(message: str) -> str:
    """What a person wants to read of Caffe2's MESSAGE: not the operator's definition, whose tensors
    may be in it, nor places in Caffe2's source."""
    lines = []
    for line in message.splitlines():
        if line.startswith(("Error from operator", "frame #", "Exception raised from")):
            break
        if line.strip():
            lines.append(line.strip()[:500])
    return "\n    ".join(lines[:6]) or message[:500]


# ---- what has to be known before ----------------------------------------------------------------


def _all_have_rules(graph: Graph) -> bool:
    """Whether Caffe2 has every operator of GRAPH, for some inputs at least."""
    rules = {name for name, own, aten in _core.caffe2_rules() if own or aten}
    return all(node.op_type in rules for node in graph.node)


# ---- a graph that is ready to run --------------------------------------------------------------


class C2Rep(Rep):
    """A graph in a Caffe2 process of its own.

    The process ends with ``close()``, as the rep is collected, and whenever Python ends, however
    that is. If it dies, the run says so at once and of what. Several threads may call :meth:`run`:
    of one rep, runs come one after the other; of several, they run at the same time. ``close()``
    breaks a run in another thread off; that run raises BackendError. So does Ctrl-C: it ends the
    process, and the rep is closed. After ``os.fork`` the reps are the parent's; in the child they
    are closed.

    Attributes
    ----------
    last_net_seconds : float or None
        What Caffe2's operators took in the last run, by the clock of its process.
    pid : int or None
        The process's id; None before the first run where the graph does not say the types of its
        inputs, as in files of 2017, or an operator of Caffe2 wants sizes that the graph leaves
        open. There, the first inputs say it, and a run with inputs of other shapes starts another
        process.
    """

    def __init__(
        self,
        graph: Graph,
        device: Device,
        prefer: str,
        timeout: float | None,
        threads: int | None,
    ) -> None:
        super().__init__(graph, device)
        self.last_net_seconds: float | None = None
        self._prefer, self._timeout, self._threads = prefer, timeout, threads
        self._process = os.getpid()
        self._runner: Runner | None = None
        self._nodes: list[_NodeText] = []
        self._node_of_op: list[int] = []
        #: Inputs whose types are taken from what is given, as long as there is a graph.
        self._taken = [spec.name for spec in self.inputs if spec.dtype == 0 or spec.shape is None]
        self._given: object = None
        self._graph: Graph | None = copy.copy(graph)
        self._opening = threading.Lock()
        if self._taken:
            return
        if all(is_exact(spec.shape) for spec in self.inputs):
            graph = with_sizes(graph)
        try:
            nets = nets_of(graph, device, prefer, weights=False)
        except BackendError:
            # Some operators of Caffe2 want numbers where ToffeeIR computes sizes in the run.
            self._taken = [spec.name for spec in self.inputs if not is_exact(spec.shape)]
            if not self._taken or not _all_have_rules(graph):
                raise
            return
        self._graph = None
        self._start(graph, nets)

    @property
    def pid(self) -> int | None:
        return None if self._runner is None else self._runner.pid

    def _start(self, graph: Graph, nets: tuple[bytes, bytes, list[int]]) -> None:
        init_net, predict_net, self._node_of_op = nets
        self._nodes = [_NodeText(n.op_type, n.name, n.doc_string) for n in graph.node]
        weights = _weights(graph)
        try:
            self._runner = Runner(
                init_net,
                predict_net,
                weights,
                [spec.name for spec in self.inputs],
                self.output_names,
                threads=self._threads,
                timeout=self._timeout,
            )
        except NetError as error:
            raise self._net_error(error, "prepare") from None

    def _start_for(self, whole: Graph, feeds: dict[str, np.ndarray]) -> None:
        """Have a runner of the graph WHOLE that takes FEEDS."""
        given = [(feeds[name].dtype, feeds[name].shape) for name in self._taken]
        if self._runner is not None and given == self._given:
            self._runner.check()
            return
        if self._runner is not None:
            self._runner.close()
        graph = copy.copy(whole)
        taken = [info for info in graph.input_info if info.name in self._taken]
        for info in taken:
            info.dtype = helper.np_dtype_to_tensor_dtype(feeds[info.name].dtype)
        graph = with_sizes(graph, {info.name: feeds[info.name].shape for info in taken})
        self._start(graph, nets_of(graph, self.device, self._prefer, weights=False))
        self._given = given

    def run(self, inputs: Inputs = ()) -> Outputs:
        if self._process != os.getpid():
            raise BackendError(
                "the rep belongs to the process of which this one is a fork: prepare() the graph "
                "here"
            )
        if self._runner is not None and self._graph is None and not self._closed:
            self._runner.check()  # says why it is closed
        return super().run(inputs)

    run.__doc__ = Rep.run.__doc__

    def _run(self, feeds: dict[str, np.ndarray]) -> Sequence[np.ndarray]:
        for name, array in feeds.items():
            if helper.np_dtype_to_tensor_dtype(array.dtype) not in DTYPES:
                raise BackendError(f"input '{name}' is {array.dtype}, which Caffe2 has not")
        whole = self._graph
        if whole is None:
            return self._run_in(self._runner, feeds)
        with self._opening:
            try:
                self._start_for(whole, feeds)
                return self._run_in(self._runner, feeds)
            finally:
                if self._closed and self._runner is not None:  # as it was being started
                    self._runner.close()

    def _run_in(self, runner: Runner | None, feeds: dict[str, np.ndarray]) -> Sequence[np.ndarray]:
        if runner is None:  # close() came between, in another thread
            raise BackendError("the rep was closed: prepare() the graph again")
        try:
            arrays, self.last_net_seconds = runner.run([feeds[spec.name] for spec in self.inputs])
        except NetError as error:
            raise self._net_error(error, "run") from None
        return arrays

    def _net_error(self, error: NetError, doing: str) -> BackendError:
        said = _first_lines(str(error))
        if error.stage not in ("create", "run") or not 0 <= error.op < len(self._node_of_op):
            return BackendError(f"Caffe2 cannot {doing} the graph: {said}")
        index = self._node_of_op[error.op]
        node = self._nodes[index]
        what = (
            "prepare(graph, prefer='aten') lets it compute nodes with PyTorch's functions"
            if self._prefer == "caffe2"
            else "prepare(graph, prefer='caffe2') uses more of its own operators"
        )
        return BackendError(
            f"Caffe2 cannot {doing} {node.at(index)}:\n    {said}\n"
            f"toffee.checker.check_graph(graph) says whether the graph is sound; {what}"
        )

    def _close(self) -> None:
        self._graph = None
        if self._runner is not None:
            self._runner.close()

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a prepared graph cannot be sent to another process: send the graph")

    def __repr__(self) -> str:
        text = super().__repr__()
        dead = self._runner is not None and self._runner.closed and not self._closed
        return f"{text[:-1]} (closed)>" if dead else text


# ---- the interface -----------------------------------------------------------------------------


def supports_device(device: str) -> bool:
    """Whether ``prepare`` can use a device here: ``"CPU"``, if the runtime is installed."""
    try:
        _install.library_folder()
        return base.parse_device(device).kind == "CPU"
    except BackendError:
        return False


def prepare(
    graph: Graph,
    device: str = "CPU",
    *,
    prefer: str = "caffe2",
    timeout: float | None = None,
    threads: int | None = None,
) -> C2Rep:
    """Make a graph ready to run.

    Parameters
    ----------
    graph : Graph
        It is read now: what is changed afterwards is not seen. While the rep lives, the file that
        the graph was loaded from must not be changed in place (replacing it is fine).
    device : str
        ``"CPU"``. Nets for cards can be made (:func:`emit`), but not run here.
    prefer : {"caffe2", "aten"}
        Where both can compute a node: Caffe2's own operator, or PyTorch 1.10's function, which its
        operator ``ATen`` calls.
    timeout : float, optional
        Seconds that Caffe2 may take to prepare the graph, and for each run. Then its process is
        ended, the rep is closed, and :class:`RunTimeout` raised, which is a BackendError and a
        TimeoutError. By default it may take any time.
    threads : int, optional
        How many threads Caffe2 computes with; by default what it chooses.

    Returns
    -------
    C2Rep
        ``rep.run(inputs)`` takes and returns NumPy arrays.

    Raises
    ------
    toffee.BackendError
        The runtime is not installed, the device is a card, a node that Caffe2 cannot compute, or
        what Caffe2 itself says about one: names the node and the line it is from.
    ValueError
        Another ``prefer``, or a ``timeout`` or ``threads`` that is not positive.
    """
    base.check_is_graph(graph)
    parsed = base.parse_device(device)
    if parsed.kind != "CPU":
        raise BackendError(
            f"device {parsed}: this Caffe2 runs on the CPU alone. That of PyPI's PyTorch 1.10.2 is "
            "built for CUDA 10.2, which has no code for today's cards. emit(graph, "
            f"device='{parsed}') makes nets for a Caffe2 that has"
        )
    if timeout is not None and not timeout > 0:
        raise ValueError(f"timeout={timeout}: it can be a number of seconds above 0, or None")
    if threads is not None and not 0 < threads <= max(1024, os.cpu_count() or 1):
        raise ValueError(f"threads={threads}: it can be a number from 1 up, or None")
    return C2Rep(graph, parsed, prefer, timeout, threads)


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
