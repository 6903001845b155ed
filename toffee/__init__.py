"""toffee: PyTorch models to ToffeeIR and ONNX files, and back.

``import toffee`` costs next to nothing: every name below is loaded when it is first used, which is
also what lets ``import torch`` make ``torch.toffee`` known without paying for it. PyTorch is needed
by :mod:`toffee.torch_toffee` (also ``torch.toffee``) only.
"""

from __future__ import annotations

from . import _autoload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import backend as backend
    from . import checker as checker
    from . import errors as errors
    from . import helper as helper
    from . import io as io
    from . import lowering as lowering
    from . import numpy_helper as numpy_helper
    from . import printer as printer
    from . import shape_inference as shape_inference
    from . import torch_toffee as torch_toffee
    from ._compare import compare as compare
    from ._core import Attribute as Attribute
    from ._core import Function as Function
    from ._core import Graph as Graph
    from ._core import Node as Node
    from ._core import OperatorSetId as OperatorSetId
    from ._core import Repeated as Repeated
    from ._core import StringStringEntry as StringStringEntry
    from ._core import Tensor as Tensor
    from ._core import ValueInfo as ValueInfo
    from ._dims import Dim as Dim
    from ._netron import view as view
    from ._picture import Picture as Picture
    from .errors import BackendError as BackendError
    from .errors import CheckError as CheckError
    from .errors import DynamicShapeError as DynamicShapeError
    from .errors import Error as Error
    from .errors import FormatError as FormatError
    from .errors import LimitError as LimitError
    from .errors import TraceError as TraceError
    from .errors import TraceWarning as TraceWarning
    from .errors import UnsupportedOperatorError as UnsupportedOperatorError
    from .errors import VerificationError as VerificationError
    from .io import dumps as dumps
    from .io import load as load
    from .io import loads as loads
    from .io import save as save
    from .lowering import register_lowering as register_lowering
    from .lowering import registered_lowerings as registered_lowerings
    from .lowering import unregister_lowering as unregister_lowering
    from .optimizer import optimize as optimize
    from .optimizer import passes as passes
    from .shape_inference import infer_shapes as infer_shapes

    AttributeProto = Attribute
    FunctionProto = Function
    GraphProto = Graph
    NodeProto = Node
    TensorProto = Tensor
    ValueInfoProto = ValueInfo

__version__ = "0.1.0"

#: Public name -> the module it is from, and its name there ("" for the module itself).
_NAMES = {
    "Attribute": ("_core", "Attribute"),
    "AttributeProto": ("_core", "Attribute"),
    "BackendError": ("errors", "BackendError"),
    "CheckError": ("errors", "CheckError"),
    "Dim": ("_dims", "Dim"),
    "DynamicShapeError": ("errors", "DynamicShapeError"),
    "Error": ("errors", "Error"),
    "FormatError": ("errors", "FormatError"),
    "Function": ("_core", "Function"),
    "FunctionProto": ("_core", "Function"),
    "Graph": ("_core", "Graph"),
    "GraphProto": ("_core", "Graph"),
    "LimitError": ("errors", "LimitError"),
    "Node": ("_core", "Node"),
    "NodeProto": ("_core", "Node"),
    "OperatorSetId": ("_core", "OperatorSetId"),
    "Picture": ("_picture", "Picture"),
    "Repeated": ("_core", "Repeated"),
    "StringStringEntry": ("_core", "StringStringEntry"),
    "Tensor": ("_core", "Tensor"),
    "TensorProto": ("_core", "Tensor"),
    "TraceError": ("errors", "TraceError"),
    "TraceWarning": ("errors", "TraceWarning"),
    "UnsupportedOperatorError": ("errors", "UnsupportedOperatorError"),
    "ValueInfo": ("_core", "ValueInfo"),
    "ValueInfoProto": ("_core", "ValueInfo"),
    "VerificationError": ("errors", "VerificationError"),
    "backend": ("backend", ""),
    "checker": ("checker", ""),
    "compare": ("_compare", "compare"),
    "dumps": ("io", "dumps"),
    "errors": ("errors", ""),
    "helper": ("helper", ""),
    "infer_shapes": ("shape_inference", "infer_shapes"),
    "io": ("io", ""),
    "load": ("io", "load"),
    "loads": ("io", "loads"),
    "lowering": ("lowering", ""),
    "numpy_helper": ("numpy_helper", ""),
    "optimize": ("optimizer", "optimize"),
    "passes": ("optimizer", "passes"),
    "printer": ("printer", ""),
    "register_lowering": ("lowering", "register_lowering"),
    "registered_lowerings": ("lowering", "registered_lowerings"),
    "save": ("io", "save"),
    "shape_inference": ("shape_inference", ""),
    "torch_toffee": ("torch_toffee", ""),
    "unregister_lowering": ("lowering", "unregister_lowering"),
    "view": ("_netron", "view"),
}

__all__ = sorted(name for name in _NAMES if name != "torch_toffee")


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for, and remember it."""
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module_name, attribute = _NAMES[name]
    module = import_module(f"{__name__}.{module_name}")
    value = getattr(module, attribute) if attribute else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})


_autoload.install()
