/* csrc/caffe2/emit_reduce.c -- sums and extremes along axes, and where they are.
 *
 * Caffe2 reduces with kernels for float32 and some others. Its ReduceMax and ReduceMin lose NaN and
 * are not used; its ArgMax and ArgMin lose it too, and are used for whole numbers. */
#include <string.h>

#include "caffe2/steps.h"

/* ---- axes ------------------------------------------------------------------------------------ */

/* What a Reduce… operator does. */
typedef struct {
    int64_t *axes; /* ascending, each once */
    size_t n;
    bool keep;
    bool noop;       /* no axes, and that means to reduce nothing */
    bool of_nothing; /* an axis of no elements is reduced */
    bool of_unknown; /* there may be such an axis */
    toffee_dtype dtype;
    const char *x;
    const char *y;
} reduction;

static void
reduction_note_sizes(const toffee_value *value, reduction *r)
{
    for (size_t i = 0; i < r->n; i++) {
        int64_t size = toffee_c2_dim(value, (int32_t)r->axes[i]);

        r->of_nothing = r->of_nothing || size == 0;
        r->of_unknown = r->of_unknown || size < 0;
    }
}

/* Fills R from the node. Declines axes that are not known, and dtypes. */
static toffee_code
reduction_read(toffee_c2 *c, reduction *r)
{
    const toffee_value *value = toffee_c2_input(c, 0);
    int32_t rank = toffee_c2_rank(value);
    size_t n = 0;
    const int64_t *known = NULL;
    bool *chosen = NULL;

    *r = (reduction){.keep = toffee_c2_attr_int(c, "keepdims", 1) != 0,
                     .dtype = toffee_c2_dtype(value)};
    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (rank < 0) {
        return toffee_c2_decline(c, "the number of axes of its input is not known");
    }
    if (toffee_c2_input(c, 1) != NULL) {
        known = toffee_c2_known_ints(c, toffee_c2_input(c, 1), &n);
        if (known == NULL) {
            return toffee_c2_decline(c, "its axes are only known when the graph runs");
        }
    }
    r->axes = toffee_c2_numbers(c, (size_t)rank);
    chosen = toffee_arena_calloc(c->arena, (size_t)rank + 1, sizeof(*chosen));
    if (r->axes == NULL || chosen == NULL) {
        return toffee_fail_nomem(c->st);
    }
    for (size_t i = 0; i < n; i++) {
        int32_t axis = toffee_c2_axis(known[i], rank);

        if (axis < 0) {
            return toffee_c2_decline(c, "its axes lie outside of its input");
        }
        chosen[axis] = true;
    }
    r->noop = n == 0 && toffee_c2_attr_int(c, "noop_with_empty_axes", 0) != 0;
    for (int32_t i = 0; i < rank; i++) {
        if (chosen[i] || (n == 0 && !r->noop)) {
            r->axes[r->n++] = i;
        }
    }
    reduction_note_sizes(value, r);
    r->x = toffee_c2_x(c, 0);
    r->y = toffee_c2_y(c, 0);
    return c->rc;
}

/* ---- Caffe2's way ---------------------------------------------------------------------------- */

static toffee_code
emit_reduce(toffee_c2 *c, const toffee_c2_rule *rule, uint64_t set)
{
    reduction r;

    TOFFEE_RETURN_IF_ERROR(reduction_read(c, &r));
    if (!toffee_c2_is(toffee_c2_input(c, 0), set) || r.n == 0) {
        return toffee_c2_decline(c, "Caffe2's operator has no kernel for this dtype");
    }
    if (r.of_nothing || r.of_unknown) {
        return toffee_c2_decline(c, "Caffe2's operator may not reduce an axis without elements");
    }
    toffee_c2_op1(c, rule->caffe2_name, r.x, r.y);
    toffee_c2_ints(c, "axes", r.axes, r.n);
    toffee_c2_int(c, "keepdims", r.keep);
    return toffee_c2_done(c);
}

static toffee_code
emit_reduce_single(toffee_c2 *c, const toffee_c2_rule *rule)
{
    return emit_reduce(c, rule, TOFFEE_C2_SINGLE);
}

static toffee_code
emit_reduce_numbers(toffee_c2 *c, const toffee_c2_rule *rule)
{
    return emit_reduce(c, rule, TOFFEE_C2_NUMBERS);
}

