/* csrc/caffe2/import_fill.c -- operators that make blobs from nothing: the weights. */
#include <math.h>
#include <string.h>

#include "caffe2/importer.h"

/* A fill of this many elements is an initializer; a larger one is a node ConstantOfShape: a net of
 * twenty bytes may ask for any size. */
#define MAX_SPREAD (UINT64_C(1) << 16)

/* The argument "shape" of a fill without inputs. *COUNT is how many elements that is. */
static const int64_t *
fill_shape(toffee_c2i *c, size_t *rank, uint64_t *count)
{
    const int64_t *dims = toffee_c2i_ints(c, "shape", rank);

    *count = 1;
    if (c->op->n_inputs != 0 || toffee_c2i_int(c, "input_as_shape", 0) != 0) {
        toffee_c2i_refuse(c, "it takes its shape from an input");
    }
    for (size_t i = 0; i < *rank; i++) {
        if (dims[i] < 0 || __builtin_mul_overflow(*count, (uint64_t)dims[i], count)) {
            toffee_c2i_fail(c, TOFFEE_ERR_FORMAT, "its shape is no shape of a tensor");
            return NULL;
        }
    }
    return dims;
}

/* The argument "values", which must have COUNT elements. */
static const toffee_c2_read_arg *
fill_values(toffee_c2i *c, bool floats, uint64_t count)
{
    const toffee_c2_read_arg *arg = NULL;
    size_t n = 0;

    if (!toffee_c2i_has(c, "values")) {
        toffee_c2i_fail(c, TOFFEE_ERR_FORMAT, "it has no values");
        return NULL;
    }
    arg = toffee_c2_read_find(c->op, "values");
    n = floats ? arg->n_floats : arg->n_ints;
    if (n != count || (floats ? arg->n_ints : arg->n_floats) != 0) {
        toffee_c2i_fail(c, TOFFEE_ERR_FORMAT, "it has %zu values for a shape of %llu elements", n,
                        (unsigned long long)count);
        return NULL;
    }
    return arg;
}

static void
fill_given(toffee_c2i *c)
{
    size_t rank = 0;
    uint64_t count = 0;
    const int64_t *dims = fill_shape(c, &rank, &count);
    const toffee_c2_read_arg *arg = c->rc == TOFFEE_OK ? fill_values(c, true, count) : NULL;

    if (arg != NULL) {
        toffee_c2i_bind_tensor(c, 0, TOFFEE_DTYPE_FLOAT, dims, rank, arg->floats);
    }
}

/* The low bytes of each integer are the integer of fewer bytes: the machine is little-endian. */
static void
fill_given_ints(toffee_c2i *c, toffee_dtype dtype, int64_t least, int64_t most)
{
    size_t size = toffee_dtype_get(dtype)->n_bytes;
    size_t rank = 0;
    uint64_t count = 0;
    const int64_t *dims = fill_shape(c, &rank, &count);
    const toffee_c2_read_arg *arg = c->rc == TOFFEE_OK ? fill_values(c, false, count) : NULL;
    uint8_t *data = NULL;

    if (arg == NULL) {
        return;
    }
    data = toffee_arena_calloc(c->graph->arena, arg->n_ints + 1, size);
    if (data == NULL) {
        toffee_c2i_nomem(c);
        return;
    }
    for (size_t i = 0; i < arg->n_ints; i++) {
        int64_t x = arg->ints[i];

        if (x < least || x > most) {
            toffee_c2i_fail(c, TOFFEE_ERR_FORMAT, "its value %lld is no %s", (long long)x,
                            toffee_dtype_get(dtype)->name);
            return;
        }
        memcpy(data + i * size, &x, size);
    }
    toffee_c2i_bind_tensor(c, 0, dtype, dims, rank, data);
}

static void
fill_given_int16(toffee_c2i *c)
{
    fill_given_ints(c, TOFFEE_DTYPE_INT16, INT16_MIN, INT16_MAX);
}

static void
fill_given_int(toffee_c2i *c)
{
    fill_given_ints(c, TOFFEE_DTYPE_INT32, INT32_MIN, INT32_MAX);
}

static void
fill_given_int64(toffee_c2i *c)
{
    fill_given_ints(c, TOFFEE_DTYPE_INT64, INT64_MIN, INT64_MAX);
}

static void
fill_given_bool(toffee_c2i *c)
{
    fill_given_ints(c, TOFFEE_DTYPE_BOOL, 0, 1);
}

