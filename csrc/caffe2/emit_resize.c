/* csrc/caffe2/emit_resize.c -- Resize.
 *
 * ONNX has many ways to say where an element of the result lies in the input. Sizes are known when
 * the net is emitted, so each axis becomes a table: indices, or a matrix of weights. Where the
 * table is that of an operator of Caffe2 or a function of ATen, that one is used. */
#include <math.h>
#include <string.h>

#include "caffe2/nn.h"

#define RESIZE_MAX_RANK 8

/* One axis that changes. */
typedef struct {
    int32_t axis;
    int64_t n;     /* elements of the input */
    int64_t n_out; /* of the result */
    double scale;  /* result / input, as the node says it */
    double start;  /* of the region, for tf_crop_and_resize */
    double end;
    double *at;     /* n_out places in the input */
    int64_t *index; /* n_out indices, for nearest */
} resize_axis;

typedef struct {
    resize_axis axes[RESIZE_MAX_RANK];
    size_t n; /* how many change */
    const char *mode;
    const char *transform;
    bool nearest, cubic, antialias, exclude_outside, crop;
    double coefficient; /* of the cubic kernel */
} resize;

/* ---- reading --------------------------------------------------------------------------------- */

/* The elements of a constant float tensor; NULL if VALUE is none. */
static const double *
known_floats(toffee_c2 *c, const toffee_value *value, size_t *n)
{
    const toffee_tensor *tensor = toffee_c2_known(value);
    const void *data = NULL;
    double *numbers = NULL;

    *n = 0;
    if (tensor == NULL || tensor->dtype != TOFFEE_DTYPE_FLOAT || tensor->n_elements > 64) {
        return NULL;
    }
    numbers = toffee_c2_doubles(c, (size_t)tensor->n_elements);
    if (numbers == NULL || c->rc != TOFFEE_OK) {
        return NULL;
    }
    c->rc = toffee_tensor_hold(tensor, &data, c->st);
    if (c->rc != TOFFEE_OK) {
        return NULL;
    }
    for (uint64_t i = 0; i < tensor->n_elements; i++) {
        float number = 0;

        memcpy(&number, (const char *)data + i * sizeof(number), sizeof(number));
        numbers[i] = (double)number;
    }
    toffee_tensor_let_go(tensor);
    *n = (size_t)tensor->n_elements;
    return numbers;
}

/* Whether an optional input is there and says something: an empty tensor says nothing. */
static bool
resize_has(const toffee_value *value)
{
    return value != NULL && !(toffee_c2_rank(value) == 1 && toffee_c2_dim(value, 0) == 0);
}

/* The sizes that `sizes` asks for, and the scales that they mean. */
static const char *
resize_by_sizes(toffee_c2 *c, const toffee_value *sizes, resize_axis *axes, size_t n)
{
    const char *policy = toffee_c2_attr_text(c, "keep_aspect_ratio_policy", "stretch");
    bool larger = strcmp(policy, "not_smaller") == 0;
    size_t n_wanted = 0;
    const int64_t *wanted = toffee_c2_known_ints(c, sizes, &n_wanted);
    double common = 0;

    if (wanted != NULL && n_wanted != n) {
        return "its sizes do not fit its input";
    }
    for (size_t i = 0; i < n; i++) {
        axes[i].n_out =
            wanted != NULL ? wanted[i] : toffee_c2_dim(toffee_c2_output(c, 0), axes[i].axis);
        if (axes[i].n_out < 1 || axes[i].n < 1 || axes[i].n_out > TOFFEE_C2_MAX_SIZE ||
            axes[i].n > TOFFEE_C2_MAX_SIZE) {
            return "its sizes are not known, or 0, or too large";
        }
        axes[i].scale = (double)axes[i].n_out / (double)axes[i].n;
        if (i == 0 || (larger ? axes[i].scale > common : axes[i].scale < common)) {
            common = axes[i].scale;
        }
    }
    if (strcmp(policy, "stretch") == 0) {
        return NULL;
    }
    if (wanted == NULL) {
        return "its sizes are not constant";
    }
    for (size_t i = 0; i < n; i++) {
        axes[i].scale = common;
        axes[i].n_out = (int64_t)floor(common * (double)axes[i].n + 0.5);
    }
    return NULL;
}

