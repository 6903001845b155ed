/* csrc/lower/lower_pixel.c -- images taken apart and put together: shuffles, sampling, patches. */
#include "lower/spatial.h"
#include "lower/shape.h"

#include <string.h>

/* ---- shuffles ------------------------------------------------------------------------------- */

/* VALUE as SPLIT, its axes in the order PERM, then with the dims of the call's result. */
static toffee_code
shuffle(toffee_lowering *lo, const toffee_call *call, toffee_value *value, const int64_t *split,
        const int64_t *perm, int32_t rank, toffee_status *st)
{
    const toffee_result *result = &call->results[0];

    TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, value, split, rank, &value, st));
    TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, value, perm, &value, st));
    TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, value, result->dims, result->rank, &value, st));
    return toffee_lower_return(lo, call, 0, value, st);
}

/* aten::pixel_shuffle(self [..., C * r * r, H, W], upscale_factor r) -> [..., C, H * r, W * r]
 *   -> DepthToSpace [blocksize, mode = "CRD"] on images of floats in a batch, otherwise Reshape,
 *      Transpose, Reshape */
static toffee_code
lower_pixel_shuffle(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *value = toffee_call_value(call, "self");
    int64_t factor = toffee_call_int(call, "upscale_factor", 1);
    int32_t lead = toffee_value_rank(value) - 3;
    const toffee_result *result = &call->results[0];
    int64_t split[TOFFEE_MAX_RANK];
    int64_t perm[TOFFEE_MAX_RANK];
    toffee_node *node = NULL;

    if (lead + 5 > TOFFEE_MAX_RANK) {
        return TOFFEE_DECLINED;
    }
    if (lead == 1 && toffee_dtype_is_float(toffee_value_dtype(value))) {
        TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, "DepthToSpace", TOFFEE_INPUTS(value),
                                           toffee_value_dtype(value), &node, &value, st));
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "blocksize", factor, st));
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_string(node, "mode", "CRD", st));
        return toffee_lower_return(lo, call, 0, value, st);
    }
    for (int32_t i = 0; i < lead; i++) {
        split[i] = toffee_value_dim(value, i);
        perm[i] = i;
    }
    split[lead] = result->dims[lead];
    split[lead + 1] = factor;
    split[lead + 2] = factor;
    split[lead + 3] = toffee_value_dim(value, lead + 1);
    split[lead + 4] = toffee_value_dim(value, lead + 2);
    perm[lead] = lead;
    perm[lead + 1] = lead + 3;
    perm[lead + 2] = lead + 1;
    perm[lead + 3] = lead + 4;
    perm[lead + 4] = lead + 2;
    return shuffle(lo, call, value, split, perm, lead + 5, st);
}

/* aten::pixel_unshuffle(self [..., C, H * r, W * r], downscale_factor r) -> [..., C * r * r, H, W]
 *   -> Reshape, Transpose, Reshape: SpaceToDepth puts the block in front of the channels */
static toffee_code
lower_pixel_unshuffle(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *value = toffee_call_value(call, "self");
    int64_t factor = toffee_call_int(call, "downscale_factor", 1);
    int32_t lead = toffee_value_rank(value) - 3;
    const toffee_result *result = &call->results[0];
    int64_t split[TOFFEE_MAX_RANK];
    int64_t perm[TOFFEE_MAX_RANK];

    if (lead + 5 > TOFFEE_MAX_RANK) {
        return TOFFEE_DECLINED;
    }
    for (int32_t i = 0; i <= lead; i++) {
        split[i] = toffee_value_dim(value, i);
        perm[i] = i;
    }
    split[lead + 1] = result->dims[lead + 1];
    split[lead + 2] = factor;
    split[lead + 3] = result->dims[lead + 2];
    split[lead + 4] = factor;
    perm[lead + 1] = lead + 2;
    perm[lead + 2] = lead + 4;
    perm[lead + 3] = lead + 1;
    perm[lead + 4] = lead + 3;
    return shuffle(lo, call, value, split, perm, lead + 5, st);
}

/* aten::channel_shuffle(self [N, C, ...], groups g): channel (i, k) of (g, C / g) goes to (k, i)
 *   -> Reshape, Transpose, Reshape */
static toffee_code
lower_channel_shuffle(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *value = toffee_call_value(call, "self");
    int64_t groups = toffee_call_int(call, "groups", 1);
    int32_t rank = toffee_value_rank(value);
    int64_t split[TOFFEE_MAX_RANK];
    int64_t perm[TOFFEE_MAX_RANK];

    if (rank < 2 || rank + 1 > TOFFEE_MAX_RANK) {
        return TOFFEE_DECLINED;
    }
    split[0] = toffee_value_dim(value, 0);
    split[1] = groups;
    split[2] = toffee_value_dim(value, 1) / groups;
    for (int32_t i = 2; i < rank; i++) {
        split[i + 1] = toffee_value_dim(value, i);
    }
    for (int32_t i = 0; i <= rank; i++) {
        perm[i] = i;
    }
    perm[1] = 2;
    perm[2] = 1;
    return shuffle(lo, call, value, split, perm, rank + 1, st);
}