/* ---- ATen's way ------------------------------------------------------------------------------ */

/* X reduced by FUNCTION over the axes of R. */
static const char *
reduce_by(toffee_c2 *c, const char *function, const char *x, const reduction *r, const char *dst)
{
    dst = toffee_c2_aten_ints(c, function, x, "dim", r->axes, r->n, dst);
    toffee_c2_int(c, "keepdim", r->keep);
    return dst;
}

/* The sum of X, of FROM, as int64 for whole numbers: PyTorch does not add in narrow ones. */
static const char *
reduce_sum(toffee_c2 *c, const char *x, toffee_dtype from, const reduction *r, toffee_dtype *made)
{
    *made = toffee_dtype_is_int(from) ? TOFFEE_DTYPE_INT64 : from;
    return r->n == 0 ? toffee_c2_cast(c, x, from, *made, NULL) : reduce_by(c, "sum", x, r, NULL);
}

/* How a reduction is put together: BEFORE, a function of each element; BY, the reduction; AFTER, a
 * function of the result, for which whole numbers become doubles. */
typedef struct {
    const char *op;
    const char *before;
    const char *after;
    const char *of_element; /* of each element when there is nothing to reduce; NULL: itself */
} reduce_recipe;

static const reduce_recipe recipes[] = {
    {"ReduceL1", "abs", NULL, "abs"},
    {"ReduceL2", "square", "sqrt", "abs"},
    {"ReduceLogSum", NULL, "log", "log"},
    {"ReduceSum", NULL, NULL, NULL},
    {"ReduceSumSquare", "square", NULL, "square"},
};

static const reduce_recipe *
recipe_of(const toffee_c2_rule *rule)
{
    for (size_t i = 0; i < TOFFEE_COUNTOF(recipes); i++) {
        if (strcmp(recipes[i].op, rule->op) == 0) {
            return &recipes[i];
        }
    }
    return NULL;
}

/* A float dtype to compute in. */
static toffee_dtype
as_float(toffee_dtype dtype)
{
    return toffee_dtype_is_int(dtype) ? TOFFEE_DTYPE_DOUBLE : toffee_c2_wide(dtype);
}

/* Nothing is reduced: FUNCTION of each element, or the elements. */
static toffee_code
aten_noop(toffee_c2 *c, const reduction *r, const char *function)
{
    bool is_log = function != NULL && strcmp(function, "log") == 0;
    toffee_dtype wide = is_log ? as_float(r->dtype) : r->dtype;
    const char *x = toffee_c2_cast(c, r->x, r->dtype, wide, NULL);

    if (function != NULL) {
        x = toffee_c2_aten1(c, function, x, NULL);
    }
    toffee_c2_cast(c, x, wide, r->dtype, r->y);
    return toffee_c2_done(c);
}

/* ReduceSum, ReduceL1, … -> aten::sum with what comes before and after. */
static toffee_code
aten_reduce_sum(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const reduce_recipe *recipe = recipe_of(rule);
    toffee_dtype made = TOFFEE_DTYPE_UNDEFINED;
    reduction r;
    const char *x = NULL;

    TOFFEE_RETURN_IF_ERROR(reduction_read(c, &r));
    if (r.noop) {
        return aten_noop(c, &r, recipe->of_element);
    }
    made = toffee_dtype_is_int(r.dtype) ? TOFFEE_DTYPE_INT64 : toffee_c2_wide(r.dtype);
    x = toffee_c2_cast(c, r.x, r.dtype, made, NULL);
    if (recipe->before != NULL) {
        x = toffee_c2_aten1(c, recipe->before, x, NULL);
    }
    x = reduce_sum(c, x, made, &r, &made);
    if (recipe->after != NULL) {
        x = toffee_c2_cast(c, x, made, as_float(made), NULL);
        made = as_float(made);
        x = toffee_c2_aten1(c, recipe->after, x, NULL);
    }
    toffee_c2_cast(c, x, made, r.dtype, r.y);
    return toffee_c2_done(c);
}

/* ReduceLogSumExp -> aten::logsumexp. */
static toffee_code
aten_logsumexp(toffee_c2 *c, const toffee_c2_rule *rule)
{
    reduction r;
    const char *x = NULL;

    TOFFEE_RETURN_IF_ERROR(reduction_read(c, &r));
    if (r.noop || r.n == 0) {
        return aten_noop(c, &r, NULL);
    }
    x = toffee_c2_cast(c, r.x, r.dtype, as_float(r.dtype), NULL);
    x = reduce_by(c, rule->aten_name, x, &r, NULL);
    toffee_c2_cast(c, x, as_float(r.dtype), r.dtype, r.y);
    return toffee_c2_done(c);
}