static const char *
resize_by_scales(toffee_c2 *c, const toffee_value *scales, resize_axis *axes, size_t n)
{
    size_t n_known = 0;
    const double *known = known_floats(c, scales, &n_known);

    if (known == NULL || n_known != n) {
        return "its scales are not constant";
    }
    for (size_t i = 0; i < n; i++) {
        axes[i].scale = known[i];
        if (axes[i].n < 1 || !(known[i] > 0) || known[i] > 0x1p24) {
            return "its scales are no scales, or its sizes are not known";
        }
        axes[i].n_out = (int64_t)floor((double)axes[i].n * known[i]);
    }
    return NULL;
}

/* The region of tf_crop_and_resize. */
static const char *
resize_region(toffee_c2 *c, resize_axis *axes, size_t n)
{
    size_t n_known = 0;
    const double *known = known_floats(c, toffee_c2_input(c, 1), &n_known);

    if (known == NULL || n_known != 2 * n) {
        return "its region is not constant";
    }
    for (size_t i = 0; i < n; i++) {
        axes[i].start = known[i];
        axes[i].end = known[i + n];
    }
    return NULL;
}

/* Where element I of the result lies. */
static double
resize_place(const resize *r, const resize_axis *a, int64_t i)
{
    double x = (double)i;
    double n = (double)a->n;
    double n_out = (double)a->n_out;
    double half = (x + 0.5) / a->scale - 0.5;

    if (strcmp(r->transform, "asymmetric") == 0) {
        return x / a->scale;
    }
    if (strcmp(r->transform, "align_corners") == 0) {
        return n * a->scale != 1 ? x * (n - 1) / (n * a->scale - 1) : 0;
    }
    if (r->crop) {
        return a->n_out > 1 ? a->start * (n - 1) + x * (a->end - a->start) * (n - 1) / (n_out - 1)
                            : 0.5 * (a->start + a->end) * (n - 1);
    }
    if (strcmp(r->transform, "pytorch_half_pixel") == 0) {
        return a->n_out > 1 ? half : 0;
    }
    if (strcmp(r->transform, "half_pixel_symmetric") == 0) {
        return n / 2 * (1 - n_out / (n * a->scale)) + half;
    }
    return half;
}

static double
resize_round(const char *rule, double x)
{
    if (strcmp(rule, "round_prefer_floor") == 0) {
        return ceil(x - 0.5);
    }
    if (strcmp(rule, "round_prefer_ceil") == 0) {
        return floor(x + 0.5);
    }
    return strcmp(rule, "floor") == 0 ? floor(x) : ceil(x);
}

/* The tables of one axis. */
static void
resize_tables(toffee_c2 *c, const resize *r, resize_axis *a)
{
    const char *rule = toffee_c2_attr_text(c, "nearest_mode", "round_prefer_floor");

    a->at = toffee_c2_doubles(c, (size_t)a->n_out);
    a->index = toffee_c2_numbers(c, (size_t)a->n_out);
    for (int64_t i = 0; c->rc == TOFFEE_OK && i < a->n_out; i++) {
        double place = 0;

        a->at[i] = resize_place(r, a, i);
        place = resize_round(rule, a->at[i]);
        place = place < 0 ? 0 : place;
        a->index[i] = place > (double)(a->n - 1) ? a->n - 1 : (int64_t)place;
    }
}

static const char *
resize_axes(toffee_c2 *c, resize_axis *axes, size_t *n)
{
    const toffee_value *x = toffee_c2_input(c, 0);
    int32_t rank = toffee_c2_rank(x);
    size_t n_given = 0;
    const int64_t *given = toffee_c2_attr_ints(c, "axes", &n_given);

    if (rank < 0 || rank > RESIZE_MAX_RANK || n_given > (size_t)rank) {
        return "the rank of its input is not known";
    }
    *n = given != NULL ? n_given : (size_t)rank;
    for (size_t i = 0; i < *n; i++) {
        axes[i].axis = given != NULL ? toffee_c2_axis(given[i], rank) : (int32_t)i;
        axes[i].n = toffee_c2_dim(x, axes[i].axis);
        if (axes[i].axis < 0) {
            return "its axes do not fit its input";
        }
    }
    return NULL;
}

