/* csrc/ops/infer_vision.c -- infers images, boxes, spectra and texts. */
#include "ops/infer_rules.h"
#include "ops/known.h"

#include <math.h>
#include <string.h>

static bool
attr_is(const toffee_node *node, const char *name, const char *text)
{
    const toffee_attr *attr = toffee_node_attr(node, name);

    return attr != NULL && attr->s.n == strlen(text) && memcmp(attr->s.data, text, attr->s.n) == 0;
}

/* Element INDEX of the INPUT-th input as a size. */
static toffee_dim
input_size(const toffee_infer *ctx, size_t input, size_t index)
{
    const toffee_fact *fact = toffee_infer_in(ctx, input);

    return fact->items != NULL && index < fact->n_items ? toffee_dim_of_scalar(fact->items[index])
                                                        : TOFFEE_DIM_UNKNOWN;
}

/* How many elements input INPUT, a list, has; -1: not known. */
static int64_t
input_length(const toffee_infer *ctx, size_t input)
{
    const toffee_fact *fact = toffee_infer_in(ctx, input);

    return fact->rank == 1 ? fact->dims[0].value : -1;
}

/* Output 0 gets the N sizes in DIMS. */
static toffee_code
set_output(toffee_infer *ctx, const toffee_dim *from, int32_t n, toffee_status *st)
{
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_dim *dims = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, n, &dims, st));
    memcpy(dims, from, (size_t)n * sizeof(*dims));
    out->rank = n;
    out->dims = dims;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_affine_grid(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    int64_t n = input_length(ctx, 1);
    toffee_dim dims[5] = {TOFFEE_DIM_UNKNOWN};

    (void)node;
    if (n != 4 && n != 5) {
        return TOFFEE_OK;
    }
    dims[0] = toffee_dim_meet(toffee_fact_dim(toffee_infer_in(ctx, 0), 0), input_size(ctx, 1, 0));
    for (int64_t i = 2; i < n; i++) {
        dims[i - 1] = input_size(ctx, 1, (size_t)i);
    }
    dims[n - 1] = toffee_dim_of(n - 2);
    return set_output(ctx, dims, (int32_t)n, st);
}

toffee_code
toffee_infer_grid_sample(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *x = toffee_infer_in(ctx, 0);
    const toffee_fact *grid = toffee_infer_in(ctx, 1);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    int32_t rank = x->rank >= 0 ? x->rank : grid->rank;
    toffee_dim *dims = NULL;

    (void)node;
    if (rank < 0) {
        return TOFFEE_OK;
    }
    if (rank < 3 || (grid->rank >= 0 && grid->rank != rank)) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "X has rank %d and grid %d; they must have the same, at least 3",
                           (int)x->rank, (int)grid->rank);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, rank, &dims, st));
    dims[0] = toffee_fact_dim(x, 0);
    dims[1] = toffee_fact_dim(x, 1);
    for (int32_t d = 2; d < rank; d++) {
        dims[d] = toffee_fact_dim(grid, d - 1);
    }
    out->rank = rank;
    out->dims = dims;
    return TOFFEE_OK;
}

/* ---- Resize ---- */

/* A real number as a size; not known if it is none. */
static toffee_dim
size_of_real(double real)
{
    return real >= 0 && real < 9e18 ? toffee_dim_of((int64_t)real) : TOFFEE_DIM_UNKNOWN;
}

/* The one scale for the N axes that sizes speak of, if the aspect ratio is kept; 0: not known. In
 * single precision, as the runtimes count. */
static float
kept_scale(const toffee_infer *ctx, const toffee_node *node, const toffee_attr *axes, size_t n)
{
    const toffee_fact *x = toffee_infer_in(ctx, 0);
    bool smaller = attr_is(node, "keep_aspect_ratio_policy", "not_larger");
    float scale = 0;

    for (size_t i = 0; i < n; i++) {
        int32_t axis = toffee_axis_index(axes != NULL ? axes->ints[i] : (int64_t)i, x->rank);
        toffee_dim dim = toffee_fact_dim(x, axis);
        toffee_dim size = input_size(ctx, 3, i);
        float one = 0;

        if (dim.value < 1 || size.value < 0) {
            return 0;
        }
        one = (float)size.value / (float)dim.value;
        scale = i == 0 || (smaller ? one < scale : one > scale) ? one : scale;
    }
    return scale;
}

/* The size that axis AXIS gets, of which sizes or scales speak at INDEX. */
static toffee_dim
resized(const toffee_infer *ctx, const toffee_node *node, int32_t axis, size_t index, float kept)
{
    toffee_dim dim = toffee_fact_dim(toffee_infer_in(ctx, 0), axis);
    bool stretch = toffee_node_attr(node, "keep_aspect_ratio_policy") == NULL ||
                   attr_is(node, "keep_aspect_ratio_policy", "stretch");
    double scale = 0;

    if (toffee_infer_in(ctx, 3)->given) {
        if (stretch) {
            return input_size(ctx, 3, index);
        }
        return kept > 0 && dim.value >= 0 ? size_of_real((double)roundf(kept * (float)dim.value))
                                          : TOFFEE_DIM_UNKNOWN;
    }
    if (!toffee_fact_real(toffee_infer_in(ctx, 2), index, &scale)) {
        return TOFFEE_DIM_UNKNOWN;
    }
    if (scale == 1.0) {
        return dim;
    }
    return dim.value >= 0 ? size_of_real((double)floorf((float)scale * (float)dim.value))
                          : TOFFEE_DIM_UNKNOWN;
}

