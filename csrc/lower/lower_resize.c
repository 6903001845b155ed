/* csrc/lower/lower_resize.c -- interpolation.
 *
 * ONNX's Resize means the same as torch where both find a source coordinate by the same arithmetic.
 * torch uses the scale that the caller gave, even where the size of the result was rounded; Resize
 * can be given either. Where neither gives torch's coordinates (or rounding would pick another
 * neighbour), the result is composed: Gather for neighbours, a constant matrix along each axis for
 * weighted sums. */
#include "lower/shape.h"
#include "lower/spatial.h"

#include <math.h>
#include <string.h>

/* What rule->arg says. */
enum {
    RESIZE_PLAIN,
    RESIZE_EXACT,     /* nearest, counted from the pixels' centres */
    RESIZE_ANTIALIAS, /* weighted over all pixels that a smaller one covers */
};

typedef struct {
    int32_t n; /* spatial axes */
    int64_t size[TOFFEE_MAX_SPATIAL];
    int64_t out[TOFFEE_MAX_SPATIAL];
    double scale[TOFFEE_MAX_SPATIAL]; /* result to input; given by the caller, or 0 */
    bool nearest, cubic, exact, antialias, align_corners;
} resize;

/* The scales that the caller gave: one list, or an argument an axis. */
static void
resize_read_scales(const toffee_call *call, resize *r)
{
    static const char *const names[] = {"scales_d", "scales_h", "scales_w"};
    const toffee_arg *list = toffee_call_arg(call, "scale_factors");

    for (int32_t i = 0; i < r->n; i++) {
        if (list != NULL) {
            r->scale[i] =
                list->kind == TOFFEE_ARG_FLOATS && (size_t)i < list->n ? list->floats[i] : 0;
            continue;
        }
        r->scale[i] =
            toffee_call_float(call, r->n == 1 ? "scales" : names[TOFFEE_MAX_SPATIAL - r->n + i], 0);
    }
}

static bool
resize_read(const toffee_lowering *lo, const toffee_call *call, const toffee_value *input,
            resize *r)
{
    const toffee_result *result = &call->results[0];

    r->n = toffee_value_rank(input) - 2;
    if (r->n < 1 || r->n > TOFFEE_MAX_SPATIAL || result->rank != r->n + 2 ||
        toffee_value_numel(input) == 0) {
        return false;
    }
    for (int32_t i = 0; i < r->n; i++) {
        r->size[i] = toffee_value_dim(input, i + 2);
        r->out[i] = result->dims[i + 2];
    }
    r->nearest = strcmp(lo->rule->onnx, "nearest") == 0;
    r->cubic = strcmp(lo->rule->onnx, "cubic") == 0;
    r->exact = lo->rule->arg == RESIZE_EXACT;
    r->antialias = lo->rule->arg == RESIZE_ANTIALIAS;
    r->align_corners = toffee_call_bool(call, "align_corners", false);
    resize_read_scales(call, r);
    return true;
}

/* Elements of the input from one element of the result to the next along axis I, as torch has it.
 */
static double
resize_step(const resize *r, int32_t i)
{
    if (r->align_corners) {
        return r->out[i] > 1 ? (double)(r->size[i] - 1) / (double)(r->out[i] - 1) : 0;
    }
    return r->scale[i] > 0 ? 1 / r->scale[i] : (double)r->size[i] / (double)r->out[i];
}

/* Whether Resize, given these scales as float32, makes a result of the right size. */
static bool
resize_scales_fit(const resize *r, const float *scales)
{
    for (int32_t i = 0; i < r->n; i++) {
        float size = (float)r->size[i] * scales[i];

        if ((int64_t)size != r->out[i] ||
            (int64_t)((double)r->size[i] * (double)scales[i]) != r->out[i] ||
            (r->align_corners && size != (float)r->out[i])) {
            return false;
        }
    }
    return true;
}