/* NULL, or why the node at hand cannot be read. */
static const char *
resize_read(toffee_c2 *c, resize *r)
{
    const toffee_value *scales = toffee_c2_input(c, 2);
    const toffee_value *sizes = toffee_c2_input(c, 3);
    resize_axis axes[RESIZE_MAX_RANK] = {0};
    size_t n = 0;
    const char *why = resize_axes(c, axes, &n);

    memset(r, 0, sizeof(*r));
    r->mode = toffee_c2_attr_text(c, "mode", "nearest");
    r->transform = toffee_c2_attr_text(c, "coordinate_transformation_mode", "half_pixel");
    r->nearest = strcmp(r->mode, "nearest") == 0;
    r->cubic = strcmp(r->mode, "cubic") == 0;
    r->crop = strcmp(r->transform, "tf_crop_and_resize") == 0;
    r->antialias = toffee_c2_attr_int(c, "antialias", 0) != 0;
    r->exclude_outside = toffee_c2_attr_int(c, "exclude_outside", 0) != 0;
    r->coefficient = toffee_c2_attr_float(c, "cubic_coeff_a", -0.75);
    if (why == NULL) {
        why = resize_has(sizes) ? resize_by_sizes(c, sizes, axes, n)
                                : resize_by_scales(c, scales, axes, n);
    }
    if (why == NULL && r->crop) {
        why = resize_region(c, axes, n);
    }
    for (size_t i = 0; why == NULL && i < n; i++) {
        if (axes[i].n_out < 1 || axes[i].n > TOFFEE_C2_MAX_TABLE ||
            axes[i].n_out > TOFFEE_C2_MAX_TABLE ||
            (!r->nearest && axes[i].n_out * axes[i].n > TOFFEE_C2_MAX_TABLE &&
             axes[i].n_out != axes[i].n)) {
            return "its sizes are 0, or too large for a table";
        }
        if (axes[i].scale != 1 || axes[i].n_out != axes[i].n || r->crop) {
            resize_tables(c, r, &axes[i]);
            r->axes[r->n++] = axes[i];
        }
    }
    return c->rc == TOFFEE_OK ? why : "memory is out";
}

/* ---- axis by axis ---------------------------------------------------------------------------- */

