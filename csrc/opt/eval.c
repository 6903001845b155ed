/* csrc/opt/eval.c -- evaluates what goes element by element: arithmetic on whole numbers and truth
 * values, casts, Where; and finds the rule of an operator. */
#include "opt/eval.h"

#include <math.h>
#include <string.h>

/* ---- elements ---- */

int64_t
toffee_opt_load(toffee_dtype dtype, const void *data, uint64_t index)
{
    size_t size = toffee_dtype_get(dtype)->n_bytes;
    const char *at = (const char *)data + index * size;
    bool is_signed = dtype == TOFFEE_DTYPE_INT8 || dtype == TOFFEE_DTYPE_INT16 ||
                     dtype == TOFFEE_DTYPE_INT32 || dtype == TOFFEE_DTYPE_INT64;
    uint64_t value = 0;

    memcpy(&value, at, size <= sizeof(value) ? size : sizeof(value));
    if (is_signed && size < sizeof(value) && (value >> (8 * size - 1)) != 0) {
        value |= ~UINT64_C(0) << (8 * size);
    }
    return dtype == TOFFEE_DTYPE_BOOL ? value != 0 : (int64_t)value;
}

void
toffee_opt_store(toffee_dtype dtype, void *data, uint64_t index, int64_t value)
{
    size_t size = toffee_dtype_get(dtype)->n_bytes;

    value = dtype == TOFFEE_DTYPE_BOOL ? value != 0 : value;
    memcpy((char *)data + index * size, &value, size <= sizeof(value) ? size : sizeof(value));
}

/* ---- element by element ---- */

/* Element INDEX of X as a double; of a whole number only if it is exact there. */
static bool
load_real(const toffee_tensor *x, uint64_t index, double *out)
{
    float narrow = 0;
    int64_t whole = 0;

    if (x->dtype == TOFFEE_DTYPE_FLOAT) {
        memcpy(&narrow, (const char *)x->data + index * sizeof(narrow), sizeof(narrow));
        *out = (double)narrow;
        return true;
    }
    if (x->dtype == TOFFEE_DTYPE_DOUBLE) {
        memcpy(out, (const char *)x->data + index * sizeof(*out), sizeof(*out));
        return true;
    }
    whole = toffee_opt_load(x->dtype, x->data, index);
    *out = (double)whole;
    return toffee_eval_is_whole(x) && whole < (INT64_C(1) << 53) &&
           whole > (x->dtype == TOFFEE_DTYPE_UINT64 ? -1 : -(INT64_C(1) << 53));
}

/* VALUE as element INDEX of DATA; false if TO does not say what it becomes. */
static bool
store_real(toffee_dtype to, void *data, uint64_t index, double value)
{
    float narrow = 0;

    if (to == TOFFEE_DTYPE_FLOAT) {
        narrow = (float)value;
        memcpy((char *)data + index * sizeof(narrow), &narrow, sizeof(narrow));
        return true;
    }
    if (to == TOFFEE_DTYPE_DOUBLE) {
        memcpy((char *)data + index * sizeof(value), &value, sizeof(value));
        return true;
    }
    if (to == TOFFEE_DTYPE_BOOL) {
        toffee_opt_store(to, data, index, value != 0);
        return true;
    }
    if (!(fabs(value) < 0x1p53) || (to == TOFFEE_DTYPE_UINT64 && value < 0)) {
        return false;
    }
    toffee_opt_store(to, data, index, (int64_t)value);
    return toffee_opt_load(to, data, index) == (int64_t)value;
}

static bool
is_real(toffee_dtype dtype)
{
    return dtype == TOFFEE_DTYPE_FLOAT || dtype == TOFFEE_DTYPE_DOUBLE;
}

toffee_code
toffee_eval_cast(toffee_eval *e, toffee_status *st)
{
    const toffee_tensor *x = toffee_eval_input(e, 0);
    int64_t number = toffee_opt_int(e->node, "to", 0);
    toffee_dtype to = toffee_dtype_known(number) ? (toffee_dtype)number : TOFFEE_DTYPE_UNDEFINED;
    bool from_real = x != NULL && is_real(x->dtype);
    bool known = true;
    void *data = NULL;

    if (x == NULL || !(from_real || toffee_eval_is_whole(x)) ||
        !(is_real(to) || toffee_dtype_is_int(to) || to == TOFFEE_DTYPE_BOOL)) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_eval_result(e, to, x->dims, x->rank, &data, st));
    for (uint64_t i = 0; data != NULL && known && i < x->n_elements; i++) {
        if (!from_real && !is_real(to)) {
            toffee_opt_store(to, data, i, toffee_opt_load(x->dtype, x->data, i));
        }
        else {
            double value = 0;

            known = load_real(x, i, &value) && store_real(to, data, i, value);
        }
    }
    e->out = known ? e->out : NULL;
    return TOFFEE_OK;
}

typedef enum { DATA_NUMBERS, DATA_TRUTH, DATA_EITHER } data_kind;

/* Into *OUT what OP makes of A and B; false where that is not defined. */
typedef bool element_op(int64_t a, int64_t b, int64_t *out);

