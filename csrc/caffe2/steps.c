/* csrc/caffe2/steps.c -- the steps that many rules are made of. */
#include "caffe2/steps.h"

#include <string.h>

/* ---- dtypes ---------------------------------------------------------------------------------- */

/* caffe2.TensorProto.DataType. */
static const struct {
    toffee_dtype dtype;
    int64_t data_type;
} data_types[] = {
    {TOFFEE_DTYPE_FLOAT, 1},  {TOFFEE_DTYPE_INT32, 2},    {TOFFEE_DTYPE_BOOL, 5},
    {TOFFEE_DTYPE_UINT8, 6},  {TOFFEE_DTYPE_INT8, 7},     {TOFFEE_DTYPE_INT16, 9},
    {TOFFEE_DTYPE_INT64, 10}, {TOFFEE_DTYPE_FLOAT16, 12}, {TOFFEE_DTYPE_DOUBLE, 13},
};

int64_t
toffee_c2_data_type(toffee_dtype dtype)
{
    for (size_t i = 0; i < TOFFEE_COUNTOF(data_types); i++) {
        if (data_types[i].dtype == dtype) {
            return data_types[i].data_type;
        }
    }
    return 0;
}

bool
toffee_c2_is(const toffee_value *value, uint64_t set)
{
    return (set & TOFFEE_C2_BIT(toffee_c2_dtype(value))) != 0;
}

static toffee_code
decline_dtype(toffee_c2 *c, const toffee_value *value)
{
    toffee_dtype dtype = toffee_c2_dtype(value);
    const char *why = NULL;

    if (toffee_type_get_kind(&value->type) != TOFFEE_TYPE_IS_TENSOR) {
        why = toffee_arena_printf(c->arena, "'%s' is no tensor, and Caffe2 knows nothing else",
                                  toffee_str_text(value->name));
    }
    else if (dtype == TOFFEE_DTYPE_UNDEFINED) {
        why = toffee_arena_printf(c->arena,
                                  "the dtype of '%s' is not known: infer the graph's types first",
                                  toffee_str_text(value->name));
    }
    else {
        why = toffee_arena_printf(c->arena,
                                  "'%s' is of dtype %s, which Caffe2 and PyTorch 1.10 do not "
                                  "compute with",
                                  toffee_str_text(value->name), toffee_dtype_get(dtype)->name);
    }
    return toffee_c2_decline(c, why != NULL ? why : "memory is out");
}

toffee_code
toffee_c2_check_dtypes(toffee_c2 *c)
{
    for (size_t i = 0; i < c->node->inputs.n; i++) {
        const toffee_value *value = c->node->inputs.data[i];

        if (value != NULL && !toffee_c2_is(value, TOFFEE_C2_ANY)) {
            return decline_dtype(c, value);
        }
    }
    for (size_t i = 0; i < c->node->outputs.n; i++) {
        const toffee_value *value = c->node->outputs.data[i];

        if (value != NULL && !toffee_c2_is(value, TOFFEE_C2_ANY)) {
            return decline_dtype(c, value);
        }
    }
    return TOFFEE_OK;
}

/* X becomes DST where it is made, if the last operator makes it and nothing else can have its name.
 */
static bool
rename_last(toffee_c2 *c, const char *x, const char *dst)
{
    toffee_c2_op_draft *op = c->into->ops.n != 0 ? &c->into->ops.data[c->into->ops.n - 1] : NULL;

    if (op == NULL || x == NULL || strncmp(x, TOFFEE_C2_FRESH, sizeof(TOFFEE_C2_FRESH) - 1) != 0) {
        return false;
    }
    for (size_t i = 0; i < op->outputs.n; i++) {
        if (strcmp(op->outputs.data[i], x) == 0) {
            op->outputs.data[i] = toffee_arena_strndup(c->arena, dst, strlen(dst));
            if (op->outputs.data[i] == NULL) {
                c->rc = toffee_fail_nomem(c->st);
            }
            return true;
        }
    }
    return false;
}

const char *
toffee_c2_cast(toffee_c2 *c, const char *x, toffee_dtype from, toffee_dtype to, const char *dst)
{
    if (from == to) {
        if (dst == NULL || c->rc != TOFFEE_OK) {
            return x;
        }
        return rename_last(c, x, dst) ? dst : toffee_c2_op1(c, "Copy", x, dst);
    }
    /* Caffe2's Cast knows no half; two operators of their own do, from and to float. */
    if (from == TOFFEE_DTYPE_FLOAT16) {
        x = toffee_c2_op1(c, "HalfToFloat", x, to == TOFFEE_DTYPE_FLOAT ? dst : NULL);
        return to == TOFFEE_DTYPE_FLOAT ? x : toffee_c2_cast(c, x, TOFFEE_DTYPE_FLOAT, to, dst);
    }
    if (to == TOFFEE_DTYPE_FLOAT16) {
        x = toffee_c2_cast(c, x, from, TOFFEE_DTYPE_FLOAT, NULL);
        return toffee_c2_op1(c, "FloatToHalf", x, dst);
    }
    dst = toffee_c2_op1(c, "Cast", x, dst);
    toffee_c2_int(c, "to", toffee_c2_data_type(to));
    return dst;
}

