/* csrc/caffe2/fill.c -- constants as operators that make them: what an init net is made of.
 *
 * Caffe2's fills take their values as arguments, which are float, int64 or bytes. A double is
 * therefore the sum of three floats, and a half or an int8 is made wider and cast. */
#include <math.h>
#include <string.h>

#include "caffe2/steps.h"

/* caffe2.TensorProto.DataType, for Cast. */
enum {
    C2_DATA_UINT8 = 6,
    C2_DATA_INT8 = 7,
    C2_DATA_UINT16 = 8,
    C2_DATA_DOUBLE = 13,
};

typedef enum { FILL_FLOAT, FILL_INTS, FILL_HALF, FILL_DOUBLE } fill_kind;

/* How a dtype is filled: OP takes values of KIND and, if CAST_TO is not 0, Cast follows. */
static const struct fill_row {
    toffee_dtype dtype;
    fill_kind kind;
    const char *op;
    int64_t cast_to;
} fill_rows[] = {
    {TOFFEE_DTYPE_FLOAT, FILL_FLOAT, "GivenTensorFill", 0},
    {TOFFEE_DTYPE_UINT8, FILL_INTS, "GivenTensorIntFill", C2_DATA_UINT8},
    {TOFFEE_DTYPE_INT8, FILL_INTS, "GivenTensorIntFill", C2_DATA_INT8},
    {TOFFEE_DTYPE_UINT16, FILL_INTS, "GivenTensorIntFill", C2_DATA_UINT16},
    {TOFFEE_DTYPE_INT16, FILL_INTS, "GivenTensorInt16Fill", 0},
    {TOFFEE_DTYPE_INT32, FILL_INTS, "GivenTensorIntFill", 0},
    {TOFFEE_DTYPE_INT64, FILL_INTS, "GivenTensorInt64Fill", 0},
    {TOFFEE_DTYPE_BOOL, FILL_INTS, "GivenTensorBoolFill", 0},
    {TOFFEE_DTYPE_FLOAT16, FILL_HALF, "GivenTensorFill", 0},
    {TOFFEE_DTYPE_DOUBLE, FILL_DOUBLE, "GivenTensorFill", 0},
};

float
toffee_c2_half(uint16_t bits)
{
    int exponent = bits >> 10 & 0x1f;
    float fraction = (float)(bits & 0x3ff);
    float magnitude = 0;

    if (exponent == 0x1f) {
        magnitude = fraction != 0 ? NAN : INFINITY;
    }
    else if (exponent == 0) {
        magnitude = ldexpf(fraction, -24);
    }
    else {
        magnitude = ldexpf(fraction + 1024, exponent - 25);
    }
    return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

/* An operator OP that makes N values as a blob of DIMS; its argument "values" comes next. NAME
 * NULL: a fresh blob. Returns the blob. */
static const char *
fill_begin(toffee_c2 *c, const char *op, const int64_t *dims, size_t rank, const char *name)
{
    toffee_c2_op(c, op);
    if (name == NULL) {
        name = toffee_c2_out_fresh(c);
    }
    else {
        toffee_c2_out(c, name);
    }
    toffee_c2_ints(c, "shape", dims, rank);
    return name;
}

/* X cast to DATA_TYPE as blob NAME. */
static void
fill_cast(toffee_c2 *c, const char *x, int64_t data_type, const char *name)
{
    toffee_c2_op(c, "Cast");
    toffee_c2_in(c, x);
    toffee_c2_out(c, name);
    toffee_c2_int(c, "to", data_type);
}

static void
fill_ints(toffee_c2 *c, const toffee_tensor *tensor, const struct fill_row *row,
          const uint8_t *data, const char *name)
{
    size_t n = (size_t)tensor->n_elements;
    int64_t *values = toffee_arena_calloc(c->arena, n + 1, sizeof(*values));
    const char *made = NULL;

    if (values == NULL) {
        c->rc = toffee_fail_nomem(c->st);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        (void)toffee_c2_element_int(tensor->dtype, data, i, &values[i]);
    }
    made =
        fill_begin(c, row->op, tensor->dims, (size_t)tensor->rank, row->cast_to == 0 ? name : NULL);
    toffee_c2_ints(c, "values", values, n);
    if (row->cast_to != 0) {
        fill_cast(c, made, row->cast_to, name);
    }
}

/* The weights proper: the argument points to the tensor's own bytes, if they lie as floats must,
 * and the tensor is held until the net has been written. */
static void
fill_float(toffee_c2 *c, const toffee_tensor *tensor, const void *data, const char *name)
{
    toffee_c2_op_draft *op = NULL;
    Caffe2__Argument *arg = NULL;

    fill_begin(c, "GivenTensorFill", tensor->dims, (size_t)tensor->rank, name);
    if ((uintptr_t)data % _Alignof(float) != 0) {
        float *copy = toffee_arena_copy(c->arena, data, (size_t)tensor->n_bytes);

        if (copy == NULL && tensor->n_bytes != 0) {
            c->rc = toffee_fail_nomem(c->st);
            return;
        }
        toffee_c2_floats(c, "values", copy, (size_t)tensor->n_elements);
        return;
    }
    toffee_c2_floats(c, "values", NULL, 0);
    if (c->rc != TOFFEE_OK) {
        return;
    }
    if (toffee_tensor_hold(tensor, &data, c->st) != TOFFEE_OK) {
        c->rc = c->st->code;
        return;
    }
    if (!TOFFEE_VEC_PUSH(c->arena, &c->held, tensor)) {
        toffee_tensor_let_go(tensor);
        c->rc = toffee_fail_nomem(c->st);
        return;
    }
    op = &c->into->ops.data[c->into->ops.n - 1];
    arg = op->args.data[op->args.n - 1];
    arg->n_floats = (size_t)tensor->n_elements;
    arg->floats = (float *)(uintptr_t)data;
}

static void
fill_half(toffee_c2 *c, const toffee_tensor *tensor, const uint8_t *data, const char *name)
{
    size_t n = (size_t)tensor->n_elements;
    float *values = toffee_arena_calloc(c->arena, n + 1, sizeof(*values));
    const char *made = NULL;

    if (values == NULL) {
        c->rc = toffee_fail_nomem(c->st);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint16_t bits = 0;

        memcpy(&bits, data + i * sizeof(bits), sizeof(bits));
        values[i] = toffee_c2_half(bits);
    }
    made = fill_begin(c, "GivenTensorFill", tensor->dims, (size_t)tensor->rank, NULL);
    toffee_c2_floats(c, "values", values, n);
    toffee_c2_op(c, "FloatToHalf");
    toffee_c2_in(c, made);
    toffee_c2_out(c, name);
}

/* Takes from each of N REST what a float can hold of it, into PART. False if that overflows. */
static bool
take_float_part(double *rest, float *part, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        part[i] = (float)rest[i];
        if (isinf(part[i]) && !isinf(rest[i])) {
            return false;
        }
        /* What is infinite or no number is so in the first part. */
        rest[i] = isfinite(rest[i]) ? rest[i] - (double)part[i] : 0;
    }
    return true;
}