/* The weight of a neighbour at a distance of X. */
static double
resize_weight(const resize *r, double x)
{
    double a = r->coefficient;

    x = fabs(x);
    if (!r->cubic) {
        return x < 1 ? 1 - x : 0;
    }
    if (x <= 1) {
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    }
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* Row I of the matrix of axis A: the weights of the input's elements in element I of the result. */
static void
resize_row(const resize *r, const resize_axis *a, int64_t i, double *row)
{
    double stretch = r->antialias && a->scale < 1 ? a->scale : 1;
    int64_t first = (int64_t)floor(-(r->cubic ? 2 : 1) / stretch) + 1;
    double low = floor(a->at[i]);
    double total = 0;

    for (int64_t k = first; k < 2 - first; k++) {
        double place = low + (double)k;
        double weight = resize_weight(r, (place - a->at[i]) * stretch);
        bool outside = place < 0 || place > (double)(a->n - 1);

        if (outside && r->exclude_outside) {
            continue;
        }
        place = place < 0 ? 0 : place;
        row[place > (double)(a->n - 1) ? a->n - 1 : (int64_t)place] += weight;
        total += weight;
    }
    if (r->exclude_outside || r->antialias) {
        for (int64_t k = 0; k < a->n; k++) {
            row[k] /= total;
        }
    }
}

/* X, which has DIMS, with axis A multiplied by its matrix. */
static const char *
resize_multiply(toffee_c2 *c, const resize *r, const resize_axis *a, const char *x,
                const int64_t *dims, size_t rank, toffee_dtype dtype, const char *dst)
{
    size_t axis = (size_t)a->axis;
    int64_t planes[3] = {toffee_c2_product(dims, 0, axis), a->n,
                         toffee_c2_product(dims, axis + 1, rank)};
    int64_t matrix_dims[2] = {a->n_out, a->n};
    int64_t *result = toffee_c2_numbers(c, rank);
    double *matrix = toffee_c2_doubles(c, (size_t)(a->n_out * a->n));

    if (c->rc != TOFFEE_OK) {
        return "";
    }
    memcpy(result, dims, rank * sizeof(*result));
    result[axis] = a->n_out;
    for (int64_t i = 0; i < a->n_out; i++) {
        resize_row(r, a, i, matrix + i * a->n);
    }
    x = toffee_c2_view(c, x, planes, 3, NULL);
    x = toffee_c2_aten2(c, "matmul", toffee_c2_table(c, matrix, matrix_dims, 2, dtype), x, NULL);
    return toffee_c2_view(c, x, result, rank, dst);
}

/* X with what lies outside of the input replaced. */
static const char *
resize_outside(toffee_c2 *c, const resize_axis *a, const char *x, size_t rank, const char *dst)
{
    int64_t *dims = toffee_c2_numbers(c, rank);
    int64_t *outside = toffee_c2_numbers(c, (size_t)a->n_out);
    const char *mask = NULL;

    for (size_t i = 0; i < rank && c->rc == TOFFEE_OK; i++) {
        dims[i] = i == (size_t)a->axis ? a->n_out : 1;
    }
    for (int64_t i = 0; i < a->n_out && c->rc == TOFFEE_OK; i++) {
        outside[i] = a->at[i] < 0 || a->at[i] > (double)(a->n - 1);
    }
    mask = toffee_c2_const_ints(c, outside, (size_t)a->n_out, dims, rank);
    mask = toffee_c2_cast(c, mask, TOFFEE_DTYPE_INT64, TOFFEE_DTYPE_BOOL, NULL);
    dst = toffee_c2_aten2(c, "masked_fill", x, mask, dst);
    toffee_c2_float(c, "value", toffee_c2_attr_float(c, "extrapolation_value", 0));
    return dst;
}

static void
resize_by_axes(toffee_c2 *c, const resize *r, const char *x, const char *y, toffee_dtype dtype,
               const int64_t *dims, size_t rank)
{
    int64_t *sizes = toffee_c2_numbers(c, rank);

    if (c->rc != TOFFEE_OK) {
        return;
    }
    memcpy(sizes, dims, rank * sizeof(*sizes));
    for (size_t i = 0; i < r->n; i++) {
        const resize_axis *a = &r->axes[i];
        const char *last = i + 1 == r->n ? y : NULL;
        const char *to = r->crop ? NULL : last;

        if (r->nearest) {
            x = toffee_c2_aten_dim2(c, "index_select", x,
                                    toffee_c2_const_ints(c, a->index, (size_t)a->n_out, NULL, 1),
                                    a->axis, to);
        }
        else {
            x = resize_multiply(c, r, a, x, sizes, rank, dtype, to);
        }
        if (r->crop) {
            x = resize_outside(c, a, x, rank, last);
        }
        sizes[a->axis] = a->n_out;
    }
}

/* ---- by one operator ------------------------------------------------------------------------- */

/* Whether only the spatial axes change; sizes and scales of all of them are put in order. */
static bool
resize_is_image(toffee_c2 *c, const resize *r, int64_t *sizes, double *scales, int32_t n)
{
    const toffee_value *x = toffee_c2_input(c, 0);

    if (n < 1 || n > TOFFEE_C2_MAX_SPATIAL || r->crop || r->n == 0) {
        return false;
    }
    for (int32_t i = 0; i < n; i++) {
        sizes[i] = toffee_c2_dim(x, i + 2);
        scales[i] = 1;
    }
    for (size_t i = 0; i < r->n; i++) {
        int32_t at = r->axes[i].axis - 2;

        if (at < 0) {
            return false;
        }
        sizes[at] = r->axes[i].n_out;
        scales[at] = (double)r->axes[i].n_out / (double)r->axes[i].n;
    }
    return true;
}

/* Whether a kernel that computes indices in float, scale by scale, finds the same neighbours. */
static bool
resize_same_neighbours(const resize *r, bool divides)
{
    for (size_t i = 0; i < r->n; i++) {
        const resize_axis *a = &r->axes[i];
        float up = (float)a->n_out / (float)a->n;
        float down = (float)a->n / (float)a->n_out;

        if (divides && (int64_t)((float)a->n * up) != a->n_out) {
            return false;
        }
        for (int64_t k = 0; k < a->n_out; k++) {
            int64_t at = (int64_t)floorf(divides ? (float)k / up : (float)k * down);

            if ((at < a->n ? at : a->n - 1) != a->index[k]) {
                return false;
            }
        }
    }
    return true;
}

/* Whether interpolating from corner to corner, or from centre to centre, gives the same places. */
static bool
resize_same_places(const resize *r, bool corners)
{
    for (size_t i = 0; i < r->n; i++) {
        const resize_axis *a = &r->axes[i];
        double n = (double)a->n;
        double n_out = (double)a->n_out;

        for (int64_t k = 0; k < a->n_out; k++) {
            double at = corners ? (n_out > 1 ? (double)k * (n - 1) / (n_out - 1) : 0)
                                : ((double)k + 0.5) * n / n_out - 0.5;
            double wanted = a->at[k];

            if (!r->cubic) { /* beyond the edges is the edge */
                at = fmin(fmax(at, 0), n - 1);
                wanted = fmin(fmax(wanted, 0), n - 1);
            }
            if (fabs(at - wanted) > 1e-6) {
                return false;
            }
        }
    }
    return true;
}

static toffee_code
emit_resize(toffee_c2 *c, const toffee_c2_rule *rule)
{
    static const char *const names[] = {"temporal_scale", "height_scale", "width_scale"};
    int64_t sizes[TOFFEE_C2_MAX_SPATIAL];
    double scales[TOFFEE_C2_MAX_SPATIAL];
    int32_t n = toffee_c2_rank(toffee_c2_input(c, 0)) - 2;
    bool linear = false;
    resize r;
    const char *why = resize_read(c, &r);

    if (why != NULL) {
        return toffee_c2_decline(c, why);
    }
    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_SINGLE)) {
        return toffee_c2_decline(c, "Caffe2's kernels are for float32");
    }
    linear = strcmp(r.mode, "linear") == 0;
    /* Its operator for volumes knows doubled images only, as many of them or twice as many. */
    if (n < 2 || !resize_is_image(c, &r, sizes, scales, n) ||
        (n == 3 && (scales[0] > 2 || scales[0] < 1 || scales[1] != 2 || scales[2] != 2)) ||
        r.antialias || r.exclude_outside ||
        !(r.nearest ? resize_same_neighbours(&r, true)
                    : linear && n == 2 && resize_same_neighbours(&r, true) &&
                          resize_same_places(&r, true))) {
        return toffee_c2_decline(c, "Caffe2's operators find other neighbours");
    }
    toffee_c2_op1(c,
                  linear   ? "UpsampleBilinear"
                  : n == 3 ? "ResizeNearest3D"
                           : rule->caffe2_name,
                  toffee_c2_x(c, 0), toffee_c2_y(c, 0));
    for (int32_t i = 0; i < n; i++) {
        toffee_c2_float(c, names[TOFFEE_C2_MAX_SPATIAL - n + i], scales[i]);
    }
    return toffee_c2_done(c);
}

