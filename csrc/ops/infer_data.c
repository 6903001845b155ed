/* csrc/ops/infer_data.c -- infers arithmetic whose elements are followed: the computations on
 * shapes that graphs do before a Reshape or an Expand. */
#include "ops/infer_rules.h"

#include <string.h>

/* The result of an operator on A and B into *OUT; left alone where it is not known. */
typedef void data_binary(toffee_scalar a, toffee_scalar b, toffee_scalar *out);

static bool
scalar_is(toffee_scalar scalar, int64_t value)
{
    return scalar.known && scalar.value == value;
}

/* The two are surely the same size. */
static bool
scalar_same_symbol(toffee_scalar a, toffee_scalar b)
{
    return !a.known && !b.known && a.param != NULL && a.param == b.param;
}

/* The same, or the same number. */
static bool
scalar_same(toffee_scalar a, toffee_scalar b)
{
    return scalar_same_symbol(a, b) || (a.known && b.known && a.value == b.value);
}

static void
data_add(toffee_scalar a, toffee_scalar b, toffee_scalar *out)
{
    int64_t value = 0;

    if (scalar_is(a, 0) || scalar_is(b, 0)) {
        *out = scalar_is(a, 0) ? b : a;
    }
    else if (a.known && b.known && !__builtin_add_overflow(a.value, b.value, &value)) {
        *out = toffee_scalar_of(value);
    }
}

static void
data_sub(toffee_scalar a, toffee_scalar b, toffee_scalar *out)
{
    int64_t value = 0;

    if (scalar_is(b, 0)) {
        *out = a;
    }
    else if (scalar_same_symbol(a, b)) {
        *out = toffee_scalar_of(0);
    }
    else if (a.known && b.known && !__builtin_sub_overflow(a.value, b.value, &value)) {
        *out = toffee_scalar_of(value);
    }
}

static void
data_mul(toffee_scalar a, toffee_scalar b, toffee_scalar *out)
{
    int64_t value = 0;

    if (scalar_is(a, 1) || scalar_is(b, 1)) {
        *out = scalar_is(a, 1) ? b : a;
    }
    else if (scalar_is(a, 0) || scalar_is(b, 0)) {
        *out = toffee_scalar_of(0);
    }
    else if (a.known && b.known && !__builtin_mul_overflow(a.value, b.value, &value)) {
        *out = toffee_scalar_of(value);
    }
}

/* INT64_MIN / -1 has no result; neither has a division by 0. */
static bool
divisible(toffee_scalar a, toffee_scalar b)
{
    return a.known && b.known && b.value != 0 && !(a.value == INT64_MIN && b.value == -1);
}

static void
data_div(toffee_scalar a, toffee_scalar b, toffee_scalar *out)
{
    if (scalar_is(b, 1)) {
        *out = a;
    }
    else if (divisible(a, b)) {
        *out = toffee_scalar_of(a.value / b.value);
    }
}

static void
data_mod(toffee_scalar a, toffee_scalar b, toffee_scalar *out)
{
    if (divisible(a, b)) {
        int64_t rest = a.value % b.value;

        *out = toffee_scalar_of(rest != 0 && (rest < 0) != (b.value < 0) ? rest + b.value : rest);
    }
}

/* B, a number, is at most 0, and A, the size of an axis, at least that. */
static bool
never_below(toffee_scalar a, toffee_scalar b)
{
    return !a.known && a.param != NULL && b.known && b.value <= 0;
}

/* B, a number, is as large as there is: what slices have for "to the end". */
static bool
never_above(toffee_scalar a, toffee_scalar b)
{
    return !a.known && a.param != NULL && b.known && b.value == INT64_MAX;
}

static void
data_max(toffee_scalar a, toffee_scalar b, toffee_scalar *out)
{
    if (a.known && b.known) {
        *out = a.value > b.value ? a : b;
    }
    else if (scalar_same_symbol(a, b) || never_below(a, b) || never_above(b, a)) {
        *out = a;
    }
    else if (never_below(b, a) || never_above(a, b)) {
        *out = b;
    }
}

static void
data_min(toffee_scalar a, toffee_scalar b, toffee_scalar *out)
{
    if (a.known && b.known) {
        *out = a.value < b.value ? a : b;
    }
    else if (scalar_same_symbol(a, b) || never_below(b, a) || never_above(a, b)) {
        *out = a;
    }
    else if (never_below(a, b) || never_above(b, a)) {
        *out = b;
    }
}

static void
data_equal(toffee_scalar a, toffee_scalar b, toffee_scalar *out)
{
    if (a.known && b.known) {
        *out = toffee_scalar_of(a.value == b.value);
    }
    else if (scalar_same_symbol(a, b)) {
        *out = toffee_scalar_of(1);
    }
    else if ((a.known && a.value < 0 && b.param != NULL) ||
             (b.known && b.value < 0 && a.param != NULL)) {
        *out = toffee_scalar_of(0); /* no size is negative: what the exporters' Expand asks */
    }
}

static void
data_less(toffee_scalar a, toffee_scalar b, toffee_scalar *out)
{
    if (a.known && b.known) {
        *out = toffee_scalar_of(a.value < b.value);
    }
    else if (scalar_same_symbol(a, b) || never_below(a, b)) {
        *out = toffee_scalar_of(0);
    }
}

static void
data_less_or_equal(toffee_scalar a, toffee_scalar b, toffee_scalar *out)
{
    if (a.known && b.known) {
        *out = toffee_scalar_of(a.value <= b.value);
    }
    else if (scalar_same_symbol(a, b) || never_below(b, a)) {
        *out = toffee_scalar_of(1);
    }
}

static void
data_greater(toffee_scalar a, toffee_scalar b, toffee_scalar *out)
{
    data_less(b, a, out);
}