static void
fill_double(toffee_c2 *c, const toffee_tensor *tensor, const uint8_t *data, const char *name)
{
    size_t n = (size_t)tensor->n_elements;
    double *rest = toffee_arena_calloc(c->arena, n + 1, sizeof(*rest));
    float *part = toffee_arena_calloc(c->arena, n + 1, sizeof(*part));
    const char *sum = NULL;
    bool left = true;

    if (rest == NULL || part == NULL) {
        c->rc = toffee_fail_nomem(c->st);
        return;
    }
    memcpy(rest, data, n * sizeof(*rest));
    while (left && c->rc == TOFFEE_OK) {
        const char *term = NULL;
        bool fits = take_float_part(rest, part, n);

        term = fill_begin(c, "GivenTensorFill", tensor->dims, (size_t)tensor->rank, NULL);
        toffee_c2_floats(c, "values", part, n);
        toffee_c2_op(c, "Cast");
        toffee_c2_in(c, term);
        term = toffee_c2_out_fresh(c);
        toffee_c2_int(c, "to", C2_DATA_DOUBLE);
        sum = sum == NULL ? term : toffee_c2_op2(c, "Add", sum, term, NULL);
        left = false;
        for (size_t i = 0; i < n; i++) {
            /* Below the smallest float nothing can be taken: such a rest never ends. */
            fits = fits && (rest[i] == 0 || fabs(rest[i]) >= 0x1p-126);
            left = left || rest[i] != 0;
        }
        if (!fits && c->rc == TOFFEE_OK) {
            c->rc = toffee_fail(c->st, TOFFEE_ERR_UNSUPPORTED,
                                "tensor '%s' has doubles beyond the range of float32, which "
                                "Caffe2's nets cannot hold",
                                name);
        }
    }
    toffee_c2_op(c, "Copy");
    toffee_c2_in(c, sum != NULL ? sum : "");
    toffee_c2_out(c, name);
}

void
toffee_c2_fill(toffee_c2 *c, const toffee_tensor *tensor, const char *name)
{
    const struct fill_row *row = NULL;
    const void *data = NULL;

    for (size_t i = 0; i < TOFFEE_COUNTOF(fill_rows); i++) {
        if (fill_rows[i].dtype == tensor->dtype) {
            row = &fill_rows[i];
        }
    }
    if (c->rc != TOFFEE_OK) {
        return;
    }
    if (row == NULL) {
        c->rc = toffee_fail(c->st, TOFFEE_ERR_UNSUPPORTED,
                            "tensor '%s' is of dtype %s, for which Caffe2 has no fill operator",
                            name, toffee_dtype_get(tensor->dtype)->name);
        return;
    }
    c->rc = toffee_tensor_hold(tensor, &data, c->st);
    if (c->rc != TOFFEE_OK) {
        return;
    }
    switch (row->kind) {
    case FILL_FLOAT: fill_float(c, tensor, data, name); break;
    case FILL_INTS: fill_ints(c, tensor, row, data, name); break;
    case FILL_HALF: fill_half(c, tensor, data, name); break;
    case FILL_DOUBLE: fill_double(c, tensor, data, name); break;
    }
    toffee_tensor_let_go(tensor);
}

/* ---- helper constants of rules ----------------------------------------------------------------
 */

const char *
toffee_c2_const_ints(toffee_c2 *c, const int64_t *values, size_t n, const int64_t *dims,
                     size_t rank)
{
    toffee_c2_net_draft *into = c->into;
    int64_t length = (int64_t)n;
    const char *name = NULL;

    c->into = &c->init;
    name = fill_begin(c, "GivenTensorInt64Fill", dims != NULL ? dims : &length,
                      dims != NULL ? rank : 1, NULL);
    toffee_c2_ints(c, "values", values, n);
    c->into = into;
    return name;
}

const char *
toffee_c2_const_floats(toffee_c2 *c, const float *values, size_t n, const int64_t *dims,
                       size_t rank)
{
    toffee_c2_net_draft *into = c->into;
    const char *name = NULL;

    c->into = &c->init;
    name = fill_begin(c, "GivenTensorFill", dims, rank, NULL);
    toffee_c2_floats(c, "values", values, n);
    c->into = into;
    return name;
}
