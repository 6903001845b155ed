/* csrc/ops/ops_vision.c -- rows: images, sampling, boxes. */
#include "ops/ops_types.h"

const toffee_op_spec toffee_op_AffineGrid = {
    OP(AffineGrid, 20,
       "theta (N, 2, 3), size (4) -> grid (N, H, W, 2); theta (N, 3, 4), size (5) -> grid (N, D, "
       "H, "
       "W, 3)"),
    INPUTS(ONE("theta", "T1"), ONE("size", "T2")),
    OUTPUTS(ONE("grid", "T1")),
    ATTRS(
        ATTR(INT, "align_corners", "1: -1 and 1 are centres of corner pixels; 0: their edges; 0")),
    TYPES(TYPE("T1", D_FLOATS), TYPE("T2", D(INT64))),
    .infer = toffee_infer_affine_grid,
};

const toffee_op_spec toffee_op_GridSample = {
    OP(GridSample, 20,
       "X (N, C, d1..dn), grid (N, e1..en, n; from -1 to 1, last axis first) -> Y (N, C, e1..en)"),
    INPUTS(ONE("X", "T1"), ONE("grid", "T2")),
    OUTPUTS(ONE("Y", "T1")),
    ATTRS(ATTR(INT, "align_corners", "1: -1 and 1 are centres of corner pixels; 0: their edges; 0"),
          CHOICE("mode", "linear|nearest|cubic", "how pixels are interpolated; linear"),
          CHOICE("padding_mode", "zeros|border|reflection", "what lies outside the image; zeros")),
    TYPES(TYPE("T1", D_OLD_ANY), TYPE("T2", D_IEEE)),
    .infer = toffee_infer_grid_sample,
};

const toffee_op_spec toffee_op_Resize = {
    OP(Resize, 19,
       "X (d1..dn), roi? (2 n), scales? (n), sizes? (n); one of the last two, of axes if they are "
       "given -> Y (e1..en)"),
    INPUTS(ONE("X", "T1"), MAYBE("roi", "T2"), MAYBE("scales", "float"), MAYBE("sizes", "int64")),
    OUTPUTS(ONE("Y", "T1")),
    ATTRS(ATTR(INT, "antialias", "1: the filter grows when the image shrinks; 0"),
          ATTR(INTS, "axes", "those that roi, scales and sizes speak of; all"),
          CHOICE("coordinate_transformation_mode",
                 "half_pixel|half_pixel_symmetric|pytorch_half_pixel|align_corners|asymmetric|"
                 "tf_crop_and_resize",
                 "from a place in Y to one in X; half_pixel"),
          ATTR(FLOAT, "cubic_coeff_a", "the cubic filter's coefficient; -0.75"),
          ATTR(INT, "exclude_outside", "1: what lies outside has weight 0; 0"),
          ATTR(FLOAT, "extrapolation_value", "what lies outside, with tf_crop_and_resize; 0"),
          CHOICE("keep_aspect_ratio_policy", "stretch|not_larger|not_smaller",
                 "whether sizes are kept to or are a limit; stretch"),
          CHOICE("mode", "nearest|linear|cubic", "interpolation; nearest"),
          CHOICE("nearest_mode", "round_prefer_floor|round_prefer_ceil|floor|ceil",
                 "which pixel is nearest; round_prefer_floor")),
    TYPES(TYPE("T1", D_ANY), TYPE("T2", D_IEEE), TYPE_FLOAT, TYPE_INT64),
    .check = toffee_rule_resize,
    .infer = toffee_infer_resize,
};

const toffee_op_spec toffee_op_CenterCropPad = {
    OP(CenterCropPad, 18,
       "input_data (d..), shape (n, or one for each of axes) -> output_data (shape at axes): cut "
       "or "
       "zero-padded around the middle"),
    INPUTS(ONE("input_data", "T"), ONE("shape", "Tind")),
    OUTPUTS(ONE("output_data", "T")),
    ATTRS(ATTR(INTS, "axes", "those that shape speaks of; all")),
    TYPES(TYPE("T", D_ANY), TYPE("Tind", D_INDEX)),
    .infer = toffee_infer_center_crop_pad,
};

