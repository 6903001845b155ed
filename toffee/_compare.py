"""``toffee.compare``: where do PyTorch and the runtimes part ways?

Two questions, and what answers them:

* Does the graph compute what the model does? The model runs, each backend runs the whole graph as
  ``prepare`` makes it ready, and the outputs are compared.
* Which node is it? The values between the nodes exist in the graph only, so PyTorch's are those of
  ``toffee.backend.torch``, which runs each node with PyTorch's own kernels. All backends walk
  through the graph side by side, each with its own values; every value that a node computes is
  compared. Optimizers are off there: what they fuse has no values in between.

The walk goes in segments of a few nodes, each a graph of its own whose inputs are what is still
needed of the values before. Thus each node runs once in each backend, and only a segment's values
are in memory on top of those that a plain run would hold at that point as well.
"""

from __future__ import annotations

import copy
import html
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any

from . import _verify, helper
from ._core import Graph, Node
from ._symbols import Sizes, limits_of
from ._verify import Difference, difference
from .backend import base
from .errors import BackendError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Report", "Row", "compare"]

#: Values of a segment may take this much even where the run itself holds less.
_LEAST_BYTES = 1 << 20
_LONGEST_SEGMENT = 64


# ---- the report --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One value: ``node`` is the number of the node that computes it (-1 for a row of
    ``report.outputs``), ``differences`` has one entry for each backend."""

    node: int
    op_type: str
    output: str
    dtype: str
    shape: tuple[int, ...]
    differences: dict[str, Difference]

    @property
    def what(self) -> str:
        return f"{self.dtype}{list(self.shape)}"


@dataclass
class Report:
    """What :func:`toffee.compare` found. ``print`` it, let a notebook show it, or :meth:`plot` it.

    Attributes
    ----------
    reference : str
        Whose values between the nodes count as right.
    rows : list of Row
        Every value that a node computes, in order, against the reference.
    outputs : list of Row
        The outputs of the graph against those of the model; empty without a model.
    """

    reference: str
    rows: list[Row] = field(default_factory=list)
    outputs: list[Row] = field(default_factory=list)

    @property
    def backends(self) -> list[str]:
        """The names of the backends in ``rows``."""
        return list(self.rows[0].differences) if self.rows else []

    @property
    def agree(self) -> bool:
        """Whether every value and every output fits."""
        every = [d for row in (*self.rows, *self.outputs) for d in row.differences.values()]
        return all(found.fits for found in every)

    def first(self, backend: str) -> Row | None:
        """The first node whose value in BACKEND does not fit, or None."""
        return next((row for row in self.rows if not row.differences[backend].fits), None)

    def _summary(self) -> Iterator[str]:
        for backend in self.backends:
            row = self.first(backend)
            where = (
                "nowhere" if row is None else f"at node {row.node}, {row.op_type} '{row.output}'"
            )
            yield f"{backend} and {self.reference} part ways {where}"
        for row in self.outputs:
            for backend, found in row.differences.items():
                verdict = "as the model's" if found.fits else "NOT as the model's"
                yield f"output '{row.output}' of {backend} is {verdict}: {found}"

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        head = ["node", "operator", "output", "type"]
        for backend in self.backends:
            head += [f"{backend}: largest difference", "relative"]
        body = []
        for row in self.rows:
            cells = [str(row.node), row.op_type, row.output, row.what]
            for found in row.differences.values():
                cells.append(found.problem or f"{found.absolute:.2e}{'' if found.fits else ' !'}")
                cells.append("" if found.problem else f"{found.relative:.2e}")
            body.append(cells)
        return head, body

    def __str__(self) -> str:
        head, body = self._cells()
        widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
            for cells in (head, *body)
        ]
        return "\n".join([*lines, "", *self._summary()])

    def _repr_html_(self) -> str:
        head, body = self._cells()
        titles = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
        lines = []
        for row, cells in zip(self.rows, body, strict=True):
            fits = all(found.fits for found in row.differences.values())
            style = "" if fits else ' style="background:#fcc;color:#000"'
            data = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
            lines.append(f"<tr{style}>{data}</tr>")
        summary = "<br>".join(map(html.escape, self._summary()))
        return f"<p>{summary}</p><table><tr>{titles}</tr>{''.join(lines)}</table>"

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draw the relative difference of every value, node by node.

        Parameters
        ----------
        path : path, optional
            Where the picture goes; its ending says which format.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ImportError
            matplotlib is not installed.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise ImportError(
                "matplotlib is not installed: pip install matplotlib, or toffee[plot]"
            ) from None
        figure = Figure(figsize=(8, 4), layout="constrained")
        axes = figure.subplots()
        for backend in self.backends:
            found = [row.differences[backend] for row in self.rows]
            heights = [min(d.relative, 1.0) for d in found]
            nodes = [row.node for row in self.rows]
            (line,) = axes.plot(nodes, heights, ".-", linewidth=0.8, label=backend)
            bad = [(n, h) for n, h, d in zip(nodes, heights, found, strict=True) if not d.fits]
            if bad:
                axes.plot(*zip(*bad, strict=True), "o", color=line.get_color(), markersize=8)
        axes.set_yscale("symlog", linthresh=1e-9)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("node")
        axes.set_ylabel(f"difference to {self.reference}, relative")
        if self.backends:
            axes.legend()
        if path is not None:
            figure.savefig(path, dpi=130)
        return figure


# ---- the graph in segments ---------------------------------------------------------------------


def _names_used(node: Node) -> list[str]:
    """What NODE reads: its inputs, and what the graphs in its attributes take from outside."""
    names = [name for name in node.input if name]
    for attribute in node.attribute:
        graphs = [attribute.g] if attribute.type == attribute.GRAPH else list(attribute.graphs)
        for graph in graphs:
            if graph is not None:
                names += _names_captured(graph)
    return list(dict.fromkeys(names))


def _names_captured(graph: Graph) -> list[str]:
    inside = {*graph.input, *(tensor.name for tensor in graph.initializer)}
    names = []
    for node in graph.node:
        names += [name for name in _names_used(node) if name not in inside]
        inside.update(node.output)
    return names + [name for name in graph.output if name not in inside]


class _Segments:
    """Cuts a graph into graphs of a few nodes."""

    def __init__(self, graph: Graph) -> None:
        self.nodes = list(graph.node)
        self.used = [_names_used(node) for node in self.nodes]
        self.tensors = {tensor.name: tensor for tensor in graph.initializer}
        self.last_use = {name: i for i, names in enumerate(self.used) for name in names}
        self.empty = copy.copy(graph)
        for part in ("node", "output", "value_info", "initializer", "input"):
            setattr(self.empty, part, [])

    def take(self, start: int, stop: int, live: Mapping[str, np.ndarray]) -> Graph:
        """The nodes from START to STOP; its inputs are what they need of LIVE, its outputs all
        that they compute."""
        nodes = self.nodes[start:stop]
        made = [name for node in nodes for name in node.output if name]
        needed = dict.fromkeys(
            name for names in self.used[start:stop] for name in names if name not in made
        )
        graph = copy.copy(self.empty)
        graph.node = nodes
        graph.initializer = [self.tensors[name] for name in needed if name in self.tensors]
        values = {name: live[name] for name in needed if name in live}
        graph.input = list(values)
        for info in graph.input_info:
            value = values[info.name]
            info.dtype = helper.np_dtype_to_tensor_dtype(value.dtype)
            info.shape = value.shape
        graph.output = made
        return graph

    def describe(self, start: int, stop: int) -> str:
        nodes = [f"{i} ({self.nodes[i].op_type})" for i in range(start, stop)]
        return f"node {nodes[0]}" if len(nodes) == 1 else f"nodes {nodes[0]} to {nodes[-1]}"


def _n_bytes(values: Mapping[str, Any]) -> int:
    return sum(getattr(value, "nbytes", 0) for value in values.values())


def _next_length(length: int, n_bytes: int, budget: int) -> int:
    """How many nodes to take next, after LENGTH nodes whose values take N_BYTES."""
    fitting = budget * length // max(n_bytes, 1)
    return max(1, min(fitting, 2 * length, _LONGEST_SEGMENT))


def _run_segment(
    name: str, backend: Any, graph: Graph, live: Mapping[str, np.ndarray], where: str
) -> dict[str, np.ndarray]:
    import numpy as np

    try:
        with _verify.prepare_once(backend, graph) as rep:
            made: dict[str, Any] = rep.run({key: live[key] for key in graph.input}).asdict()
    except BackendError as error:
        raise BackendError(f"{name}, {where}: {error}") from error
    for output, value in made.items():
        if not isinstance(value, np.ndarray):
            raise BackendError(
                f"{where}: value '{output}' is a {type(value).__name__}, and compare() follows "
                "tensors only"
            )
    return made


def _walk(
    graph: Graph, feeds: Mapping[str, np.ndarray], reference: str, backends: dict[str, Any]
) -> list[Row]:
    """Run the nodes of GRAPH in all BACKENDS, segment by segment."""
    segments = _Segments(graph)
    live = {name: dict(feeds) for name in backends}
    rows: list[Row] = []
    start, length, budget = 0, 1, _LEAST_BYTES
    while start < len(segments.nodes):
        stop = min(start + length, len(segments.nodes))
        part = segments.take(start, stop, live[reference])
        where = segments.describe(start, stop)
        made: dict[str, dict[str, np.ndarray]] = {}
        for name, backend in backends.items():
            made[name] = _run_segment(name, backend, part, live[name], where)
        rows += _rows(segments.nodes, start, stop, reference, made)
        for name, values in live.items():
            values.update(made.pop(name))
            budget = max(budget, _n_bytes(values) if name == reference else 0)
        n_bytes = _n_bytes({key: live[reference][key] for key in part.output})
        for values in live.values():
            for key in [key for key in values if segments.last_use.get(key, -1) < stop]:
                del values[key]
        start, length = stop, _next_length(stop - start, n_bytes, budget)
    return rows


def _rows(
    nodes: Sequence[Node],
    start: int,
    stop: int,
    reference: str,
    made: Mapping[str, Mapping[str, np.ndarray]],
) -> list[Row]:
    rows = []
    for i in range(start, stop):
        for output in nodes[i].output:
            if output:
                right = made[reference][output]
                found = {
                    name: difference(values[output], right)
                    for name, values in made.items()
                    if name != reference
                }
                rows.append(Row(i, nodes[i].op_type, output, right.dtype.name, right.shape, found))
    return rows


# ---- the model and its inputs ------------------------------------------------------------------


def _run_model(model: Callable[..., Any], inputs: Any, training: bool) -> list[np.ndarray]:
    """The outputs of MODEL for copies of INPUTS."""
    import torch

    from . import _models, _structure, _switches

    def tensor(_: Any, leaf: Any) -> Any:
        is_array = hasattr(leaf, "__array_interface__") and not isinstance(leaf, torch.Tensor)
        return torch.from_numpy(leaf.copy()) if is_array else leaf

    arguments = _structure.transform(inputs, tensor)
    fresh = _verify.copies(_verify.tensors_in(arguments))
    arguments = _verify.with_tensors(arguments, fresh)
    with (
        _models.mode_of(_models.module_of(model), training),
        torch.inference_mode(),
        _switches.unfused,
    ):
        output = model(**arguments) if isinstance(arguments, dict) else model(*arguments)
    return [base.to_numpy(leaf) for leaf in _verify.tensors_in(output)]


def _feeds(graph: Graph, inputs: Any) -> dict[str, np.ndarray]:
    """INPUTS by the name of the graph's input."""
    specs = base.input_specs(graph)
    values: Any = inputs
    if not isinstance(inputs, dict):
        from . import _structure

        leaves = [leaf for _, leaf in _structure.leaves(inputs)]
        values = [leaf for leaf in leaves if hasattr(leaf, "dtype") and hasattr(leaf, "shape")]
    sizes = Sizes(limits_of(graph))
    feeds = {
        spec.name: base.fit_numpy(spec, value, sizes)
        for spec, value in zip(specs, base.bind_inputs(specs, values), strict=True)
    }
    base.settle(sizes)
    return feeds