/* The element VALUE of DTYPE into OUT; its size, or 0 if it is refused. */
static size_t
fill_element(toffee_c2i *c, toffee_dtype dtype, uint8_t out[8])
{
    const toffee_c2_read_arg *arg = toffee_c2_read_find(c->op, "value");
    bool whole = arg != NULL && arg->has_i;
    double x = whole ? (double)arg->i : arg != NULL && arg->has_f ? (double)arg->f : 0;
    int64_t i = whole ? arg->i : 0;
    float f = (float)x;
    bool b = i != 0;

    (void)toffee_c2i_has(c, "value");
    if (arg != NULL && !arg->has_i && !arg->has_f) {
        toffee_c2i_refuse(c, "its argument 'value' is no number");
        return 0;
    }
    switch (dtype) {
    case TOFFEE_DTYPE_FLOAT: memcpy(out, &f, sizeof(f)); return sizeof(f);
    case TOFFEE_DTYPE_DOUBLE: memcpy(out, &x, sizeof(x)); return sizeof(x);
    case TOFFEE_DTYPE_BOOL: memcpy(out, &b, sizeof(b)); return sizeof(b);
    case TOFFEE_DTYPE_INT32:
    case TOFFEE_DTYPE_INT64:
    case TOFFEE_DTYPE_INT8:
    case TOFFEE_DTYPE_UINT8:
    case TOFFEE_DTYPE_INT16:
    case TOFFEE_DTYPE_UINT16:
        if (arg != NULL && !whole) {
            toffee_c2i_refuse(c, "it fills integers with a float");
            return 0;
        }
        memcpy(out, &i, sizeof(i));
        return toffee_dtype_get(dtype)->n_bytes;
    default:
        toffee_c2i_refuse(c, "it fills a tensor of %s", toffee_dtype_get(dtype)->name);
        return 0;
    }
}

/* ConstantOfShape of SHAPE with one element of DTYPE as its value. */
static void
fill_spread(toffee_c2i *c, toffee_value *shape, toffee_dtype dtype, const uint8_t *element,
            size_t size)
{
    int64_t one = 1;
    void *copy = toffee_arena_copy(c->graph->arena, element, size);
    toffee_tensor *tensor = NULL;

    if (c->rc != TOFFEE_OK) {
        return;
    }
    if (copy == NULL) {
        toffee_c2i_nomem(c);
        return;
    }
    toffee_c2i_node(c, "ConstantOfShape");
    toffee_c2i_add(c, shape);
    if (c->rc == TOFFEE_OK) {
        c->rc = toffee_tensor_new(c->graph->arena, NULL, dtype, &one, 1, copy, &tensor, c->st);
    }
    if (c->rc == TOFFEE_OK) {
        c->rc = toffee_node_set_tensor(c->node, "value", tensor, c->st);
    }
    toffee_c2i_out(c, 0);
}

/* The shape that a fill takes from its input: that of the input, or what is in it. */
static toffee_value *
fill_shape_input(toffee_c2i *c)
{
    toffee_value *x = toffee_c2i_in(c, 0);
    size_t n = 0;

    toffee_c2i_arity(c, 1, 1);
    (void)toffee_c2i_ints(c, "extra_shape", &n);
    if (n != 0 || toffee_c2i_has(c, "shape")) {
        toffee_c2i_refuse(c, "it takes its shape from an input and from arguments");
    }
    if (toffee_c2i_int(c, "input_as_shape", 0) == 0) {
        return toffee_c2i_apply(c, "Shape", x, NULL);
    }
    return toffee_c2i_as_int64(c, x);
}

static void
fill_constant(toffee_c2i *c)
{
    toffee_dtype dtype = toffee_c2i_data_type_arg(c, "dtype", TOFFEE_DTYPE_FLOAT);
    uint8_t element[8] = {0};
    size_t size = fill_element(c, dtype, element);
    const int64_t *dims = NULL;
    uint8_t *data = NULL;
    size_t rank = 0;
    uint64_t count = 0;

    if (c->rc == TOFFEE_OK && c->op->n_inputs != 0) {
        fill_spread(c, fill_shape_input(c), dtype, element, size);
        return;
    }
    dims = fill_shape(c, &rank, &count);
    if (c->rc != TOFFEE_OK) {
        return;
    }
    if (count > MAX_SPREAD) {
        fill_spread(c, toffee_c2i_const_ints(c, dims, rank), dtype, element, size);
        return;
    }
    data = toffee_arena_calloc(c->graph->arena, (size_t)count + 1, size);
    if (data == NULL) {
        toffee_c2i_nomem(c);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(data + i * size, element, size);
    }
    toffee_c2i_bind_tensor(c, 0, dtype, dims, rank, data);
}

static void
fill_random(toffee_c2i *c)
{
    toffee_c2i_refuse(c,
                      "it makes random numbers: the net is that of a training that begins. Save "
                      "the weights after training (Caffe2's mobile_exporter does) and read those");
}

static const toffee_c2i_rule rows[] = {
    {"ConstantFill", fill_constant, "an initializer, or ConstantOfShape", "`extra_shape`"},
    {"GaussianFill", fill_random, NULL, "always: random"},
    {"GivenTensorBoolFill", fill_given_bool, "an initializer", NULL},
    {"GivenTensorFill", fill_given, "an initializer", NULL},
    {"GivenTensorInt16Fill", fill_given_int16, "an initializer", NULL},
    {"GivenTensorInt64Fill", fill_given_int64, "an initializer", NULL},
    {"GivenTensorIntFill", fill_given_int, "an initializer", NULL},
    {"MSRAFill", fill_random, NULL, "always: random"},
    {"UniformFill", fill_random, NULL, "always: random"},
    {"UniformIntFill", fill_random, NULL, "always: random"},
    {"XavierFill", fill_random, NULL, "always: random"},
};

const toffee_c2i_family toffee_c2i_rules_fill = {rows, TOFFEE_COUNTOF(rows)};