/* Whether every scale is that of the sizes, so that sizes say it all. */
static bool
resize_sizes_fit(const resize *r)
{
    for (int32_t i = 0; i < r->n && !r->align_corners; i++) {
        if (r->scale[i] > 0 && (double)r->size[i] * r->scale[i] != (double)r->out[i]) {
            return false;
        }
    }
    return true;
}

/* ---- nearest neighbours --------------------------------------------------------------------- */

/* The neighbour that torch takes for element AT of axis I; floats are the arithmetic of all dtypes
 * but double. */
static int64_t
neighbour(const resize *r, int32_t i, int64_t at, bool as_double)
{
    double shift = r->exact ? 0.5 : 0;
    double step = resize_step(r, i);
    int64_t place = as_double ? (int64_t)floor(((double)at + shift) * step)
                              : (int64_t)floorf(((float)at + (float)shift) * (float)step);

    return place < r->size[i] ? place : r->size[i] - 1;
}

/* Whether Resize with this scale takes the same neighbours, reckoned in float and in double. */
static bool
neighbours_agree(const resize *r, int32_t i, float scale, bool as_double)
{
    for (int64_t at = 0; at < r->out[i]; at++) {
        int64_t wanted = neighbour(r, i, at, as_double);
        int64_t last = r->size[i] - 1;
        float narrow = (float)at / scale;
        double wide = (double)at / (double)scale;

        if (r->exact) {
            narrow = floorf(((float)at + 0.5F) / scale - 0.5F + 0.5F);
            wide = floor(((double)at + 0.5) / (double)scale - 0.5 + 0.5);
        }
        narrow = floorf(narrow) < (float)last ? floorf(narrow) : (float)last;
        wide = floor(wide) < (double)last ? floor(wide) : (double)last;
        if ((int64_t)narrow != wanted || (int64_t)wide != wanted) {
            return false;
        }
    }
    return true;
}

static toffee_code
resize_gathered(toffee_lowering *lo, const resize *r, toffee_value *value, toffee_value **out,
                toffee_status *st)
{
    bool as_double = toffee_value_dtype(value) == TOFFEE_DTYPE_DOUBLE;

    for (int32_t i = 0; i < r->n; i++) {
        int64_t *table = toffee_arena_calloc(lo->scratch, (size_t)r->out[i], sizeof(*table));

        if (table == NULL) {
            return toffee_fail_nomem(st);
        }
        for (int64_t at = 0; at < r->out[i]; at++) {
            table[at] = neighbour(r, i, at, as_double);
        }
        TOFFEE_RETURN_IF_ERROR(
            toffee_gather_axis(lo, value, i + 2, table, &r->out[i], 1, &value, st));
    }
    *out = value;
    return TOFFEE_OK;
}

/* Whether Resize by sizes takes torch's neighbours for these two sizes whatever the rounding, which
 * also holds at other sizes that are so related: elements of the result lie on the border of two
 * neighbours only where the sizes have a common divisor, or by whole steps that are exact. */
static bool
resize_is_even(const resize *r)
{
    for (int32_t i = 0; i < r->n; i++) {
        int64_t off = r->out[i] % r->size[i];

        if (r->out[i] == 1 || (r->out[i] >= r->size[i] && off == 0) ||
            (!r->exact && (off == 1 || off == r->size[i] - 1))) {
            continue;
        }
        return false;
    }
    return true;
}

/* The same as resize_gathered for a graph of any size: the neighbours are reckoned in it, as torch
 * does. */