/* ---- sampling ------------------------------------------------------------------------------- */

/* aten::grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)
 *   -> GridSample(input, grid) [align_corners, mode, padding_mode] */
static toffee_code
lower_grid_sampler(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    static const char *const modes[] = {"linear", "nearest", "cubic"};
    static const char *const paddings[] = {"zeros", "border", "reflection"};
    toffee_value *input = toffee_call_value(call, "input"); /* [N, C, D?, H, W] */
    toffee_value *grid = toffee_call_value(call, "grid");   /* [N, d?, h, w, 2 or 3], in -1..1 */
    int64_t mode = toffee_call_int(call, "interpolation_mode", 0);
    int64_t padding = toffee_call_int(call, "padding_mode", 0);
    toffee_dtype dtype = toffee_value_dtype(input);
    toffee_node *node = NULL;
    toffee_value *out = NULL;

    if (mode < 0 || mode > 2 || padding < 0 || padding > 2 || !toffee_dtype_is_float(dtype)) {
        return TOFFEE_DECLINED;
    }
    if (dtype == TOFFEE_DTYPE_BFLOAT16) {
        dtype = TOFFEE_DTYPE_FLOAT; /* GridSample knows no grids of it */
    }
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, input, dtype, &input, st));
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, grid, dtype, &grid, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit(lo, "GridSample", TOFFEE_INPUTS(input, grid), dtype, &node, &out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "align_corners",
                                               toffee_call_bool(call, "align_corners", false), st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_string(node, "mode", modes[mode], st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_string(node, "padding_mode", paddings[padding], st));
    return toffee_lower_return(lo, call, 0, out, st);
}

/* ---- patches -------------------------------------------------------------------------------- */

/* Window of a call on patches: kernel_size, dilation, padding, stride. */
static bool
patch_read_window(const toffee_call *call, toffee_window *window)
{
    window->n = 2;
    if (!toffee_call_axes(call, "kernel_size", 2, NULL, window->kernel) ||
        !toffee_call_axes(call, "dilation", 2, NULL, window->dilation) ||
        !toffee_call_axes(call, "padding", 2, NULL, window->begin) ||
        !toffee_call_axes(call, "stride", 2, NULL, window->stride)) {
        return false;
    }
    memcpy(window->end, window->begin, sizeof(window->end));
    return true;
}

/* Zeros around the last two axes of VALUE [N, C, H, W]. */
static toffee_code
patch_pad(toffee_lowering *lo, const toffee_window *window, toffee_value **value, toffee_status *st)
{
    /* All axes, also those without: ONNX Runtime moves a Transpose past a Pad with the input axes
     * as if it had none. */
    const int64_t pads[8] = {0, 0, window->begin[0], window->begin[1],
                             0, 0, window->end[0],   window->end[1]};
    int64_t dims[4];
    toffee_value *pads_value = NULL;

    if (pads[2] == 0 && pads[3] == 0) {
        return TOFFEE_OK;
    }
    toffee_value_dims(*value, dims);
    dims[2] += pads[2] + pads[6];
    dims[3] += pads[3] + pads[7];
    TOFFEE_RETURN_IF_ERROR(toffee_const_ints(lo, pads, 8, &pads_value, st));
    return toffee_emit_dims(lo, "Pad", TOFFEE_INPUTS(*value, pads_value),
                            toffee_value_dtype(*value), dims, 4, NULL, value, st);
}

/* aten::im2col(self [N, C, H, W], kernel_size, dilation, padding, stride) -> [N, C * kH * kW, L]
 *   -> Pad, a Gather an axis with the constant places of all taps, Transpose, Reshape */
