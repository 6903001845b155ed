/* csrc/caffe2/emit_create.c -- tensors from shapes, counts and chance, and what sets of elements
 * are like.
 *
 * Random numbers are Caffe2's and ATen's own, drawn anew in each run; a seed in the graph is not
 * theirs and is not used. */
#include <string.h>

#include "caffe2/steps.h"

/* ---- constants ------------------------------------------------------------------------------- */

/* Constant, as a number or a list of them (as a tensor it is a weight: see emit.c). */
static toffee_code
emit_constant(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_attr *attr = c->node->attrs.n == 1 ? &c->node->attrs.data[0] : NULL;
    toffee_attr_type type = attr != NULL ? attr->type : TOFFEE_ATTR_UNDEFINED;
    int64_t n = attr != NULL ? (int64_t)attr->n : 0;
    const char *made = NULL;

    switch (type) {
    case TOFFEE_ATTR_INT: made = toffee_c2_const(c, TOFFEE_DTYPE_INT64, &attr->i, NULL, 0); break;
    case TOFFEE_ATTR_FLOAT: made = toffee_c2_const(c, TOFFEE_DTYPE_FLOAT, &attr->f, NULL, 0); break;
    case TOFFEE_ATTR_INTS: made = toffee_c2_const(c, TOFFEE_DTYPE_INT64, attr->ints, &n, 1); break;
    case TOFFEE_ATTR_FLOATS:
        made = toffee_c2_const(c, TOFFEE_DTYPE_FLOAT, attr->floats, &n, 1);
        break;
    default: return toffee_c2_decline(c, "Caffe2 holds neither strings nor sparse tensors");
    }
    toffee_c2_op1(c, rule->caffe2_name, made, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* The argument "dtype" of a ConstantFill that makes DTYPE or, for half, float. */
static void
fill_dtype(toffee_c2 *c, toffee_dtype dtype)
{
    toffee_c2_int(c, "dtype", toffee_c2_data_type(toffee_c2_wide(dtype)));
}

/* ConstantOfShape -> ConstantFill, of a shape that is an argument or an input. */
static toffee_code
emit_constant_of_shape(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_attr *attr = toffee_node_attr(c->node, "value");
    toffee_dtype dtype = toffee_c2_dtype(toffee_c2_output(c, 0));
    const toffee_value standing = {.tensor = attr != NULL ? attr->t : NULL};
    const int64_t *dims = NULL;
    const char *made = NULL;
    double number = 0;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (attr != NULL && !toffee_c2_known_number(c, &standing, &number)) {
        return toffee_c2_decline(c, "its value is no number");
    }
    toffee_c2_op(c, rule->caffe2_name);
    if (toffee_c2_dims(c, toffee_c2_output(c, 0), &dims)) {
        made = toffee_c2_out_fresh(c);
        toffee_c2_ints(c, "shape", dims, (size_t)toffee_c2_rank(toffee_c2_output(c, 0)));
    }
    else {
        toffee_c2_in_at(c, 0);
        made = toffee_c2_out_fresh(c);
        toffee_c2_int(c, "input_as_shape", 1);
    }
    fill_dtype(c, dtype);
    if (toffee_dtype_is_float(dtype)) {
        if ((double)(float)number != number && number == number) {
            return toffee_c2_decline(c, "a fill takes its value as float32, which cannot hold it");
        }
        toffee_c2_float(c, "value", number);
    }
    else {
        size_t n = 0;
        const int64_t *whole = attr != NULL ? toffee_c2_known_ints(c, &standing, &n) : NULL;

        toffee_c2_int(c, "value", whole != NULL && n == 1 ? whole[0] : 0);
    }
    toffee_c2_cast(c, made, toffee_c2_wide(dtype), dtype, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* ConstantOfShape with a double that a fill cannot hold -> aten::expand of a constant. */
static toffee_code
aten_constant_of_shape(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_attr *attr = toffee_node_attr(c->node, "value");
    const int64_t *dims = NULL;
    const char *one = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (attr == NULL || attr->t == NULL || attr->t->n_elements != 1 ||
        !toffee_c2_dims(c, toffee_c2_output(c, 0), &dims)) {
        return toffee_c2_decline(c, "its shape is only known when the graph runs");
    }
    one = toffee_c2_fresh(c);
    c->into = &c->init;
    toffee_c2_fill(c, attr->t, one);
    c->into = &c->predict;
    toffee_c2_aten_ints(c, rule->aten_name, one, "size", dims,
                        (size_t)toffee_c2_rank(toffee_c2_output(c, 0)), toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* EyeLike -> ones where the input has elements, aten::triu and aten::tril of them. */
static toffee_code
aten_eye_like(toffee_c2 *c, const toffee_c2_rule *rule)
{
    toffee_dtype dtype = toffee_c2_dtype(toffee_c2_output(c, 0));
    int64_t k = toffee_c2_attr_int(c, "k", 0);
    const char *x = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    x = toffee_c2_op1(c, "ConstantFill", toffee_c2_x(c, 0), NULL);
    fill_dtype(c, dtype);
    if (toffee_dtype_is_float(dtype)) {
        toffee_c2_float(c, "value", 1);
    }
    else {
        toffee_c2_int(c, "value", 1);
    }
    x = toffee_c2_aten_int(c, rule->aten_name, x, "diagonal", k, NULL);
    x = toffee_c2_aten_int(c, "tril", x, "diagonal", k, NULL);
    toffee_c2_cast(c, x, toffee_c2_wide(dtype), dtype, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* Range -> Range. Caffe2's counts whole numbers downwards wrongly, so such go upwards on the other
 * side of 0: start, limit and delta times the sign of delta, and so the result. */
static toffee_code
emit_range(toffee_c2 *c, const toffee_c2_rule *rule)
{
    toffee_dtype dtype = toffee_c2_dtype(toffee_c2_input(c, 0));
    toffee_dtype wide = dtype == TOFFEE_DTYPE_INT16 ? TOFFEE_DTYPE_INT32 : toffee_c2_wide(dtype);
    const char *ends[3] = {NULL};
    const char *sign = NULL;
    const char *made = NULL;
    double delta = 0;
    bool upwards = toffee_c2_known_number(c, toffee_c2_input(c, 2), &delta) && delta > 0;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if ((TOFFEE_C2_BIT(wide) & TOFFEE_C2_NUMBERS) == 0) {
        return toffee_c2_decline(c, "Caffe2's Range has no kernel for this dtype");
    }
    for (size_t i = 0; i < 3; i++) {
        ends[i] = toffee_c2_cast(c, toffee_c2_x(c, i), dtype, wide, NULL);
    }
    if (toffee_dtype_is_int(dtype) && !upwards) {
        sign = toffee_c2_op1(c, "Sign", ends[2], NULL);
        for (size_t i = 0; i < 3; i++) {
            ends[i] = toffee_c2_op2(c, "Mul", ends[i], sign, NULL);
        }
    }
    toffee_c2_op(c, rule->caffe2_name);
    for (size_t i = 0; i < 3; i++) {
        toffee_c2_in(c, ends[i]);
    }
    made = toffee_c2_out_fresh(c);
    if (sign != NULL) {
        made = toffee_c2_op2(c, "Mul", made, sign, NULL);
    }
    toffee_c2_cast(c, made, wide, dtype, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* ---- shapes ---------------------------------------------------------------------------------- */

/* The axes that a Shape tells of: from *BEGIN, *N of them. False if that is not known. */
static bool
shape_axes(toffee_c2 *c, int64_t *begin, int64_t *n)
{
    int64_t rank = toffee_c2_rank(toffee_c2_input(c, 0));
    int64_t end = toffee_c2_attr_int(c, "end", rank);

    *begin = toffee_c2_attr_int(c, "start", 0);
    *begin += *begin < 0 ? rank : 0;
    end += end < 0 ? rank : 0;
    *begin = *begin < 0 ? 0 : *begin > rank ? rank : *begin;
    end = end < 0 ? 0 : end > rank ? rank : end;
    *n = end < *begin ? 0 : end - *begin;
    return rank >= 0;
}

/* Shape -> Shape of some axes. */
static toffee_code
emit_shape(toffee_c2 *c, const toffee_c2_rule *rule)
{
    int64_t begin = 0;
    int64_t n = 0;
    int64_t *axes = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (!shape_axes(c, &begin, &n)) {
        return toffee_c2_decline(c, "the number of axes of its input is not known");
    }
    if (n == 0) {
        toffee_c2_op1(c, "Copy", toffee_c2_const_ints(c, &n, 0, NULL, 0), toffee_c2_y(c, 0));
        return toffee_c2_done(c);
    }
    axes = toffee_c2_numbers(c, (size_t)n);
    for (int64_t i = 0; axes != NULL && i < n; i++) {
        axes[i] = begin + i;
    }
    toffee_c2_op1(c, rule->caffe2_name, toffee_c2_x(c, 0), toffee_c2_y(c, 0));
    toffee_c2_ints(c, "axes", axes, (size_t)n);
    return toffee_c2_done(c);
}

static toffee_code
aten_shape(toffee_c2 *c, const toffee_c2_rule *rule)
{
    int64_t begin = 0;
    int64_t n = 0;
    const char *sizes = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (!shape_axes(c, &begin, &n)) {
        return toffee_c2_decline(c, "the number of axes of its input is not known");
    }
    sizes = toffee_c2_aten1(c, rule->aten_name, toffee_c2_x(c, 0), NULL);
    toffee_c2_narrow(c, sizes, 0, begin, n, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

static toffee_code
emit_size(toffee_c2 *c, const toffee_c2_rule *rule)
{
    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    toffee_c2_op1(c, rule->caffe2_name, toffee_c2_x(c, 0), toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* Size -> aten::prod of the shape. */
static toffee_code
aten_size(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const char *sizes = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    sizes = toffee_c2_aten1(c, "_shape_as_tensor", toffee_c2_x(c, 0), NULL);
    toffee_c2_aten1(c, rule->aten_name, sizes, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* ---- sets of elements ------------------------------------------------------------------------ */

/* OneHot -> aten::where the indices are a count along a new axis: an index outside is nowhere. */
static toffee_code
aten_one_hot(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *index = toffee_c2_input(c, 0);
    int32_t rank = toffee_c2_rank(index) + 1;
    int32_t axis = toffee_c2_axis(toffee_c2_attr_int(c, "axis", -1), rank);
    int64_t *shape = NULL;
    double depth = 0;
    const char *places = NULL;
    const char *hits = NULL;
    const char *on = NULL;
    const char *off = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (rank < 1 || axis < 0 || !toffee_c2_known_number(c, toffee_c2_input(c, 1), &depth) ||
        depth < 0 || depth > INT32_MAX) {
        return toffee_c2_decline(c, "its depth is only known when the graph runs");
    }
    shape = toffee_c2_numbers(c, (size_t)rank);
    for (int32_t i = 0; shape != NULL && i < rank; i++) {
        shape[i] = i == axis ? (int64_t)depth : 1;
    }
    places = toffee_c2_cast(c, toffee_c2_x(c, 0), toffee_c2_dtype(index), TOFFEE_DTYPE_INT64, NULL);
    hits = toffee_c2_aten_int(c, "lt", places, "other", 0, NULL);
    hits = toffee_c2_aten_int(c, "mul", hits, "other", (int64_t)depth, NULL);
    places = toffee_c2_aten2(c, "add", places, hits, NULL);
    places = toffee_c2_aten_int(c, "unsqueeze", places, "dim", axis, NULL);
    hits = toffee_c2_count_up(c, (int64_t)depth, shape, (size_t)rank);
    hits = toffee_c2_aten2(c, "eq", places, hits, NULL);
    off = toffee_c2_narrow(c, toffee_c2_x(c, 2), 0, 0, 1, NULL);
    on = toffee_c2_narrow(c, toffee_c2_x(c, 2), 0, 1, 1, NULL);
    toffee_c2_aten3(c, rule->aten_name, hits, on, off, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* The blobs of a Unique. */
typedef struct {
    const char *values;
    const char *inverse; /* for each element the place of its value */
    const char *counts;
    const char *first; /* for each value where it comes first */
    int32_t axis;
} unique_sets;

/* Where each value comes first, of N elements: they are brought in the order of their values and,
 * within these, their places; then each value begins where the counts before it end. */
static void
unique_find_first(toffee_c2 *c, unique_sets *u, int64_t n)
{
    const char *order = toffee_c2_aten_int(c, "mul", u->inverse, "other", n, NULL);
    const char *begin = NULL;

    order = toffee_c2_aten2(c, "add", order, toffee_c2_count_up(c, n, NULL, 0), NULL);
    order = toffee_c2_aten1(c, "argsort", order, NULL);
    begin = toffee_c2_aten_int(c, "cumsum", u->counts, "dim", 0, NULL);
    begin = toffee_c2_aten2(c, "sub", begin, u->counts, NULL);
    u->first = toffee_c2_aten_dim2(c, "index_select", order, begin, 0, NULL);
}

/* The values in the order in which they come first. */
static void
unique_order_by_first(toffee_c2 *c, unique_sets *u)
{
    const char *order = toffee_c2_aten1(c, "argsort", u->first, NULL);
    const char *place = toffee_c2_aten1(c, "argsort", order, NULL);

    u->values = toffee_c2_aten_dim2(c, "index_select", u->values, order, u->axis, NULL);
    u->counts = toffee_c2_aten_dim2(c, "index_select", u->counts, order, 0, NULL);
    u->first = toffee_c2_aten_dim2(c, "index_select", u->first, order, 0, NULL);
    u->inverse = toffee_c2_aten_dim2(c, "index_select", place, u->inverse, 0, NULL);
}

/* Unique -> aten::_unique2 of all elements, or aten::unique_dim along an axis. */
static toffee_code
aten_unique(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *value = toffee_c2_input(c, 0);
    toffee_dtype dtype = toffee_c2_dtype(value);
    bool flat = toffee_node_attr(c->node, "axis") == NULL;
    bool sorted = toffee_c2_attr_int(c, "sorted", 1) != 0;
    const int64_t *dims = NULL;
    unique_sets u = {0};
    const char *x = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    u.axis = flat ? 0 : toffee_c2_axis(toffee_c2_attr_int(c, "axis", 0), toffee_c2_rank(value));
    if (u.axis < 0 || !toffee_c2_dims(c, value, &dims)) {
        return toffee_c2_decline(c, "the shape of its input is not known");
    }
    x = toffee_c2_cast(c, toffee_c2_x(c, 0), dtype, toffee_c2_wide(dtype), NULL);
    if (flat) {
        x = toffee_c2_aten1(c, "flatten", x, NULL);
    }
    u.values = toffee_c2_aten1(c, flat ? rule->aten_name : "unique_dim", x, NULL);
    u.inverse = toffee_c2_out_fresh(c);
    u.counts = toffee_c2_out_fresh(c);
    toffee_c2_int(c, "return_inverse", 1);
    toffee_c2_int(c, "return_counts", 1);
    toffee_c2_int(c, "sorted", 1);
    if (!flat) {
        toffee_c2_int(c, "dim", u.axis);
    }
    if (!sorted || toffee_c2_output(c, 1) != NULL) {
        int64_t all = toffee_c2_product(dims, 0, (size_t)toffee_c2_rank(value));

        unique_find_first(c, &u, flat ? all : dims[u.axis]);
    }
    if (!sorted) {
        unique_order_by_first(c, &u);
    }
    toffee_c2_cast(c, u.values, toffee_c2_wide(dtype), dtype, toffee_c2_y(c, 0));
    toffee_c2_return(c, 1, u.first);
    toffee_c2_return(c, 2, u.inverse);
    toffee_c2_return(c, 3, u.counts);
    return toffee_c2_done(c);
}

/* ReverseSequence -> aten::gather along time: step t of a sequence of n comes from n - 1 - t, and
 * what is behind the sequence stays. */
static toffee_code
aten_reverse_sequence(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *value = toffee_c2_input(c, 0);
    int32_t rank = toffee_c2_rank(value);
    int32_t time = toffee_c2_attr_int(c, "time_axis", 0) != 0;
    int32_t batch = toffee_c2_attr_int(c, "batch_axis", 1) != 0;
    const int64_t *dims = NULL;
    int64_t *steps_shape = NULL;
    int64_t *lengths_shape = NULL;
    const char *steps = NULL;
    const char *lengths = NULL;
    const char *sources = NULL;
    const char *inside = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (!toffee_c2_dims(c, value, &dims) || rank < 2 || time + batch != 1) {
        return toffee_c2_decline(c, "the shape of its input is not known");
    }
    steps_shape = toffee_c2_numbers(c, (size_t)rank);
    lengths_shape = toffee_c2_numbers(c, (size_t)rank);
    if (steps_shape == NULL || lengths_shape == NULL) {
        return c->rc;
    }
    for (int32_t i = 0; i < rank; i++) {
        steps_shape[i] = i == time ? dims[i] : 1;
        lengths_shape[i] = i == batch ? dims[i] : 1;
    }
    steps = toffee_c2_count_up(c, dims[time], steps_shape, (size_t)rank);
    lengths = toffee_c2_view(c, toffee_c2_x(c, 1), lengths_shape, (size_t)rank, NULL);
    inside = toffee_c2_aten2(c, "lt", steps, lengths, NULL);
    sources = toffee_c2_aten2(c, "sub", lengths, steps, NULL);
    sources = toffee_c2_aten_int(c, "sub", sources, "other", 1, NULL);
    sources = toffee_c2_aten3(c, "where", inside, sources, steps, NULL);
    sources = toffee_c2_aten_ints(c, "expand", sources, "size", dims, (size_t)rank, NULL);
    toffee_c2_aten_dim2(c, rule->aten_name, toffee_c2_x(c, 0), sources, time, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* ---- windows --------------------------------------------------------------------------------- */

/* a - b cos(t) + c cos(2 t) over one turn. */
static const struct {
    const char *op;
    double a, b, c;
} windows[] = {
    {"BlackmanWindow", 0.42, 0.5, 0.08},
    {"HammingWindow", 25.0 / 46.0, 21.0 / 46.0, 0},
    {"HannWindow", 0.5, 0.5, 0},
};

/* FACTOR times the cosine of X, all double. */
static const char *
times_cosine(toffee_c2 *c, const char *x, double factor)
{
    x = toffee_c2_aten1(c, "cos", x, NULL);
    return toffee_c2_aten2(c, "mul", x, toffee_c2_number(c, factor, TOFFEE_DTYPE_DOUBLE), NULL);
}

/* HannWindow and the like -> a count, and aten::cos of it, in double. */
static toffee_code
aten_window(toffee_c2 *c, const toffee_c2_rule *rule)
{
    toffee_dtype wide = TOFFEE_DTYPE_DOUBLE;
    toffee_dtype size_dtype = toffee_c2_dtype(toffee_c2_input(c, 0));
    size_t row = 0;
    const char *turn = NULL;
    const char *t = NULL;
    const char *sum = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    while (strcmp(windows[row].op, rule->op) != 0) {
        row++;
    }
    turn = toffee_c2_cast(c, toffee_c2_x(c, 0), size_dtype, wide, NULL);
    if (toffee_c2_attr_int(c, "periodic", 1) == 0) {
        turn = toffee_c2_aten_int(c, "sub", turn, "other", 1, NULL);
    }
    t = toffee_c2_op1(c, "Range", toffee_c2_x(c, 0), NULL);
    t = toffee_c2_cast(c, t, size_dtype, wide, NULL);
    t = toffee_c2_aten2(c, "mul", t, toffee_c2_number(c, 2 * 3.14159265358979323846, wide), NULL);
    t = toffee_c2_aten2(c, "div", t, turn, NULL);
    sum = times_cosine(c, t, windows[row].b);
    sum = toffee_c2_aten2(c, "sub", toffee_c2_number(c, windows[row].a, wide), sum, NULL);
    if (windows[row].c != 0) {
        t = toffee_c2_aten_int(c, "mul", t, "other", 2, NULL);
        sum = toffee_c2_aten2(c, "add", sum, times_cosine(c, t, windows[row].c), NULL);
    }
    toffee_c2_cast(c, sum, wide, toffee_c2_dtype(toffee_c2_output(c, 0)), toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* ---- chance ---------------------------------------------------------------------------------- */

/* RandomNormal, RandomUniform and …Like -> GaussianFill, UniformFill, of float. */
static toffee_code
emit_random(toffee_c2 *c, const toffee_c2_rule *rule)
{
    toffee_dtype dtype = toffee_c2_dtype(toffee_c2_output(c, 0));
    bool normal = strcmp(rule->caffe2_name, "GaussianFill") == 0;
    const char *made = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    toffee_c2_op(c, rule->caffe2_name);
    if (c->node->inputs.n != 0) {
        toffee_c2_in_at(c, 0);
        made = toffee_c2_out_fresh(c);
    }
    else {
        size_t n = 0;
        const int64_t *shape = toffee_c2_attr_ints(c, "shape", &n);

        made = toffee_c2_out_fresh(c);
        toffee_c2_ints(c, "shape", shape, n);
    }
    toffee_c2_float(c, normal ? "mean" : "min",
                    toffee_c2_attr_float(c, normal ? "mean" : "low", 0));
    toffee_c2_float(c, normal ? "std" : "max",
                    toffee_c2_attr_float(c, normal ? "scale" : "high", 1));
    toffee_c2_cast(c, made, TOFFEE_DTYPE_FLOAT, dtype, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* Bernoulli -> aten::bernoulli. */
static toffee_code
aten_bernoulli(toffee_c2 *c, const toffee_c2_rule *rule)
{
    toffee_dtype dtype = toffee_c2_dtype(toffee_c2_input(c, 0));
    const char *drawn = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    drawn = toffee_c2_cast(c, toffee_c2_x(c, 0), dtype, toffee_c2_wide(dtype), NULL);
    drawn = toffee_c2_aten1(c, rule->aten_name, drawn, NULL);
    toffee_c2_cast(c, drawn, toffee_c2_wide(dtype), toffee_c2_dtype(toffee_c2_output(c, 0)),
                   toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* Multinomial, of logarithms -> aten::multinomial of their exponentials. */
static toffee_code
aten_multinomial(toffee_c2 *c, const toffee_c2_rule *rule)
{
    toffee_dtype dtype = toffee_c2_dtype(toffee_c2_input(c, 0));
    const char *drawn = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    drawn = toffee_c2_cast(c, toffee_c2_x(c, 0), dtype, toffee_c2_wide(dtype), NULL);
    drawn = toffee_c2_aten_int(c, "_softmax", drawn, "dim", 1, NULL);
    toffee_c2_int(c, "half_to_float", 0);
    drawn = toffee_c2_aten_int(c, rule->aten_name, drawn, "num_samples",
                               toffee_c2_attr_int(c, "sample_size", 1), NULL);
    toffee_c2_int(c, "replacement", 1);
    toffee_c2_cast(c, drawn, TOFFEE_DTYPE_INT64, toffee_c2_dtype(toffee_c2_output(c, 0)),
                   toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

static const toffee_c2_rule rows[] = {
    {"Bernoulli", NULL, NULL, aten_bernoulli, "bernoulli"},
    {"BlackmanWindow", NULL, NULL, aten_window, "cos"},
    {"Constant", emit_constant, "Copy", NULL, NULL},
    {"ConstantOfShape", emit_constant_of_shape, "ConstantFill", aten_constant_of_shape, "expand"},
    {"EyeLike", NULL, NULL, aten_eye_like, "triu"},
    {"HammingWindow", NULL, NULL, aten_window, "cos"},
    {"HannWindow", NULL, NULL, aten_window, "cos"},
    {"Multinomial", NULL, NULL, aten_multinomial, "multinomial"},
    {"OneHot", NULL, NULL, aten_one_hot, "where"},
    {"RandomNormal", emit_random, "GaussianFill", NULL, NULL},
    {"RandomNormalLike", emit_random, "GaussianFill", NULL, NULL},
    {"RandomUniform", emit_random, "UniformFill", NULL, NULL},
    {"RandomUniformLike", emit_random, "UniformFill", NULL, NULL},
    {"Range", emit_range, "Range", NULL, NULL},
    {"ReverseSequence", NULL, NULL, aten_reverse_sequence, "gather"},
    {"Shape", emit_shape, "Shape", aten_shape, "_shape_as_tensor"},
    {"Size", emit_size, "Size", aten_size, "prod"},
    {"Unique", NULL, NULL, aten_unique, "_unique2"},
};

const toffee_c2_family toffee_c2_rules_create = {rows, TOFFEE_COUNTOF(rows)};