static toffee_code
resize_reckoned(toffee_lowering *lo, const resize *r, toffee_value *value, toffee_value **out,
                toffee_status *st)
{
    bool as_double = toffee_value_dtype(value) == TOFFEE_DTYPE_DOUBLE;
    toffee_dtype dtype = as_double ? TOFFEE_DTYPE_DOUBLE : TOFFEE_DTYPE_FLOAT;

    for (int32_t i = 0; i < r->n; i++) {
        toffee_value *place = NULL;
        toffee_value *step = NULL;
        toffee_value *size = NULL;
        toffee_value *last = NULL;

        TOFFEE_RETURN_IF_ERROR(toffee_positions(lo, r->out[i], false, &place, st));
        TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, place, dtype, &place, st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_emit_scaled(lo, "Add", place, r->exact ? 0.5 : 0, &place, st));
        TOFFEE_RETURN_IF_ERROR(toffee_const_float(lo, dtype, (double)r->size[i], &size, st));
        TOFFEE_RETURN_IF_ERROR(toffee_const_float(lo, dtype, (double)r->out[i], &step, st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_emit_like(lo, "Div", TOFFEE_INPUTS(size, step), size, NULL, &step, st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_emit_like(lo, "Mul", TOFFEE_INPUTS(place, step), place, NULL, &place, st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_emit_like(lo, "Floor", TOFFEE_INPUTS(place), place, NULL, &place, st));
        TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, place, TOFFEE_DTYPE_INT64, &place, st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_const_scalar_int(lo, TOFFEE_DTYPE_INT64, r->size[i] - 1, &last, st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_emit_like(lo, "Min", TOFFEE_INPUTS(place, last), place, NULL, &place, st));
        TOFFEE_RETURN_IF_ERROR(toffee_gather(lo, value, i + 2, place, &value, st));
    }
    *out = value;
    return TOFFEE_OK;
}

/* ---- weighted sums -------------------------------------------------------------------------- */

static int64_t
clamped(int64_t at, int64_t size)
{
    if (at < 0) {
        return 0;
    }
    return at < size ? at : size - 1;
}

/* Weight of a pixel X away from the point: cubic convolution with A, 0 from 2 on. */
static double
cubic_weight(double x, double a)
{
    x = fabs(x);
    if (x <= 1) {
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    }
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

static double
linear_weight(double x)
{
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

/* Row AT of the matrix [out, size] of axis I, where pixels are made smaller with all they cover:
 * the weights are stretched by the step, and cut off and made whole at the borders. */
static void
resize_row_antialiased(const resize *r, int32_t i, int64_t at, double *row)
{
    double step = resize_step(r, i);
    double stretch = step > 1 ? step : 1;
    double centre = ((double)at + 0.5) * step;
    double support = (r->cubic ? 2 : 1) * stretch;
    int64_t first = clamped((int64_t)(centre - support + 0.5), r->size[i]);
    int64_t last = clamped((int64_t)(centre + support + 0.5) - 1, r->size[i]);
    double sum = 0;

    for (int64_t k = first; k <= last; k++) {
        double x = ((double)k - centre + 0.5) / stretch;

        row[k] = r->cubic ? cubic_weight(x, -0.5) : linear_weight(x);
        sum += row[k];
    }
    for (int64_t k = first; k <= last && sum != 0; k++) {
        row[k] /= sum;
    }
}

/* Row AT of the matrix [out, size] of axis I. */
static void
resize_row(const resize *r, int32_t i, int64_t at, double *row)
{
    double step = resize_step(r, i);
    double source = r->align_corners ? (double)at * step : ((double)at + 0.5) * step - 0.5;
    int64_t first = 0;

    if (r->antialias) {
        resize_row_antialiased(r, i, at, row);
        return;
    }
    if (!r->cubic) {
        source = source > 0 ? source : 0;
        first = clamped((int64_t)source, r->size[i]);
        source = source - (double)first < 1 ? source - (double)first : 1;
        row[first] += 1 - source;
        row[clamped(first + 1, r->size[i])] += source;
        return;
    }
    first = (int64_t)floor(source) - 1;
    for (int64_t k = first; k < first + 4; k++) {
        row[clamped(k, r->size[i])] += cubic_weight((double)k - source, -0.75);
    }
}

static toffee_code
resize_mapped(toffee_lowering *lo, const resize *r, toffee_value *value, toffee_value **out,
              toffee_status *st)
{
    toffee_dtype dtype =
        toffee_value_dtype(value) == TOFFEE_DTYPE_DOUBLE ? TOFFEE_DTYPE_DOUBLE : TOFFEE_DTYPE_FLOAT;

    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, value, dtype, &value, st));
    for (int32_t i = 0; i < r->n; i++) {
        double *matrix =
            toffee_arena_calloc(lo->scratch, (size_t)(r->out[i] * r->size[i]), sizeof(*matrix));

        if (matrix == NULL) {
            return toffee_fail_nomem(st);
        }
        for (int64_t at = 0; at < r->out[i]; at++) {
            resize_row(r, i, at, matrix + at * r->size[i]);
        }
        TOFFEE_RETURN_IF_ERROR(toffee_map_axis(lo, value, i + 2, matrix, r->out[i], &value, st));
    }
    *out = value;
    return TOFFEE_OK;
}

/* ---- Resize --------------------------------------------------------------------------------- */

static toffee_code
resize_set_mode(const resize *r, toffee_node *node, const char *mode, toffee_status *st)
{
    const char *coordinates = "half_pixel";

    if (r->nearest) {
        coordinates = r->exact ? "half_pixel" : "asymmetric";
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_string(
            node, "nearest_mode", r->exact ? "round_prefer_ceil" : "floor", st));
    }
    else if (r->align_corners) {
        coordinates = "align_corners";
    }
    if (r->cubic) {
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_float(node, "cubic_coeff_a", -0.75, st));
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_node_set_string(node, "coordinate_transformation_mode", coordinates, st));
    return toffee_node_set_string(node, "mode", mode, st);
}