static toffee_code
lower_im2col(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    static const int64_t perm[6] = {0, 1, 2, 4, 3, 5}; /* [N, C, kH, h, kW, w]: kW before h */
    toffee_value *value = toffee_call_value(call, "self");
    bool unbatched = toffee_value_rank(value) == 3;
    toffee_window window = {0};
    int64_t dims[3];

    if (!patch_read_window(call, &window) || toffee_value_rank(value) + unbatched != 4) {
        return TOFFEE_DECLINED;
    }
    if (unbatched) {
        TOFFEE_RETURN_IF_ERROR(toffee_add_batch(lo, value, &value, st));
    }
    dims[0] = toffee_value_dim(value, 0);
    dims[1] = toffee_value_dim(value, 1) * window.kernel[0] * window.kernel[1];
    dims[2] = 1;
    TOFFEE_RETURN_IF_ERROR(patch_pad(lo, &window, &value, st));
    for (int32_t i = 0; i < 2; i++) {
        int64_t span = window.dilation[i] * (window.kernel[i] - 1) + 1;
        int64_t n_out = (toffee_value_dim(value, 2 + 2 * i) - span) / window.stride[i] + 1;
        const int64_t table_dims[2] = {window.kernel[i], n_out};
        int64_t *table = NULL;

        dims[2] *= n_out;
        if (lo->is_twin) {
            toffee_value *places = NULL;

            TOFFEE_RETURN_IF_ERROR(toffee_positions_table(lo, table_dims, window.dilation[i],
                                                          window.stride[i], &places, st));
            TOFFEE_RETURN_IF_ERROR(toffee_gather(lo, value, 2 + 2 * i, places, &value, st));
            continue;
        }
        table =
            toffee_arena_calloc(lo->scratch, (size_t)(window.kernel[i] * n_out), sizeof(*table));
        if (table == NULL) {
            return toffee_fail_nomem(st);
        }
        for (int64_t at = 0; at < window.kernel[i] * n_out; at++) {
            table[at] = at / n_out * window.dilation[i] + at % n_out * window.stride[i];
        }
        TOFFEE_RETURN_IF_ERROR(
            toffee_gather_axis(lo, value, 2 + 2 * i, table, table_dims, 2, &value, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, value, perm, &value, st));
    TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, value, dims, 3, &value, st));
    if (unbatched) {
        TOFFEE_RETURN_IF_ERROR(toffee_drop_batch(lo, value, &value, st));
    }
    return toffee_lower_return(lo, call, 0, value, st);
}

/* aten::col2im(self [N, C * kH * kW, L], output_size, kernel_size, dilation, padding, stride)
 *   -> Col2Im(self, image shape, block shape) [dilations, pads, strides] */
static toffee_code
lower_col2im(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *value = toffee_call_value(call, "self");
    toffee_dtype dtype = toffee_value_dtype(value);
    bool unbatched = toffee_value_rank(value) == 2;
    toffee_window window = {0};
    int64_t image[2];
    int64_t dims[4] = {1};
    int64_t pads[4];
    toffee_value *image_value = NULL;
    toffee_value *block_value = NULL;
    toffee_node *node = NULL;

    if (!patch_read_window(call, &window) ||
        !toffee_call_axes(call, "output_size", 2, NULL, image) ||
        call->results[0].rank + unbatched != 4) {
        return TOFFEE_DECLINED;
    }
    if (unbatched) {
        TOFFEE_RETURN_IF_ERROR(toffee_add_batch(lo, value, &value, st));
    }
    memcpy(dims + unbatched, call->results[0].dims, (size_t)call->results[0].rank * sizeof(*dims));
    memcpy(pads, window.begin, 2 * sizeof(*pads));
    memcpy(pads + 2, window.end, 2 * sizeof(*pads));
    TOFFEE_RETURN_IF_ERROR(toffee_const_ints(lo, image, 2, &image_value, st));
    TOFFEE_RETURN_IF_ERROR(toffee_const_ints(lo, window.kernel, 2, &block_value, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "Col2Im",
                                            TOFFEE_INPUTS(value, image_value, block_value), dtype,
                                            dims, 4, &node, &value, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_ints(node, "dilations", window.dilation, 2, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_ints(node, "pads", pads, 4, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_ints(node, "strides", window.stride, 2, st));
    if (unbatched) {
        TOFFEE_RETURN_IF_ERROR(toffee_drop_batch(lo, value, &value, st));
    }
    return toffee_lower_return(lo, call, 0, value, st);
}

static const toffee_rule rows[] = {
    /* sorted by name */
    {"aten::channel_shuffle", lower_channel_shuffle, NULL, 0},
    {"aten::col2im", lower_col2im, NULL, 0},
    {"aten::grid_sampler", lower_grid_sampler, NULL, 0},
    {"aten::grid_sampler_2d", lower_grid_sampler, NULL, 0},
    {"aten::grid_sampler_3d", lower_grid_sampler, NULL, 0},
    {"aten::im2col", lower_im2col, NULL, 0},
    {"aten::native_channel_shuffle", lower_channel_shuffle, NULL, 0},
    {"aten::pixel_shuffle", lower_pixel_shuffle, NULL, 0},
    {"aten::pixel_unshuffle", lower_pixel_unshuffle, NULL, 0},
};

const toffee_rule_family toffee_rules_pixel = {rows, TOFFEE_COUNTOF(rows)};
