/* csrc/opt/scalars.c -- merges arithmetic in a row where the merged node gives the same bits.
 *
 *   - Neg of Neg, Not of Not: nothing; Abs of Abs, and of others that change nothing twice: once.
 *   - Whole numbers: x + a + b, x - a - b and x * a * b with one-element constants, since they wrap
 *     around modulo a power of two.
 *   - Floats: only scaling by powers of two that does not shrink x, x * 2 * 4 or x / 0.5 * 4: no
 *     step rounds, and what overflows does so in one step as well. Shrinking can round among the
 *     subnormal numbers, twice where the merged node would once; sums round nearly always.
 *   - Cast of Cast, if the first keeps every value: as int32 in int64 or float16 in float. A float
 *     that becomes a whole number is left alone: what does not fit is undefined there. */
#include <math.h>
#include <string.h>

#include "opt/pass.h"

/* ---- operators of one input ---- */

static bool
is_one_of(const toffee_node *node, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (toffee_str_is(node->op_type, names[i])) {
            return true;
        }
    }
    return false;
}

static toffee_code
merge_unary(toffee_opt *opt, toffee_node *node, toffee_node *first, toffee_status *st)
{
    static const char *const undone[] = {"Neg", "Not"};
    static const char *const settled[] = {"Abs", "Ceil", "Floor", "Relu", "Round", "Sign"};

    if (node->op_type != first->op_type || toffee_opt_in(first, 0) == NULL) {
        return TOFFEE_OK;
    }
    if (is_one_of(node, undone, TOFFEE_COUNTOF(undone))) {
        return toffee_opt_bypass(opt, node, first->inputs.data[0], st);
    }
    if (is_one_of(node, settled, TOFFEE_COUNTOF(settled))) {
        return toffee_opt_bypass(opt, node, node->inputs.data[0], st);
    }
    return TOFFEE_OK;
}

/* ---- Cast ---- */

/* Bits of a dtype that count: of a whole number without its sign, of a float's fraction with the
 * one that is not stored. 0: a dtype that is not known here. */
static int
dtype_digits(toffee_dtype dtype, bool *is_signed, bool *is_float)
{
    static const struct {
        uint8_t dtype;
        uint8_t digits;
        bool is_signed;
        bool is_float;
    } rows[] = {
        {TOFFEE_DTYPE_BOOL, 1, false, false},    {TOFFEE_DTYPE_UINT8, 8, false, false},
        {TOFFEE_DTYPE_UINT16, 16, false, false}, {TOFFEE_DTYPE_UINT32, 32, false, false},
        {TOFFEE_DTYPE_UINT64, 64, false, false}, {TOFFEE_DTYPE_INT8, 7, true, false},
        {TOFFEE_DTYPE_INT16, 15, true, false},   {TOFFEE_DTYPE_INT32, 31, true, false},
        {TOFFEE_DTYPE_INT64, 63, true, false},   {TOFFEE_DTYPE_FLOAT16, 11, true, true},
        {TOFFEE_DTYPE_BFLOAT16, 8, true, true},  {TOFFEE_DTYPE_FLOAT, 24, true, true},
        {TOFFEE_DTYPE_DOUBLE, 53, true, true},
    };

    for (size_t i = 0; i < TOFFEE_COUNTOF(rows); i++) {
        if (rows[i].dtype == dtype) {
            *is_signed = rows[i].is_signed;
            *is_float = rows[i].is_float;
            return rows[i].digits;
        }
    }
    return 0;
}

/* Whether each value of FROM is one of TO. */
static bool
cast_keeps(toffee_dtype from, toffee_dtype to)
{
    bool from_signed = false;
    bool to_signed = false;
    bool from_float = false;
    bool to_float = false;
    int from_digits = dtype_digits(from, &from_signed, &from_float);
    int to_digits = dtype_digits(to, &to_signed, &to_float);

    if (from_digits == 0 || from_digits > to_digits || (from_float && !to_float) ||
        (from_signed && !to_signed)) {
        return false;
    }
    /* float16 has more digits than bfloat16, which has more exponents: neither holds the other. The
     * whole numbers that have few enough digits for float16 are in its range. The lowest int8 has
     * one digit more, a power of two. */
    return !(from == TOFFEE_DTYPE_BFLOAT16 && to == TOFFEE_DTYPE_FLOAT16);
}