/* ---- operators ------------------------------------------------------------------------------- */

const char *
toffee_c2_to(toffee_c2 *c, const char *dst)
{
    if (dst == NULL) {
        return toffee_c2_out_fresh(c);
    }
    toffee_c2_out(c, dst);
    return dst;
}

const char *
toffee_c2_x(toffee_c2 *c, size_t index)
{
    return toffee_c2_blob(c, toffee_c2_input(c, index));
}

const char *
toffee_c2_y(toffee_c2 *c, size_t index)
{
    const toffee_value *value = toffee_c2_output(c, index);

    return value != NULL ? toffee_c2_blob(c, value) : toffee_c2_fresh(c);
}

const char *
toffee_c2_op1(toffee_c2 *c, const char *type, const char *x, const char *dst)
{
    toffee_c2_op(c, type);
    toffee_c2_in(c, x);
    return toffee_c2_to(c, dst);
}

const char *
toffee_c2_op2(toffee_c2 *c, const char *type, const char *a, const char *b, const char *dst)
{
    toffee_c2_op(c, type);
    toffee_c2_in(c, a);
    toffee_c2_in(c, b);
    return toffee_c2_to(c, dst);
}

const char *
toffee_c2_aten1(toffee_c2 *c, const char *function, const char *x, const char *dst)
{
    toffee_c2_aten(c, function);
    toffee_c2_in(c, x);
    return toffee_c2_to(c, dst);
}

const char *
toffee_c2_aten2(toffee_c2 *c, const char *function, const char *a, const char *b, const char *dst)
{
    toffee_c2_aten(c, function);
    toffee_c2_in(c, a);
    toffee_c2_in(c, b);
    return toffee_c2_to(c, dst);
}

const char *
toffee_c2_aten3(toffee_c2 *c, const char *function, const char *a, const char *b, const char *third,
                const char *dst)
{
    toffee_c2_aten(c, function);
    toffee_c2_in(c, a);
    toffee_c2_in(c, b);
    toffee_c2_in(c, third);
    return toffee_c2_to(c, dst);
}

const char *
toffee_c2_aten_int(toffee_c2 *c, const char *function, const char *x, const char *arg,
                   int64_t value, const char *dst)
{
    dst = toffee_c2_aten1(c, function, x, dst);
    toffee_c2_int(c, arg, value);
    return dst;
}

const char *
toffee_c2_aten_ints(toffee_c2 *c, const char *function, const char *x, const char *arg,
                    const int64_t *values, size_t n, const char *dst)
{
    dst = toffee_c2_aten1(c, function, x, dst);
    toffee_c2_ints(c, arg, values, n);
    return dst;
}

const char *
toffee_c2_aten_dim2(toffee_c2 *c, const char *function, const char *a, const char *b, int32_t axis,
                    const char *dst)
{
    dst = toffee_c2_aten2(c, function, a, b, dst);
    toffee_c2_int(c, "dim", axis);
    return dst;
}

const char *
toffee_c2_aten_dim3(toffee_c2 *c, const char *function, const char *a, const char *b,
                    const char *third, int32_t axis, const char *dst)
{
    dst = toffee_c2_aten3(c, function, a, b, third, dst);
    toffee_c2_int(c, "dim", axis);
    return dst;
}

const char *
toffee_c2_narrow(toffee_c2 *c, const char *x, int32_t axis, int64_t start, int64_t length,
                 const char *dst)
{
    dst = toffee_c2_aten_int(c, "narrow", x, "dim", axis, dst);
    toffee_c2_int(c, "start", start);
    toffee_c2_int(c, "length", length);
    return dst;
}

const char *
toffee_c2_view(toffee_c2 *c, const char *x, const int64_t *dims, size_t rank, const char *dst)
{
    return toffee_c2_aten_ints(c, "reshape", x, "shape", dims, rank, dst);
}

const char *
toffee_c2_reshape(toffee_c2 *c, const char *x, const int64_t *dims, size_t rank, const char *dst)
{
    dst = toffee_c2_op1(c, "Reshape", x, dst);
    toffee_c2_out_fresh(c); /* the old shape, which nobody wants */
    toffee_c2_ints(c, "shape", dims, rank);
    return dst;
}