/* ReduceMean -> aten::mean; of whole numbers the sum, divided and cut off. */
static toffee_code
aten_reduce_mean(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const int64_t *dims = NULL;
    int64_t count = 1;
    reduction r;
    const char *x = NULL;

    TOFFEE_RETURN_IF_ERROR(reduction_read(c, &r));
    if (r.noop || r.n == 0) {
        return aten_noop(c, &r, NULL);
    }
    if (!toffee_dtype_is_int(r.dtype)) {
        x = toffee_c2_cast(c, r.x, r.dtype, toffee_c2_wide(r.dtype), NULL);
        x = reduce_by(c, rule->aten_name, x, &r, NULL);
        toffee_c2_cast(c, x, toffee_c2_wide(r.dtype), r.dtype, r.y);
        return toffee_c2_done(c);
    }
    if (!toffee_c2_dims(c, toffee_c2_input(c, 0), &dims) || r.of_nothing) {
        return toffee_c2_decline(c, "how many whole numbers it averages is not known");
    }
    for (size_t i = 0; i < r.n; i++) {
        if (__builtin_mul_overflow(count, dims[r.axes[i]], &count)) {
            return toffee_c2_decline(c, "it averages more whole numbers than there are");
        }
    }
    x = reduce_by(c, "sum", r.x, &r, NULL);
    x = toffee_c2_aten_int(c, "floor_divide", x, "other", count, NULL);
    toffee_c2_cast(c, x, TOFFEE_DTYPE_INT64, r.dtype, r.y);
    return toffee_c2_done(c);
}

/* ReduceProd -> aten::prod, which takes one axis at a time: the last one first. */
static toffee_code
aten_reduce_prod(toffee_c2 *c, const toffee_c2_rule *rule)
{
    toffee_dtype made = TOFFEE_DTYPE_UNDEFINED;
    reduction r;
    const char *x = NULL;

    TOFFEE_RETURN_IF_ERROR(reduction_read(c, &r));
    made = toffee_dtype_is_int(r.dtype) ? TOFFEE_DTYPE_INT64 : toffee_c2_wide(r.dtype);
    x = toffee_c2_cast(c, r.x, r.dtype, made, NULL);
    for (size_t i = r.n; i > 0; i--) {
        x = toffee_c2_aten_int(c, rule->aten_name, x, "dim", r.axes[i - 1], NULL);
        toffee_c2_int(c, "keepdim", r.keep);
    }
    toffee_c2_cast(c, x, made, r.dtype, r.y);
    return toffee_c2_done(c);
}

/* What the extreme of no elements is, as element of DTYPE at OUT. */
static void
extreme_of_nothing(toffee_dtype dtype, bool largest, uint8_t out[8])
{
    size_t width = toffee_dtype_get(dtype)->n_bytes;
    float infinity = largest ? -__builtin_inff() : __builtin_inff();
    double wide = (double)infinity;
    uint16_t half = largest ? 0xfc00 : 0x7c00;

    memset(out, 0, 8);
    if (dtype == TOFFEE_DTYPE_FLOAT) {
        memcpy(out, &infinity, sizeof(infinity));
    }
    else if (dtype == TOFFEE_DTYPE_DOUBLE) {
        memcpy(out, &wide, sizeof(wide));
    }
    else if (dtype == TOFFEE_DTYPE_FLOAT16) {
        memcpy(out, &half, sizeof(half));
    }
    else if (dtype == TOFFEE_DTYPE_BOOL || dtype == TOFFEE_DTYPE_UINT8) {
        out[0] = largest ? 0 : dtype == TOFFEE_DTYPE_BOOL ? 1 : 0xff;
    }
    else {
        memset(out, largest ? 0 : 0xff, width);
        out[width - 1] = largest ? 0x80 : 0x7f;
    }
}

