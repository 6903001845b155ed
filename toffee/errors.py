"""The exceptions of toffee. All but the warning derive from :class:`toffee.Error`.

=========================  ==========================================================  ===========
class                      raised when                                                 also is a
=========================  ==========================================================  ===========
Error                      (base class)                                                Exception
UnsupportedOperatorError   operators have no ToffeeIR form, or 2017 had none           Error
TraceError                 what ``forward`` did cannot be put into a graph             Error
DynamicShapeError          the model does something else at another size               TraceError
FormatError                bytes are no graph; ``.offset`` is the byte, or None        ValueError
CheckError                 a graph breaks a rule; says at which node                   ValueError
LimitError                 something is larger than the format can hold                Error
BackendError               a graph cannot be run: device, runtime, inputs              Error
VerificationError          export(verify=...): the graph computes something else       Error
TraceWarning               a value that depends on an input left the trace             UserWarning
=========================  ==========================================================  ===========

Besides these, functions raise what Python has for the case: TypeError and ValueError for wrong
arguments, OSError (with ``errno``) for files, MemoryError.

What is about lines of the user's program has them as ``.places``, a tuple of
:class:`toffee.errors.Place` (empty in others); what stands there is a note below the message.
"""

from __future__ import annotations

from ._core import (
    CheckError,
    Error,
    FormatError,
    LimitError,
    TraceError,
    TraceWarning,
    UnsupportedOperatorError,
)
from ._places import Place

__all__ = [
    "BackendError",
    "CheckError",
    "DynamicShapeError",
    "Error",
    "FormatError",
    "LimitError",
    "Place",
    "TraceError",
    "TraceWarning",
    "UnsupportedOperatorError",
    "VerificationError",
]


class BackendError(Error):
    """A graph cannot be run: the device, the runtime, or inputs that do not fit."""


class DynamicShapeError(TraceError):
    """With ``dynamic_dims``: no one graph does what the model does at all sizes."""


class VerificationError(Error):
    """The exported graph does not compute what the model does. Nothing was written."""
