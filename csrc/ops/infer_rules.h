/* csrc/ops/infer_rules.h -- the `infer` rules of rows, by family. Private to ops/.
 *
 * Each fills the facts about a node's outputs from those about its inputs: see infer.h. It is
 * called after the row's `check` (rules.h) has found no fault, so it repeats none of its tests;
 * what it finds wrong itself is a CHECK error. What does not follow from what is known stays
 * unknown. */
#ifndef TOFFEE_OPS_INFER_RULES_H
#define TOFFEE_OPS_INFER_RULES_H

#include "ops/infer.h"

typedef toffee_code toffee_infer_rule(toffee_infer *ctx, const toffee_node *node,
                                      toffee_status *st);

/* infer_same.c: element by element */
toffee_infer_rule toffee_infer_same; /* every output has the shape of the first input */
toffee_infer_rule toffee_infer_cast; /* the same, in the dtype `to` */
toffee_infer_rule toffee_infer_cast_like;
toffee_infer_rule toffee_infer_random; /* the same, in `dtype` or the input's own */
toffee_infer_rule toffee_infer_quantize;
toffee_infer_rule toffee_infer_dynamic_quantize;
toffee_infer_rule toffee_infer_broadcasted; /* all inputs, broadcast together */
toffee_infer_rule toffee_infer_identity;

/* infer_data.c: the same, and elements are followed */
toffee_infer_rule toffee_infer_arith;
toffee_infer_rule toffee_infer_unary;
toffee_infer_rule toffee_infer_where;

/* infer_shape.c: shapes */
toffee_infer_rule toffee_infer_shape;
toffee_infer_rule toffee_infer_size;
toffee_infer_rule toffee_infer_reshape;
toffee_infer_rule toffee_infer_flatten;
toffee_infer_rule toffee_infer_squeeze;
toffee_infer_rule toffee_infer_unsqueeze;
toffee_infer_rule toffee_infer_transpose;
toffee_infer_rule toffee_infer_expand;
toffee_infer_rule toffee_infer_tile;
toffee_infer_rule toffee_infer_pad;
toffee_infer_rule toffee_infer_depth_to_space;
toffee_infer_rule toffee_infer_space_to_depth;
toffee_infer_rule toffee_infer_center_crop_pad;

/* infer_make.c: tensors out of nothing */
toffee_infer_rule toffee_infer_constant;
toffee_infer_rule toffee_infer_constant_of_shape;
toffee_infer_rule toffee_infer_range;
toffee_infer_rule toffee_infer_one_hot;
toffee_infer_rule toffee_infer_random_shape; /* the attribute `shape` */
toffee_infer_rule toffee_infer_multinomial;
toffee_infer_rule toffee_infer_window;
toffee_infer_rule toffee_infer_mel;

/* infer_index.c: parts and places */
toffee_infer_rule toffee_infer_concat;
toffee_infer_rule toffee_infer_split;
toffee_infer_rule toffee_infer_slice;
toffee_infer_rule toffee_infer_gather;
toffee_infer_rule toffee_infer_gather_elements;
toffee_infer_rule toffee_infer_gather_nd;
toffee_infer_rule toffee_infer_compress;
toffee_infer_rule toffee_infer_nonzero;
toffee_infer_rule toffee_infer_top_k;
toffee_infer_rule toffee_infer_unique;

/* infer_reduce.c */
toffee_infer_rule toffee_infer_reduce;
toffee_infer_rule toffee_infer_arg_reduce;
toffee_infer_rule toffee_infer_det;
toffee_infer_rule toffee_infer_loss;

/* infer_nn.c: windows and layers */
toffee_infer_rule toffee_infer_conv;
toffee_infer_rule toffee_infer_qlinear_conv;
toffee_infer_rule toffee_infer_conv_transpose;
toffee_infer_rule toffee_infer_pool;
toffee_infer_rule toffee_infer_global_pool;
toffee_infer_rule toffee_infer_max_unpool;
toffee_infer_rule toffee_infer_batch_norm;
toffee_infer_rule toffee_infer_layer_norm;
toffee_infer_rule toffee_infer_recurrent;

/* infer_product.c: matrices */
toffee_infer_rule toffee_infer_gemm;
toffee_infer_rule toffee_infer_matmul;
toffee_infer_rule toffee_infer_qlinear_matmul;
toffee_infer_rule toffee_infer_einsum;

/* infer_vision.c: images, signals, texts */
toffee_infer_rule toffee_infer_affine_grid;
toffee_infer_rule toffee_infer_grid_sample;
toffee_infer_rule toffee_infer_resize;
toffee_infer_rule toffee_infer_col2im;
toffee_infer_rule toffee_infer_max_roi_pool;
toffee_infer_rule toffee_infer_roi_align;
toffee_infer_rule toffee_infer_nms;
toffee_infer_rule toffee_infer_image_decoder;
toffee_infer_rule toffee_infer_dft;
toffee_infer_rule toffee_infer_stft;
toffee_infer_rule toffee_infer_string_normalizer;
toffee_infer_rule toffee_infer_string_split;
toffee_infer_rule toffee_infer_tf_idf;

/* infer_control.c: graphs, sequences, optionals */
toffee_infer_rule toffee_infer_if;
toffee_infer_rule toffee_infer_loop;
toffee_infer_rule toffee_infer_scan;
toffee_infer_rule toffee_infer_sequence_map;
toffee_infer_rule toffee_infer_sequence_construct;
toffee_infer_rule toffee_infer_sequence_empty;
toffee_infer_rule toffee_infer_sequence_insert;
toffee_infer_rule toffee_infer_sequence_at;
toffee_infer_rule toffee_infer_sequence_same; /* the members of the first input */
toffee_infer_rule toffee_infer_scalar;        /* one number: SequenceLength, OptionalHasElement */
toffee_infer_rule toffee_infer_split_to_sequence;
toffee_infer_rule toffee_infer_concat_from_sequence;
toffee_infer_rule toffee_infer_optional;
toffee_infer_rule toffee_infer_optional_get_element;

#endif /* TOFFEE_OPS_INFER_RULES_H */