const toffee_op_spec toffee_op_Col2Im = {
    OP(Col2Im, 18,
       "input (N, C * k1..kn, L), image_shape (n), block_shape (n) -> output (N, C, image_shape): "
       "blocks put back, summed where they overlap"),
    INPUTS(ONE("input", "T"), ONE("image_shape", "int64"), ONE("block_shape", "int64")),
    OUTPUTS(ONE("output", "T")),
    ATTRS(ATTR_DILATIONS, ATTR_PADS, ATTR_STRIDES),
    TYPES(TYPE("T", D_ANY), TYPE_INT64),
    .infer = toffee_infer_col2im,
};

const toffee_op_spec toffee_op_MaxRoiPool = {
    OP(MaxRoiPool, 1,
       "X (N, C, H, W), rois (n, 5: sample, x1, y1, x2, y2) -> Y (n, C, pooled_shape)"),
    INPUTS(ONE("X", "T"), ONE("rois", "T")),
    OUTPUTS(ONE("Y", "T")),
    ATTRS(REQUIRED(INTS, "pooled_shape", "rows and columns of bins"),
          ATTR(FLOAT, "spatial_scale", "from the boxes' units to pixels of X; 1")),
    TYPES(TYPE("T", D_IEEE)),
    .infer = toffee_infer_max_roi_pool,
};

const toffee_op_spec toffee_op_RoiAlign = {
    OP(RoiAlign, 16,
       "X (N, C, H, W), rois (n, 4: x1, y1, x2, y2), batch_indices (n) -> Y (n, C, output_height, "
       "output_width)"),
    INPUTS(ONE("X", "T1"), ONE("rois", "T1"), ONE("batch_indices", "T2")),
    OUTPUTS(ONE("Y", "T1")),
    ATTRS(CHOICE("coordinate_transformation_mode", "half_pixel|output_half_pixel",
                 "half_pixel: boxes move by half a pixel; half_pixel"),
          CHOICE("mode", "avg|max", "how the samples of a bin are joined; avg"),
          ATTR(INT, "output_height", "rows of bins; 1"),
          ATTR(INT, "output_width", "columns of bins; 1"),
          ATTR(INT, "sampling_ratio", "samples a bin and axis; 0: by the box's size; 0"),
          ATTR(FLOAT, "spatial_scale", "from the boxes' units to pixels of X; 1")),
    TYPES(TYPE("T1", D_IEEE), TYPE("T2", D(INT64))),
    .infer = toffee_infer_roi_align,
};

const toffee_op_spec toffee_op_NonMaxSuppression = {
    OP(NonMaxSuppression, 11,
       "boxes (N, n, 4), scores (N, C, n), max_output_boxes_per_class?, iou_threshold?, "
       "score_threshold? (all ()) -> selected_indices (m, 3: sample, class, box)"),
    INPUTS(ONE("boxes", "float"), ONE("scores", "float"),
           MAYBE("max_output_boxes_per_class", "int64"), MAYBE("iou_threshold", "float"),
           MAYBE("score_threshold", "float")),
    OUTPUTS(ONE("selected_indices", "int64")),
    ATTRS(ATTR(INT, "center_point_box", "0: y1, x1, y2, x2; 1: x and y of the centre, w, h; 0")),
    TYPES(TYPE_FLOAT, TYPE_INT64),
    .infer = toffee_infer_nms,
};

const toffee_op_spec toffee_op_ImageDecoder = {
    OP(ImageDecoder, 20, "encoded_stream (bytes) -> image (H, W, 3; 1 for Grayscale)"),
    INPUTS(ONE("encoded_stream", "T1")),
    OUTPUTS(ONE("image", "T2")),
    ATTRS(CHOICE("pixel_format", "RGB|BGR|Grayscale", "order of channels; RGB")),
    TYPES(TYPE("T1", D(UINT8)), TYPE("T2", D(UINT8))),
    .infer = toffee_infer_image_decoder,
};
