/* csrc/caffe2/emit_vision.c -- sampling, regions, and what moves pixels between axes. */
#include <string.h>

#include "caffe2/nn.h"

/* ---- DepthToSpace and SpaceToDepth ----------------------------------------------------------- */

/* Both are: view as six axes, permute, view as four. */
typedef struct {
    int64_t six[6];
    int64_t perm[6];
    int64_t four[4];
} shuffle;

static const char *
shuffle_read(toffee_c2 *c, const toffee_c2_rule *rule, shuffle *s)
{
    const toffee_value *x = toffee_c2_input(c, 0);
    bool column = strcmp(toffee_c2_attr_text(c, "mode", "DCR"), "CRD") == 0;
    int64_t b = toffee_c2_attr_int(c, "blocksize", 0);
    const int64_t *d = NULL;

    if (b < 1 || b > 65536 || toffee_c2_rank(x) != 4 || !toffee_c2_dims(c, x, &d) ||
        !toffee_c2_all_within(d, 4, INT64_C(1) << 30)) {
        return "the sizes of its input are not known";
    }
    if (strcmp(rule->op, "SpaceToDepth") == 0) {
        *s = (shuffle){{d[0], d[1], d[2] / b, b, d[3] / b, b},
                       {0, 3, 5, 1, 2, 4},
                       {d[0], d[1] * b * b, d[2] / b, d[3] / b}};
        if (column) {
            memcpy(s->perm, (int64_t[]){0, 1, 3, 5, 2, 4}, sizeof(s->perm));
        }
        return NULL;
    }
    *s = (shuffle){{d[0], b, b, d[1] / (b * b), d[2], d[3]},
                   {0, 3, 4, 1, 5, 2},
                   {d[0], d[1] / (b * b), d[2] * b, d[3] * b}};
    if (column) {
        s->six[1] = d[1] / (b * b);
        s->six[3] = b;
        memcpy(s->perm, (int64_t[]){0, 1, 4, 2, 5, 3}, sizeof(s->perm));
    }
    return NULL;
}

static toffee_code
emit_shuffle(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const char *x = NULL;
    shuffle s;
    const char *why = shuffle_read(c, rule, &s);

    if (why != NULL) {
        return toffee_c2_decline(c, why);
    }
    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_NUMBERS) ||
        toffee_c2_product(s.six, 0, 6) == 0) {
        return toffee_c2_decline(c, "Caffe2's Transpose has no kernel for it");
    }
    x = toffee_c2_reshape(c, toffee_c2_x(c, 0), s.six, 6, NULL);
    x = toffee_c2_op1(c, "Transpose", x, NULL);
    toffee_c2_ints(c, "axes", s.perm, 6);
    toffee_c2_reshape(c, x, s.four, 4, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

static toffee_code
aten_shuffle(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const char *x = NULL;
    shuffle s;
    const char *why = shuffle_read(c, rule, &s);

    if (why != NULL) {
        return toffee_c2_decline(c, why);
    }
    if (toffee_c2_check_dtypes(c) != TOFFEE_OK) {
        return TOFFEE_DECLINED;
    }
    x = toffee_c2_view(c, toffee_c2_x(c, 0), s.six, 6, NULL);
    x = toffee_c2_permute(c, x, s.perm, 6, NULL);
    toffee_c2_view(c, x, s.four, 4, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* ---- GridSample and AffineGrid --------------------------------------------------------------- */

/* The place of WORD among N; -1 if it is not there. */
static int64_t
word_index(const char *word, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(word, words[i]) == 0) {
            return (int64_t)i;
        }
    }
    return -1;
}

static toffee_code
aten_grid_sample(toffee_c2 *c, const toffee_c2_rule *rule)
{
    static const char *const modes[] = {"linear", "nearest", "cubic"};
    static const char *const old_modes[] = {"bilinear", "nearest", "bicubic"};
    static const char *const paddings[] = {"zeros", "border", "reflection"};
    const char *said = toffee_c2_attr_text(c, "mode", "linear");
    int64_t mode = word_index(said, modes, TOFFEE_COUNTOF(modes));
    int64_t padding = word_index(toffee_c2_attr_text(c, "padding_mode", "zeros"), paddings, 3);
    int32_t rank = toffee_c2_rank(toffee_c2_input(c, 0));
    const char *y = NULL;

    mode = mode < 0 ? word_index(said, old_modes, TOFFEE_COUNTOF(old_modes)) : mode;
    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_REALS)) {
        return toffee_c2_decline(c, "PyTorch 1.10 samples only floating-point numbers");
    }
    if (mode < 0 || padding < 0 || (rank != 4 && (rank != 5 || mode == 2))) {
        return toffee_c2_decline(c, "PyTorch samples images, and volumes not by cubic curves");
    }
    if (rank == 5 && mode == 1) {
        return toffee_c2_decline(c, "PyTorch 1.10 rounds halves away from zero in a volume");
    }
    const char *x = toffee_c2_wide_x(c, 0);
    const char *grid = toffee_c2_cast(c, toffee_c2_x(c, 1), toffee_c2_dtype(toffee_c2_input(c, 1)),
                                      toffee_c2_wide(toffee_c2_dtype(toffee_c2_input(c, 0))), NULL);

    y = toffee_c2_wide_y(c, 0);
    toffee_c2_aten2(c, rule->aten_name, x, grid, y);
    toffee_c2_int(c, "interpolation_mode", mode);
    toffee_c2_int(c, "padding_mode", padding);
    toffee_c2_int(c, "align_corners", toffee_c2_attr_int(c, "align_corners", 0));
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

