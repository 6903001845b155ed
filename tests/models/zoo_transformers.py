"""transformers: architectures with tiny random configurations, 2 layers of width 32.

A row is the model's class, what its inputs are, and what its configuration has that TINY does not
say. The forward is called as it is: caches, masks and output objects are those of its defaults.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
import zoo_torchvision  # noqa: F401  # makes torchvision importable, which transformers looks for
from zoo_case import Case, Draw, always, boxes, image, mask, normal, ones, tokens, uniform

import transformers  # isort: skip
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

VOCABULARY = 96
LENGTH = 12

#: Fields of configurations, each used by those classes that have it. Of two spellings of one thing
#: a class has one.
TINY: dict[str, Any] = {
    # width, depth
    "vocab_size": VOCABULARY,
    "hidden_size": 32, "d_model": 32, "n_embd": 32, "dim": 32, "embed_dim": 32, "emb_dim": 32,
    "embedding_size": 32, "projection_dim": 32, "output_dim": 32,
    "num_hidden_layers": 2, "n_layer": 2, "n_layers": 2, "num_layers": 2, "depth": 2,
    "encoder_layers": 2, "decoder_layers": 2, "num_decoder_layers": 2, "num_encoder_layers": 2,
    "num_attention_heads": 4, "n_head": 4, "n_heads": 4, "num_heads": 4, "num_key_value_heads": 2,
    "encoder_attention_heads": 4, "decoder_attention_heads": 4, "attention_heads": 4,
    "intermediate_size": 64, "d_ff": 64, "d_kv": 8, "head_dim": 8, "ffn_dim": 64, "hidden_dim": 64,
    "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "n_inner": 64,
    # experts, state spaces
    "num_local_experts": 4, "num_experts": 4, "num_experts_per_tok": 2,
    "moe_intermediate_size": 32, "shared_expert_intermediate_size": 32,
    "state_size": 8, "time_step_rank": 4,
    # lengths
    "max_position_embeddings": 64, "n_positions": 64, "sliding_window": 8,
    # images
    "image_size": 32, "patch_size": 8, "num_channels": 3,
    # tokens with a meaning
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2,
    "sep_token_id": 2, "cls_token_id": 1,
}  # fmt: skip

TEXT: dict[str, Draw] = {
    "input_ids": tokens(VOCABULARY, 2, LENGTH),
    "attention_mask": mask(2, LENGTH),
}
SEQ2SEQ = TEXT | {"decoder_input_ids": tokens(VOCABULARY, 2, 7)}
IMAGE: dict[str, Draw] = {"pixel_values": image(2, 32)}
IMAGE64: dict[str, Draw] = {"pixel_values": image(1, 64)}
PAGE = TEXT | {"bbox": boxes(2, LENGTH, 60)}
SOUND: dict[str, Draw] = {"input_values": normal(2, 1600)}

#: wav2vec 2.0 and its family: fewer, shorter convolutions.
_WAVES: dict[str, Any] = {
    "conv_dim": (16, 16, 16), "conv_kernel": (10, 3, 3), "conv_stride": (5, 4, 2),
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2, "num_feat_extract_layers": 3,
}  # fmt: skip
_STAGES: dict[str, Any] = {"hidden_sizes": [16, 24, 32, 40], "depths": [1, 1, 1, 1]}
_ROPE = {"rope_theta": 1e4, "rope_type": "default"}

#: Name: class, inputs, what TINY does not say.
_ROWS: dict[str, tuple[str, dict[str, Draw], dict[str, Any]]] = {
    # encoders
    "albert": ("AlbertForMaskedLM", TEXT, {}),
    "bert": ("BertModel", TEXT, {}),
    "bert (masked)": ("BertForMaskedLM", TEXT, {}),
    "bert (eager)": ("BertForQuestionAnswering", TEXT, {"attn_implementation": "eager"}),
    "big_bird": ("BigBirdModel", TEXT, {"attention_type": "original_full"}),
    "camembert": ("CamembertForTokenClassification", TEXT, {}),
    "canine": ("CanineModel", TEXT, {"downsampling_rate": 2, "local_transformer_stride": 4}),
    "convbert": ("ConvBertModel", TEXT, {}),
    "data2vec-text": ("Data2VecTextModel", TEXT, {}),
    "deberta": ("DebertaModel", TEXT, {"pos_att_type": ["c2p", "p2c"], "relative_attention": True}),
    "deberta-v2": (
        "DebertaV2ForSequenceClassification",
        TEXT,
        {
            "pos_att_type": ["c2p", "p2c"],
            "relative_attention": True,
            "position_buckets": 8,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "conv_kernel_size": 3,
        },
    ),  # fmt: skip
    "distilbert": ("DistilBertForQuestionAnswering", TEXT, {}),
    "electra": ("ElectraForPreTraining", TEXT, {}),
    "ernie": ("ErnieModel", TEXT, {}),
    "esm": ("EsmForMaskedLM", TEXT, {"mask_token_id": 5, "position_embedding_type": "rotary"}),
    "eurobert": ("EuroBertForMaskedLM", TEXT, {}),
    "flaubert": ("FlaubertModel", TEXT, {}),
    "fnet": ("FNetModel", {"input_ids": TEXT["input_ids"]}, {}),
    "funnel": ("FunnelModel", TEXT, {"block_sizes": [1, 1], "d_head": 8, "d_inner": 64}),
    "ibert": ("IBertModel", TEXT, {}),
    "layoutlm": ("LayoutLMModel", PAGE, {}),
    "layoutlmv3": (
        "LayoutLMv3Model",
        PAGE | IMAGE,
        {"input_size": 32, "coordinate_size": 6, "shape_size": 4, "max_2d_position_embeddings": 64},
    ),
    "lilt": ("LiltModel", PAGE, {"max_2d_position_embeddings": 64, "hidden_size": 48}),
    "longformer": ("LongformerModel", TEXT, {"attention_window": 4}),
    "luke": ("LukeModel", TEXT, {"entity_vocab_size": 20, "entity_emb_size": 16}),
    "megatron_bert": ("MegatronBertModel", TEXT, {}),
    "mobilebert": ("MobileBertModel", TEXT, {"intra_bottleneck_size": 32, "true_hidden_size": 32}),
    "modernbert": (
        "ModernBertForMaskedLM",
        TEXT,
        {"local_attention": 8, "global_attn_every_n_layers": 2, "sep_token_id": 2},
    ),
    "mpnet": ("MPNetForMaskedLM", TEXT, {}),
    "mra": ("MraModel", TEXT, {}),
    "nomic_bert": ("NomicBertModel", TEXT, {}),
    "nystromformer": (
        "NystromformerModel",
        TEXT,
        {"num_landmarks": LENGTH, "segment_means_seq_len": LENGTH},
    ),
    "perceiver": (
        "PerceiverModel",
        {"inputs": normal(2, LENGTH, 32)},
        {
            "num_latents": 6,
            "d_latents": 32,
            "num_self_attends_per_block": 2,
            "num_self_attention_heads": 4,
            "num_cross_attention_heads": 4,
        },
    ),  # fmt: skip
    "rembert": ("RemBertModel", TEXT, {"input_embedding_size": 16, "output_embedding_size": 16}),
    "roberta": ("RobertaForSequenceClassification", TEXT, {}),
    "roberta_prelayernorm": ("RobertaPreLayerNormModel", TEXT, {}),
    "roc_bert": (
        "RoCBertModel",
        TEXT,
        {
            "pronunciation_vocab_size": 40,
            "shape_vocab_size": 40,
            "enable_pronunciation": False,
            "enable_shape": False,
        },
    ),  # fmt: skip
    "roformer": ("RoFormerForMaskedLM", TEXT, {}),
    "splinter": ("SplinterModel", TEXT, {}),
    "squeezebert": ("SqueezeBertModel", TEXT, {}),
    "tapas": ("TapasModel", TEXT | {"token_type_ids": tokens(2, 2, LENGTH, 7, low=0)}, {}),
    "xlm": ("XLMModel", TEXT, {}),
    "xlm-roberta": ("XLMRobertaForMaskedLM", TEXT, {}),
    "xlm-roberta-xl": ("XLMRobertaXLModel", TEXT, {}),
    "xlnet": ("XLNetModel", TEXT, {"d_inner": 64}),
    "xmod": ("XmodModel", TEXT, {"languages": ["en_XX"], "default_language": "en_XX"}),
    "yoso": ("YosoModel", TEXT, {}),
    # decoders
    "apertus": ("ApertusForCausalLM", TEXT, {}),
    "arcee": ("ArceeForCausalLM", TEXT, {}),
    "biogpt": ("BioGptForCausalLM", TEXT, {}),
    "bitnet": ("BitNetForCausalLM", TEXT, {}),
    "bloom": ("BloomForCausalLM", TEXT, {}),
    "codegen": ("CodeGenForCausalLM", TEXT, {"rotary_dim": 4}),
    "cohere": ("CohereForCausalLM", TEXT, {}),
    "cohere2": ("Cohere2ForCausalLM", TEXT, {}),
    "ctrl": ("CTRLModel", TEXT, {"dff": 64}),
    "dbrx": (
        "DbrxForCausalLM",
        TEXT,
        {
            "ffn_config": {
                "ffn_hidden_size": 64,
                "hidden_size": 32,
                "moe_num_experts": 4,
                "moe_top_k": 2,
            },
            "attn_config": {"kv_n_heads": 2, "rope_theta": 1e4, "clip_qkv": 8.0},
        },
    ),  # fmt: skip
    "deepseek_v2": (
        "DeepseekV2ForCausalLM",
        TEXT,
        {
            "q_lora_rank": 16,
            "kv_lora_rank": 16,
            "qk_nope_head_dim": 8,
            "qk_rope_head_dim": 8,
            "v_head_dim": 8,
            "n_routed_experts": 4,
            "n_group": 1,
            "topk_group": 1,
            "head_dim": 8,
            "num_key_value_heads": 4,
            "first_k_dense_replace": 1,
        },
    ),  # fmt: skip
    "deepseek_v3": (
        "DeepseekV3ForCausalLM",
        TEXT,
        {
            "q_lora_rank": 16,
            "kv_lora_rank": 16,
            "qk_nope_head_dim": 8,
            "qk_rope_head_dim": 8,
            "v_head_dim": 8,
            "n_routed_experts": 8,
            "n_group": 2,
            "topk_group": 1,
            "num_key_value_heads": 4,
            "first_k_dense_replace": 1,
        },
    ),  # fmt: skip
    "diffllama": ("DiffLlamaForCausalLM", TEXT, {}),
    "ernie4_5": ("Ernie4_5ForCausalLM", TEXT, {}),
    "exaone4": ("Exaone4ForCausalLM", TEXT, {}),
    "falcon": ("FalconForCausalLM", TEXT, {"alibi": False}),
    "falcon (alibi)": ("FalconForCausalLM", TEXT, {"alibi": True}),
    "gemma": ("GemmaForCausalLM", TEXT, {}),
    "gemma2": ("Gemma2ForCausalLM", TEXT, {}),
    "gemma3": ("Gemma3ForCausalLM", TEXT, {}),
    "gemma3n": (
        "Gemma3nForCausalLM",
        TEXT,
        {
            "vocab_size_per_layer_input": VOCABULARY,
            "hidden_size_per_layer_input": 8,
            "intermediate_size": [64, 64],
            "num_kv_shared_layers": 0,
            "laurel_rank": 8,
            "activation_sparsity_pattern": [0.9, 0.0],
        },
    ),  # fmt: skip
    "glm": ("GlmForCausalLM", TEXT, {}),
    "glm4": ("Glm4ForCausalLM", TEXT, {}),
    "gpt2": ("GPT2LMHeadModel", TEXT, {}),
    "gpt2 (eager)": ("GPT2Model", TEXT, {"attn_implementation": "eager"}),
    "gpt_bigcode": ("GPTBigCodeForCausalLM", TEXT, {}),
    "gpt_neo": (
        "GPTNeoForCausalLM",
        TEXT,
        {"attention_types": [[["global", "local"], 1]], "window_size": 4},
    ),  # fmt: skip
    "gpt_neox": ("GPTNeoXForCausalLM", TEXT, {}),
    "gpt_neox_japanese": ("GPTNeoXJapaneseForCausalLM", TEXT, {}),
    "gpt_oss": ("GptOssForCausalLM", TEXT, {}),
    "gptj": ("GPTJForCausalLM", TEXT, {"rotary_dim": 4}),
    "granite": ("GraniteForCausalLM", TEXT, {}),
    "granitemoe": ("GraniteMoeForCausalLM", TEXT, {}),
    "helium": ("HeliumForCausalLM", TEXT, {}),
    "hunyuan_v1_dense": ("HunYuanDenseV1ForCausalLM", TEXT, {}),
    "jetmoe": ("JetMoeForCausalLM", TEXT, {"kv_channels": 8}),
    "lfm2": ("Lfm2ForCausalLM", TEXT, {"layer_types": ["conv", "full_attention"]}),
    "llama": ("LlamaForCausalLM", TEXT, {}),
    "llama (eager)": ("LlamaModel", TEXT, {"attn_implementation": "eager"}),
    "llama (ids only)": ("LlamaForCausalLM", {"input_ids": TEXT["input_ids"]}, {}),
    "minimax": ("MiniMaxForCausalLM", TEXT, {}),
    "mistral": ("MistralForCausalLM", TEXT, {}),
    "mixtral": ("MixtralForCausalLM", TEXT, {}),
    "mpt": ("MptForCausalLM", TEXT, {}),
    "nemotron": ("NemotronForCausalLM", TEXT, {}),
    "olmo": ("OlmoForCausalLM", TEXT, {}),
    "olmo2": ("Olmo2ForCausalLM", TEXT, {}),
    "olmo3": ("Olmo3ForCausalLM", TEXT, {}),
    "olmoe": ("OlmoeForCausalLM", TEXT, {}),
    "openai-gpt": ("OpenAIGPTLMHeadModel", TEXT, {}),
    "opt": ("OPTForCausalLM", TEXT, {"word_embed_proj_dim": 32}),
    "persimmon": ("PersimmonForCausalLM", TEXT, {}),
    "phi": ("PhiForCausalLM", TEXT, {}),
    "phi3": ("Phi3ForCausalLM", TEXT, {}),
    "phimoe": ("PhimoeForCausalLM", TEXT, {}),
    "qwen2": ("Qwen2ForCausalLM", TEXT, {}),
    "qwen2_moe": ("Qwen2MoeForCausalLM", TEXT, {}),
    "qwen3": ("Qwen3ForCausalLM", TEXT, {}),
    "qwen3_moe": ("Qwen3MoeForCausalLM", TEXT, {}),
    "seed_oss": ("SeedOssForCausalLM", TEXT, {}),
    "smollm3": ("SmolLM3ForCausalLM", TEXT, {}),
    "stablelm": ("StableLmForCausalLM", TEXT, {}),
    "starcoder2": ("Starcoder2ForCausalLM", TEXT, {}),
    "xglm": ("XGLMForCausalLM", TEXT, {}),
    # state spaces and other recurrences
    "bamba": (
        "BambaForCausalLM",
        TEXT,
        {
            "attn_layer_indices": [1],
            "mamba_n_heads": 8,
            "mamba_d_state": 8,
            "mamba_d_head": 8,
            "mamba_expand": 2,
            "mamba_chunk_size": 8,
        },
    ),  # fmt: skip
    "falcon_mamba": ("FalconMambaForCausalLM", TEXT, {}),
    "jamba": (
        "JambaForCausalLM",
        TEXT,
        {
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "expert_layer_period": 2,
            "mamba_d_state": 8,
            "mamba_dt_rank": 4,
            "use_mamba_kernels": False,
        },
    ),  # fmt: skip
    "mamba": ("MambaForCausalLM", TEXT, {}),
    "mamba2": (
        "Mamba2ForCausalLM",
        TEXT,
        {"num_heads": 8, "head_dim": 8, "chunk_size": 8, "n_groups": 1},
    ),
    "qwen3_next": (
        "Qwen3NextForCausalLM",
        TEXT,
        {
            "layer_types": ["linear_attention", "full_attention"],
            "linear_num_value_heads": 4,
            "linear_num_key_heads": 2,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
        },
    ),  # fmt: skip
    "recurrent_gemma": (
        "RecurrentGemmaForCausalLM",
        TEXT,
        {"block_types": ["recurrent", "attention"], "lru_width": 32, "attention_window_size": 8},
    ),
    "rwkv": (
        "RwkvForCausalLM",
        {"input_ids": TEXT["input_ids"]},
        {"attention_hidden_size": 32, "context_length": 64},
    ),  # fmt: skip
    "xlstm": (
        "xLSTMForCausalLM",
        {"input_ids": TEXT["input_ids"]},
        {"hidden_size": 128, "num_heads": 2},
    ),
    "zamba2": (
        "Zamba2ForCausalLM",
        TEXT,
        {
            "layers_block_type": ["mamba", "hybrid"],
            "mamba_d_state": 8,
            "mamba_headdim": 8,
            "n_mamba_heads": 8,
            "mamba_ngroups": 1,
            "chunk_size": 8,
            "attention_head_dim": 16,
            "use_mamba_kernels": False,
        },
    ),  # fmt: skip
    # encoder and decoder
    "bart": ("BartForConditionalGeneration", SEQ2SEQ, {}),
    "bigbird_pegasus": (
        "BigBirdPegasusForConditionalGeneration",
        SEQ2SEQ,
        {"attention_type": "original_full"},
    ),  # fmt: skip
    "blenderbot": ("BlenderbotForConditionalGeneration", SEQ2SEQ, {}),
    "blenderbot-small": ("BlenderbotSmallForConditionalGeneration", SEQ2SEQ, {}),
    "led": (
        "LEDForConditionalGeneration",
        SEQ2SEQ,
        {
            "attention_window": 4,
            "max_encoder_position_embeddings": 64,
            "max_decoder_position_embeddings": 64,
        },
    ),  # fmt: skip
    "longt5": ("LongT5ForConditionalGeneration", SEQ2SEQ, {"local_radius": 3}),
    "m2m_100": ("M2M100ForConditionalGeneration", SEQ2SEQ, {}),
    "marian": ("MarianMTModel", SEQ2SEQ, {}),
    "mbart": ("MBartForConditionalGeneration", SEQ2SEQ, {}),
    "mt5": ("MT5ForConditionalGeneration", SEQ2SEQ, {}),
    "mvp": ("MvpForConditionalGeneration", SEQ2SEQ, {}),
    "nllb-moe": (
        "NllbMoeForConditionalGeneration",
        SEQ2SEQ,
        {"encoder_sparse_step": 2, "decoder_sparse_step": 2, "expert_capacity": 8},
    ),  # fmt: skip
    "pegasus": ("PegasusForConditionalGeneration", SEQ2SEQ, {}),
    "pegasus_x": (
        "PegasusXForConditionalGeneration",
        SEQ2SEQ,
        {"block_size": 4, "num_global_tokens": 4},
    ),  # fmt: skip
    "plbart": ("PLBartForConditionalGeneration", SEQ2SEQ, {}),
    "prophetnet": (
        "ProphetNetForConditionalGeneration",
        SEQ2SEQ,
        {"num_decoder_attention_heads": 4, "num_encoder_attention_heads": 4},
    ),  # fmt: skip
    "switch_transformers": ("SwitchTransformersForConditionalGeneration", SEQ2SEQ, {}),
    "t5": ("T5ForConditionalGeneration", SEQ2SEQ, {}),
    "t5 (encoder)": ("T5EncoderModel", TEXT, {}),
    "t5gemma": ("T5GemmaForConditionalGeneration", SEQ2SEQ, {}),
    "umt5": ("UMT5ForConditionalGeneration", SEQ2SEQ, {}),
    # vision
    "beit": ("BeitModel", IMAGE, {"use_relative_position_bias": True, "out_indices": [1, 2]}),
    "bit": ("BitModel", IMAGE64, {"hidden_sizes": [32, 64], "depths": [1, 1], "num_groups": 2}),
    "clip-vision": ("CLIPVisionModelWithProjection", IMAGE, {}),
    "conditional_detr": (
        "ConditionalDetrForObjectDetection",
        IMAGE64,
        {"backbone_config": "resnet", "num_queries": 5},
    ),
    "convnext": ("ConvNextModel", IMAGE64, _STAGES),
    "convnextv2": ("ConvNextV2ForImageClassification", IMAGE64, _STAGES),
    "cvt": (
        "CvtModel",
        IMAGE64,
        {
            "embed_dim": [16, 32, 32],
            "depth": [1, 2, 3],
            "num_heads": [1, 2, 2],
        },
    ),
    "data2vec-vision": ("Data2VecVisionModel", IMAGE, {}),
    "deformable_detr": (
        "DeformableDetrForObjectDetection",
        IMAGE64,
        {"backbone_config": "resnet", "num_queries": 5, "d_model": 64},
    ),
    "deit": ("DeiTForImageClassificationWithTeacher", IMAGE, {}),
    "depth_anything": (
        "DepthAnythingForDepthEstimation",
        {"pixel_values": normal(1, 3, 56, 56)},
        {
            "backbone_config": {
                "model_type": "dinov2",
                "image_size": 56,
                "patch_size": 14,
                "out_features": ["stage1", "stage2"],
                "reshape_hidden_states": False,
            },
            "reassemble_hidden_size": 32,
            "patch_size": 14,
            "reassemble_factors": [2, 1],
            "neck_hidden_sizes": [16, 16],
            "fusion_hidden_size": 16,
            "head_hidden_size": 8,
        },
    ),
    "detr": ("DetrForObjectDetection", IMAGE64, {"backbone_config": "resnet", "num_queries": 5}),
    "dinov2": ("Dinov2Model", IMAGE, {}),
    "dinov2_with_registers": ("Dinov2WithRegistersModel", IMAGE, {}),
    "dinov3_vit": ("DINOv3ViTModel", IMAGE, {}),
    "dpt": (
        "DPTForDepthEstimation",
        IMAGE,
        {
            "neck_hidden_sizes": [16, 16, 16, 16],
            "backbone_out_indices": [0, 1, 2, 3],
            "num_hidden_layers": 4,
            "fusion_hidden_size": 16,
        },
    ),
    "focalnet": (
        "FocalNetModel",
        IMAGE64,
        {"depths": [1, 1], "focal_levels": [2, 2], "focal_windows": [3, 3], "embed_dim": 16},
    ),  # fmt: skip
    "glpn": (
        "GLPNForDepthEstimation",
        IMAGE64,
        {
            "decoder_hidden_size": 32,
            "hidden_sizes": [16, 32, 32, 32],
            "depths": [1, 1, 1, 1],
            "num_attention_heads": [1, 2, 2, 2],
        },
    ),
    "hiera": (
        "HieraModel",
        IMAGE64,
        {
            "image_size": [64, 64],
            "embed_dim": 16,
            "patch_size": [7, 7],
            "depths": [1, 1, 1, 1],
            "num_heads": [1, 2, 4, 8],
        },
    ),  # fmt: skip
    "ijepa": ("IJepaModel", IMAGE, {}),
    "imagegpt": ("ImageGPTModel", {"input_ids": TEXT["input_ids"]}, {}),
    "levit": (
        "LevitModel",
        {"pixel_values": normal(1, 3, 64, 64)},
        {
            "image_size": 64,
            "patch_size": 16,
            "hidden_sizes": [16, 32, 48],
            "num_attention_heads": [1, 2, 3],
            "depths": [1, 1, 1],
        },
    ),
    "mask2former": (
        "Mask2FormerModel",
        IMAGE64,
        {
            "backbone_config": {
                "model_type": "swin",
                "embed_dim": 16,
                "depths": [1, 1, 1, 1],
                "num_heads": [1, 2, 4, 8],
                "window_size": 4,
                "image_size": 64,
                "patch_size": 4,
                "out_features": ["stage1", "stage2", "stage3", "stage4"],
            },
            "feature_size": 32,
            "mask_feature_size": 32,
            "hidden_dim": 32,
            "encoder_feedforward_dim": 32,
            "dim_feedforward": 32,
            "num_queries": 5,
        },
    ),
    "maskformer": (
        "MaskFormerModel",
        IMAGE64,
        {
            "backbone_config": {
                "model_type": "swin",
                "embed_dim": 16,
                "depths": [1, 1, 1, 1],
                "num_heads": [1, 2, 4, 8],
                "window_size": 4,
                "image_size": 64,
                "patch_size": 4,
                "out_features": ["stage1", "stage2", "stage3", "stage4"],
            },
            "decoder_config": {"model_type": "detr", "num_queries": 5},
            "fpn_feature_size": 32,
            "mask_feature_size": 32,
        },
    ),
    "mobilenet_v1": ("MobileNetV1Model", IMAGE64, {"depth_multiplier": 0.25}),
    "mobilenet_v2": ("MobileNetV2Model", IMAGE64, {"depth_multiplier": 0.25}),
    "mobilevitv2": (
        "MobileViTV2Model",
        IMAGE64,
        {"image_size": 64, "patch_size": 2, "width_multiplier": 0.25},
    ),
    "owlvit-vision": ("OwlViTVisionModel", IMAGE, {}),
    "poolformer": ("PoolFormerModel", IMAGE64, _STAGES | {"patch_sizes": [7, 3, 3, 3]}),
    "pvt": (
        "PvtModel",
        IMAGE64,
        {
            "image_size": 64,
            "hidden_sizes": [16, 32, 32, 32],
            "depths": [1, 1, 1, 1],
            "num_attention_heads": [1, 2, 2, 2],
        },
    ),
    "pvt_v2": (
        "PvtV2Model",
        IMAGE64,
        {
            "image_size": 64,
            "hidden_sizes": [16, 32, 32, 32],
            "depths": [1, 1, 1, 1],
            "num_attention_heads": [1, 2, 2, 2],
        },
    ),
    "regnet": ("RegNetModel", IMAGE64, _STAGES | {"groups_width": 8, "embedding_size": 16}),
    "resnet": ("ResNetForImageClassification", IMAGE64, _STAGES | {"embedding_size": 16}),
    "rt_detr": (
        "RTDetrForObjectDetection",
        IMAGE64,
        {
            "backbone_config": {
                "model_type": "rt_detr_resnet",
                "embedding_size": 16,
                "hidden_sizes": [16, 32, 32, 32],
                "depths": [1, 1, 1, 1],
                "out_features": ["stage2", "stage3", "stage4"],
            },
            "encoder_in_channels": [32, 32, 32],
            "encoder_hidden_dim": 32,
            "decoder_in_channels": [32, 32, 32],
            "num_queries": 5,
            "num_denoising": 0,
        },
    ),
    "sam": (
        "SamModel",
        {"pixel_values": normal(1, 3, 64, 64), "input_points": uniform(1, 1, 2, 2)},
        {
            "vision_config": {
                "image_size": 64,
                "output_channels": 32,
                "window_size": 4,
                "global_attn_indexes": [1],
                "num_pos_feats": 16,
                "mlp_dim": 64,
            },
            "prompt_encoder_config": {"image_size": 64, "mask_input_channels": 4},
            "mask_decoder_config": {"mlp_dim": 64, "iou_head_hidden_dim": 32},
        },
    ),
    "segformer": (
        "SegformerForSemanticSegmentation",
        IMAGE64,
        {
            "hidden_sizes": [16, 32, 32, 32],
            "depths": [1, 1, 1, 1],
            "num_attention_heads": [1, 2, 2, 2],
            "decoder_hidden_size": 32,
        },
    ),
    "seggpt": (
        "SegGptModel",
        {
            "pixel_values": normal(1, 3, 32, 32),
            "prompt_pixel_values": normal(1, 3, 32, 32),
            "prompt_masks": normal(1, 3, 32, 32),
        },
        {
            "image_size": [64, 32],
            "merge_index": 0,
            "intermediate_hidden_state_indices": [0, 1],
            "pretrain_image_size": 32,
            "decoder_hidden_size": 16,
        },
    ),
    "siglip-vision": ("SiglipVisionModel", IMAGE, {}),
    "superpoint": ("SuperPointForKeypointDetection", IMAGE64, {}),
    "swiftformer": (
        "SwiftFormerModel",
        IMAGE64,
        {"embed_dims": [16, 32, 32, 64], "depths": [1, 1, 1, 1]},
    ),
    "swin": (
        "SwinModel",
        IMAGE64,
        {
            "image_size": 64,
            "patch_size": 4,
            "depths": [2, 2],
            "num_heads": [2, 4],
            "window_size": 4,
            "embed_dim": 16,
        },
    ),
    "swin2sr": (
        "Swin2SRForImageSuperResolution",
        IMAGE,
        {"patch_size": 1, "depths": [2, 2], "num_heads": [2, 4], "window_size": 4, "embed_dim": 16},
    ),
    "swinv2": (
        "Swinv2Model",
        IMAGE64,
        {
            "image_size": 64,
            "patch_size": 4,
            "depths": [2, 2],
            "num_heads": [2, 4],
            "window_size": 4,
            "embed_dim": 16,
        },
    ),
    "table-transformer": (
        "TableTransformerForObjectDetection",
        IMAGE64,
        {"backbone_config": "resnet", "num_queries": 5},
    ),
    "timesformer": (
        "TimesformerModel",
        {"pixel_values": normal(1, 4, 3, 32, 32)},
        {"num_frames": 4},
    ),
    "upernet": (
        "UperNetForSemanticSegmentation",
        IMAGE64,
        {
            "backbone_config": {
                "model_type": "convnext",
                "hidden_sizes": [16, 24, 32, 40],
                "depths": [1, 1, 1, 1],
                "out_features": ["stage1", "stage2", "stage3", "stage4"],
            },
            "hidden_size": 32,
            "auxiliary_in_channels": 32,
            "auxiliary_channels": 16,
            "pool_scales": [1, 2],
        },
    ),
    "videomae": ("VideoMAEModel", {"pixel_values": normal(1, 4, 3, 32, 32)}, {"num_frames": 4}),
    "vit": ("ViTForImageClassification", IMAGE, {}),
    "vit_msn": ("ViTMSNModel", IMAGE, {}),
    "vitdet": ("VitDetModel", IMAGE, {"window_size": 2, "window_block_indices": [0]}),
    "vitmatte": (
        "VitMatteForImageMatting",
        {"pixel_values": normal(1, 4, 64, 64)},
        {
            "backbone_config": {
                "model_type": "vitdet",
                "num_channels": 4,
                "image_size": 64,
                "patch_size": 16,
                "out_features": ["stage2"],
            },
            "convstream_hidden_sizes": [8, 16, 24],
            "fusion_hidden_sizes": [32, 16, 16, 8],
        },
    ),
    "vivit": (
        "VivitModel",
        {"pixel_values": normal(1, 4, 3, 32, 32)},
        {"num_frames": 4, "tubelet_size": [2, 8, 8]},
    ),
    "yolos": (
        "YolosForObjectDetection",
        IMAGE,
        {"image_size": [32, 32], "num_detection_tokens": 5},
    ),
    "zoedepth": (
        "ZoeDepthForDepthEstimation",
        {"pixel_values": normal(1, 3, 64, 64)},
        {
            "backbone_config": {
                "model_type": "beit",
                "image_size": 64,
                "patch_size": 16,
                "num_hidden_layers": 4,
                "out_features": ["stage1", "stage2", "stage3", "stage4"],
                "reshape_hidden_states": False,
                "use_relative_position_bias": True,
            },
            "neck_hidden_sizes": [16, 16, 16, 16],
            "fusion_hidden_size": 16,
            "bottleneck_features": 16,
            "num_relative_features": 8,
            "num_attractors": [2, 2, 2, 2],
            "bin_embedding_dim": 16,
            "num_patch_transformer_layers": 1,
            "patch_transformer_hidden_size": 16,
            "patch_transformer_intermediate_size": 32,
            "patch_transformer_num_attention_heads": 2,
            "bin_configurations": [
                {"n_bins": 8, "min_depth": 0.001, "max_depth": 10.0, "name": "nyu"}
            ],
        },
    ),
    # audio
    "ast": (
        "ASTForAudioClassification",
        {"input_values": normal(2, 24, 16)},
        {
            "max_length": 24,
            "num_mel_bins": 16,
            "patch_size": 4,
            "frequency_stride": 4,
            "time_stride": 4,
        },
    ),
    "clap-audio": (
        "ClapAudioModel",
        {"input_features": normal(2, 1, 64, 64), "is_longer": always(None)},
        {
            "spec_size": 64,
            "num_mel_bins": 64,
            "patch_size": 4,
            "patch_stride": [4, 4],
            "depths": [2, 2],
            "num_attention_heads": [2, 4],
            "window_size": 4,
            "patch_embeds_hidden_size": 16,
            "hidden_size": 32,
            "num_classes": 4,
            "enable_fusion": False,
        },
    ),
    "data2vec-audio": (
        "Data2VecAudioModel",
        SOUND,
        _WAVES | {"num_conv_pos_embeddings": 2, "conv_pos_kernel_size": 5},
    ),
    "encodec": (
        "EncodecModel",
        {"input_values": normal(1, 1, 640)},
        {"num_filters": 4, "hidden_size": 16, "codebook_size": 16, "upsampling_ratios": [4, 2]},
    ),
    "hubert": ("HubertModel", SOUND, _WAVES),
    "moonshine": (
        "MoonshineForConditionalGeneration",
        {"input_values": normal(1, 8000), "decoder_input_ids": tokens(VOCABULARY, 1, 7)},
        {
            "encoder_num_hidden_layers": 2,
            "decoder_num_hidden_layers": 2,
            "encoder_num_attention_heads": 4,
            "decoder_num_attention_heads": 4,
            "encoder_num_key_value_heads": 4,
            "decoder_num_key_value_heads": 4,
        },
    ),
    "sew": ("SEWModel", SOUND, _WAVES | {"squeeze_factor": 2}),
    "speech_to_text": (
        "Speech2TextForConditionalGeneration",
        {"input_features": normal(2, 24, 16), "decoder_input_ids": tokens(VOCABULARY, 2, 7)},
        {
            "input_feat_per_channel": 16,
            "conv_channels": 16,
            "max_source_positions": 64,
            "max_target_positions": 64,
        },
    ),
    "speecht5": (
        "SpeechT5ForSpeechToText",
        SOUND | {"decoder_input_ids": tokens(VOCABULARY, 2, 7)},
        _WAVES | {"max_text_positions": 64, "max_speech_positions": 400, "positional_dropout": 0.0},
    ),
    "unispeech": ("UniSpeechModel", SOUND, _WAVES),
    "unispeech-sat": ("UniSpeechSatModel", SOUND, _WAVES),
    "wav2vec2": ("Wav2Vec2ForCTC", SOUND, _WAVES),
    "wav2vec2 (masked)": (
        "Wav2Vec2Model",
        SOUND | {"attention_mask": ones(2, 1600)},
        _WAVES | {"feat_extract_norm": "layer", "do_stable_layer_norm": True},
    ),
    "wav2vec2-bert": (
        "Wav2Vec2BertModel",
        {"input_features": normal(2, 20, 16)},
        {"feature_projection_input_dim": 16, "conv_depthwise_kernel_size": 5},
    ),
    "wav2vec2-conformer": (
        "Wav2Vec2ConformerModel",
        SOUND,
        _WAVES | {"position_embeddings_type": "relative", "conv_depthwise_kernel_size": 5},
    ),
    "wavlm": ("WavLMModel", SOUND, _WAVES),
    "whisper": (
        "WhisperForConditionalGeneration",
        {"input_features": normal(1, 16, 40), "decoder_input_ids": tokens(VOCABULARY, 1, 7)},
        {"num_mel_bins": 16, "max_source_positions": 20, "max_target_positions": 40},
    ),
    # several kinds of input
    "altclip": ("AltCLIPModel", TEXT | IMAGE, {"text_config": {"project_dim": 32}}),
    "blip": ("BlipModel", TEXT | IMAGE, {}),
    "blip (caption)": (
        "BlipForConditionalGeneration",
        TEXT | IMAGE,
        {"text_config": {"encoder_hidden_size": 32}},
    ),
    "bridgetower": (
        "BridgeTowerModel",
        TEXT | IMAGE | {"pixel_mask": ones(2, 32, 32)},
        {
            "hidden_size": 64,
            "text_config": {"hidden_size": 64},
            "vision_config": {"hidden_size": 64},
        },
    ),
    "chinese_clip": ("ChineseCLIPModel", TEXT | IMAGE, {}),
    "clip": ("CLIPModel", TEXT | IMAGE, {}),
    "clipseg": (
        "CLIPSegForImageSegmentation",
        TEXT | IMAGE,
        {
            "extract_layers": [0, 1],
            "reduce_dim": 16,
            "decoder_num_attention_heads": 4,
            "decoder_intermediate_size": 32,
        },
    ),
    "flava": ("FlavaModel", TEXT | IMAGE, {}),
    "git": ("GitForCausalLM", TEXT | IMAGE, {}),
    "groupvit": (
        "GroupViTModel",
        TEXT | IMAGE,
        {
            "vision_config": {
                "depths": [1, 1, 1],
                "num_group_tokens": [4, 2, 0],
                "num_output_groups": [4, 2, 0],
            }
        },
    ),
    "llava": (
        "LlavaForConditionalGeneration",
        "llava",
        {
            "text_config": {"model_type": "llama"},
            "vision_config": {"model_type": "clip_vision_model"},
            "image_token_index": 5,
        },
    ),
    "metaclip_2": ("MetaClip2Model", TEXT | IMAGE, {}),
    "owlvit": ("OwlViTModel", TEXT | IMAGE, {}),
    "paligemma": (
        "PaliGemmaForConditionalGeneration",
        "llava",
        {
            "text_config": {"model_type": "gemma"},
            "vision_config": {"model_type": "siglip_vision_model", "vision_use_head": False},
            "image_token_index": 5,
        },
    ),
    "siglip": ("SiglipModel", {"input_ids": TEXT["input_ids"]} | IMAGE, {}),
    "trocr": ("TrOCRForCausalLM", {"input_ids": TEXT["input_ids"]}, {}),
    "vilt": ("ViltModel", TEXT | IMAGE | {"pixel_mask": ones(2, 32, 32)}, {"max_image_length": -1}),
    "vision-encoder-decoder": (
        "VisionEncoderDecoderModel",
        IMAGE | {"decoder_input_ids": tokens(VOCABULARY, 2, 7)},
        {
            "encoder": {"model_type": "vit"},
            "decoder": {"model_type": "gpt2", "add_cross_attention": True, "is_decoder": True},
        },
    ),
    "visual_bert": (
        "VisualBertModel",
        TEXT | {"visual_embeds": normal(2, 5, 16)},
        {"visual_embedding_dim": 16},
    ),
    "x_clip": (
        "XCLIPModel",
        TEXT | {"pixel_values": normal(2, 4, 3, 32, 32)},
        {
            "vision_config": {
                "num_frames": 4,
                "mit_hidden_size": 32,
                "mit_num_hidden_layers": 1,
                "mit_num_attention_heads": 4,
                "mit_intermediate_size": 32,
            }
        },
    ),
    # series, decisions
    "decision_transformer": (
        "DecisionTransformerModel",
        {
            "states": normal(1, 4, 5),
            "actions": normal(1, 4, 3),
            "rewards": normal(1, 4, 1),
            "returns_to_go": normal(1, 4, 1),
            "timesteps": tokens(10, 1, 4, low=0),
            "attention_mask": ones(1, 4),
        },
        {"state_dim": 5, "act_dim": 3, "max_ep_len": 16},
    ),
    "patchtsmixer": (
        "PatchTSMixerForPrediction",
        {"past_values": normal(2, 32, 3)},
        {
            "context_length": 32,
            "prediction_length": 8,
            "num_input_channels": 3,
            "patch_length": 8,
            "patch_stride": 8,
        },
    ),
    "patchtst": (
        "PatchTSTForPrediction",
        {"past_values": normal(2, 32, 3)},
        {
            "context_length": 32,
            "prediction_length": 8,
            "num_input_channels": 3,
            "patch_length": 8,
            "patch_stride": 8,
        },
    ),
}

#: Whose forward does what the values of an input say, and how.
_NOTES = {
    "dbrx": "runs the experts that were chosen, one after the other, on the tokens that chose them",
    "jetmoe": "splits the tokens among the experts by `tolist()`: sizes depend on the input",
    "superpoint": "returns as many points as are above a threshold",
    "vilt": "picks the patches of each image by the values of its mask",
}

_IN_HALF = ("bert", "gpt2", "llama", "t5", "vit", "wav2vec2")
_IN_BFLOAT16 = ("gpt2", "llama")


def _fields(cls: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Arguments for the configuration class CLS: TINY where it has such a field, then GIVEN, and
    the same for the configurations inside of it."""
    names = {field.name for field in dataclasses.fields(cls)}
    result = {name: value for name, value in TINY.items() if name in names}
    for name, sub in cls.sub_configs.items():
        inner = given.get(name)
        if isinstance(inner, str):
            inner = dict(_BACKBONES[inner])
        if inner is None and sub.__name__ == "AutoConfig":
            continue
        inner = dict(inner or {})
        kind = inner.pop("model_type", None)
        result[name] = _config(CONFIG_MAPPING[kind] if kind else sub, inner)
    return result | {
        name: value
        for name, value in given.items()
        if name not in result or name not in cls.sub_configs
    }