/* Resize by SCALES (a leading 1 for N and for C), or by the sizes of the spatial axes when it is
 * NULL. */
static toffee_code
resize_emit(toffee_lowering *lo, const toffee_call *call, const resize *r, toffee_value *value,
            const float *scales, toffee_value **out, toffee_status *st)
{
    const int64_t scale_dims[1] = {r->n + 2};
    const int64_t axes[TOFFEE_MAX_SPATIAL] = {2, 3, 4};
    float all[TOFFEE_MAX_SPATIAL + 2] = {1, 1};
    toffee_value *by_scales = NULL;
    toffee_value *by_sizes = NULL;
    toffee_node *node = NULL;

    if (scales != NULL) {
        memcpy(all + 2, scales, (size_t)r->n * sizeof(*all));
        TOFFEE_RETURN_IF_ERROR(
            toffee_const_tensor(lo, TOFFEE_DTYPE_FLOAT, scale_dims, 1, all, &by_scales, st));
    }
    else {
        TOFFEE_RETURN_IF_ERROR(toffee_const_ints(lo, r->out, (size_t)r->n, &by_sizes, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(
        lo, "Resize", TOFFEE_INPUTS(value, NULL, by_scales, by_sizes), toffee_value_dtype(value),
        call->results[0].dims, call->results[0].rank, &node, out, st));
    if (scales == NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_ints(node, "axes", axes, (size_t)r->n, st));
    }
    return resize_set_mode(r, node, lo->rule->onnx, st);
}

/* Whether Resize gives torch's result, and how it is to be told: by SCALES, or by the sizes. */
static bool
resize_plan(const resize *r, toffee_dtype dtype, float *scales, bool *by_scales)
{
    bool given = true;

    if (r->antialias) {
        return false; /* Resize has it since opset 18, but runtimes differ */
    }
    for (int32_t i = 0; i < r->n; i++) {
        given = given && r->scale[i] > 0;
        scales[i] =
            r->scale[i] > 0 ? (float)r->scale[i] : (float)((double)r->out[i] / (double)r->size[i]);
    }
    /* Scales fit inputs of any size, so they are taken if the caller thought in scales. */
    *by_scales = resize_scales_fit(r, scales) && (given || !resize_sizes_fit(r));
    if (!*by_scales && !resize_sizes_fit(r)) {
        return false;
    }
    for (int32_t i = 0; i < r->n && r->nearest; i++) {
        float scale = *by_scales ? scales[i] : (float)r->out[i] / (float)r->size[i];

        if (!neighbours_agree(r, i, scale, dtype == TOFFEE_DTYPE_DOUBLE)) {
            return false;
        }
    }
    return true;
}

/* aten::upsample_*(input, output_size?, align_corners, scale_factors?) and its older spelling
 *   -> Resize(input, , scales) or Resize(input, , , sizes)
 *      [coordinate_transformation_mode, mode, and what the mode needs]
 *
 * torch sums 16-bit floats in float. Whole numbers are rounded in a way of its own: declined,
 * unless nothing is summed. */
static toffee_code
lower_resize(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *value = toffee_call_value(call, "input");
    float scales[TOFFEE_MAX_SPATIAL] = {0};
    bool by_scales = false;
    resize r = {0};
    bool by_places = false; /* in twins, where sizes that divide evenly here may not elsewhere */

    if (value == NULL) {
        value = toffee_call_value(call, "self");
    }
    if (!resize_read(lo, call, value, &r) ||
        (!r.nearest && !toffee_dtype_is_float(toffee_value_dtype(value)))) {
        return TOFFEE_DECLINED;
    }
    for (int32_t i = 0; i < r.n; i++) {
        by_places = by_places || (lo->is_twin && r.nearest && r.scale[i] <= 0);
    }
    if (by_places && !resize_is_even(&r)) {
        TOFFEE_RETURN_IF_ERROR(resize_reckoned(lo, &r, value, &value, st));
    }
    else if (resize_plan(&r, toffee_value_dtype(value), scales, &by_scales)) {
        if (!r.nearest && toffee_value_dtype(value) == TOFFEE_DTYPE_BFLOAT16) {
            TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, value, TOFFEE_DTYPE_FLOAT, &value, st));
        }
        TOFFEE_RETURN_IF_ERROR(
            resize_emit(lo, call, &r, value, by_scales ? scales : NULL, &value, st));
    }
    else if (r.nearest) {
        TOFFEE_RETURN_IF_ERROR(resize_gathered(lo, &r, value, &value, st));
    }
    else {
        TOFFEE_RETURN_IF_ERROR(resize_mapped(lo, &r, value, &value, st));
    }
    return toffee_lower_return(lo, call, 0, value, st);
}

