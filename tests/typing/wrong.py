"""Calls that are wrong: a type checker reports the lines marked so, and no other."""

from __future__ import annotations

import toffee
from toffee import checker, helper, numpy_helper
from toffee.torch_toffee import export

graph = toffee.load(1)  # wrong: neither a path nor a file
graph = toffee.load("model.toffee")
graph.name = 3  # wrong: a str
print(graph.nodes)  # wrong: it is called node
graph.node.append("Relu")  # wrong: a Node
graph.initializer[0].dims = 3  # wrong: several numbers
name: int = graph.node[0].op_type  # wrong: a str
toffee.save(graph)  # wrong: where to?
toffee.optimize(graph, passes=3)  # wrong: names of passes
toffee.infer_shapes("model.toffee")  # wrong: a Graph
checker.check_graph(graph.node)  # wrong: a Graph
numpy_helper.to_array(graph)  # wrong: a Tensor
helper.make_node(["x"], "Relu", ["y"])  # wrong: the type comes first
graph.picture(theme="blue")  # wrong: light, dark or auto
export(None, (), "model.toffee")  # wrong: nothing to call
export(print, (), "model.toffee", strikt=True)  # wrong: no such option
toffee.register_lowering("aten::erfcx", 3)  # wrong: a function