_BACKBONES: dict[str, dict[str, Any]] = {
    "resnet": {"model_type": "resnet", "embedding_size": 16, "hidden_sizes": [16, 24, 32, 40],
               "depths": [1, 1, 1, 1], "out_features": ["stage2", "stage3", "stage4"]},
}  # fmt: skip


def _config(cls: Any, given: dict[str, Any]) -> Any:
    return cls(**_fields(cls, given))


def _image_prompt(n_image_tokens: int) -> dict[str, Draw]:
    """Text in which the image has so many places, those of token 5."""

    def draw(generator: torch.Generator) -> torch.Tensor:
        ids = torch.randint(6, VOCABULARY, (2, LENGTH), generator=generator)
        return torch.cat((torch.full((2, n_image_tokens), 5), ids), 1)

    return {"input_ids": draw, "attention_mask": ones(2, LENGTH + n_image_tokens)} | IMAGE


def _case(name: str, dtype: torch.dtype = torch.float32) -> Case:
    class_name, inputs, given = _ROWS[name]
    if inputs == "llava":
        inputs = _image_prompt(16)
    if name == "paligemma":  # without, it is causal if anything is padded, and is not if nothing is
        inputs = inputs | {"token_type_ids": always(torch.zeros(2, 16 + LENGTH, dtype=torch.long))}
    given = dict(given)
    attention = given.pop("attn_implementation", None)

    def make() -> torch.nn.Module:
        cls = getattr(transformers, class_name)
        config = _config(cls.config_class, given)
        if attention:
            config._attn_implementation = attention
        return cls(config)

    return Case(make, kwargs=inputs, dtype=dtype, note=_NOTES.get(name, ""))


CASES: dict[str, Case] = {name: _case(name) for name in _ROWS}
CASES |= {f"{name} (half)": _case(name, torch.float16) for name in _IN_HALF}
CASES |= {f"{name} (bfloat16)": _case(name, torch.bfloat16) for name in _IN_BFLOAT16}
