"""torchvision: classification, segmentation, video, optical flow, and detection up to its boxes.

Images are as small as a model takes them. Detection models select boxes by their values: how many
come out depends on the image, and no graph of static shapes computes that. What is before the
selection (backbone and heads) is exported.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from zoo_case import Case, image, normal

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from seed_models import import_torchvision  # noqa: E402

models = import_torchvision().models

#: By the beginning of the name, the first that fits: side of the image, and arguments of the model.
_CLASSIFICATION: list[tuple[str, int, dict[str, Any]]] = [
    ("alexnet", 64, {}),
    ("googlenet", 64, {"init_weights": False}),
    ("inception", 96, {"init_weights": False}),
    ("maxvit", 224, {"input_size": (224, 224)}),
    ("swin", 64, {}),
    ("vit_h", 56, {"image_size": 56}),
    ("vit", 64, {"image_size": 64}),
    ("", 64, {}),
]

_VIDEO: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "mc3_18": ((1, 3, 4, 32, 32), {}),
    "mvit_v1_b": ((1, 3, 16, 224, 224), {}),  # the position table has the size of the clip
    "mvit_v2_s": ((1, 3, 16, 224, 224), {}),
    "r2plus1d_18": ((1, 3, 4, 32, 32), {}),
    "r3d_18": ((1, 3, 4, 32, 32), {}),
    "s3d": ((1, 3, 16, 224, 224), {}),  # its last pooling takes no less
    "swin3d_b": ((1, 3, 4, 64, 64), {}),
    "swin3d_s": ((1, 3, 4, 64, 64), {}),
    "swin3d_t": ((1, 3, 4, 64, 64), {}),
}


class BeforeBoxes(nn.Module):
    """A detection model up to where it selects boxes by their scores."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.backbone = model.backbone
        self.head = model.rpn.head if hasattr(model, "rpn") else model.head

    def forward(self, images: torch.Tensor) -> Any:
        features = self.backbone(images)
        return self.head(list(features.values()))


def _classification(name: str) -> Case:
    side, options = next((s, o) for start, s, o in _CLASSIFICATION if name.startswith(start))
    return Case(lambda: models.get_model(name, weights=None, **options), (image(2, side),))


def _segmentation(name: str) -> Case:
    def make() -> nn.Module:
        return models.get_model(name, weights=None, weights_backbone=None, aux_loss=_aux(name))

    return Case(make, (image(1, 64),))


def _aux(name: str) -> bool | None:
    """With the second classifier, where there is one."""
    return None if name.startswith("lraspp") else True


def _video(name: str) -> Case:
    shape, options = _VIDEO[name]
    return Case(lambda: models.get_model(name, weights=None, **options), (normal(*shape),))


def _flow(name: str) -> Case:
    frame = normal(1, 3, 128, 128)
    return Case(lambda: models.get_model(name, weights=None), (frame, frame))


def _detection(name: str) -> Case:
    def make() -> nn.Module:
        return BeforeBoxes(models.get_model(name, weights=None, weights_backbone=None))

    side = 300 if name == "ssd300_vgg16" else 96
    return Case(make, (image(1, side),))


def _half(name: str) -> Case:
    row = _classification(name)
    return Case(row.make, row.args, row.kwargs, torch.float16)


_GROUPS: list[tuple[Any, str, Callable[[str], Case]]] = [
    (models, "{}", _classification),
    (models.segmentation, "{}", _segmentation),
    (models.video, "{}", _video),
    (models.optical_flow, "{}", _flow),
    (models.detection, "{} (before boxes)", _detection),
]

_IN_HALF = ("resnet18", "mobilenet_v3_small", "vit_b_32")


def _cases() -> Iterator[tuple[str, Case]]:
    for module, name, row in _GROUPS:
        for model in models.list_models(module=module):
            yield name.format(model), row(model)
    for model in _IN_HALF:
        yield f"{model} (half)", _half(model)


CASES: dict[str, Case] = dict(_cases())