#define ELEMENT_OP(name, condition, value)                                                         \
    static bool name(int64_t a, int64_t b, int64_t *out)                                           \
    {                                                                                              \
        if (!(condition)) {                                                                        \
            return false;                                                                          \
        }                                                                                          \
        *out = (int64_t)(value);                                                                   \
        return true;                                                                               \
    }

ELEMENT_OP(op_add, true, (uint64_t)a + (uint64_t)b)
ELEMENT_OP(op_sub, true, (uint64_t)a - (uint64_t)b)
ELEMENT_OP(op_mul, true, (uint64_t)a *(uint64_t)b)
ELEMENT_OP(op_div, b != 0 && b != -1, a / b)
ELEMENT_OP(op_equal, true, a == b)
ELEMENT_OP(op_less, true, a < b)
ELEMENT_OP(op_less_or_equal, true, a <= b)
ELEMENT_OP(op_greater, true, a > b)
ELEMENT_OP(op_greater_or_equal, true, a >= b)
ELEMENT_OP(op_and, true, a &b)
ELEMENT_OP(op_or, true, a | b)
ELEMENT_OP(op_xor, true, a ^ b)
#undef ELEMENT_OP

static const struct {
    const char *op_type;
    element_op *op;
    data_kind from;
    bool gives_truth;
} element_rows[] = {
    {"Add", op_add, DATA_NUMBERS, false},
    {"And", op_and, DATA_TRUTH, true},
    {"Div", op_div, DATA_NUMBERS, false},
    {"Equal", op_equal, DATA_EITHER, true},
    {"Greater", op_greater, DATA_NUMBERS, true},
    {"GreaterOrEqual", op_greater_or_equal, DATA_NUMBERS, true},
    {"Less", op_less, DATA_NUMBERS, true},
    {"LessOrEqual", op_less_or_equal, DATA_NUMBERS, true},
    {"Mul", op_mul, DATA_NUMBERS, false},
    {"Or", op_or, DATA_TRUTH, true},
    {"Sub", op_sub, DATA_NUMBERS, false},
    {"Xor", op_xor, DATA_TRUTH, true},
};

toffee_code
toffee_eval_elements(toffee_eval *e, toffee_status *st)
{
    int64_t dims[TOFFEE_MAX_RANK];
    int64_t index[TOFFEE_MAX_RANK] = {0};
    int64_t left[TOFFEE_MAX_RANK];
    int64_t right[TOFFEE_MAX_RANK];
    const toffee_tensor *a = toffee_eval_input(e, 0);
    const toffee_tensor *b = toffee_eval_input(e, 1);
    int32_t rank = 0;
    size_t row = 0;
    bool known = true;
    void *data = NULL;

    while (row < TOFFEE_COUNTOF(element_rows) &&
           !toffee_str_is(e->node->op_type, element_rows[row].op_type)) {
        row++;
    }
    /* UINT64 is no int64_t where order or quotients matter; it is left alone. */
    if (row == TOFFEE_COUNTOF(element_rows) || !toffee_eval_is_whole(a) ||
        !toffee_eval_is_whole(b) || a->dtype != b->dtype || a->dtype == TOFFEE_DTYPE_UINT64 ||
        (element_rows[row].from != DATA_EITHER &&
         (element_rows[row].from == DATA_TRUTH) != (a->dtype == TOFFEE_DTYPE_BOOL)) ||
        !toffee_eval_broadcast_dims(a, dims, &rank) ||
        !toffee_eval_broadcast_dims(b, dims, &rank) ||
        !toffee_eval_broadcast_strides(a, dims, rank, left) ||
        !toffee_eval_broadcast_strides(b, dims, rank, right)) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_eval_result(
        e, element_rows[row].gives_truth ? TOFFEE_DTYPE_BOOL : a->dtype, dims, rank, &data, st));
    for (uint64_t i = 0; data != NULL && known && i < e->out->n_elements; i++) {
        uint64_t at_a = 0;
        uint64_t at_b = 0;
        int64_t value = 0;

        for (int32_t d = 0; d < rank; d++) {
            at_a += (uint64_t)(index[d] * left[d]);
            at_b += (uint64_t)(index[d] * right[d]);
        }
        known = element_rows[row].op(toffee_opt_load(a->dtype, a->data, at_a),
                                     toffee_opt_load(b->dtype, b->data, at_b), &value);
        toffee_opt_store(e->out->dtype, data, i, value);
        toffee_eval_index_next(index, dims, rank);
    }
    e->out = known ? e->out : NULL;
    return TOFFEE_OK;
}

