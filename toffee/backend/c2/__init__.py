"""Run graphs with Caffe2 itself, as in 2017: :func:`prepare`, and ``run`` of what it returns.

Caffe2 lives on in the wheels of PyTorch up to 1.10; ``python -m toffee.backend.c2 install`` fetches
it, once. It runs in a process of its own for each prepared graph: see :class:`C2Rep` for what that
means. :func:`emit` and :func:`write_nets` turn a graph into Caffe2's nets, :func:`read_nets` and
:func:`load_nets` turn nets into a graph, and need none of that:

>>> from toffee import helper
>>> import toffee.backend.c2 as backend
>>> x = helper.make_tensor_value_info("x", 1, [2])
>>> graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "net", [x], ["y"])
>>> init_net, predict_net = backend.emit(graph)
>>> b"Relu" in predict_net
True
"""

from __future__ import annotations

from ._emit import INIT_NET, PREDICT_NET, emit, write_nets
from ._import import load_nets, read_nets
from ._process import RunTimeout
from ._rep import C2Rep, prepare, run, run_node, supports_device

__all__ = [
    "INIT_NET",
    "PREDICT_NET",
    "C2Rep",
    "RunTimeout",
    "emit",
    "load_nets",
    "prepare",
    "read_nets",
    "run",
    "run_node",
    "supports_device",
    "write_nets",
]
