"""What is drawn of a graph: boxes, what flows between them, and the modules around them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from . import _overview as overview
from ._core import Attribute, Error, Graph, Node, Tensor

#: About as many boxes as a picture has by itself, and how many are still as good as that; a graph
#: of more is collapsed by module.
TARGET, ENOUGH = 100, 125
#: Boxes that a picture has at most.
MAX_BOXES = 2_000
#: Attributes worth a place in a box, and how they are called there.
_SHOWN = {
    "kernel_shape": "kernel",
    "strides": "strides",
    "pads": "pads",
    "dilations": "dilations",
    "group": "group",
    "axis": "axis",
    "axes": "axes",
    "perm": "perm",
    "hidden_size": "hidden",
    "to": "to",
}
#: What an attribute means if it is left out, as far as it is worth not saying.
_USUAL = {"strides": {1}, "pads": {0}, "dilations": {1}, "group": {1}}
_KINDS = {
    "conv": "Conv ConvTranspose ConvInteger QLinearConv DeformConv Gemm MatMul MatMulInteger "
    "QLinearMatMul Einsum LSTM GRU RNN",
    "act": "Relu LeakyRelu PRelu Elu Selu Celu Gelu Sigmoid HardSigmoid HardSwish Mish Tanh "
    "Softmax LogSoftmax Softplus Softsign ThresholdedRelu Clip Dropout Erf",
    "norm": "BatchNormalization InstanceNormalization LayerNormalization GroupNormalization LRN "
    "LpNormalization MeanVarianceNormalization",
    "pool": "MaxPool AveragePool LpPool GlobalMaxPool GlobalAveragePool GlobalLpPool MaxRoiPool "
    "RoiAlign Resize Upsample ReduceMean ReduceSum ReduceMax ReduceMin",
    "shape": "Reshape Transpose Flatten Squeeze Unsqueeze Concat Split Slice Gather Expand Pad "
    "Tile Shape Cast Identity ConstantOfShape GatherElements GatherND ScatterND",
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names.split()}


@dataclass
class Box:
    """One box, or one node that may be merged into one."""

    kind: str
    title: str
    path: tuple[str, ...] = ()
    lines: list[str] = field(default_factory=list)
    tip: str = ""
    ops: Counter[str] = field(default_factory=Counter)
    parameters: dict[str, int] = field(default_factory=dict)
    #: The module that it stands for; its path is that of the module around.
    module: tuple[str, ...] = ()


@dataclass
class Flow:
    """What one box hands to others: values that are said with one text."""

    source: int
    text: str
    targets: list[int] = field(default_factory=list)


@dataclass
class Drawing:
    """Boxes in an order in which they could run, and the flows between them."""

    boxes: list[Box]
    flows: list[Flow]
    #: Nodes in the graph, those that are text in a box (constants) left out.
    n_nodes: int
    #: How modules were merged: the depth of their paths, or 0.
    depth: int = 0


def _attributes(node: Node) -> str:
    shown = []
    for attr in node.attribute:
        if attr.name in _SHOWN and attr.type in (Attribute.INT, Attribute.INTS):
            values = [attr.i] if attr.type == Attribute.INT else list(attr.ints[:9])
            if values and not set(values) <= _USUAL.get(attr.name, set()):
                text = overview.times(values[:8]) if len(set(values)) > 1 else str(values[0])
                if len(set(values)) == 1 and len(values) > 1 and attr.name in ("axes", "perm"):
                    text = overview.times(values)
                shown.append(f"{_SHOWN[attr.name]} {text}")
    return ", ".join(shown[:3])


def _short(name: str, path: tuple[str, ...]) -> str:
    """NAME without the path of the module that it is seen from."""
    dotted = ".".join(path)
    for prefix in (dotted + ".", dotted.rpartition(".")[0] + "."):
        if len(prefix) > 1 and name.startswith(prefix) and len(name) > len(prefix):
            return overview.plain(name[len(prefix) :], 24)
    return overview.plain(name if len(name) <= 24 else "…" + name[-23:])


class _Reader:
    """Goes through the nodes once, and keeps who made which value."""

    def __init__(self, graph: Graph, initializers: bool) -> None:
        self.types = overview.types_of(graph)
        self.tensors: dict[str, Tensor] = {tensor.name: tensor for tensor in graph.initializer}
        self.separate = initializers
        self.boxes: list[Box] = []
        self.maker: dict[str, int] = {}
        #: (maker, value, user), in the order of the users.
        self.uses: list[tuple[int, str, int]] = []
        self.constants: dict[str, str] = {}
        self.n_nodes = 0
        outputs = set(graph.output)
        for name in graph.input:
            if name not in self.tensors:
                self._add(Box("input", overview.plain(name, 32), tip="input"), [name])
        for node in graph:
            self._node(node, outputs)
        for name in graph.output:
            if name not in self.maker and name in self.tensors:
                self._weight(name, ())
            box = Box("output", overview.plain(name, 32) or '""', tip="output")
            self._use(name, self._add(box, []))

    def _add(self, box: Box, makes: list[str]) -> int:
        self.boxes.append(box)
        index = len(self.boxes) - 1
        self.maker.update((name, index) for name in makes if name)
        return index

    def _use(self, name: str, user: int) -> None:
        # What nobody made before is a fault that the checker reports, and no edge here.
        if name in self.maker and self.maker[name] != user:
            self.uses.append((self.maker[name], name, user))

    def _weight(self, name: str, path: tuple[str, ...]) -> None:
        tensor = self.tensors[name]
        kind = overview.tensor_type(tensor)
        box = Box("weight", _short(name, path), path, [f"{kind.dtype} {kind.shape}"], "initializer")
        box.parameters[name] = overview.elements(tensor)
        self._add(box, [name])

    def _node(self, node: Node, outputs: set[str]) -> None:
        inputs, makes = list(node.input), list(node.output)
        path = overview.module_path(node)
        if node.op_type == "Constant" and not inputs and not node.domain and not self.separate:
            if not outputs.intersection(makes):
                self.constants.update((name, _constant(node)) for name in makes)
                return
        self.n_nodes += 1
        name = overview.operator(node)
        box = Box(_KIND_OF.get(name, "op"), overview.plain(name, 40), path)
        box.ops[box.title] += 1
        text = _attributes(node)
        if text:
            box.lines.append(text)
        for label, inner in overview.subgraphs(node):
            ops = Counter(overview.operator(each) for each in inner)
            box.lines.append(f"{overview.plain(label, 24)}: {overview.counted(ops, 2) or 'empty'}")
            inputs += overview.captured(inner)
        held = []
        for used in dict.fromkeys(inputs):
            if used in self.tensors and used not in self.maker:
                box.parameters[used] = overview.elements(self.tensors[used])
                if self.separate:
                    self._weight(used, path)
                else:
                    held.append(_held(self.tensors[used], path))
            elif self.constants.get(used):
                held.append(self.constants[used])
        shown = len(held) if len(held) <= 4 else 3
        box.lines += held[:shown]
        if len(held) > shown:
            box.lines.append(f"and {len(held) - shown} more")
        box.lines = [overview.plain(line, 40) for line in box.lines]
        tip = [overview.plain(node.name), overview.source_line(node)]
        box.tip = "\n".join(overview.plain(line, 320) for line in tip if line)
        user = self._add(box, [])
        for used in dict.fromkeys(inputs):
            self._use(used, user)
        self.maker.update((made, user) for made in makes if made)


def _value(tensor: Tensor) -> str:
    """The elements of TENSOR, if that takes no more than a few words; else empty."""
    if not 0 < overview.elements(tensor) <= 6 or tensor.string_data:
        return ""
    try:
        values = tensor.numpy().ravel().tolist()
    except (ImportError, TypeError, ValueError, Error):
        return ""
    text = ", ".join(f"{v:.4g}" if isinstance(v, float) else str(v) for v in values)
    return f"[{text}]" if len(tensor.dims) else text


def _held(tensor: Tensor, path: tuple[str, ...]) -> str:
    """An initializer as the boxes say it that use it. One that only holds a number needs no name,
    where the exporter made it up."""
    made_up = tensor.name.startswith(("constant.", "onnx::", "_"))
    value = _value(tensor) if made_up else ""
    return value or f"{_short(tensor.name, path)} {overview.tensor_type(tensor).shape}"


def _constant(node: Node) -> str:
    """A constant as the boxes say it that use it; empty if it holds no tensor."""
    for attr in node.attribute:
        if attr.name == "value" and attr.t is not None:
            return _value(attr.t) or f"constant {overview.tensor_type(attr.t).shape}"
    return ""


def _keys(boxes: list[Box], depth: int) -> list[tuple[str, ...] | int]:
    """What each box is merged by at DEPTH: runs of one path are one box."""
    return [
        box.path[:depth] if len(box.path) >= depth and box.kind not in ("input", "output") else i
        for i, box in enumerate(boxes)
    ]


def _runs(keys: list[tuple[str, ...] | int]) -> list[list[int]]:
    """Numbers of neighbours with the same key."""
    runs: list[list[int]] = []
    for i, key in enumerate(keys):
        if i and key == keys[i - 1]:
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs


def _merge(boxes: list[Box], title: str, path: tuple[str, ...]) -> Box:
    merged = Box("module", title, path)
    for box in boxes:
        merged.ops += box.ops
        merged.parameters.update(box.parameters)
    names = list(merged.ops.most_common())
    for i in range(0, min(len(names), 6), 2):
        merged.lines.append(overview.counted(Counter(dict(names[i : i + 2])), 2))
    if len(names) > 6:
        merged.lines[-1] += f", {len(names) - 6} more"
    if merged.parameters:
        merged.lines.append(f"{overview.number(sum(merged.parameters.values()))} parameters")
    merged.lines = [overview.plain(line, 44) for line in merged.lines]
    tips = dict.fromkeys(box.tip.rpartition("\n")[2] for box in boxes if "\n" in box.tip)
    merged.tip = "\n".join([f"{merged.ops.total()} nodes", *list(tips)[:5]])
    return merged


def _chunks(boxes: list[Box], runs: list[list[int]]) -> list[list[int]]:
    """RUNS, with so many neighbours in one that about TARGET remain. Inputs and outputs are apart,
    unless there are too many of them too."""
    several = -(-len(runs) // TARGET)
    chunks: list[list[int]] = []
    room, before = 0, ""
    for run in runs:
        kind = boxes[run[0]].kind
        apart = kind if kind in ("input", "output") else ""
        if room and apart == before:
            chunks[-1] += run
            room -= 1
        else:
            chunks.append(list(run))
            room, before = several - 1, apart
    return chunks


def module_title(path: tuple[str, ...], depth: int) -> str:
    """The name of the module at PATH inside a frame that says DEPTH parts of it. An index alone
    would say little, so the name before it stays."""
    while depth and path[depth - 1 :] and path[depth:] and path[depth].isdigit():
        depth -= 1
    return overview.plain(".".join(path[depth:]), 40)


def _box_of(boxes: list[Box], run: list[int], depth: int, nodes_before: int) -> Box:
    members = [boxes[i] for i in run]
    first = members[0]
    if len(members) == 1:
        return first
    if first.kind in ("input", "output"):
        shown = [f"{box.title}" for box in members[:3]]
        return Box(first.kind, f"{len(members)} {first.kind}s", lines=[", ".join(shown)[:40] + "…"])
    path = first.path[:depth] if depth else ()
    if path and all(box.path[: len(path)] == path for box in members):
        merged = _merge(members, module_title(path, 0), path[:-1])
        merged.module = path
        return merged
    count = sum(box.ops.total() for box in members)
    return _merge(members, f"nodes {nodes_before + 1}–{nodes_before + count}", ())


def _collapse(boxes: list[Box], collapse: int | bool | None) -> tuple[list[list[int]], int]:
    """The boxes to merge, and the depth by which."""
    alone = [[i] for i in range(len(boxes))]
    if collapse is None:
        if len(boxes) <= ENOUGH:
            return alone, 0
        for depth in range(max(len(box.path) for box in boxes), 0, -1):
            runs = _runs(_keys(boxes, depth))
            if len(runs) <= ENOUGH:
                return runs, depth
        deepest = 1 if any(box.path for box in boxes) else 0
        return _chunks(boxes, _runs(_keys(boxes, 1)) if deepest else alone), deepest
    runs = _runs(_keys(boxes, int(collapse))) if collapse is not False else alone
    if len(runs) > MAX_BOXES:
        raise ValueError(
            f"collapse={collapse} leaves {len(runs)} boxes, and a picture has room for "
            f"{MAX_BOXES}: pass a smaller depth, or None to have one chosen"
        )
    return runs, int(collapse)


def drawing(graph: Graph, collapse: int | bool | None, initializers: bool) -> Drawing:
    """What is drawn of GRAPH. See :func:`toffee._picture.draw` for the arguments."""
    reader = _Reader(graph, initializers)
    runs, depth = _collapse(reader.boxes, collapse)
    result = Drawing([], [], reader.n_nodes, depth)
    home = [0] * len(reader.boxes)
    nodes = 0
    for run in runs:
        for i in run:
            home[i] = len(result.boxes)
        result.boxes.append(_box_of(reader.boxes, run, depth, nodes))
        nodes += sum(reader.boxes[i].ops.total() for i in run)
    flows: dict[tuple[int, str], Flow] = {}
    seen: set[tuple[int, str, int]] = set()
    for maker, name, user in reader.uses:
        source, target = home[maker], home[user]
        text = reader.types[name].shape if name in reader.types else ""
        if source == target or (source, text, target) in seen:
            continue
        seen.add((source, text, target))
        flow = flows.setdefault((source, text), Flow(source, text))
        flow.targets.append(target)
    result.flows = sorted(flows.values(), key=lambda flow: flow.source)
    return result
