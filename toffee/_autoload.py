"""Make ``torch.toffee`` known: what ``import torch`` runs, through the entry point
``torch.backends``.

Costs well under a millisecond and imports nothing: neither the extension nor NumPy nor PyTorch.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

_ALIAS = "torch.toffee"
_TARGET = "toffee.torch_toffee"


def _real_module() -> ModuleType:
    from importlib import import_module

    return import_module(_TARGET)


class _Finder:
    """Finds the one name ``torch.toffee``, and is its loader: the module is toffee.torch_toffee."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != _ALIAS:
            return None
        return ModuleSpec(_ALIAS, _Finder, origin=_TARGET)  # type: ignore[arg-type]

    @staticmethod
    def create_module(spec: ModuleSpec) -> None:
        return None

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        # The import system looks here again after the load, and takes what it finds: so both names
        # are one module object, whose own __spec__ stays right.
        sys.modules[_ALIAS] = _real_module()


class _Lazy(ModuleType):
    """Stands for torch.toffee until something of it is used."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # what tools ask of every module loads nothing
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(_load_alias(), name)

    def __dir__(self) -> list[str]:
        return dir(_load_alias())


def _load_alias() -> ModuleType:
    from importlib import import_module

    return import_module(_ALIAS)  # also replaces the attribute of torch


def install() -> None:
    """Let ``import torch.toffee`` work, and where torch is imported, ``torch.toffee`` as well.

    Does nothing the second time.
    """
    if not any(finder is _Finder for finder in sys.meta_path):
        sys.meta_path.append(_Finder)
    torch = sys.modules.get("torch")
    if torch is not None and "toffee" not in torch.__dict__:
        torch.toffee = _Lazy(_ALIAS, "Loaded when it is first used.")  # type: ignore[attr-defined]


def _autoload() -> None:
    """The entry point. PyTorch calls it at the end of ``import torch``."""
    install()
