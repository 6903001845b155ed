"""Write the fuzzer's first inputs: one small file for each thing that the reader knows.

python tests/fuzz/make_seeds.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from onnx_protos import rich_model  # noqa: E402
from wire_samples import early_graph, late_graph  # noqa: E402

import toffee  # noqa: E402


def onnx_model() -> onnx.ModelProto:
    """Return a model with every attribute type, a subgraph, and declared types.

    Returns
    -------
    onnx.ModelProto
        Not checked: it need not make sense, only cover the format.
    """
    number = helper.make_tensor("t", TensorProto.FLOAT, [2], [1.5, -2.0])
    branch = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["b"])],
        "branch",
        [],
        [helper.make_tensor_value_info("b", TensorProto.FLOAT, None)],
    )
    nodes = [
        helper.make_node(
            "Conv", ["x", "W", ""], ["c"], name="conv", pads=[1, 1, 1, 1], doc_string="d"
        ),
        helper.make_node("If", ["x"], ["i"], then_branch=branch, else_branch=branch),
        helper.make_node(
            "All",
            ["c"],
            ["y"],
            domain="my",
            f=1.5,
            s="text",
            fs=[1.0, 2.0],
            ss=["a", "b"],
            i=-3,
            t=number,
        ),
    ]
    nodes[2].attribute.append(helper.make_attribute("ts", [number, number]))
    nodes[2].attribute.append(helper.make_attribute("gs", [branch, branch]))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(np.ones((2, 3), np.float32), "W"),
            helper.make_tensor("typed", TensorProto.INT64, [3], [1, -1, 300]),
            helper.make_tensor("strings", TensorProto.STRING, [2], [b"a", b"bc"]),
        ],
        value_info=[helper.make_tensor_value_info("c", TensorProto.FLOAT, [1, 2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    helper.set_model_props(model, {"key": "value"})
    return model


def typed_tensor_model(dtype: int) -> onnx.ModelProto:
    """Return a model with one initializer of DTYPE in its typed list.

    Parameters
    ----------
    dtype : int
        A number of ``TensorProto.DataType``.

    Returns
    -------
    onnx.ModelProto
    """
    values = [b"a", b"b"] if dtype == TensorProto.STRING else [1, 0]
    tensor = helper.make_tensor("t", dtype, [2], values)
    return helper.make_model(helper.make_graph([], "g", [], [], [tensor]))


def main(folder: Path) -> None:
    """Write all seeds into FOLDER, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    model = onnx_model()
    seeds = {
        "onnx": model.SerializeToString(),
        "current": model.graph.SerializeToString(),
        "late": late_graph(),
        "late_packed": late_graph(packed=True),
        "early": early_graph(),
        "early_packed": early_graph(packed=True),
        "early_unversioned": early_graph(version=None),
    }
    rich = rich_model()
    seeds["rich"] = rich.SerializeToString()
    seeds["rich_current"] = toffee.dumps(toffee.loads(seeds["rich"]))
    del rich.graph.initializer[:]  # so that what is left can be changed more often
    seeds["rich_without_weights"] = rich.SerializeToString()
    for dtype in range(1, 29):
        seeds[f"typed_{dtype}"] = typed_tensor_model(dtype).SerializeToString()
    for name, content in seeds.items():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
