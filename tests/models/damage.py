"""Damaged copies of a graph that are right at all sizes but one: what dynamic_check.py has to find.

    python tests/models/damage.py transformers bert gpt2    # how much of it is found

A number that is computed with sizes is one more, or the one of another size; a feature map is
moved by one row.
"""

from __future__ import annotations

import collections
import dataclasses
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import zoo  # noqa: E402

zoo.offline()
import dynamic_cases  # noqa: E402
import dynamic_check  # noqa: E402
import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnxruntime  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from zoo_case import arguments, build  # noqa: E402
from zoo_check import Mismatch, difference_of, session_of, tensors, to_numpy  # noqa: E402

import toffee  # noqa: E402
from toffee.torch_toffee import export  # noqa: E402

Feeds = dict[str, np.ndarray]


def damaged(
    path: str, feeds: Feeds, others: Feeds, axis: tuple[str, int], maps: int = 8
) -> Iterator[tuple[str, onnx.ModelProto]]:
    """Copies of the model at PATH that go wrong where dimension AXIS of an input is what it is in
    FEEDS, and what is wrong with each. In OTHERS it has another size, that of what is baked.
    Feature maps are moved at MAPS convolutions."""
    model = onnx.load(path)
    here, there = values(model, feeds), values(model, others)
    size = feeds[axis[0]].shape[axis[1]]
    for node in model.graph.node:
        for name in node.output:
            value, other = here.get(name), there.get(name)
            if value is None or value.dtype != np.int64 or value.size == 0:
                continue
            if name in {output.name for output in model.graph.output}:
                continue
            if other is not None and other.shape == value.shape and (other != value).any():
                yield (
                    f"{node.op_type} {name}: {_short(value)} stays {_short(other)}",
                    _with(model, name, axis, size, "stays", other),
                )
            if other is None or other.shape != value.shape or (other != value).any():
                more = np.zeros_like(value)
                more.reshape(-1)[-1] = 1
                if value.ndim and other is not None and other.shape != value.shape:
                    more = np.int64(1)  # positions: all of them
                yield (
                    f"{node.op_type} {name}: {_short(value)} and one more",
                    _with(model, name, axis, size, "more", np.asarray(more)),
                )
    convolutions = [n.output[0] for n in model.graph.node if n.op_type == "Conv"]
    for name in convolutions[:: max(1, len(convolutions) // maps)]:
        if here[name].ndim == 4 and here[name].shape[2] > 1:
            yield f"Conv {name}: moved by a row", _with(model, name, axis, size, "moved", None)


def values(model: onnx.ModelProto, feeds: Feeds) -> dict[str, np.ndarray]:
    """All integers and feature maps on the way, by name."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    outputs = {output.name for output in probe.graph.output}
    names = [n for node in probe.graph.node for n in node.output if n and n not in outputs]
    probe.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(probe.SerializeToString(), options)
    return dict(zip(names, session.run(names, feeds), strict=True)) if names else {}


def _with(
    model: onnx.ModelProto, name: str, axis: tuple[str, int], size: int, how: str, what: Any
) -> onnx.ModelProto:
    """MODEL with value NAME changed where dimension AXIS is SIZE."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    at = next(k for k, node in enumerate(copy.graph.node) if name in node.output)
    for node in copy.graph.node:
        for k, used in enumerate(node.input):
            if used == name:
                node.input[k] = "damaged"

    def constant(label: str, value: Any) -> str:
        copy.graph.initializer.append(numpy_helper.from_array(np.asarray(value), label))
        return label

    nodes = [
        helper.make_node("Shape", [axis[0]], ["damage_shape"], start=axis[1], end=axis[1] + 1),
        helper.make_node("Squeeze", ["damage_shape"], ["damage_size"]),
        helper.make_node(
            "Equal", ["damage_size", constant("damage_at", np.int64(size))], ["is_at"]
        ),
    ]
    if how == "moved":
        ends = [constant(f"damage_{n}", np.array([n])) for n in (0, 1, 2**31)]
        zero, one, end = ends
        two = constant("damage_axis", np.array([2]))
        nodes += [
            helper.make_node("Slice", [name, zero, one, two], ["damage_first"]),
            helper.make_node("Slice", [name, one, end, two], ["damage_rest"]),
            helper.make_node("Concat", ["damage_rest", "damage_first"], ["damage_new"], axis=2),
            helper.make_node("Where", ["is_at", "damage_new", name], ["damaged"]),
        ]
    elif how == "stays":
        nodes.append(
            helper.make_node("Where", ["is_at", constant("damage_new", what), name], ["damaged"])
        )
    else:
        nodes += [
            helper.make_node("Cast", ["is_at"], ["damage_if"], to=TensorProto.INT64),
            helper.make_node("Mul", ["damage_if", constant("damage_by", what)], ["damage_more"]),
            helper.make_node("Add", [name, "damage_more"], ["damaged"]),
        ]
    for k, node in enumerate(nodes):
        copy.graph.node.insert(at + 1 + k, node)
    del copy.graph.value_info[:]
    return copy


def _short(value: np.ndarray) -> str:
    return str(value.tolist()) if value.size < 7 else f"{value.dtype}{list(value.shape)}"


def found(row_of: Any, maps: int = 8) -> Iterator[tuple[str, str]]:
    """What becomes of each damage of the graph of ROW_OF, at the last of its sizes: "found",
    "fails" in ONNX Runtime, "MISSED", or "the same" of what makes the results no other.
    MAPS: as for damaged."""
    with tempfile.TemporaryDirectory(prefix="toffee-zoo-") as folder:
        path, other = os.path.join(folder, "m.onnx"), os.path.join(folder, "damaged.onnx")
        model = build(row_of.case)
        args, kwargs = arguments(row_of.case, dynamic_check.TRACED)
        export(model, args, path, kwargs=kwargs)
        symbols = dynamic_check._symbols(row_of, toffee.load(path))
        row: dict[str, Any] = {}
        row["symbols"] = list(dict.fromkeys(s for axes in symbols.values() for s in axes.values()))
        row["min"] = dynamic_check._export(row_of, model, path, symbols, row)
        session = dynamic_check.session_of(path)
        names = [value.name for value in session.get_inputs()]

        def feeds(sizes: Any) -> Feeds:
            drawn = dynamic_check._arguments(row_of.case, names, symbols, sizes)
            return dict(zip(names, map(to_numpy, tensors(drawn)), strict=True))

        here = {symbol: row_of.sizes[-1][symbol] for symbol in row["symbols"]}
        only = dataclasses.replace(row_of, sizes=(here,), enough=1)
        right = session.run(None, feeds(here))
        for symbol in row["symbols"]:
            there = feeds({**here, symbol: row_of.sizes[0][symbol]})
            axis = next((n, a) for n, of in symbols.items() for a, s in of.items() if s == symbol)
            for text, broken in damaged(path, feeds(here), there, axis, maps):
                onnx.save(broken, other)
                yield (
                    f"{symbol}: {text}",
                    _what(only, model, other, symbols, row, feeds(here), right),
                )


def _what(
    row_of: Any,
    model: Any,
    path: str,
    symbols: Any,
    row: dict[str, Any],
    feeds: Feeds,
    right: list[np.ndarray],
) -> str:
    try:
        dynamic_check._compare(row_of, model, path, symbols, dict(row))
    except Mismatch:
        return "found"
    except Exception:  # ONNX Runtime's
        return "fails"
    wrong = session_of(path).run(None, feeds)
    off = max(difference_of(a, b, "") for a, b in zip(wrong, right, strict=True))
    return "the same" if off < 1e-5 else f"MISSED by {off:.2g}"


def main() -> int:
    rows = dynamic_cases.load(sys.argv[1])
    n_missed = 0
    for name in sys.argv[2:]:
        counts: collections.Counter[str] = collections.Counter()
        for text, what in found(rows[name]):
            counts[what.split(" by ")[0]] += 1
            if what.startswith(("MISSED", "the same")):
                print(f"    {name}: {text}: {what}", flush=True)
            n_missed += what.startswith("MISSED")
        print(name, dict(counts), flush=True)
    return int(n_missed > 0)


if __name__ == "__main__":
    sys.exit(main())