static void
data_greater_or_equal(toffee_scalar a, toffee_scalar b, toffee_scalar *out)
{
    data_less_or_equal(b, a, out);
}

static void
data_and(toffee_scalar a, toffee_scalar b, toffee_scalar *out)
{
    if (scalar_is(a, 0) || scalar_is(b, 0) || (a.known && b.known)) {
        *out = toffee_scalar_of(scalar_is(a, 1) && scalar_is(b, 1));
    }
}

static void
data_or(toffee_scalar a, toffee_scalar b, toffee_scalar *out)
{
    if (scalar_is(a, 1) || scalar_is(b, 1) || (a.known && b.known)) {
        *out = toffee_scalar_of(scalar_is(a, 1) || scalar_is(b, 1));
    }
}

static const struct {
    const char *op;
    data_binary *apply;
} binaries[] = {
    {"Add", data_add},         {"And", data_and},
    {"Div", data_div},         {"Equal", data_equal},
    {"Greater", data_greater}, {"GreaterOrEqual", data_greater_or_equal},
    {"Less", data_less},       {"LessOrEqual", data_less_or_equal},
    {"Max", data_max},         {"Min", data_min},
    {"Mod", data_mod},         {"Mul", data_mul},
    {"Or", data_or},           {"Sub", data_sub},
};

/* INT32 results that would not fit are not followed: they would wrap. */
static toffee_scalar
scalar_in(toffee_scalar scalar, toffee_dtype dtype)
{
    bool fits = dtype != TOFFEE_DTYPE_INT32 || scalar.value == (int32_t)scalar.value;

    return !scalar.known || fits ? scalar : (toffee_scalar){0};
}

/* Element INDEX of FACT broadcast to more elements. */
static toffee_scalar
item_at(const toffee_fact *fact, size_t index)
{
    return fact->items[fact->n_items == 1 ? 0 : index];
}

/* Whether the elements of FACT are followed, and are one or N in a row. */
static bool
items_fit(const toffee_fact *fact, size_t n)
{
    return fact->items != NULL && fact->rank <= 1 && (fact->n_items == n || fact->n_items == 1);
}

/* The element count of a list or a single number that is short enough to be followed; 0: of
 * neither. */
static size_t
count_to_follow(const toffee_fact *out)
{
    int64_t n = out->rank >= 0 && out->rank <= 1 ? toffee_fact_count(out) : -1;

    return n > 0 && (size_t)n <= TOFFEE_INFER_MAX_ITEMS ? (size_t)n : 0;
}

toffee_code
toffee_infer_arith(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_scalar *items = NULL;
    data_binary *apply = NULL;
    size_t n = 0;

    TOFFEE_RETURN_IF_ERROR(toffee_infer_broadcasted(ctx, node, st));
    if (ctx->n_in == 0 || toffee_infer_in(ctx, 0)->items == NULL) {
        return TOFFEE_OK; /* what nearly all nodes are */
    }
    n = count_to_follow(out);
    for (size_t i = 0; i < ctx->n_in; i++) {
        if (n == 0 || !items_fit(ctx->in[i], n)) {
            return TOFFEE_OK;
        }
    }
    for (size_t i = 0; i < TOFFEE_COUNTOF(binaries); i++) {
        if (toffee_str_is(node->op_type, binaries[i].op) &&
            toffee_node_attr(node, "fmod") == NULL) {
            apply = binaries[i].apply;
        }
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_scalars(ctx, n, &items, st));
    for (size_t i = 0; apply != NULL && i < n; i++) {
        items[i] = item_at(ctx->in[0], i);
        for (size_t k = 1; k < ctx->n_in; k++) {
            toffee_scalar result = {0};

            apply(items[i], item_at(ctx->in[k], i), &result);
            items[i] = scalar_in(result, out->dtype);
        }
    }
    out->items = items;
    out->n_items = n;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_unary(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_scalar *items = NULL;
    bool is_neg = toffee_str_is(node->op_type, "Neg");
    bool is_not = toffee_str_is(node->op_type, "Not");

    toffee_fact_copy_shape(out, input);
    if (input->items == NULL || !(is_neg || is_not || toffee_str_is(node->op_type, "Abs"))) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_scalars(ctx, input->n_items, &items, st));
    for (size_t i = 0; i < input->n_items; i++) {
        int64_t value = 0;

        if (toffee_fact_int(input, i, &value) && value != INT64_MIN) {
            value = is_not ? value == 0 : is_neg || value < 0 ? -value : value; /* else Abs */
            items[i] = scalar_in(toffee_scalar_of(value), out->dtype);
        }
        else if (!is_neg && !is_not) {
            items[i].param = input->items[i].param; /* a size is its own absolute value */
        }
    }
    out->items = items;
    out->n_items = input->n_items;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_where(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_scalar *items = NULL;
    size_t n = 0;

    TOFFEE_RETURN_IF_ERROR(toffee_infer_broadcasted(ctx, node, st));
    if (toffee_infer_in(ctx, 0)->items == NULL) {
        return TOFFEE_OK;
    }
    n = count_to_follow(out);
    for (size_t i = 0; i < 3; i++) {
        if (n == 0 || !items_fit(toffee_infer_in(ctx, i), n)) {
            return TOFFEE_OK;
        }
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_scalars(ctx, n, &items, st));
    for (size_t i = 0; i < n; i++) {
        toffee_scalar condition = item_at(ctx->in[0], i);

        if (condition.known) {
            items[i] = item_at(ctx->in[condition.value != 0 ? 1 : 2], i);
        }
        else if (scalar_same(item_at(ctx->in[1], i), item_at(ctx->in[2], i))) {
            items[i] = item_at(ctx->in[1], i);
        }
    }
    out->items = items;
    out->n_items = n;
    return TOFFEE_OK;
}