toffee_code
toffee_infer_resize(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *x = toffee_infer_in(ctx, 0);
    const toffee_fact *given = toffee_infer_in(ctx, toffee_infer_in(ctx, 3)->given ? 3 : 2);
    const toffee_attr *axes = toffee_node_attr(node, "axes");
    size_t n = axes != NULL ? axes->n : (size_t)(x->rank < 0 ? 0 : x->rank);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_dim *dims = NULL;
    float kept = 0;

    if (x->rank < 0) {
        return TOFFEE_OK;
    }
    if (given->rank == 1 && toffee_dim_clash(given->dims[0], toffee_dim_of((int64_t)n))) {
        return toffee_fail(st, TOFFEE_ERR_CHECK, "%s has %lld elements for %zu axes",
                           toffee_infer_in(ctx, 3)->given ? "sizes" : "scales",
                           (long long)given->dims[0].value, n);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, x->rank, &dims, st));
    if (x->rank != 0) {
        memcpy(dims, x->dims, (size_t)x->rank * sizeof(*dims));
    }
    kept = kept_scale(ctx, node, axes, n);
    for (size_t i = 0; i < n; i++) {
        int32_t axis = toffee_axis_index(axes != NULL ? axes->ints[i] : (int64_t)i, x->rank);

        if (axis < 0) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "attribute 'axes' has %lld at %zu, outside of X's rank, %d",
                               (long long)axes->ints[i], i, (int)x->rank);
        }
        dims[axis] = resized(ctx, node, axis, i, kept);
    }
    out->rank = x->rank;
    out->dims = dims;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_col2im(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    const toffee_fact *block = toffee_infer_in(ctx, 2);
    int64_t n = input_length(ctx, 1) >= 0 ? input_length(ctx, 1) : input_length(ctx, 2);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_dim *dims = NULL;
    toffee_dim taps = toffee_dim_of(1);

    (void)node;
    if (n < 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, n > TOFFEE_MAX_RANK ? n : n + 2, &dims, st));
    dims[0] = toffee_fact_dim(input, 0);
    for (int64_t i = 0; i < n; i++) {
        dims[i + 2] = input_size(ctx, 1, (size_t)i);
        taps = toffee_dim_mul(taps, input_size(ctx, 2, (size_t)i));
    }
    if (block->items != NULL && taps.value > 0) {
        dims[1] = toffee_dim_div(toffee_fact_dim(input, 1), taps.value);
    }
    out->rank = (int32_t)n + 2;
    out->dims = dims;
    return TOFFEE_OK;
}

/* ---- boxes ---- */

toffee_code
toffee_infer_max_roi_pool(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_attr *pooled = toffee_node_attr(node, "pooled_shape");
    const toffee_dim dims[4] = {
        toffee_fact_dim(toffee_infer_in(ctx, 1), 0),
        toffee_fact_dim(toffee_infer_in(ctx, 0), 1),
        pooled->n == 2 ? toffee_dim_of(pooled->ints[0]) : TOFFEE_DIM_UNKNOWN,
        pooled->n == 2 ? toffee_dim_of(pooled->ints[1]) : TOFFEE_DIM_UNKNOWN,
    };

    return set_output(ctx, dims, 4, st);
}

toffee_code
toffee_infer_roi_align(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    toffee_dim boxes = toffee_fact_dim(toffee_infer_in(ctx, 1), 0);
    toffee_dim samples = toffee_fact_dim(toffee_infer_in(ctx, 2), 0);
    const toffee_dim dims[4] = {
        toffee_dim_meet(boxes, samples),
        toffee_fact_dim(toffee_infer_in(ctx, 0), 1),
        toffee_dim_of(toffee_node_int(node, "output_height", 1)),
        toffee_dim_of(toffee_node_int(node, "output_width", 1)),
    };

    if (toffee_dim_clash(boxes, samples)) {
        return toffee_fail(st, TOFFEE_ERR_CHECK, "there are %lld rois and %lld batch_indices",
                           (long long)boxes.value, (long long)samples.value);
    }
    return set_output(ctx, dims, 4, st);
}

toffee_code
toffee_infer_nms(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_dim dims[2] = {TOFFEE_DIM_UNKNOWN, toffee_dim_of(3)};

    (void)node;
    return set_output(ctx, dims, 2, st);
}

