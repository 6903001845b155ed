"""Run graphs. A backend is a module with the interface of 2017:

>>> import numpy as np
>>> from toffee import helper
>>> import toffee.backend.onnxruntime as backend
>>> x, y = (helper.make_tensor_value_info(name, 1, [2]) for name in "xy")
>>> graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "net", [x], [y])
>>> rep = backend.prepare(graph, device="CPU")
>>> rep.run(np.array([1.0, -2.0]))[0]
array([-1.,  2.], dtype=float32)

:mod:`toffee.backend.onnxruntime` runs a graph with ONNX Runtime, :mod:`toffee.backend.torch` with
PyTorch, :mod:`toffee.backend.c2` with Caffe2. None is imported before you do so.
"""

from __future__ import annotations

from .base import BackendError, Outputs, Rep

__all__ = ["BackendError", "Outputs", "Rep"]