/* The extreme of no elements, everywhere in the result. */
static toffee_code
aten_extreme_of_nothing(toffee_c2 *c, const reduction *r, bool largest)
{
    const int64_t *dims = NULL;
    uint8_t element[8];
    const char *one = NULL;

    if (!toffee_c2_dims(c, toffee_c2_output(c, 0), &dims)) {
        return toffee_c2_decline(c, "the shape of its result is not known");
    }
    extreme_of_nothing(r->dtype, largest, element);
    one = toffee_c2_const(c, r->dtype, element, NULL, 0);
    toffee_c2_aten_ints(c, "expand", one, "size", dims,
                        (size_t)toffee_c2_rank(toffee_c2_output(c, 0)), r->y);
    return toffee_c2_done(c);
}

/* ReduceMax, ReduceMin -> aten::amax, aten::amin. */
static toffee_code
aten_reduce_extreme(toffee_c2 *c, const toffee_c2_rule *rule)
{
    reduction r;

    TOFFEE_RETURN_IF_ERROR(reduction_read(c, &r));
    if (r.noop || r.n == 0) {
        return aten_noop(c, &r, NULL);
    }
    if (r.of_nothing) {
        return aten_extreme_of_nothing(c, &r, strcmp(rule->aten_name, "amax") == 0);
    }
    reduce_by(c, rule->aten_name, r.x, &r, r.y);
    return toffee_c2_done(c);
}

/* ---- where the extreme is -------------------------------------------------------------------- */

static toffee_code
emit_arg(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *x = toffee_c2_input(c, 0);
    int32_t axis = toffee_c2_axis(toffee_c2_attr_int(c, "axis", 0), toffee_c2_rank(x));

    if (!toffee_c2_is(x, TOFFEE_C2_INDEX) || axis < 0 ||
        toffee_c2_attr_int(c, "select_last_index", 0) != 0 || toffee_c2_dim(x, axis) <= 0) {
        return toffee_c2_decline(c, "Caffe2's operator loses NaN, and finds only the first");
    }
    toffee_c2_op1(c, rule->caffe2_name, toffee_c2_x(c, 0), toffee_c2_y(c, 0));
    toffee_c2_int(c, "axis", axis);
    toffee_c2_int(c, "keepdims", toffee_c2_attr_int(c, "keepdims", 1) != 0);
    return toffee_c2_done(c);
}

/* ArgMax, ArgMin -> the second result of aten::max or min along the axis, which is the first of
 * equals; for the last the axis is turned round and the index counted from its end. */
static toffee_code
aten_arg(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *value = toffee_c2_input(c, 0);
    int32_t axis = toffee_c2_axis(toffee_c2_attr_int(c, "axis", 0), toffee_c2_rank(value));
    bool last = toffee_c2_attr_int(c, "select_last_index", 0) != 0;
    int64_t dim = axis;
    const char *x = NULL;
    const char *found = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (axis < 0 || (last && toffee_c2_dim(value, axis) < 0)) {
        return toffee_c2_decline(c, "the size of its axis is not known");
    }
    x = toffee_c2_x(c, 0);
    if (last) {
        x = toffee_c2_aten_ints(c, "flip", x, "dims", &dim, 1, NULL);
    }
    toffee_c2_aten1(c, rule->aten_name, x, NULL);
    found = toffee_c2_to(c, last ? NULL : toffee_c2_y(c, 0));
    toffee_c2_int(c, "dim", axis);
    toffee_c2_int(c, "keepdim", toffee_c2_attr_int(c, "keepdims", 1) != 0);
    if (last) {
        toffee_c2_aten_int(c, "rsub", found, "other", toffee_c2_dim(value, axis) - 1,
                           toffee_c2_y(c, 0));
    }
    return toffee_c2_done(c);
}

/* ---- the largest of many --------------------------------------------------------------------- */

/* Whole numbers of int64 that are ordered as the elements of X are, equal ones as their places on
 * the axis: no two on it are the same. NaN is the largest, as PyTorch and NumPy have it.
 *
 * ATen's topk and sort say nothing of equals, and ONNX does; so the elements are counted off by
 * aten::_unique2, which loses NaN: it is hidden behind infinity and counts half a step more. */