toffee_code
toffee_infer_image_decoder(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_dim dims[3] = {
        TOFFEE_DIM_UNKNOWN,
        TOFFEE_DIM_UNKNOWN,
        toffee_dim_of(attr_is(node, "pixel_format", "Grayscale") ? 1 : 3),
    };

    return set_output(ctx, dims, 3, st);
}

/* ---- spectra ---- */

toffee_code
toffee_infer_dft(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    const toffee_fact *axis_fact = toffee_infer_in(ctx, 2);
    bool inverse = toffee_node_int(node, "inverse", 0) != 0;
    bool half = toffee_node_int(node, "onesided", 0) != 0;
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_dim *dims = NULL;
    toffee_dim length = TOFFEE_DIM_UNKNOWN;
    int64_t given = -2;
    int32_t axis = 0;

    if (input->rank < 2) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, input->rank, &dims, st));
    out->rank = input->rank;
    out->dims = dims;
    dims[input->rank - 1] = toffee_dim_of(inverse && half ? 1 : 2);
    if (!half && !toffee_infer_in(ctx, 1)->given) { /* whichever axis is meant */
        memcpy(dims, input->dims, (size_t)(input->rank - 1) * sizeof(*dims));
        return TOFFEE_OK;
    }
    if (axis_fact->given && !toffee_fact_int(axis_fact, 0, &given)) {
        return TOFFEE_OK;
    }
    axis = toffee_axis_index(given, input->rank);
    if (axis < 0 || axis == input->rank - 1) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "axis is %lld; for an input of rank %d it must be another one than the "
                           "last, which holds real and imaginary parts",
                           (long long)given, (int)input->rank);
    }
    for (int32_t d = 0; d < input->rank - 1; d++) {
        dims[d] = input->dims[d];
    }
    length = toffee_infer_in(ctx, 1)->given ? input_size(ctx, 1, 0) : input->dims[axis];
    if (half && !inverse) {
        length = toffee_dim_add(toffee_dim_div(length, 2), toffee_dim_of(1));
    }
    else if (half && !toffee_infer_in(ctx, 1)->given) { /* from the half, the whole */
        length = length.value > 0
                     ? toffee_dim_mul(toffee_dim_of(length.value - 1), toffee_dim_of(2))
                     : TOFFEE_DIM_UNKNOWN;
    }
    dims[axis] = length;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_stft(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *signal = toffee_infer_in(ctx, 0);
    const toffee_fact *window = toffee_infer_in(ctx, 2);
    bool half = toffee_node_int(node, "onesided", 1) != 0;
    toffee_dim length = toffee_fact_dim(signal, 1);
    toffee_dim step = input_size(ctx, 1, 0);
    toffee_dim frame =
        toffee_infer_in(ctx, 3)->given ? input_size(ctx, 3, 0) : toffee_fact_dim(window, 0);
    toffee_dim dims[4] = {toffee_fact_dim(signal, 0), TOFFEE_DIM_UNKNOWN, frame, toffee_dim_of(2)};

    if (half) {
        dims[2] = toffee_dim_add(toffee_dim_div(frame, 2), toffee_dim_of(1));
    }
    if (length.value >= 0 && step.value > 0 && frame.value >= 0 && frame.value <= length.value) {
        dims[1] = toffee_dim_of((length.value - frame.value) / step.value + 1);
    }
    return set_output(ctx, dims, 4, st);
}

/* ---- texts ---- */

toffee_code
toffee_infer_string_normalizer(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_dim dims[2] = {toffee_dim_of(1), TOFFEE_DIM_UNKNOWN};
    int32_t rank = toffee_infer_in(ctx, 0)->rank;

    (void)node;
    return rank == 1 || rank == 2 ? set_output(ctx, dims + (2 - rank), rank, st) : TOFFEE_OK;
}

toffee_code
toffee_infer_string_split(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_dim *dims = NULL;

    (void)node;
    if (input->rank < 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, (int64_t)input->rank + 1, &dims, st));
    if (input->rank != 0) {
        memcpy(dims, input->dims, (size_t)input->rank * sizeof(*dims));
    }
    out->rank = input->rank + 1;
    out->dims = dims;
    toffee_fact_copy_shape(toffee_infer_out(ctx, 1), input);
    return TOFFEE_OK;
}

toffee_code
toffee_infer_tf_idf(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    const toffee_attr *indexes = toffee_node_attr(node, "ngram_indexes");
    toffee_dim dims[2] = {toffee_fact_dim(input, 0), TOFFEE_DIM_UNKNOWN};
    int64_t largest = -1;

    for (size_t i = 0; i < indexes->n; i++) {
        largest = indexes->ints[i] > largest ? indexes->ints[i] : largest;
    }
    dims[1] = largest < INT64_MAX ? toffee_dim_of(largest + 1) : TOFFEE_DIM_UNKNOWN;
    return input->rank == 1 || input->rank == 2
               ? set_output(ctx, dims + (2 - input->rank), input->rank, st)
               : TOFFEE_OK;
}
