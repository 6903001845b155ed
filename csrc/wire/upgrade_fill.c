/* csrc/wire/upgrade_fill.c -- tensors that a node makes out of nothing. */
#include <string.h>

#include "wire/upgrade_rules.h"

/* Constant [value]: early attributes had no single tensor, only a list of one. */
toffee_code
toffee_upgrade_constant(toffee_rewrite *rw, toffee_node *node)
{
    const toffee_attr *attr = toffee_node_attr(node, "value");
    toffee_tensor *tensor = NULL;

    if (attr != NULL && attr->type == TOFFEE_ATTR_TENSORS && attr->n == 1) {
        tensor = attr->tensors[0];
    }
    else if (attr != NULL && attr->type == TOFFEE_ATTR_TENSOR) {
        tensor = attr->t;
    }
    if (tensor == NULL) {
        return toffee_rewrite_fail(rw, node, "it has no attribute 'value' that is one tensor");
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_set_rank(rw, node->outputs.data[0], tensor->rank));
    return toffee_node_set_tensor(node, "value", tensor, rw->st);
}

/* One element of DTYPE that is VALUE; *OK is false if there is no such thing. */
static toffee_code
fill_element(toffee_rewrite *rw, toffee_dtype dtype, double value, bool *ok, toffee_tensor **out)
{
    static const int64_t one[] = {1};
    union {
        float f;
        double d;
        int64_t i;
        int32_t n;
        uint8_t u;
    } element = {.i = 0};
    const void *data = NULL;

    *ok = true;
    switch (dtype) {
    case TOFFEE_DTYPE_FLOAT: element.f = (float)value; break;
    case TOFFEE_DTYPE_DOUBLE: element.d = value; break;
    case TOFFEE_DTYPE_INT64: element.i = toffee_rewrite_whole(value); break;
    case TOFFEE_DTYPE_INT32: element.n = (int32_t)toffee_rewrite_whole(value); break;
    case TOFFEE_DTYPE_BOOL: element.u = value != 0; break;
    default:
        *ok = value == 0 && toffee_dtype_get(dtype)->n_bytes != 0 &&
              toffee_dtype_get(dtype)->n_bytes <= sizeof(element);
    }
    if (!*ok) {
        return TOFFEE_OK;
    }
    data = toffee_arena_copy(rw->graph->arena, &element, sizeof(element));
    if (data == NULL) {
        return toffee_fail_nomem(rw->st);
    }
    return toffee_tensor_new(rw->graph->arena, NULL, dtype, one, 1, data, out, rw->st);
}

/* The shape that a ConstantFill asks for: attribute `shape`; or the input's shape (its elements
 * with input_as_shape=1), and then `extra_shape`. */
static toffee_code
fill_shape(toffee_rewrite *rw, const toffee_node *node, toffee_value **out)
{
    const int64_t *shape = NULL;
    size_t n = 0;
    int64_t as_shape = 0;
    toffee_value *parts[2] = {node->inputs.n != 0 ? node->inputs.data[0] : NULL, NULL};
    toffee_node *made = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "input_as_shape", &as_shape));
    if (parts[0] == NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_ints(rw, node, "shape", &shape, &n));
        if (shape == NULL) {
            return toffee_rewrite_fail(rw, node,
                                       "it has neither an attribute 'shape' nor an input");
        }
        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_set_rank(rw, node->outputs.data[0], (int32_t)n));
        return toffee_rewrite_ints(rw, shape, n, out);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_emit(rw, as_shape != 0 ? "Cast" : "Shape", parts, 1, NULL,
                                               &made, &parts[0]));
    if (as_shape != 0) {
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(made, "to", TOFFEE_DTYPE_INT64, rw->st));
    }
    *out = parts[0];
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_ints(rw, node, "extra_shape", &shape, &n));
    if (n == 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_ints(rw, shape, n, &parts[1]));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_emit(rw, "Concat", parts, 2, NULL, &made, out));
    return toffee_node_set_int(made, "axis", 0, rw->st);
}

/* ConstantFill(x?) [shape, value=0, dtype=FLOAT, extra_shape, input_as_shape]
 *   -> ConstantOfShape(shape) [value] */
toffee_code
toffee_upgrade_constant_fill(toffee_rewrite *rw, toffee_node *node)
{
    double value = 0;
    bool ok = false;
    toffee_dtype dtype = TOFFEE_DTYPE_FLOAT;
    toffee_value *shape = NULL;
    toffee_tensor *element = NULL;
    toffee_node *made = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_float(rw, node, "value", &value));
    TOFFEE_RETURN_IF_ERROR(toffee_upgrade_dtype(rw, node, "dtype", &dtype));
    TOFFEE_RETURN_IF_ERROR(fill_element(rw, dtype, value, &ok, &element));
    if (!ok) {
        return toffee_rewrite_fail(rw, node, "cannot fill a tensor of %s with %g",
                                   toffee_dtype_get(dtype)->name, value);
    }
    TOFFEE_RETURN_IF_ERROR(fill_shape(rw, node, &shape));
    rw->kept = true; /* replaced */
    TOFFEE_RETURN_IF_ERROR(
        toffee_rewrite_emit(rw, "ConstantOfShape", &shape, 1, node->outputs.data[0], &made, NULL));
    return toffee_node_set_tensor(made, "value", element, rw->st);
}

