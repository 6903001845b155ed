"""Models of the zoo with open sizes: which axes of their inputs, and the sizes to look at.

The first sizes are such as were traced, perhaps (toffee/_sizes.py says what is tried); no trace is
made at the three behind these.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import zoo
from torch import nn
from zoo_case import Case, image, normal

#: The symbol of axis AXIS of an input, or nothing: of the input's name, the axis, and its size.
Rule = Callable[[str, int, int], str]

#: Symbol to size, one of the combinations that are looked at.
Sizes = Mapping[str, int]

LIBRARIES = ("transformers", "torchvision", "timm", "recurrent")


@dataclass(frozen=True)
class Dynamic:
    """One row: a model of the zoo, what of its inputs is open, the sizes to compare at, and how
    many of them the model has to take. A model that does something else at the smallest sizes may
    say so: LEAST is tried in turn as the ``min`` of each symbol in it."""

    case: Case
    rule: Rule
    sizes: tuple[Sizes, ...]
    enough: int = 4
    least: tuple[Mapping[str, int], ...] = field(default=({},))
    why: str = ""  # it cannot pass


def load(library: str) -> dict[str, Dynamic]:
    """The rows of LIBRARY by name. Imports the library."""
    if library == "recurrent":
        return dict(_recurrent())
    cases = zoo.load_cases(library)
    return dict(
        {"transformers": _transformers, "torchvision": _torchvision, "timm": _timm}[library](cases)
    )


def _zip(**sizes: tuple[int, ...]) -> tuple[Sizes, ...]:
    return tuple(dict(zip(sizes, each, strict=True)) for each in zip(*sizes.values(), strict=True))


# ---- transformers --------------------------------------------------------------------------------

#: What the table of transformers gives its inputs.
_LENGTH, _TARGET = 12, 7

_OF_TEXT = _zip(
    batch=(1, 10, 14, 17, 8, 4, 6, 5),
    length=(13, 20, 2, 30, 3, 24, 4, 5),
    target=(10, 8, 14, 1, 12, 16, 3, 9),
)

#: A cache of the last few tokens has fewer when there are fewer.
_AT_LEAST = ({}, {"length": 2}, {"length": 3}, {"length": 4})

#: Why a model is no graph of any size.
_LOOPS = "loops over the tokens in Python: as many operators as tokens"
_WHY = {
    "canine": "loops over the chunks of the text in Python: the longer, the more",
    "falcon_mamba": _LOOPS,
    "jamba": _LOOPS,
    "jetmoe": "splits by how many tokens each expert gets: that is in the values, not in the sizes",
    "mamba": _LOOPS,
    "recurrent_gemma": _LOOPS,
    "rwkv": _LOOPS,
    "superpoint": "loops over the images in Python, and keeps as many points as score well in each",
    "vilt": "loops over the images in Python, and resizes by the sums of their masks",
    "xlstm": _LOOPS,
}


def _of_text(name: str, axis: int, size: int) -> str:
    if axis == 0:
        return "batch"
    if size == _LENGTH and "pixel" not in name:
        return "length"
    return "target" if size == _TARGET and "decoder" in name else ""


def _transformers(cases: Mapping[str, Case]) -> Iterator[tuple[str, Dynamic]]:
    for name, case in cases.items():
        yield (
            name,
            Dynamic(case, _of_text, _OF_TEXT, enough=5, least=_AT_LEAST, why=_WHY.get(name, "")),
        )


# ---- images --------------------------------------------------------------------------------------

_BATCHES = _zip(batch=(1, 2, 5, 7, 10, 14))
_BATCHES_OF_CLIPS = _zip(batch=(1, 5, 2, 4, 7))  # those of 224 × 224

_OF_IMAGES = _zip(
    batch=(1, 2, 5, 7, 6, 4), height=(72, 129, 66, 90, 77, 100), width=(104, 80, 150, 75, 64, 70)
)

#: Those that ask for larger images, and those that with random weights would be chaotic on small
#: ones: what the statistics of their normalizations are depends on how much of an image is border.
_LARGE = ("efficientnet", "inception")
_OF_LARGE_IMAGES = _zip(
    batch=(1, 2, 5, 7, 6, 4),
    height=(160, 150, 170, 144, 168, 154),
    width=(150, 184, 144, 166, 176, 163),
)

#: Nets of convolutions whose head pools whatever there is to 1, and those with no head.
_ANY_SIDE = (
    *("convnext", "deeplabv3", "densenet", "efficientnet", "fcn", "googlenet", "inception"),
    *("lraspp", "mnasnet", "mobilenet", "regnet", "resnet", "resnext", "shufflenet", "squeezenet"),
    "wide_resnet",
)


def _of_batch(name: str, axis: int, size: int) -> str:
    return "batch" if axis == 0 else ""


def _of_image(name: str, axis: int, size: int) -> str:
    return {0: "batch", 2: "height", 3: "width"}.get(axis, "")


def _torchvision(cases: Mapping[str, Case]) -> Iterator[tuple[str, Dynamic]]:
    for name, case in cases.items():
        is_large = case.args[0](torch.Generator()).numel() > 2_000_000
        batches = _BATCHES_OF_CLIPS if is_large else _BATCHES
        yield name, Dynamic(case, _of_batch, batches, enough=len(batches))
    for name, case in cases.items():
        if name.startswith(_LARGE) and "(" not in name:
            large = dataclasses.replace(case, args=(image(2, 160),))
            yield f"{name}, any side", Dynamic(large, _of_image, _OF_LARGE_IMAGES)
        elif name.startswith(_ANY_SIDE) and "(" not in name:
            yield f"{name}, any side", Dynamic(case, _of_image, _OF_IMAGES)


def _timm(cases: Mapping[str, Case]) -> Iterator[tuple[str, Dynamic]]:
    for name, case in cases.items():
        yield name, Dynamic(case, _of_batch, _BATCHES, enough=len(_BATCHES))


# ---- recurrent -----------------------------------------------------------------------------------

_OF_SEQUENCES = _zip(batch=(1, 10, 14, 17), length=(20, 1, 8, 33))


def _of_first(name: str, axis: int, size: int) -> str:
    """[length, batch, features], and states [layers, batch, features]."""
    if name.startswith("h"):
        return "batch" if axis == 1 else ""
    return ("length", "batch", "")[axis]


def _of_batch_first(name: str, axis: int, size: int) -> str:
    return ("batch", "length", "")[axis]


_CELLS: dict[str, dict[str, Any]] = {
    "": {},
    "two layers": {"num_layers": 2},
    "no bias": {"bias": False},
    "bidirectional": {"bidirectional": True},
    "two layers, bidirectional": {"num_layers": 2, "bidirectional": True},
}


class _Last(nn.Module):
    """What is usual: the last step of a recurrent net, into a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTM(6, 8, batch_first=True, bidirectional=True)
        self.head = nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.cell(x)[0][:, -1])