static const toffee_rule rows[] = {
    /* sorted by name; the text is Resize's mode */
    {"aten::_upsample_bicubic2d_aa", lower_resize, "cubic", RESIZE_ANTIALIAS},
    {"aten::_upsample_bilinear2d_aa", lower_resize, "linear", RESIZE_ANTIALIAS},
    {"aten::_upsample_nearest_exact1d", lower_resize, "nearest", RESIZE_EXACT},
    {"aten::_upsample_nearest_exact2d", lower_resize, "nearest", RESIZE_EXACT},
    {"aten::_upsample_nearest_exact3d", lower_resize, "nearest", RESIZE_EXACT},
    {"aten::upsample_bicubic2d", lower_resize, "cubic", RESIZE_PLAIN},
    {"aten::upsample_bilinear2d", lower_resize, "linear", RESIZE_PLAIN},
    {"aten::upsample_linear1d", lower_resize, "linear", RESIZE_PLAIN},
    {"aten::upsample_nearest1d", lower_resize, "nearest", RESIZE_PLAIN},
    {"aten::upsample_nearest2d", lower_resize, "nearest", RESIZE_PLAIN},
    {"aten::upsample_nearest3d", lower_resize, "nearest", RESIZE_PLAIN},
    {"aten::upsample_trilinear3d", lower_resize, "linear", RESIZE_PLAIN},
};

const toffee_rule_family toffee_rules_resize = {rows, TOFFEE_COUNTOF(rows)};