static toffee_code
aten_affine_grid(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *output = toffee_c2_output(c, 0);
    size_t n = 0;
    const int64_t *size = toffee_c2_known_ints(c, toffee_c2_input(c, 1), &n);
    const int64_t *grid = NULL;
    int64_t *wanted = toffee_c2_numbers(c, 5);
    const char *y = NULL;

    if (size == NULL && toffee_c2_dims(c, output, &grid) && toffee_c2_rank(output) >= 4 &&
        toffee_c2_rank(output) <= 5 && c->rc == TOFFEE_OK) {
        /* [N, spatial axes, 2 or 3]; the number of channels does not matter */
        n = (size_t)toffee_c2_rank(output);
        wanted[0] = grid[0];
        wanted[1] = 1;
        memcpy(wanted + 2, grid + 1, (n - 2) * sizeof(*grid));
        size = wanted;
    }
    if (size == NULL || n < 4 || n > 5) {
        return toffee_c2_decline(c, "its size is not constant");
    }
    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_REALS)) {
        return toffee_c2_decline(c, "PyTorch 1.10 has only floating-point grids");
    }
    y = toffee_c2_wide_y(c, 0);
    toffee_c2_aten_ints(c, rule->aten_name, toffee_c2_wide_x(c, 0), "size", size, n, y);
    toffee_c2_int(c, "align_corners", toffee_c2_attr_int(c, "align_corners", 0));
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

/* ---- Col2Im ---------------------------------------------------------------------------------- */

/* ATen pads both sides alike: sum up the padded image, then cut. */
static toffee_code
aten_col2im(toffee_c2 *c, const toffee_c2_rule *rule)
{
    size_t n_image = 0;
    size_t n_block = 0;
    size_t n_strides = 0;
    size_t n_dilations = 0;
    size_t n_pads = 0;
    const int64_t *image = toffee_c2_known_ints(c, toffee_c2_input(c, 1), &n_image);
    const int64_t *block = toffee_c2_known_ints(c, toffee_c2_input(c, 2), &n_block);
    const int64_t *strides = toffee_c2_attr_ints(c, "strides", &n_strides);
    const int64_t *dilations = toffee_c2_attr_ints(c, "dilations", &n_dilations);
    const int64_t *pads = toffee_c2_attr_ints(c, "pads", &n_pads);
    static const int64_t ones[2] = {1, 1};
    static const int64_t none[4] = {0, 0, 0, 0};
    int64_t full[2];
    int64_t begin[2];
    int64_t end[2];
    const char *y = NULL;

    if (image == NULL || block == NULL || n_image != 2 || n_block != 2) {
        return toffee_c2_decline(c, "PyTorch puts images together, of a constant shape");
    }
    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_REALS)) {
        return toffee_c2_decline(c, "PyTorch 1.10 has it only for floating-point numbers");
    }
    pads = pads != NULL && n_pads == 4 ? pads : none;
    if (!toffee_c2_all_within(pads, 4, TOFFEE_C2_MAX_ATTR) ||
        !toffee_c2_all_within(image, 2, TOFFEE_C2_MAX_SIZE)) {
        return toffee_c2_decline(c, "its image or its pads are too large");
    }
    for (size_t i = 0; i < 2; i++) {
        begin[i] = -pads[i];
        end[i] = -pads[i + 2];
        full[i] = image[i] + pads[i] + pads[i + 2];
    }
    y = toffee_c2_wide_y(c, 0);
    const char *x = toffee_c2_aten_ints(c, rule->aten_name, toffee_c2_wide_x(c, 0), "output_size",
                                        full, 2, NULL);

    toffee_c2_ints(c, "kernel_size", block, 2);
    toffee_c2_ints(c, "dilation", dilations != NULL && n_dilations == 2 ? dilations : ones, 2);
    toffee_c2_ints(c, "padding", none, 2);
    toffee_c2_ints(c, "stride", strides != NULL && n_strides == 2 ? strides : ones, 2);
    toffee_c2_pad_last(c, x, begin, end, 2, 0, y);
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

