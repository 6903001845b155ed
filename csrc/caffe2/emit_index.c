/* csrc/caffe2/emit_index.c -- slices, pads, and elements picked out or put in by their indices.
 *
 * Caffe2's Slice cuts one axis without steps and its PadImage pads images; what is beyond these is
 * made of ATen's narrow, flip, as_strided, constant_pad_nd and index_select. */
#include <math.h>
#include <string.h>

#include "caffe2/steps.h"

/* ---- slices ---------------------------------------------------------------------------------- */

/* What a Slice takes of one axis: elements start, start + step, …, count of them. */
typedef struct {
    int32_t axis;
    int64_t start;
    int64_t step;
    int64_t count;
} cut;

static int64_t
between(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

/* Fills OUT from what the node says of an axis of SIZE. */
static void
cut_clamp(cut *out, int64_t size, int64_t start, int64_t end, int64_t step)
{
    int64_t span = 0;
    int64_t pace = step < 0 ? -step : step;

    start = start < 0 ? start + size : start;
    end = end < 0 ? end + size : end;
    if (step > 0) {
        start = between(start, 0, size);
        span = between(end, 0, size) - start;
    }
    else {
        start = between(start, -1, size - 1);
        span = start - between(end, -1, size - 1);
    }
    out->start = start;
    out->step = step;
    out->count = span <= 0 ? 0 : (span - 1) / pace + 1;
}

/* The cuts of a Slice into *CUTS, which are in the builder's arena. Declines what is not known. */
static toffee_code
slice_cuts(toffee_c2 *c, cut **cuts, size_t *n)
{
    const toffee_value *x = toffee_c2_input(c, 0);
    size_t n_other = 0;
    const int64_t *starts = toffee_c2_known_ints(c, toffee_c2_input(c, 1), n);
    const int64_t *ends = toffee_c2_known_ints(c, toffee_c2_input(c, 2), &n_other);
    size_t n_axes = *n;
    size_t n_steps = *n;
    const int64_t *axes = toffee_c2_known_ints(c, toffee_c2_input(c, 3), &n_axes);
    const int64_t *steps = toffee_c2_known_ints(c, toffee_c2_input(c, 4), &n_steps);

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (starts == NULL || ends == NULL || (axes == NULL && toffee_c2_input(c, 3) != NULL) ||
        (steps == NULL && toffee_c2_input(c, 4) != NULL)) {
        return toffee_c2_decline(c, "where it cuts is only known when the graph runs");
    }
    if (n_other != *n || (axes != NULL && n_axes != *n) || (steps != NULL && n_steps != *n)) {
        return toffee_c2_decline(c, "its starts, ends, axes and steps are not equally many");
    }
    *cuts = toffee_arena_calloc(c->arena, *n + 1, sizeof(**cuts));
    if (*cuts == NULL) {
        return toffee_fail_nomem(c->st);
    }
    for (size_t i = 0; i < *n; i++) {
        int64_t step = steps != NULL ? steps[i] : 1;
        int32_t axis = toffee_c2_axis(axes != NULL ? axes[i] : (int64_t)i, toffee_c2_rank(x));

        if (axis < 0 || step == 0 || step == INT64_MIN || toffee_c2_dim(x, axis) < 0) {
            return toffee_c2_decline(c, "the size of an axis that it cuts is not known");
        }
        (*cuts)[i].axis = axis;
        cut_clamp(&(*cuts)[i], toffee_c2_dim(x, axis), starts[i], ends[i], step);
    }
    return c->rc;
}

static bool
cut_is_all(const toffee_value *x, const cut *one)
{
    return one->start == 0 && one->step == 1 && one->count == toffee_c2_dim(x, one->axis);
}

/* X becomes the node's output; a copy if no operator made it. */
static toffee_code
finish(toffee_c2 *c, const char *x)
{
    toffee_c2_cast(c, x, TOFFEE_DTYPE_FLOAT, TOFFEE_DTYPE_FLOAT, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* Slice -> a Slice for each axis. Its ends are counted so that -1 is the end of the axis. */
static toffee_code
emit_slice(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const char *x = NULL;
    cut *cuts = NULL;
    size_t n = 0;

    TOFFEE_RETURN_IF_ERROR(slice_cuts(c, &cuts, &n));
    x = toffee_c2_x(c, 0);
    for (size_t i = 0; i < n; i++) {
        size_t length = (size_t)cuts[i].axis + 1;
        int64_t *starts = toffee_c2_numbers(c, length);
        int64_t *ends = toffee_c2_numbers(c, length);

        if (cuts[i].step != 1) {
            return toffee_c2_decline(c, "Caffe2's Slice takes no steps");
        }
        if (cut_is_all(toffee_c2_input(c, 0), &cuts[i]) || starts == NULL || ends == NULL) {
            continue;
        }
        for (size_t k = 0; k < length; k++) {
            ends[k] = -1;
        }
        starts[length - 1] = cuts[i].start;
        ends[length - 1] = cuts[i].start + cuts[i].count;
        x = toffee_c2_op1(c, rule->caffe2_name, x, NULL);
        toffee_c2_ints(c, "starts", starts, length);
        toffee_c2_ints(c, "ends", ends, length);
    }
    return finish(c, x);
}

/* Every STEP-th element of an axis of DIMS from the first, COUNT of them; DIMS becomes the shape of
 * the result. Tensors between operators are row-major, so the strides are known. */
static const char *
take_steps(toffee_c2 *c, const char *x, int64_t *dims, int32_t rank, int32_t axis, int64_t step,
           int64_t count)
{
    int64_t *strides = toffee_c2_numbers(c, (size_t)rank);

    if (strides == NULL) {
        return x;
    }
    for (int32_t i = 0; i < rank; i++) {
        strides[i] = toffee_c2_product(dims, (size_t)i + 1, (size_t)rank);
    }
    if (__builtin_mul_overflow(strides[axis], step, &strides[axis])) {
        return x; /* there is no tensor of such a size */
    }
    dims[axis] = count;
    x = toffee_c2_aten_ints(c, "as_strided", x, "size", dims, (size_t)rank, NULL);
    toffee_c2_ints(c, "stride", strides, (size_t)rank);
    return x;
}

/* Slice -> aten::narrow for each axis, turned round if it goes backwards, and with its steps as
 * strides. */
static toffee_code
aten_slice(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *value = toffee_c2_input(c, 0);
    int32_t rank = toffee_c2_rank(value);
    const int64_t *known = NULL;
    int64_t *dims = NULL;
    const char *x = NULL;
    cut *cuts = NULL;
    size_t n = 0;

    (void)rule;
    TOFFEE_RETURN_IF_ERROR(slice_cuts(c, &cuts, &n));
    dims = toffee_c2_numbers(c, (size_t)rank);
    if (dims == NULL) {
        return c->rc;
    }
    x = toffee_c2_x(c, 0);
    for (size_t i = 0; i < n; i++) {
        cut one = cuts[i];
        int64_t pace = one.step < 0 ? -one.step : one.step;
        int64_t length = one.count == 0 ? 0 : (one.count - 1) * pace + 1;
        int64_t axis = one.axis;

        if (cut_is_all(value, &one)) {
            continue;
        }
        if (pace != 1 && one.count > 1 && !toffee_c2_dims(c, value, &known)) {
            return toffee_c2_decline(c, "it takes steps in a shape that is not known");
        }
        x = toffee_c2_narrow(c, x, one.axis,
                             one.count == 0 ? 0
                             : one.step > 0 ? one.start
                                            : one.start - length + 1,
                             length, NULL);
        if (one.step < 0 && one.count > 1) {
            x = toffee_c2_aten_ints(c, "flip", x, "dims", &axis, 1, NULL);
        }
        if (pace != 1 && one.count > 1) {
            memcpy(dims, known, (size_t)rank * sizeof(*dims));
            for (size_t k = 0; k < i; k++) {
                dims[cuts[k].axis] = cuts[k].count;
            }
            dims[one.axis] = length;
            x = take_steps(c, x, dims, rank, one.axis, pace, one.count);
        }
    }
    return finish(c, x);
}

/* ---- pads ------------------------------------------------------------------------------------ */

/* How many elements each axis gets in front and behind, RANK of each, or NULL with the reason told.
 */
static int64_t *
pad_sizes(toffee_c2 *c, int32_t rank)
{
    size_t n = 0;
    size_t n_axes = 0;
    const int64_t *pads = toffee_c2_known_ints(c, toffee_c2_input(c, 1), &n);
    const int64_t *axes = toffee_c2_known_ints(c, toffee_c2_input(c, 3), &n_axes);
    int64_t *sizes = NULL;

    if (axes == NULL && rank >= 0) {
        n_axes = (size_t)rank;
    }
    if (rank < 0 || pads == NULL || (axes == NULL && toffee_c2_input(c, 3) != NULL) ||
        n != 2 * n_axes) {
        (void)toffee_c2_decline(c, "how much it pads is only known when the graph runs");
        return NULL;
    }
    sizes = toffee_c2_numbers(c, 2 * (size_t)rank);
    for (size_t i = 0; sizes != NULL && i < n_axes; i++) {
        int32_t axis = toffee_c2_axis(axes != NULL ? axes[i] : (int64_t)i, rank);

        if (axis < 0) {
            (void)toffee_c2_decline(c, "its axes lie outside of its input");
            return NULL;
        }
        sizes[axis] = pads[i];
        sizes[rank + axis] = pads[n_axes + i];
    }
    return sizes;
}

/* Pad -> PadImage, for images. */
static toffee_code
emit_pad(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *x = toffee_c2_input(c, 0);
    const char *mode = toffee_c2_attr_text(c, "mode", "constant");
    bool constant = strcmp(mode, "constant") == 0;
    int64_t *sizes = NULL;
    int64_t pads[4] = {0};
    double value = 0;

    if (!toffee_c2_is(x, TOFFEE_C2_SINGLE) || toffee_c2_rank(x) != 4 ||
        (!constant && strcmp(mode, "reflect") != 0 && strcmp(mode, "edge") != 0) ||
        (toffee_c2_input(c, 2) != NULL && constant &&
         !toffee_c2_known_number(c, toffee_c2_input(c, 2), &value))) {
        return toffee_c2_decline(c, "Caffe2 pads images of float32");
    }
    sizes = pad_sizes(c, 4);
    if (sizes == NULL) {
        return c->rc != TOFFEE_OK ? c->rc : TOFFEE_DECLINED;
    }
    for (size_t i = 0; i < 8; i++) {
        int64_t size = toffee_c2_dim(x, (int32_t)(i % 4));

        /* Reflecting more than there is, or any of nothing, goes astray there. */
        if (sizes[i] < 0 || (i % 4 < 2 && sizes[i] != 0) || size <= 0 ||
            (!constant && sizes[i] >= size)) {
            return toffee_c2_decline(c, "Caffe2 pads the height and width of images");
        }
    }
    pads[0] = sizes[2];
    pads[1] = sizes[3];
    pads[2] = sizes[6];
    pads[3] = sizes[7];
    toffee_c2_op1(c, rule->caffe2_name, toffee_c2_x(c, 0), toffee_c2_y(c, 0));
    toffee_c2_string(c, "mode", mode);
    toffee_c2_ints(c, "pads", pads, 4);
    if (constant) {
        toffee_c2_float(c, "value", value);
    }
    return toffee_c2_done(c);
}

/* Whether an argument of ATen's, an int64 or a float, can say VALUE exactly. */
static bool
argument_says(double value)
{
    return (double)(float)value == value;
}

/* aten::constant_pad_nd of X by SIZES with a VALUE that an argument says. */
static const char *
pad_constant(toffee_c2 *c, const char *x, const int64_t *sizes, int32_t rank, double value,
             const char *dst)
{
    size_t n = 2 * (size_t)rank;
    int64_t *pads = toffee_c2_numbers(c, n);

    for (int32_t i = 0; pads != NULL && i < rank; i++) {
        pads[n - 2 - 2 * (size_t)i] = sizes[i]; /* from the last axis on */
        pads[n - 1 - 2 * (size_t)i] = sizes[rank + i];
    }
    dst = toffee_c2_aten_ints(c, "constant_pad_nd", x, "pad", pads, n, dst);
    if (fabs(value) < 0x1p62 && value == floor(value)) {
        toffee_c2_int(c, "value", (int64_t)value);
    }
    else {
        toffee_c2_float(c, "value", value);
    }
    return dst;
}

/* Padded with a VALUE that an argument cannot say: by zeros, which a mask replaces. */
static toffee_code
pad_with_tensor(toffee_c2 *c, const int64_t *sizes, int32_t rank)
{
    const char *mask = toffee_c2_aten1(c, "isnan", toffee_c2_x(c, 0), NULL);
    const char *padded = NULL;

    mask = toffee_c2_aten2(c, "logical_xor", mask, mask, NULL);
    mask = pad_constant(c, mask, sizes, rank, 1, NULL);
    padded = pad_constant(c, toffee_c2_x(c, 0), sizes, rank, 0, NULL);
    toffee_c2_aten3(c, "where", mask, toffee_c2_x(c, 2), padded, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* Place I of an axis of SIZE, counted from the first element that stays, which may lie outside:
 * where its element comes from. */
static int64_t
pad_source(const char *mode, int64_t i, int64_t size)
{
    int64_t period = size == 1 ? 1 : 2 * (size - 1);

    if (strcmp(mode, "edge") == 0) {
        return between(i, 0, size - 1);
    }
    if (strcmp(mode, "wrap") == 0) {
        return (i % size + size) % size;
    }
    i = (i % period + period) % period;
    return i < size ? i : period - i;
}

/* An axis that is longer is not padded with itself: each element is a number in the net. */
#define MAX_SOURCES (1 << 24)

/* Padded with elements of itself -> aten::index_select along each axis. */
static toffee_code
pad_with_elements(toffee_c2 *c, const char *mode, const int64_t *sizes, int32_t rank)
{
    const toffee_value *value = toffee_c2_input(c, 0);
    const char *x = toffee_c2_x(c, 0);

    for (int32_t axis = 0; axis < rank; axis++) {
        int64_t size = toffee_c2_dim(value, axis);
        int64_t front = sizes[axis];
        int64_t *sources = NULL;
        int64_t n = 0;

        if (front == 0 && sizes[rank + axis] == 0) {
            continue;
        }
        if (size <= 0 || __builtin_add_overflow(size, front, &n) ||
            __builtin_add_overflow(n, sizes[rank + axis], &n) || n < 0 || n > MAX_SOURCES) {
            return toffee_c2_decline(
                c, "the size of an axis that it pads is not known, or out of bounds");
        }
        sources = toffee_c2_numbers(c, (size_t)n);
        for (int64_t i = 0; sources != NULL && i < n; i++) {
            sources[i] = pad_source(mode, i - front, size);
        }
        x = toffee_c2_aten_dim2(c, "index_select", x,
                                toffee_c2_const_ints(c, sources, (size_t)n, NULL, 0), axis, NULL);
    }
    return finish(c, x);
}

/* Pad -> aten::constant_pad_nd or index_select. */
static toffee_code
aten_pad(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const char *mode = toffee_c2_attr_text(c, "mode", "constant");
    int32_t rank = toffee_c2_rank(toffee_c2_input(c, 0));
    double value = 0;
    int64_t *sizes = NULL;

    (void)rule;
    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    sizes = pad_sizes(c, rank);
    if (sizes == NULL) {
        return c->rc != TOFFEE_OK ? c->rc : TOFFEE_DECLINED;
    }
    if (strcmp(mode, "constant") != 0) {
        return pad_with_elements(c, mode, sizes, rank);
    }
    if (rank == 0) {
        toffee_c2_op1(c, "Copy", toffee_c2_x(c, 0), toffee_c2_y(c, 0));
        return toffee_c2_done(c);
    }
    if (toffee_c2_input(c, 2) != NULL &&
        (!toffee_c2_known_number(c, toffee_c2_input(c, 2), &value) || !argument_says(value))) {
        return pad_with_tensor(c, sizes, rank);
    }
    pad_constant(c, toffee_c2_x(c, 0), sizes, rank, value, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* ---- picking out ----------------------------------------------------------------------------- */

/* Gather -> Gather, whose indices count from the front except on the first axis. */
static toffee_code
emit_gather(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *x = toffee_c2_input(c, 0);
    const toffee_value *index = toffee_c2_input(c, 1);
    int32_t axis = toffee_c2_axis(toffee_c2_attr_int(c, "axis", 0), toffee_c2_rank(x));
    const char *indices = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (axis < 0 || (axis != 0 && toffee_c2_dim(x, axis) < 0)) {
        return toffee_c2_decline(c, "the size of its axis is not known");
    }
    indices = axis == 0 ? toffee_c2_x(c, 1)
                        : toffee_c2_index_from_front(c, index, toffee_c2_dim(x, axis));
    toffee_c2_op2(c, rule->caffe2_name, toffee_c2_x(c, 0), indices, toffee_c2_y(c, 0));
    toffee_c2_int(c, "axis", axis);
    return toffee_c2_done(c);
}

/* Gather -> aten::index_select of the indices in a row, seen as their shape afterwards. */
static toffee_code
aten_gather(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *x = toffee_c2_input(c, 0);
    const toffee_value *index = toffee_c2_input(c, 1);
    int32_t axis = toffee_c2_axis(toffee_c2_attr_int(c, "axis", 0), toffee_c2_rank(x));
    const int64_t *dims = NULL;
    const char *indices = NULL;
    const char *found = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (axis < 0 || toffee_c2_dim(x, axis) < 0 ||
        (toffee_c2_rank(index) != 1 && !toffee_c2_dims(c, toffee_c2_output(c, 0), &dims))) {
        return toffee_c2_decline(c, "the shape of its result is not known");
    }
    indices = toffee_c2_index_from_front(c, index, toffee_c2_dim(x, axis));
    if (toffee_c2_rank(index) == 1) {
        toffee_c2_aten_dim2(c, rule->aten_name, toffee_c2_x(c, 0), indices, axis,
                            toffee_c2_y(c, 0));
        return toffee_c2_done(c);
    }
    indices = toffee_c2_aten1(c, "flatten", indices, NULL);
    found = toffee_c2_aten_dim2(c, rule->aten_name, toffee_c2_x(c, 0), indices, axis, NULL);
    toffee_c2_view(c, found, dims, (size_t)toffee_c2_rank(toffee_c2_output(c, 0)),
                   toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* The axis of the node, whose size along it is *SIZE, or -1 with the reason told. */
static int32_t
axis_with_size(toffee_c2 *c, int64_t *size)
{
    const toffee_value *x = toffee_c2_input(c, 0);
    int32_t axis = toffee_c2_axis(toffee_c2_attr_int(c, "axis", 0), toffee_c2_rank(x));

    *size = toffee_c2_dim(x, axis);
    if (axis < 0 || *size < 0) {
        (void)toffee_c2_decline(c, "the size of its axis is not known");
        return -1;
    }
    return axis;
}

/* GatherElements -> aten::gather. */
static toffee_code
aten_gather_elements(toffee_c2 *c, const toffee_c2_rule *rule)
{
    int64_t size = 0;
    int32_t axis = axis_with_size(c, &size);
    const char *index = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (axis < 0) {
        return TOFFEE_DECLINED;
    }
    index = toffee_c2_index_from_front(c, toffee_c2_input(c, 1), size);
    toffee_c2_aten_dim2(c, rule->aten_name, toffee_c2_x(c, 0), index, axis, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* The columns of the node's indices, one for each axis that they index, as inputs of the operator
 * that follows; *N of them. They count from either end, as PyTorch's own do. Declines if their
 * number is not known. */
static toffee_code
index_columns(toffee_c2 *c, const char ***columns, size_t *n)
{
    const toffee_value *index = toffee_c2_input(c, 1);
    int32_t rank = toffee_c2_rank(index);
    int64_t count = toffee_c2_dim(index, rank - 1);

    if (rank < 1 || count < 1 || count > toffee_c2_rank(toffee_c2_input(c, 0))) {
        return toffee_c2_decline(c, "how many axes its indices are for is not known");
    }
    *n = (size_t)count;
    *columns = toffee_arena_calloc(c->arena, *n, sizeof(**columns));
    if (*columns == NULL) {
        return toffee_fail_nomem(c->st);
    }
    for (size_t i = 0; i < *n; i++) {
        (*columns)[i] = toffee_c2_aten_int(c, "select", toffee_c2_x(c, 1), "dim", rank - 1, NULL);
        toffee_c2_int(c, "index", (int64_t)i);
    }
    return c->rc;
}

/* GatherND -> aten::index with a tensor for each axis: those of the batch count up. */
static toffee_code
aten_gather_nd(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *index = toffee_c2_input(c, 1);
    int64_t batch = toffee_c2_attr_int(c, "batch_dims", 0);
    int32_t rank = toffee_c2_rank(index) - 1;
    const char **columns = NULL;
    const char **batches = NULL;
    size_t n = 0;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    TOFFEE_RETURN_IF_ERROR(index_columns(c, &columns, &n));
    if (batch < 0 || batch > rank) {
        return toffee_c2_decline(c, "its batch has more axes than its indices");
    }
    batches = toffee_arena_calloc(c->arena, (size_t)batch + 1, sizeof(*batches));
    if (batches == NULL) {
        return toffee_fail_nomem(c->st);
    }
    for (int64_t i = 0; i < batch; i++) {
        int64_t size = toffee_c2_dim(index, (int32_t)i);
        int64_t *shape = toffee_c2_numbers(c, (size_t)rank);

        if (size < 0 || shape == NULL) {
            return toffee_c2_decline(c, "the size of its batch is not known");
        }
        for (int32_t k = 0; k < rank; k++) {
            shape[k] = k == i ? size : 1;
        }
        batches[i] = toffee_c2_count_up(c, size, shape, (size_t)rank);
    }
    toffee_c2_aten(c, rule->aten_name);
    toffee_c2_in_at(c, 0);
    for (int64_t i = 0; i < batch; i++) {
        toffee_c2_in(c, batches[i]);
    }
    for (size_t i = 0; i < n; i++) {
        toffee_c2_in(c, columns[i]);
    }
    toffee_c2_out_at(c, 0);
    return toffee_c2_done(c);
}

/* Compress -> aten::index_select of the places where the condition holds. */
static toffee_code
aten_compress(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *value = toffee_c2_input(c, 0);
    bool flat = toffee_node_attr(c->node, "axis") == NULL;
    int32_t axis =
        flat ? 0 : toffee_c2_axis(toffee_c2_attr_int(c, "axis", 0), toffee_c2_rank(value));
    const char *x = NULL;
    const char *places = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (axis < 0) {
        return toffee_c2_decline(c, "the number of axes of its input is not known");
    }
    x = toffee_c2_x(c, 0);
    places = toffee_c2_aten1(c, "nonzero", toffee_c2_x(c, 1), NULL);
    places = toffee_c2_aten1(c, "flatten", places, NULL);
    if (flat) {
        x = toffee_c2_aten1(c, "flatten", x, NULL);
    }
    toffee_c2_aten_dim2(c, rule->aten_name, x, places, axis, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* NonZero -> aten::nonzero, transposed. */
static toffee_code
aten_nonzero(toffee_c2 *c, const toffee_c2_rule *rule)
{
    static const int64_t turned[2] = {1, 0};
    const char *places = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (toffee_c2_rank(toffee_c2_input(c, 0)) < 0) {
        return toffee_c2_decline(c, "the number of axes of its input is not known");
    }
    places = toffee_c2_aten1(c, rule->aten_name, toffee_c2_x(c, 0), NULL);
    toffee_c2_aten_ints(c, "permute", places, "dims", turned, 2, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* ---- putting in ------------------------------------------------------------------------------ */

/* So many updates at most are put in one after the other. */
#define MAX_UPDATES 64

/* What joins an update to what is there: NULL for the reductions that ATen has of its own. */
static const char *
update_function(const char *reduction)
{
    static const char *const functions[][2] = {
        {"mul", "mul"}, {"max", "maximum"}, {"min", "minimum"}};

    for (size_t i = 0; i < TOFFEE_COUNTOF(functions); i++) {
        if (strcmp(functions[i][0], reduction) == 0) {
            return functions[i][1];
        }
    }
    return NULL;
}

/* ScatterElements that multiplies or takes extremes: along its axis no two updates of one step
 * meet, so each is gathered, joined and scattered. */
static toffee_code
scatter_in_steps(toffee_c2 *c, const char *index, int32_t axis, const char *function)
{
    int64_t n = toffee_c2_dim(toffee_c2_input(c, 1), axis);
    const char *x = toffee_c2_x(c, 0);

    if (n < 0 || n > MAX_UPDATES) {
        return toffee_c2_decline(c, "PyTorch 1.10 has no such scatter, and its updates are more "
                                    "than the 64 that are made one by one");
    }
    for (int64_t i = 0; i < n; i++) {
        const char *at = toffee_c2_narrow(c, index, axis, i, 1, NULL);
        const char *update = toffee_c2_narrow(c, toffee_c2_x(c, 2), axis, i, 1, NULL);
        const char *there = toffee_c2_aten_dim2(c, "gather", x, at, axis, NULL);

        update = toffee_c2_aten2(c, function, there, update, NULL);
        x = toffee_c2_aten_dim3(c, "scatter", x, at, update, axis, NULL);
    }
    return finish(c, x);
}

/* ScatterElements -> aten::scatter or scatter_add. */
static toffee_code
aten_scatter_elements(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const char *reduction = toffee_c2_attr_text(c, "reduction", "none");
    const char *function = update_function(reduction);
    bool add = strcmp(reduction, "add") == 0;
    int64_t size = 0;
    int32_t axis = axis_with_size(c, &size);
    const char *index = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (axis < 0) {
        return TOFFEE_DECLINED;
    }
    index = toffee_c2_index_from_front(c, toffee_c2_input(c, 1), size);
    if (function != NULL) {
        return scatter_in_steps(c, index, axis, function);
    }
    toffee_c2_aten_dim3(c, add ? "scatter_add" : rule->aten_name, toffee_c2_x(c, 0), index,
                        toffee_c2_x(c, 2), axis, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* aten::index_put of UPDATE at COLUMNS of X. */
static const char *
index_put(toffee_c2 *c, const char *x, const char **columns, size_t n, const char *update,
          bool accumulate, const char *dst)
{
    toffee_c2_aten(c, "index_put");
    toffee_c2_in(c, x);
    for (size_t i = 0; i < n; i++) {
        toffee_c2_in(c, columns[i]);
    }
    toffee_c2_in(c, update);
    dst = toffee_c2_to(c, dst);
    toffee_c2_int(c, "accumulate", accumulate);
    return dst;
}

/* ScatterND that multiplies or takes extremes, an update at a time. */
static toffee_code
scatter_nd_in_steps(toffee_c2 *c, const char **columns, size_t n, const char *function)
{
    const toffee_value *index = toffee_c2_input(c, 1);
    const toffee_value *value = toffee_c2_input(c, 0);
    const int64_t *dims = NULL;
    const int64_t *sizes = NULL;
    int32_t rank = toffee_c2_rank(value);
    int64_t *shape = NULL;
    int64_t count = 0;
    const char *x = toffee_c2_x(c, 0);
    const char *updates = NULL;

    if (!toffee_c2_dims(c, index, &dims) || !toffee_c2_dims(c, value, &sizes)) {
        return toffee_c2_decline(c, "how many updates it makes is not known");
    }
    count = toffee_c2_product(dims, 0, (size_t)toffee_c2_rank(index) - 1);
    if (count > MAX_UPDATES) {
        return toffee_c2_decline(c, "PyTorch 1.10 has no such scatter, and its updates are more "
                                    "than the 64 that are made one by one");
    }
    shape = toffee_c2_numbers(c, (size_t)rank + 1);
    if (shape == NULL) {
        return c->rc;
    }
    shape[0] = count;
    for (size_t i = n; i < (size_t)rank; i++) {
        shape[1 + i - n] = sizes[i];
    }
    updates = toffee_c2_view(c, toffee_c2_x(c, 2), shape, 1 + (size_t)rank - n, NULL);
    for (size_t i = 0; i < n; i++) {
        columns[i] = toffee_c2_aten1(c, "flatten", columns[i], NULL);
    }
    for (int64_t i = 0; i < count; i++) {
        const char **at = toffee_arena_calloc(c->arena, n, sizeof(*at));
        const char *update = toffee_c2_narrow(c, updates, 0, i, 1, NULL);
        const char *there = NULL;

        if (at == NULL) {
            return toffee_fail_nomem(c->st);
        }
        for (size_t k = 0; k < n; k++) {
            at[k] = toffee_c2_narrow(c, columns[k], 0, i, 1, NULL);
        }
        toffee_c2_aten(c, "index");
        toffee_c2_in(c, x);
        for (size_t k = 0; k < n; k++) {
            toffee_c2_in(c, at[k]);
        }
        there = toffee_c2_out_fresh(c);
        update = toffee_c2_aten2(c, function, there, update, NULL);
        x = index_put(c, x, at, n, update, false, NULL);
    }
    return finish(c, x);
}

/* ScatterND -> aten::index_put. */
static toffee_code
aten_scatter_nd(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const char *reduction = toffee_c2_attr_text(c, "reduction", "none");
    const char *function = update_function(reduction);
    const char **columns = NULL;
    size_t n = 0;

    (void)rule;
    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    TOFFEE_RETURN_IF_ERROR(index_columns(c, &columns, &n));
    if (function != NULL) {
        return scatter_nd_in_steps(c, columns, n, function);
    }
    index_put(c, toffee_c2_x(c, 0), columns, n, toffee_c2_x(c, 2), strcmp(reduction, "add") == 0,
              toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

static const toffee_c2_rule rows[] = {
    {"Compress", NULL, NULL, aten_compress, "index_select"},
    {"Gather", emit_gather, "Gather", aten_gather, "index_select"},
    {"GatherElements", NULL, NULL, aten_gather_elements, "gather"},
    {"GatherND", NULL, NULL, aten_gather_nd, "index"},
    {"NonZero", NULL, NULL, aten_nonzero, "nonzero"},
    {"Pad", emit_pad, "PadImage", aten_pad, "constant_pad_nd"},
    {"ScatterElements", NULL, NULL, aten_scatter_elements, "scatter"},
    {"ScatterND", NULL, NULL, aten_scatter_nd, "index_put"},
    {"Slice", emit_slice, "Slice", aten_slice, "narrow"},
};

const toffee_c2_family toffee_c2_rules_index = {rows, TOFFEE_COUNTOF(rows)};