toffee_code
toffee_eval_unary(toffee_eval *e, toffee_status *st)
{
    const toffee_tensor *x = toffee_eval_input(e, 0);
    bool is_not = toffee_str_is(e->node->op_type, "Not");
    bool is_abs = toffee_str_is(e->node->op_type, "Abs");
    void *data = NULL;

    if (!toffee_eval_is_whole(x) || is_not != (x->dtype == TOFFEE_DTYPE_BOOL)) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_eval_result(e, x->dtype, x->dims, x->rank, &data, st));
    for (uint64_t i = 0; data != NULL && i < x->n_elements; i++) {
        int64_t value = toffee_opt_load(x->dtype, x->data, i);
        int64_t opposite = (int64_t)(0 - (uint64_t)value);

        if (is_not) {
            value = !value;
        }
        else if (!is_abs || (value < 0 && x->dtype != TOFFEE_DTYPE_UINT64)) {
            value = opposite;
        }
        toffee_opt_store(x->dtype, data, i, value);
    }
    return TOFFEE_OK;
}

toffee_code
toffee_eval_where(toffee_eval *e, toffee_status *st)
{
    int64_t dims[TOFFEE_MAX_RANK];
    int64_t index[TOFFEE_MAX_RANK] = {0};
    int64_t strides[3][TOFFEE_MAX_RANK];
    int32_t rank = 0;
    size_t size = 0;
    void *data = NULL;

    for (size_t i = 0; i < 3; i++) {
        if (toffee_eval_input(e, i) == NULL ||
            !toffee_eval_broadcast_dims(toffee_eval_input(e, i), dims, &rank)) {
            return TOFFEE_OK;
        }
    }
    for (size_t i = 0; i < 3; i++) {
        if (!toffee_eval_broadcast_strides(toffee_eval_input(e, i), dims, rank, strides[i])) {
            return TOFFEE_OK;
        }
    }
    if (toffee_eval_input(e, 0)->dtype != TOFFEE_DTYPE_BOOL ||
        toffee_eval_input(e, 1)->dtype != toffee_eval_input(e, 2)->dtype) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_eval_result(e, toffee_eval_input(e, 1)->dtype, dims, rank, &data, st));
    size = toffee_dtype_get(toffee_eval_input(e, 1)->dtype)->n_bytes;
    for (uint64_t i = 0; data != NULL && i < e->out->n_elements; i++) {
        int64_t at[3] = {0};
        size_t side = 0;

        for (int32_t d = 0; d < rank; d++) {
            for (size_t k = 0; k < 3; k++) {
                at[k] += index[d] * strides[k][d];
            }
        }
        side =
            toffee_opt_load(TOFFEE_DTYPE_BOOL, toffee_eval_input(e, 0)->data, (uint64_t)at[0]) != 0
                ? 1
                : 2;
        memcpy((char *)data + i * size,
               (const char *)toffee_eval_input(e, side)->data + (size_t)at[side] * size, size);
        toffee_eval_index_next(index, dims, rank);
    }
    return TOFFEE_OK;
}

/* ---- the table ---- */

static const struct {
    const char *op_type;
    toffee_eval_rule *rule;
} eval_rows[] = {
    {"Abs", toffee_eval_unary},
    {"Add", toffee_eval_elements},
    {"And", toffee_eval_elements},
    {"Cast", toffee_eval_cast},
    {"Concat", toffee_eval_concat},
    {"ConstantOfShape", toffee_eval_fill},
    {"Div", toffee_eval_elements},
    {"Equal", toffee_eval_elements},
    {"Expand", toffee_eval_expand},
    {"Flatten", toffee_eval_reshape},
    {"Gather", toffee_eval_gather},
    {"Greater", toffee_eval_elements},
    {"GreaterOrEqual", toffee_eval_elements},
    {"Identity", toffee_eval_reshape},
    {"Less", toffee_eval_elements},
    {"LessOrEqual", toffee_eval_elements},
    {"Mul", toffee_eval_elements},
    {"Neg", toffee_eval_unary},
    {"Not", toffee_eval_unary},
    {"Or", toffee_eval_elements},
    {"Range", toffee_eval_range},
    {"Reshape", toffee_eval_reshape},
    {"Shape", toffee_eval_shape},
    {"Size", toffee_eval_shape},
    {"Slice", toffee_eval_slice},
    {"Squeeze", toffee_eval_reshape},
    {"Sub", toffee_eval_elements},
    {"Transpose", toffee_eval_transpose},
    {"Unsqueeze", toffee_eval_reshape},
    {"Where", toffee_eval_where},
    {"Xor", toffee_eval_elements},
};

static toffee_eval_rule *
rule_of(const toffee_node *node)
{
    for (size_t i = 0; i < TOFFEE_COUNTOF(eval_rows); i++) {
        if (toffee_str_is(node->op_type, eval_rows[i].op_type)) {
            return eval_rows[i].rule;
        }
    }
    return NULL;
}

bool
toffee_opt_can_eval(const toffee_node *node)
{
    return rule_of(node) != NULL;
}

toffee_code
toffee_opt_eval(toffee_arena *arena, const toffee_node *node, const toffee_tensor *const *inputs,
                toffee_tensor **out, toffee_status *st)
{
    toffee_eval e = {.arena = arena, .node = node, .in = inputs};
    toffee_eval_rule *rule = rule_of(node);

    *out = NULL;
    if (rule != NULL) {
        TOFFEE_RETURN_IF_ERROR(rule(&e, st));
        *out = e.out;
    }
    return TOFFEE_OK;
}