static toffee_code
merge_cast(toffee_opt *opt, toffee_node *node, toffee_node *first, toffee_status *st)
{
    toffee_value *x = toffee_opt_in(first, 0);
    toffee_dtype from = x != NULL ? x->type.dtype : TOFFEE_DTYPE_UNDEFINED;
    int64_t middle = toffee_opt_int(first, "to", 0);
    int64_t to = toffee_opt_int(node, "to", 0);
    bool is_signed = false;
    bool from_float = false;
    bool to_float = false;
    bool is_half = false;

    if (!toffee_dtype_known(middle) || !toffee_dtype_known(to) ||
        !cast_keeps(from, (toffee_dtype)middle) ||
        dtype_digits((toffee_dtype)to, &is_signed, &to_float) == 0) {
        return TOFFEE_OK;
    }
    if (to == (int64_t)from) {
        return toffee_opt_bypass(opt, node, x, st);
    }
    (void)dtype_digits(from, &is_signed, &from_float);
    /* Runtimes make a half of a whole number in one rounding or in two, by way of a float. */
    is_half = to == TOFFEE_DTYPE_FLOAT16 || to == TOFFEE_DTYPE_BFLOAT16;
    if ((from_float && !to_float) ||
        (is_half && !from_float && !cast_keeps(from, (toffee_dtype)to)) ||
        !toffee_opt_is_single(opt, node->inputs.data[0])) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_opt_set_input(opt, node, 0, x, st));
    return toffee_opt_remove(opt, first, st);
}

/* ---- constants ---- */

/* NODE as x and a constant of one element. */
typedef struct {
    toffee_value *x;
    size_t index; /* of the constant among the inputs */
    const toffee_tensor *constant;
} step;

/* Into *OUT what NODE is; its x is NULL if it is no such step. */
static toffee_code
step_of(toffee_opt *opt, const toffee_node *node, step *out, toffee_status *st)
{
    bool either = toffee_str_is(node->op_type, "Add") || toffee_str_is(node->op_type, "Mul");

    *out = (step){0};
    if (node->inputs.n != 2 || node->inputs.data[0] == NULL || node->inputs.data[1] == NULL) {
        return TOFFEE_OK;
    }
    for (size_t at = 2; at-- > (either ? 0U : 1U);) {
        const toffee_tensor *constant = NULL;

        TOFFEE_RETURN_IF_ERROR(toffee_opt_constant(opt, node->inputs.data[at], &constant, st));
        if (constant != NULL && constant->n_elements == 1) {
            *out = (step){node->inputs.data[1 - at], at, constant};
            return TOFFEE_OK;
        }
    }
    return TOFFEE_OK;
}

/* The factor by which OP_TYPE scales with the float CONSTANT, if it is a power of two, or its
 * negative, that does not shrink; else 0. */
static double
step_scale(const toffee_str *op_type, const toffee_tensor *constant)
{
    float narrow = 0;
    double value = 0;
    int exponent = 0;

    if (!toffee_str_is(op_type, "Mul") && !toffee_str_is(op_type, "Div")) {
        return 0;
    }
    if (constant->dtype == TOFFEE_DTYPE_FLOAT) {
        memcpy(&narrow, constant->data, sizeof(narrow));
        value = (double)narrow;
    }
    else if (constant->dtype == TOFFEE_DTYPE_DOUBLE) {
        memcpy(&value, constant->data, sizeof(value));
    }
    if (!isfinite(value) || fabs(frexp(value, &exponent)) != 0.5) {
        return 0;
    }
    value = toffee_str_is(op_type, "Div") ? 1 / value : value;
    return isfinite(value) && fabs(value) >= 1 ? value : 0;
}

/* The constant that does what A and then B do, as an operand of B's operator, into BYTES. False if
 * there is none. */
static bool
merged_float(const toffee_node *first, const step *a, const toffee_node *node, const step *b,
             unsigned char *bytes)
{
    bool is_float = b->constant->dtype == TOFFEE_DTYPE_FLOAT;
    double scale = step_scale(first->op_type, a->constant) * step_scale(node->op_type, b->constant);
    double least = is_float ? 0x1p-126 : 0x1p-1022;
    double most = is_float ? 0x1p127 : 0x1p1023;
    float narrow = 0;

    if (toffee_str_is(node->op_type, "Div")) {
        scale = scale != 0 ? 1 / scale : 0;
    }
    if (fabs(scale) < least || fabs(scale) > most) {
        return false;
    }
    narrow = (float)scale;
    memcpy(bytes, is_float ? (const void *)&narrow : (const void *)&scale,
           is_float ? sizeof(narrow) : sizeof(scale));
    return true;
}