static const char *
order_keys(toffee_c2 *c, const char *x, const toffee_value *value, int32_t axis, bool largest)
{
    toffee_dtype dtype = toffee_c2_dtype(value);
    int32_t rank = toffee_c2_rank(value);
    int64_t n = toffee_c2_dim(value, axis);
    int64_t *shape = toffee_c2_numbers(c, (size_t)rank);
    const char *none = NULL;
    const char *keys = NULL;
    const char *places = NULL;

    if (shape == NULL) {
        return "";
    }
    if (toffee_dtype_is_float(dtype)) {
        none = toffee_c2_aten1(c, "isnan", x, NULL);
        x = toffee_c2_aten2(c, "masked_fill", x, none, NULL);
        toffee_c2_float(c, "value", (double)__builtin_inff());
    }
    toffee_c2_aten1(c, "_unique2", x, NULL);
    keys = toffee_c2_out_fresh(c);
    toffee_c2_int(c, "return_inverse", 1);
    toffee_c2_int(c, "return_counts", 0);
    toffee_c2_int(c, "sorted", 1);
    if (none != NULL) {
        keys = toffee_c2_aten_int(c, "mul", keys, "other", 2, NULL);
        keys = toffee_c2_aten2(c, "add", keys, none, NULL);
    }
    keys = toffee_c2_aten_int(c, "mul", keys, "other", n, NULL);
    for (int32_t i = 0; i < rank; i++) {
        shape[i] = i == axis ? n : 1;
    }
    places = toffee_c2_count_up(c, n, shape, (size_t)rank);
    return toffee_c2_aten2(c, largest ? "sub" : "add", keys, places, NULL);
}

/* TopK -> the indices of aten::topk of keys that tell equals apart, and the elements there. */
static toffee_code
aten_topk(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *value = toffee_c2_input(c, 0);
    toffee_dtype dtype = toffee_c2_dtype(value);
    int32_t axis = toffee_c2_axis(toffee_c2_attr_int(c, "axis", -1), toffee_c2_rank(value));
    bool largest = toffee_c2_attr_int(c, "largest", 1) != 0;
    size_t n = 0;
    const int64_t *k = toffee_c2_known_ints(c, toffee_c2_input(c, 1), &n);
    const char *x = NULL;
    const char *indices = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (k == NULL || n != 1) {
        return toffee_c2_decline(c, "how many it wants is only known when the graph runs");
    }
    if (axis < 0 || toffee_c2_dim(value, axis) < 0) {
        return toffee_c2_decline(c, "the size of its axis is not known");
    }
    x = toffee_c2_cast(c, toffee_c2_x(c, 0), dtype, toffee_c2_wide(dtype), NULL);
    x = order_keys(c, x, value, axis, largest);
    toffee_c2_aten1(c, rule->aten_name, x, NULL);
    indices = toffee_c2_to(c, toffee_c2_y(c, 1));
    toffee_c2_int(c, "dim", axis);
    toffee_c2_int(c, "k", k[0]);
    toffee_c2_int(c, "largest", largest);
    toffee_c2_int(c, "sorted", 1);
    if (toffee_c2_output(c, 0) != NULL) {
        toffee_c2_aten_dim2(c, "gather", toffee_c2_x(c, 0), indices, axis, toffee_c2_y(c, 0));
    }
    return toffee_c2_done(c);
}

static const toffee_c2_rule rows[] = {
    {"ArgMax", emit_arg, "ArgMax", aten_arg, "max"},
    {"ArgMin", emit_arg, "ArgMin", aten_arg, "min"},
    {"ReduceL1", emit_reduce_single, "ReduceL1", aten_reduce_sum, "sum"},
    {"ReduceL2", emit_reduce_single, "ReduceL2", aten_reduce_sum, "sum"},
    {"ReduceLogSum", NULL, NULL, aten_reduce_sum, "sum"},
    {"ReduceLogSumExp", NULL, NULL, aten_logsumexp, "logsumexp"},
    {"ReduceMax", NULL, NULL, aten_reduce_extreme, "amax"},
    {"ReduceMean", emit_reduce_single, "ReduceMean", aten_reduce_mean, "mean"},
    {"ReduceMin", NULL, NULL, aten_reduce_extreme, "amin"},
    {"ReduceProd", NULL, NULL, aten_reduce_prod, "prod"},
    {"ReduceSum", emit_reduce_numbers, "ReduceSum", aten_reduce_sum, "sum"},
    {"ReduceSumSquare", NULL, NULL, aten_reduce_sum, "sum"},
    {"TopK", NULL, NULL, aten_topk, "topk"},
};

const toffee_c2_family toffee_c2_rules_reduce = {rows, TOFFEE_COUNTOF(rows)};