def _recurrent() -> Iterator[tuple[str, Dynamic]]:
    def row(kind: type[nn.Module], options: dict[str, Any], *more: Any) -> Dynamic:
        first = options.get("batch_first", False)
        case = Case(
            lambda: kind(6, 8, **options), (normal(*((2, 5) if first else (5, 2)), 6), *more)
        )
        return Dynamic(case, _of_batch_first if first else _of_first, _OF_SEQUENCES)

    for kind in (nn.LSTM, nn.GRU, nn.RNN):
        for words, options in _CELLS.items():
            for first in (False, True):
                text = ", ".join(filter(None, [words, "batch first" if first else ""]))
                name = f"{kind.__name__} ({text})" if text else kind.__name__
                yield name, row(kind, {**options, "batch_first": first})
        state = normal(1, 2, 8)
        states = (lambda g, s=state: (s(g), s(g))) if kind is nn.LSTM else state
        yield f"{kind.__name__} (given state)", row(kind, {}, states)
    yield "RNN (relu)", row(nn.RNN, {"nonlinearity": "relu"})
    yield "LSTM (projection)", row(nn.LSTM, {"proj_size": 3})
    yield "LSTM (projection, batch first)", row(nn.LSTM, {"proj_size": 3, "batch_first": True})
    yield (
        "LSTM (projection, bidirectional)",
        row(nn.LSTM, {"proj_size": 3, "bidirectional": True, "num_layers": 2}),
    )
    yield (
        "LSTM (last step, classifier)",
        Dynamic(Case(_Last, (normal(2, 5, 6),)), _of_batch_first, _OF_SEQUENCES),
    )