typedef struct {
    const char *op_type;
    toffee_dtype dtype;
} given_fill;

static const given_fill given_fills[] = {
    {"GivenTensorBoolFill", TOFFEE_DTYPE_BOOL}, {"GivenTensorDoubleFill", TOFFEE_DTYPE_DOUBLE},
    {"GivenTensorFill", TOFFEE_DTYPE_FLOAT},    {"GivenTensorInt64Fill", TOFFEE_DTYPE_INT64},
    {"GivenTensorIntFill", TOFFEE_DTYPE_INT32},
};

/* Element I of the list attribute ATTR as DTYPE, written to AT. */
static void
given_element(const toffee_attr *attr, size_t i, toffee_dtype dtype, uint8_t *at)
{
    double d = attr->type == TOFFEE_ATTR_FLOATS ? (double)attr->floats[i] : (double)attr->ints[i];
    int64_t whole = attr->type == TOFFEE_ATTR_INTS ? attr->ints[i] : toffee_rewrite_whole(d);
    float f = (float)d;
    int32_t n = (int32_t)whole;

    switch (dtype) {
    case TOFFEE_DTYPE_FLOAT: memcpy(at, &f, sizeof(f)); return;
    case TOFFEE_DTYPE_DOUBLE: memcpy(at, &d, sizeof(d)); return;
    case TOFFEE_DTYPE_INT64: memcpy(at, &whole, sizeof(whole)); return;
    case TOFFEE_DTYPE_INT32: memcpy(at, &n, sizeof(n)); return;
    default: *at = d != 0;
    }
}

/* GivenTensorFill [shape, values] -> Constant [value] */
toffee_code
toffee_upgrade_given_tensor_fill(toffee_rewrite *rw, toffee_node *node)
{
    const toffee_attr *values = toffee_node_attr(node, "values");
    const int64_t *shape = NULL;
    size_t n = 0;
    toffee_dtype dtype = TOFFEE_DTYPE_FLOAT;
    toffee_tensor *tensor = NULL;
    uint8_t *data = NULL;

    for (size_t i = 0; i < TOFFEE_COUNTOF(given_fills); i++) {
        if (toffee_str_is(node->op_type, given_fills[i].op_type)) {
            dtype = given_fills[i].dtype;
        }
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_ints(rw, node, "shape", &shape, &n));
    if (shape == NULL || values == NULL || n > TOFFEE_MAX_RANK ||
        (values->type != TOFFEE_ATTR_FLOATS && values->type != TOFFEE_ATTR_INTS)) {
        return toffee_rewrite_fail(rw, node, "it needs attributes 'shape' and 'values'");
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_tensor_new(rw->graph->arena, NULL, dtype, shape, (int32_t)n, NULL, &tensor, rw->st));
    if (tensor->n_elements != values->n) {
        return toffee_rewrite_fail(rw, node, "'values' has %zu numbers, but 'shape' says %llu",
                                   values->n, (unsigned long long)tensor->n_elements);
    }
    data = toffee_arena_calloc(rw->graph->arena, values->n, toffee_dtype_get(dtype)->n_bytes);
    if (data == NULL) {
        return toffee_fail_nomem(rw->st);
    }
    for (size_t i = 0; i < values->n; i++) {
        given_element(values, i, dtype, data + i * toffee_dtype_get(dtype)->n_bytes);
    }
    tensor->data = data;
    toffee_rewrite_remove_attrs(node, (const char *const[]){"shape", "values"}, 2);
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_rename(rw, node, "Constant"));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_set_rank(rw, node->outputs.data[0], tensor->rank));
    return toffee_node_set_tensor(node, "value", tensor, rw->st);
}

/* RandomNormal, RandomUniform, …Like [dtype]: only the number of the dtype may have changed. */
toffee_code
toffee_upgrade_random(toffee_rewrite *rw, toffee_node *node)
{
    toffee_dtype dtype = TOFFEE_DTYPE_UNDEFINED;

    TOFFEE_RETURN_IF_ERROR(toffee_upgrade_dtype(rw, node, "dtype", &dtype));
    return dtype != TOFFEE_DTYPE_UNDEFINED ? toffee_node_set_int(node, "dtype", dtype, rw->st)
                                           : TOFFEE_OK;
}
