"""timm: the smallest model of each of its families (a family is a module of timm.models)."""

from __future__ import annotations

from typing import Any

import torch
import zoo_torchvision  # noqa: F401  # makes torchvision importable, which timm needs
from zoo_case import Case, image

import timm  # isort: skip

#: Family: model, side of the image, arguments. A model that takes any size gets a small one.
FAMILIES: dict[str, tuple[str, int, dict[str, Any]]] = {
    "beit": ("beit_base_patch16_224", 224, {"depth": 2}),
    "byoanet": ("halonet_h1", 256, {}),
    "byobnet": ("mobileone_s1", 96, {}),
    "cait": ("cait_xxs24_224", 224, {}),
    "coat": ("coat_tiny", 224, {}),
    "convit": ("convit_tiny", 224, {}),
    "convmixer": ("convmixer_768_32", 96, {}),
    "convnext": ("convnext_zepto_rms", 96, {}),
    "cpubone": ("cpubone_nano", 96, {}),
    "crossvit": ("crossvit_tiny_240", 240, {}),
    "csatv2": ("csatv2", 96, {}),
    "cspnet": ("cs3darknet_focus_s", 96, {}),
    "cspnext": ("cspnext_tiny", 96, {}),
    "davit": ("davit_tiny", 96, {}),
    "deepseek_vit": ("deepseek_vit_412m", 126, {"depth": 2}),
    "deit": ("deit_tiny_patch16_224", 224, {}),
    "densenet": ("densenet121", 96, {}),
    "dla": ("dla46x_c", 96, {}),
    "dpn": ("dpn48b", 96, {}),
    "edgenext": ("edgenext_xx_small", 96, {}),
    "efficientformer": ("efficientformer_l1", 224, {}),
    "efficientformer_v2": ("efficientformerv2_s0", 224, {}),
    "efficientnet": ("efficientnet_b0", 96, {}),
    "efficientvim": ("efficientvim_m1", 96, {}),
    "efficientvit_mit": ("efficientvit_b0", 96, {}),
    "efficientvit_msra": ("efficientvit_m0", 224, {}),
    "eva": ("eva02_tiny_patch14_224", 224, {}),
    "fasternet": ("fasternet_t0", 96, {}),
    "fastvit": ("fastvit_t8", 96, {}),
    "focalnet": ("focalnet_tiny_srf", 96, {}),
    "gcvit": ("gcvit_xxtiny", 224, {}),
    "gemma4_vit": ("gemma4_vit_167m", 96, {"depth": 2}),
    "ghostnet": ("ghostnet_050", 96, {}),
    "hardcorenas": ("hardcorenas_b", 96, {}),
    "hgnet": ("hgnetv2_b0", 96, {}),
    "hiera": ("hiera_tiny_224", 224, {}),
    "hieradet_sam2": ("sam2_hiera_tiny", 96, {}),
    "hrnet": ("hrnet_w18_small", 96, {}),
    "iformer": ("iformer_t", 96, {}),
    "inception_next": ("inception_next_atto", 96, {}),
    "inception_resnet_v2": ("inception_resnet_v2", 96, {}),
    "inception_v3": ("inception_v3", 96, {}),
    "inception_v4": ("inception_v4", 96, {}),
    "lcnetv2": ("lcnetv2_small", 96, {}),
    "levit": ("levit_128s", 224, {}),
    "lowformer": ("lowformer_b0", 96, {}),
    "mambaout": ("test_mambaout", 96, {}),
    "maxxvit": ("coatnet_pico_rw_224", 224, {}),
    "metaformer": ("poolformer_s12", 96, {}),
    "mlp_mixer": ("gmlp_ti16_224", 224, {}),
    "mobilenetv3": ("mobilenetv3_small_050", 96, {}),
    "mobilenetv5": ("mobilenetv5_base", 96, {}),
    "mobilevit": ("mobilevit_xxs", 96, {}),
    "mvitv2": ("mvitv2_tiny", 224, {}),
    "naflexvit": ("naflexvit_base_patch16_parfac_gap", 96, {"depth": 2}),
    "nasnet": ("nasnetalarge", 96, {}),
    "nest": ("nest_tiny", 224, {}),
    "nextvit": ("nextvit_small", 96, {}),
    "nfnet": ("nf_ecaresnet26", 96, {}),
    "pit": ("pit_ti_224", 224, {}),
    "pnasnet": ("pnasnet5large", 96, {}),
    "pvt_v2": ("pvt_v2_b0", 96, {}),
    "qwen3_vit": ("qwen3_vit_88m", 96, {"depth": 2}),
    "rdnet": ("rdnet_tiny", 96, {}),
    "regnet": ("regnetx_002", 96, {}),
    "repghost": ("repghostnet_050", 96, {}),
    "repvit": ("repvit_m1", 96, {}),
    "res2net": ("res2next50", 96, {}),
    "resnest": ("resnest14d", 96, {}),
    "resnet": ("resnet10t", 96, {}),
    "resnetv2": ("resnetv2_18", 96, {}),
    "rexnet": ("rexnet_100", 96, {}),
    "selecsls": ("selecsls42", 96, {}),
    "senet": ("legacy_seresnet18", 96, {}),
    "sequencer": ("sequencer2d_s", 224, {}),
    "shvit": ("shvit_s1", 96, {}),
    "sknet": ("skresnet18", 96, {}),
    "starnet": ("starnet_s050", 96, {}),
    "swiftformer": ("swiftformer_xs", 224, {}),
    "swin_transformer": ("swin_tiny_patch4_window7_224", 224, {}),
    "swin_transformer_v2": ("swinv2_tiny_window8_256", 256, {}),
    "swin_transformer_v2_cr": ("swinv2_cr_tiny_224", 224, {}),
    "tiny_vit": ("tiny_vit_5m_224", 96, {}),
    "tnt": ("tnt_s_legacy_patch16_224", 224, {}),
    "tresnet": ("tresnet_m", 96, {}),
    "twins": ("twins_svt_small", 224, {}),
    "vgg": ("vgg11", 96, {}),
    "visformer": ("visformer_tiny", 224, {}),
    "vision_transformer": ("test_vit", 160, {}),
    "vision_transformer_hybrid": ("vit_tiny_r_s16_p8_224", 224, {}),
    "vision_transformer_relpos": ("test_vit_relpos", 160, {}),
    "vision_transformer_sam": ("samvit_base_patch16_224", 224, {"depth": 2}),
    "vitamin": ("vitamin_small_224", 224, {}),
    "volo": ("volo_d1_224", 224, {}),
    "vovnet": ("ese_vovnet19b_slim_dw", 96, {}),
    "xception": ("legacy_xception", 96, {}),
    "xception_aligned": ("xception41p", 96, {}),
    "xcit": ("xcit_nano_12_p8_224", 224, {}),
}