def _output_rows(
    graph: Graph,
    feeds: Mapping[str, np.ndarray],
    expected: Sequence[np.ndarray],
    backends: Mapping[str, Any],
) -> list[Row]:
    found: list[dict[str, Difference]] = [{} for _ in expected]
    if len(expected) != len(graph.output):
        raise ValueError(
            f"the model returns {len(expected)} tensors, and the graph has {len(graph.output)} "
            "outputs: it is not the graph of this model"
        )
    for name, backend in backends.items():
        with backend.prepare(graph) as rep:
            for i, result in enumerate(rep.run(dict(feeds))):
                found[i][name] = difference(result, expected[i])
    return [
        Row(-1, "", output, right.dtype.name, right.shape, differences)
        for output, right, differences in zip(graph.output, expected, found, strict=True)
    ]


def _find_backends(backends: Sequence[str | ModuleType]) -> dict[str, Any]:
    found = {}
    for backend in backends:
        module = _verify.find_backend(backend)
        found[module.__name__.removeprefix("toffee.backend.")] = module
    return found


def compare(
    model: Callable[..., Any] | None,
    graph: Graph,
    inputs: Any,
    backends: Sequence[str | ModuleType] = ("onnxruntime",),
    *,
    reference: str | ModuleType = "torch",
    training: bool = False,
) -> Report:
    """Run a model, and its graph node by node in several backends, and report all differences.

    Parameters
    ----------
    model : torch.nn.Module or callable, or None
        What the graph was exported from. None: only the backends are compared.
    graph : Graph
    inputs : tensor, tuple, or dict
        What the model is called with: one tensor or array, a tuple of positional arguments (any
        nesting; the tensors in it are the inputs of the graph, in order), or a dict of keyword
        arguments, which are the inputs of the graph by name.
    backends : sequence of str or module
        ``"onnxruntime"``, ``"torch"``, or modules with the functions of a backend.
    reference : str or module
        The backend whose values between the nodes are right: PyTorch's.
    training : bool
        As in the export.

    Returns
    -------
    Report

    Raises
    ------
    toffee.BackendError
        A backend is not installed, or cannot run a node: says which. Inputs that do not fit. A node
        makes something else than tensors.
    ValueError
        No such backend, or the graph has another number of outputs than the model.

    Notes
    -----
    Every node runs once in each backend, and the whole graph once more for its outputs. Each
    backend holds the values that are still needed; those of at most 64 nodes in a row come on top,
    as long as they take no more than that (or 1 MiB). Random numbers differ, of course.

    Examples
    --------
    >>> import torch, toffee
    >>> from toffee.torch_toffee import export
    >>> x = torch.tensor([-1.0, 2.0])
    >>> y = export(torch.relu, x, "relu.onnx")
    >>> report = toffee.compare(torch.relu, toffee.load("relu.onnx"), x)
    >>> report.agree
    True
    >>> [(row.op_type, row.dtype, row.shape) for row in report.rows]
    [('Relu', 'float32', (2,))]
    """
    base.check_is_graph(graph)
    (right,) = _find_backends([reference])
    found = _find_backends([reference, *backends])
    arguments = inputs if isinstance(inputs, (tuple, dict)) else (inputs,)
    feeds = _feeds(graph, arguments)
    report = Report(right)
    if model is not None:
        expected = _run_model(model, arguments, training)
        report.outputs = _output_rows(graph, feeds, expected, found)
    report.rows = _walk(graph, feeds, right, found)
    return report