static bool
merged_int(const toffee_node *first, const step *a, const toffee_node *node, const step *b,
           unsigned char *bytes)
{
    uint64_t left = (uint64_t)toffee_opt_load(a->constant->dtype, a->constant->data, 0);
    uint64_t right = (uint64_t)toffee_opt_load(b->constant->dtype, b->constant->data, 0);
    bool first_adds = toffee_str_is(first->op_type, "Add");
    bool first_takes = toffee_str_is(first->op_type, "Sub");
    bool adds = toffee_str_is(node->op_type, "Add");
    bool takes = toffee_str_is(node->op_type, "Sub");
    uint64_t both = 0;

    if (toffee_str_is(first->op_type, "Mul") && toffee_str_is(node->op_type, "Mul")) {
        both = left * right;
    }
    else if ((first_adds || first_takes) && (adds || takes)) {
        both = first_adds == adds ? right + left : right - left;
    }
    else {
        return false;
    }
    toffee_opt_store(b->constant->dtype, bytes, 0, (int64_t)both);
    return true;
}

static toffee_code
merge_steps(toffee_opt *opt, toffee_node *node, toffee_node *first, const step *b,
            toffee_status *st)
{
    unsigned char bytes[16] = {0};
    int64_t ones[TOFFEE_MAX_RANK];
    toffee_dtype dtype = b->constant->dtype;
    toffee_value *merged = NULL;
    step a = {0};
    int32_t rank = 0;
    bool can = false;

    TOFFEE_RETURN_IF_ERROR(step_of(opt, first, &a, st));
    if (a.x == NULL || a.constant->dtype != dtype) {
        return TOFFEE_OK;
    }
    if (toffee_dtype_is_int(dtype)) {
        can = merged_int(first, &a, node, b, bytes);
    }
    else if (dtype == TOFFEE_DTYPE_FLOAT || dtype == TOFFEE_DTYPE_DOUBLE) {
        can = merged_float(first, &a, node, b, bytes);
    }
    if (!can) {
        return TOFFEE_OK;
    }
    rank = a.constant->rank > b->constant->rank ? a.constant->rank : b->constant->rank;
    for (int32_t d = 0; d < rank; d++) {
        ones[d] = 1;
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_opt_add_constant(opt, node->outputs.data[0], dtype, ones, rank, bytes, &merged, st));
    TOFFEE_RETURN_IF_ERROR(toffee_opt_set_input(opt, node, b->index, merged, st));
    TOFFEE_RETURN_IF_ERROR(toffee_opt_set_input(opt, node, 1 - b->index, a.x, st));
    return toffee_opt_remove(opt, first, st);
}

static toffee_code
merge_arithmetic(toffee_opt *opt, toffee_node *node, toffee_status *st)
{
    static const char *const names[] = {"Add", "Div", "Mul", "Sub"};
    toffee_node *first = NULL;
    step b = {0};

    if (!is_one_of(node, names, TOFFEE_COUNTOF(names))) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(step_of(opt, node, &b, st));
    first = toffee_opt_producer(opt, b.x);
    if (first == NULL || !toffee_opt_is_plain(opt, first) ||
        !is_one_of(first, names, TOFFEE_COUNTOF(names)) || !toffee_opt_is_single(opt, b.x)) {
        return TOFFEE_OK;
    }
    return merge_steps(opt, node, first, &b, st);
}

toffee_code
toffee_pass_scalars(toffee_opt *opt, toffee_status *st)
{
    for (size_t i = 0; i < opt->graph->nodes.n; i++) {
        toffee_node *node = opt->graph->nodes.data[i];
        toffee_node *first = NULL;

        toffee_opt_refresh(opt, node);
        if (!toffee_opt_is_plain(opt, node) || node->outputs.n != 1 ||
            node->outputs.data[0] == NULL) {
            continue;
        }
        first = toffee_opt_producer(opt, toffee_opt_in(node, 0));
        if (first == NULL || !toffee_opt_is_plain(opt, first) || node->inputs.n != 1) {
            TOFFEE_RETURN_IF_ERROR(merge_arithmetic(opt, node, st));
        }
        else if (toffee_str_is(node->op_type, "Cast") && toffee_str_is(first->op_type, "Cast")) {
            TOFFEE_RETURN_IF_ERROR(merge_cast(opt, node, first, st));
        }
        else {
            TOFFEE_RETURN_IF_ERROR(merge_unary(opt, node, first, st));
        }
    }
    return TOFFEE_OK;
}