/* ---- shapes ---------------------------------------------------------------------------------- */

bool
toffee_c2_same_dims(toffee_c2 *c, const toffee_value *a, const toffee_value *b)
{
    const int64_t *left = NULL;
    const int64_t *right = NULL;

    if (toffee_c2_rank(a) != toffee_c2_rank(b) || !toffee_c2_dims(c, a, &left) ||
        !toffee_c2_dims(c, b, &right)) {
        return false;
    }
    return memcmp(left, right, (size_t)toffee_c2_rank(a) * sizeof(*left)) == 0;
}

int64_t
toffee_c2_product(const int64_t *dims, size_t begin, size_t end)
{
    int64_t product = 1;

    for (size_t i = begin; i < end; i++) {
        if (__builtin_mul_overflow(product, dims[i], &product)) {
            product = INT64_MAX;
        }
    }
    return product;
}

int64_t *
toffee_c2_numbers(toffee_c2 *c, size_t n)
{
    int64_t *numbers = toffee_arena_calloc(c->arena, n + 1, sizeof(*numbers));

    if (numbers == NULL && c->rc == TOFFEE_OK) {
        c->rc = toffee_fail_nomem(c->st);
    }
    return numbers;
}

const char *
toffee_c2_count_up(toffee_c2 *c, int64_t n, const int64_t *dims, size_t rank)
{
    toffee_c2_net_draft *into = c->into;
    int64_t scalar = 0;
    const char *stop = toffee_c2_const_ints(c, &n, 1, &scalar, 0);
    const char *numbers = NULL;

    c->into = &c->init;
    numbers = toffee_c2_op1(c, "Range", stop, NULL);
    if (dims != NULL) {
        numbers = toffee_c2_reshape(c, numbers, dims, rank, NULL);
    }
    c->into = into;
    return numbers;
}

const char *
toffee_c2_const(toffee_c2 *c, toffee_dtype dtype, const void *data, const int64_t *dims,
                int32_t rank)
{
    toffee_c2_net_draft *into = c->into;
    toffee_tensor *tensor = NULL;
    const char *name = toffee_c2_fresh(c);

    if (c->rc == TOFFEE_OK) {
        c->rc = toffee_tensor_new(c->arena, NULL, dtype, dims, rank, data, &tensor, c->st);
    }
    if (c->rc != TOFFEE_OK) {
        return "";
    }
    tensor->data = toffee_arena_copy(c->arena, data, (size_t)tensor->n_bytes);
    if (tensor->data == NULL && tensor->n_bytes != 0) {
        c->rc = toffee_fail_nomem(c->st);
        return "";
    }
    c->into = &c->init;
    toffee_c2_fill(c, tensor, name);
    c->into = into;
    return name;
}

const char *
toffee_c2_number(toffee_c2 *c, double number, toffee_dtype dtype)
{
    float single = (float)number;

    return dtype == TOFFEE_DTYPE_DOUBLE ? toffee_c2_const(c, TOFFEE_DTYPE_DOUBLE, &number, NULL, 0)
                                        : toffee_c2_const(c, TOFFEE_DTYPE_FLOAT, &single, NULL, 0);
}

/* INDEX if it has no element below 0, else INDEX + N where it has. */
static const char *
index_shift(toffee_c2 *c, const char *index, int64_t n)
{
    const char *below = toffee_c2_aten_int(c, "lt", index, "other", 0, NULL);

    below = toffee_c2_aten_int(c, "mul", below, "other", n, NULL);
    return toffee_c2_aten2(c, "add", index, below, NULL);
}

const char *
toffee_c2_index_from_front(toffee_c2 *c, const toffee_value *index, int64_t n)
{
    const char *blob = toffee_c2_blob(c, index);
    size_t n_known = 0;
    const int64_t *known = toffee_c2_known_ints(c, index, &n_known);
    bool below = known == NULL;

    for (size_t i = 0; known != NULL && i < n_known; i++) {
        below = below || known[i] < 0;
    }
    blob = toffee_c2_cast(c, blob, toffee_c2_dtype(index), TOFFEE_DTYPE_INT64, NULL);
    return below ? index_shift(c, blob, n) : blob;
}

toffee_code
toffee_c2_same(toffee_c2 *c, const toffee_c2_rule *rule, uint64_t set)
{
    if (!toffee_c2_is(toffee_c2_input(c, 0), set)) {
        return toffee_c2_decline(c, "Caffe2's operator has no kernel for this dtype");
    }
    toffee_c2_op(c, rule->caffe2_name);
    toffee_c2_in_all(c);
    toffee_c2_out_at(c, 0);
    return toffee_c2_done(c);
}