#: Other models that are built of parts which those above do not have.
_MORE: dict[str, tuple[str, int, dict[str, Any]]] = {
    "byobnet": ("gcresnext26ts", 96, {}),
    "coat": ("coat_lite_tiny", 224, {}),
    "convnext": ("test_convnext3", 96, {}),
    "cspnet": ("darknet53", 96, {}),
    "efficientnet": ("tf_efficientnet_lite0", 96, {}),
    "ghostnet": ("ghostnetv3_050", 96, {}),
    "levit": ("levit_conv_128s", 224, {}),
    "maxxvit": ("maxvit_tiny_rw_224", 224, {}),
    "metaformer": ("caformer_s18", 96, {}),
    "mlp_mixer": ("resmlp_12_224", 224, {}),
    "mobilenetv3": ("mobilenetv4_conv_small_035", 96, {}),
    "mobilevit": ("mobilevitv2_050", 96, {}),
    "nfnet": ("dm_nfnet_f0", 96, {}),
    "resnet": ("resnetblur50", 96, {}),
    "resnetv2": ("resnetv2_50x1_bit", 96, {}),
    "twins": ("twins_pcpvt_small", 224, {}),
    "vision_transformer": ("vit_tiny_patch16_224", 224, {}),
    "vision_transformer_relpos": ("vit_relpos_small_patch16_224", 224, {}),
}

_IN_HALF = ("test_vit", "test_efficientnet", "test_convnext")


def _case(name: str, side: int, options: dict[str, Any], dtype: torch.dtype) -> Case:
    def make() -> torch.nn.Module:
        return timm.create_model(name, pretrained=False, **options)

    return Case(make, (image(2, side),), dtype=dtype)


CASES: dict[str, Case] = {
    f"{family}: {row[0]}": _case(*row, torch.float32)
    for table in (FAMILIES, _MORE)
    for family, row in table.items()
}
CASES |= {f"{name} (half)": _case(name, 160, {}, torch.float16) for name in _IN_HALF}