/* ---- regions --------------------------------------------------------------------------------- */

static toffee_code
emit_roi_align(toffee_c2 *c, const toffee_c2_rule *rule)
{
    bool half = strcmp(toffee_c2_attr_text(c, "coordinate_transformation_mode", "half_pixel"),
                       "half_pixel") == 0;
    int64_t column[2] = {-1, 1};
    const char *rois = NULL;

    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_SINGLE)) {
        return toffee_c2_decline_single(c);
    }
    if (strcmp(toffee_c2_attr_text(c, "mode", "avg"), "avg") != 0) {
        return toffee_c2_decline(c, "Caffe2's RoIAlign averages");
    }
    const char *batch = toffee_c2_cast(c, toffee_c2_x(c, 2), toffee_c2_dtype(toffee_c2_input(c, 2)),
                                       TOFFEE_DTYPE_FLOAT, NULL);

    batch = toffee_c2_reshape(c, batch, column, 2, NULL);
    rois = toffee_c2_op2(c, "Concat", batch, toffee_c2_x(c, 1), NULL);
    toffee_c2_out_fresh(c); /* the sizes of the parts */
    toffee_c2_int(c, "axis", 1);
    toffee_c2_op2(c, rule->caffe2_name, toffee_c2_x(c, 0), rois, toffee_c2_y(c, 0));
    toffee_c2_float(c, "spatial_scale", toffee_c2_attr_float(c, "spatial_scale", 1));
    toffee_c2_int(c, "pooled_h", toffee_c2_attr_int(c, "output_height", 1));
    toffee_c2_int(c, "pooled_w", toffee_c2_attr_int(c, "output_width", 1));
    toffee_c2_int(c, "sampling_ratio", toffee_c2_attr_int(c, "sampling_ratio", 0));
    toffee_c2_int(c, "aligned", half);
    return toffee_c2_done(c);
}

static toffee_code
emit_max_roi_pool(toffee_c2 *c, const toffee_c2_rule *rule)
{
    size_t n = 0;
    const int64_t *shape = toffee_c2_attr_ints(c, "pooled_shape", &n);

    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_SINGLE)) {
        return toffee_c2_decline_single(c);
    }
    if (shape == NULL || n != 2) {
        return toffee_c2_decline(c, "its pooled_shape has not two numbers");
    }
    toffee_c2_op2(c, rule->caffe2_name, toffee_c2_x(c, 0), toffee_c2_x(c, 1), toffee_c2_y(c, 0));
    toffee_c2_float(c, "spatial_scale", toffee_c2_attr_float(c, "spatial_scale", 1));
    toffee_c2_int(c, "pooled_h", shape[0]);
    toffee_c2_int(c, "pooled_w", shape[1]);
    toffee_c2_int(c, "is_test", 1);
    return toffee_c2_done(c);
}

static const toffee_c2_rule rows[] = {
    {"AffineGrid", NULL, NULL, aten_affine_grid, "affine_grid_generator"},
    {"Col2Im", NULL, NULL, aten_col2im, "col2im"},
    {"DepthToSpace", emit_shuffle, "Transpose", aten_shuffle, "permute"},
    {"GridSample", NULL, NULL, aten_grid_sample, "grid_sampler"},
    {"MaxRoiPool", emit_max_roi_pool, "RoIPool", NULL, NULL},
    {"RoiAlign", emit_roi_align, "RoIAlign", NULL, NULL},
    {"SpaceToDepth", emit_shuffle, "Transpose", aten_shuffle, "permute"},
};

const toffee_c2_family toffee_c2_rules_vision = {rows, TOFFEE_COUNTOF(rows)};
