"""Run graphs. A backend is a module with the interface of 2017::

    import toffee.backend.onnxruntime as backend

    rep = backend.prepare(graph, device="CPU")
    outputs = rep.run(x)

:mod:`toffee.backend.onnxruntime` runs a graph with ONNX Runtime, :mod:`toffee.backend.torch` with
PyTorch. Neither is imported before you do so.
"""

from __future__ import annotations

from .base import BackendError, Outputs, Rep

__all__ = ["BackendError", "Outputs", "Rep"]
