"""Models of torchvision, timm and transformers: some of tests/models, and the list of all."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

FOLDER = Path(__file__).parent / "models"
sys.path.insert(0, str(FOLDER))
import zoo  # noqa: E402
import zoo_page  # noqa: E402
from zoo_case import Case, arguments, build, image, normal  # noqa: E402
from zoo_check import check  # noqa: E402

BASELINE = zoo.read_baseline()

#: Small ones that between them have most operators. The rest runs with `make test-models`.
SOME = [
    ("torchvision", "squeezenet1_1"),
    ("torchvision", "shufflenet_v2_x0_5"),
    ("torchvision", "lraspp_mobilenet_v3_large"),
    ("torchvision", "r3d_18"),
    ("torchvision", "raft_small"),
    ("torchvision", "swin3d_t"),
    ("timm", "convnext: convnext_zepto_rms"),
    ("timm", "csatv2: csatv2"),
    ("timm", "edgenext: edgenext_xx_small"),
    ("timm", "efficientnet: efficientnet_b0"),
    ("timm", "ghostnet: ghostnet_050"),
    ("timm", "mobilevit: mobilevit_xxs"),
    ("timm", "vision_transformer: test_vit"),
    ("timm", "vision_transformer_relpos: test_vit_relpos"),
    ("transformers", "ast"),
    ("transformers", "bart"),
    ("transformers", "bert"),
    ("transformers", "bert (half)"),
    ("transformers", "bloom"),
    ("transformers", "canine"),
    ("transformers", "clip"),
    ("transformers", "deberta-v2"),
    ("transformers", "deformable_detr"),
    ("transformers", "detr"),
    ("transformers", "funnel"),
    ("transformers", "gemma3"),
    ("transformers", "gpt2"),
    ("transformers", "llama"),
    ("transformers", "llava"),
    ("transformers", "longformer"),
    ("transformers", "mamba"),
    ("transformers", "mixtral"),
    ("transformers", "modernbert"),
    ("transformers", "patchtsmixer"),
    ("transformers", "sam"),
    ("transformers", "segformer"),
    ("transformers", "swin2sr"),
    ("transformers", "t5"),
    ("transformers", "wavlm"),
    ("transformers", "whisper"),
]


@pytest.mark.parametrize(("library", "name"), SOME, ids=lambda text: text)
@pytest.mark.filterwarnings("ignore")
def test_a_model_of_the_zoo_agrees_with_pytorch(library, name):
    row = check(zoo.load_cases(library)[name])
    complaint = zoo.worse(row, BASELINE[library][name])
    assert row["status"] == "passed" and not complaint, f"{complaint}\n{row.get('message')}"


def test_the_list_has_as_many_models_as_promised_and_nearly_all_of_them_pass():
    rows = [row for models in BASELINE.values() for row in models.values()]
    n_passed = sum(row["status"] == "passed" for row in rows)
    assert n_passed >= 0.97 * len(rows)
    assert len({name.split(":")[0] for name in BASELINE["timm"]}) >= 60
    assert len({name.split(" ")[0] for name in BASELINE["transformers"]}) >= 50
    assert not any(row["status"] in ("broken", "crash", "time-out", "invalid") for row in rows)


def test_the_page_is_what_the_baseline_says():
    assert zoo_page.PAGE.read_text() == zoo_page.page(BASELINE), "run.py --write writes it"


# ---- the harness itself --------------------------------------------------------------------------


class Wrong(nn.Linear):
    """Computes something else on its third call: check() runs a copy of it twice before."""

    def forward(self, x):
        self.calls = getattr(self, "calls", 0) + 1
        return super().forward(x) * (0.9 if torch.compiler.is_exporting() else 1.0)


class Constant(nn.Linear):
    def forward(self, x):
        return super().forward(x * 0)


class Baked(nn.Linear):
    def forward(self, x):
        return super().forward(x) * float(x.sum())


class Dead(nn.Linear):
    def forward(self, x):
        os._exit(7)


class Slow(nn.Linear):
    def forward(self, x):
        time.sleep(60)


def linear(kind: type[nn.Linear]) -> Case:
    return Case(lambda: kind(4, 4), (normal(2, 4),))


@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [
        (nn.Linear, "passed", None),
        (Wrong, "mismatch", "off by"),
        (Constant, "mismatch", "too weak"),
        (Baked, "mismatch", "off by"),
        (Dead, "crash", "ended with 7"),
        (Slow, "time-out", "more than 1 s"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_the_harness_says_what_is_wrong_with_a_model(kind, status, reason):
    row = zoo.run_case(linear(kind), seconds=1 if kind is Slow else 60)
    assert row["status"] == status, row
    assert reason is None or reason in row["reason"]
    assert bool(row.get("warnings")) == (kind is Baked)


def test_a_model_that_passed_must_not_fail_and_one_that_failed_must_not_stay_on_the_list():
    passed, failed = {"status": "passed"}, {"status": "refused", "reason": "why"}
    warned = {"status": "passed", "warnings": ["item"]}
    assert not zoo.worse(passed, passed) and not zoo.worse(failed, failed)
    assert zoo.worse(failed, passed) == "refused: why"
    assert "passes now" in zoo.worse(passed, failed)
    assert "warns" in zoo.worse(warned, passed) and not zoo.worse(warned, warned)
    assert "not in the baseline" in zoo.worse(passed, None)


def test_parameters_are_drawn_so_that_no_layer_can_hide():
    model = build(
        Case(
            lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.LayerNorm((6, 6))),
            (image(2, 8),),
        )
    )
    for name, tensor in model.state_dict().items():
        assert tensor.numel() == 1 or float(tensor.std()) > 0.01, name
    with torch.no_grad():
        normed = model[:2](arguments(Case(nn.Identity, (image(2, 8),)), 1)[0][0])
    assert 0.1 < float(normed.std()) < 10