/* ATen's function for all axes at once, or NULL. */
static const char *
resize_function(const resize *r, int32_t n, bool *corners)
{
    static const char *const nearest[] = {"upsample_nearest1d", "upsample_nearest2d",
                                          "upsample_nearest3d"};
    static const char *const linear[] = {"upsample_linear1d", "upsample_bilinear2d",
                                         "upsample_trilinear3d"};

    if (r->nearest) {
        return resize_same_neighbours(r, false) ? nearest[n - 1] : NULL;
    }
    if (r->antialias || r->exclude_outside || (r->cubic && (n != 2 || r->coefficient != -0.75))) {
        return NULL;
    }
    *corners = resize_same_places(r, true);
    if (!*corners && !resize_same_places(r, false)) {
        return NULL;
    }
    return r->cubic ? "upsample_bicubic2d" : linear[n - 1];
}

static toffee_code
aten_resize(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *input = toffee_c2_input(c, 0);
    int64_t sizes[TOFFEE_C2_MAX_SPATIAL];
    double scales[TOFFEE_C2_MAX_SPATIAL];
    int32_t n = toffee_c2_rank(input) - 2;
    const int64_t *dims = NULL;
    const char *function = NULL;
    bool corners = false;
    bool floats = toffee_c2_is(input, TOFFEE_C2_REALS);
    resize r;
    const char *why = resize_read(c, &r);

    (void)rule;
    if (why != NULL) {
        return toffee_c2_decline(c, why);
    }
    if (!floats && (!r.nearest || !toffee_c2_is(input, TOFFEE_C2_ANY) || r.crop)) {
        return toffee_c2_decline(c, "PyTorch 1.10 interpolates only floating-point numbers");
    }
    if (!toffee_c2_dims(c, input, &dims)) {
        return toffee_c2_decline(c, "the sizes of its input are not known");
    }
    if (r.n == 0) {
        toffee_c2_return(c, 0, toffee_c2_x(c, 0));
        return toffee_c2_done(c);
    }
    const char *x = toffee_c2_wide_x(c, 0);
    const char *y = toffee_c2_wide_y(c, 0);

    if (floats && resize_is_image(c, &r, sizes, scales, n)) {
        function = resize_function(&r, n, &corners);
    }
    if (function != NULL) {
        toffee_c2_aten_ints(c, function, x, "output_size", sizes, (size_t)n, y);
        if (!r.nearest) {
            toffee_c2_int(c, "align_corners", corners);
        }
    }
    else {
        resize_by_axes(c, &r, x, y, toffee_c2_wide(toffee_c2_dtype(input)), dims,
                       (size_t)toffee_c2_rank(input));
    }
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

static const toffee_c2_rule rows[] = {
    {"Resize", emit_resize, "ResizeNearest", aten_resize, "upsample_*, index_select, matmul"},
};

const toffee_c2_family toffee_c2_rules_resize = {rows, TOFFEE_COUNTOF(rows)};
