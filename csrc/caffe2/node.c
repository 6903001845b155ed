/* csrc/caffe2/node.c -- what a rule asks about the node at hand. */
#include <string.h>

#include "caffe2/net.h"

/* Shapes, axes, pads: whatever a graph says in a tensor that becomes an argument is short. */
#define MAX_KNOWN_INTS ((uint64_t)65536)

const toffee_value *
toffee_c2_input(const toffee_c2 *c, size_t index)
{
    return index < c->node->inputs.n ? c->node->inputs.data[index] : NULL;
}

const toffee_value *
toffee_c2_output(const toffee_c2 *c, size_t index)
{
    return index < c->node->outputs.n ? c->node->outputs.data[index] : NULL;
}

const char *
toffee_c2_blob(toffee_c2 *c, const toffee_value *value)
{
    if (value == NULL) {
        return NULL;
    }
    if (value->name == NULL && c->rc == TOFFEE_OK) {
        c->rc = toffee_fail(c->st, TOFFEE_ERR_VALUE, "node %zu (%s) has a value without a name",
                            c->index, toffee_str_text(c->node->op_type));
    }
    return toffee_str_text(value->name);
}

toffee_dtype
toffee_c2_dtype(const toffee_value *value)
{
    if (value == NULL) {
        return TOFFEE_DTYPE_UNDEFINED;
    }
    return value->tensor != NULL ? value->tensor->dtype : value->type.dtype;
}

int32_t
toffee_c2_rank(const toffee_value *value)
{
    if (value == NULL) {
        return -1;
    }
    return value->tensor != NULL ? value->tensor->rank : value->type.rank;
}

int64_t
toffee_c2_dim(const toffee_value *value, int32_t axis)
{
    if (axis < 0 || axis >= toffee_c2_rank(value)) {
        return -1;
    }
    return value->tensor != NULL ? value->tensor->dims[axis] : value->type.dims[axis].value;
}

bool
toffee_c2_dims(toffee_c2 *c, const toffee_value *value, const int64_t **dims)
{
    int32_t rank = toffee_c2_rank(value);
    int64_t *copy = NULL;

    if (rank < 0 || c->rc != TOFFEE_OK) {
        return false;
    }
    copy = toffee_arena_calloc(c->arena, rank != 0 ? (size_t)rank : 1, sizeof(*copy));
    if (copy == NULL) {
        c->rc = toffee_fail_nomem(c->st);
        return false;
    }
    for (int32_t i = 0; i < rank; i++) {
        copy[i] = toffee_c2_dim(value, i);
        if (copy[i] < 0) {
            return false;
        }
    }
    *dims = copy;
    return true;
}

/* ---- attributes ------------------------------------------------------------------------------ */

/* The attribute NAME if it is of TYPE, else NULL. */
static const toffee_attr *
attr_of_type(const toffee_c2 *c, const char *name, toffee_attr_type type)
{
    const toffee_attr *attr = toffee_node_attr(c->node, name);

    return attr != NULL && attr->type == type && attr->ref == NULL ? attr : NULL;
}

int64_t
toffee_c2_attr_int(const toffee_c2 *c, const char *name, int64_t fallback)
{
    const toffee_attr *attr = attr_of_type(c, name, TOFFEE_ATTR_INT);

    return attr != NULL ? attr->i : fallback;
}

double
toffee_c2_attr_float(const toffee_c2 *c, const char *name, double fallback)
{
    const toffee_attr *attr = attr_of_type(c, name, TOFFEE_ATTR_FLOAT);

    return attr != NULL ? (double)attr->f : fallback;
}

const char *
toffee_c2_attr_text(toffee_c2 *c, const char *name, const char *fallback)
{
    const toffee_attr *attr = attr_of_type(c, name, TOFFEE_ATTR_STRING);
    const char *text = NULL;

    if (attr == NULL) {
        return fallback;
    }
    text = toffee_arena_strndup(c->arena, (const char *)attr->s.data, attr->s.n);
    if (text == NULL && c->rc == TOFFEE_OK) {
        c->rc = toffee_fail_nomem(c->st);
    }
    return text != NULL ? text : fallback;
}

const int64_t *
toffee_c2_attr_ints(const toffee_c2 *c, const char *name, size_t *n)
{
    const toffee_attr *attr = attr_of_type(c, name, TOFFEE_ATTR_INTS);

    *n = attr != NULL ? attr->n : 0;
    return attr != NULL ? attr->ints : NULL;
}

/* ---- constants ------------------------------------------------------------------------------- */

const toffee_tensor *
toffee_c2_known(const toffee_value *value)
{
    const toffee_attr *attr = NULL;

    if (value == NULL) {
        return NULL;
    }
    if (value->tensor != NULL) {
        return value->is_listed ? NULL : value->tensor;
    }
    if (value->producer == NULL || !toffee_str_is(value->producer->op_type, "Constant") ||
        !toffee_str_is(value->producer->domain, "")) {
        return NULL;
    }
    attr = toffee_node_attr(value->producer, "value");
    return attr != NULL && attr->type == TOFFEE_ATTR_TENSOR ? attr->t : NULL;
}

bool
toffee_c2_element_int(toffee_dtype dtype, const uint8_t *data, uint64_t i, int64_t *out)
{
    size_t width = toffee_dtype_get(dtype)->n_bytes;
    union {
        int8_t i8;
        uint8_t u8;
        int16_t i16;
        uint16_t u16;
        int32_t i32;
        uint32_t u32;
        int64_t i64;
    } element = {0};

    if (width == 0 || width > sizeof(element)) {
        return false;
    }
    memcpy(&element, data + i * width, width);
    switch (dtype) {
    case TOFFEE_DTYPE_INT8: *out = element.i8; return true;
    case TOFFEE_DTYPE_UINT8:
    case TOFFEE_DTYPE_BOOL: *out = element.u8; return true;
    case TOFFEE_DTYPE_INT16: *out = element.i16; return true;
    case TOFFEE_DTYPE_UINT16: *out = element.u16; return true;
    case TOFFEE_DTYPE_INT32: *out = element.i32; return true;
    case TOFFEE_DTYPE_UINT32: *out = element.u32; return true;
    case TOFFEE_DTYPE_INT64: *out = element.i64; return true;
    default: return false;
    }
}

const int64_t *
toffee_c2_known_ints(toffee_c2 *c, const toffee_value *value, size_t *n)
{
    const toffee_tensor *tensor = toffee_c2_known(value);
    const void *data = NULL;
    int64_t *ints = NULL;
    bool whole = true;

    *n = 0;
    if (tensor == NULL || tensor->n_elements > MAX_KNOWN_INTS || c->rc != TOFFEE_OK) {
        return NULL;
    }
    ints = toffee_arena_calloc(c->arena, (size_t)tensor->n_elements + 1, sizeof(*ints));
    if (ints == NULL) {
        c->rc = toffee_fail_nomem(c->st);
        return NULL;
    }
    c->rc = toffee_tensor_hold(tensor, &data, c->st);
    if (c->rc != TOFFEE_OK) {
        return NULL;
    }
    for (uint64_t i = 0; i < tensor->n_elements && whole; i++) {
        whole = toffee_c2_element_int(tensor->dtype, data, i, &ints[i]);
    }
    toffee_tensor_let_go(tensor);
    *n = whole ? (size_t)tensor->n_elements : 0;
    return whole ? ints : NULL;
}

bool
toffee_c2_known_number(toffee_c2 *c, const toffee_value *value, double *out)
{
    const toffee_tensor *tensor = toffee_c2_known(value);
    const void *data = NULL;
    int64_t whole = 0;
    float single = 0;
    uint16_t half = 0;
    bool found = true;

    if (tensor == NULL || tensor->n_elements != 1 || c->rc != TOFFEE_OK) {
        return false;
    }
    c->rc = toffee_tensor_hold(tensor, &data, c->st);
    if (c->rc != TOFFEE_OK) {
        return false;
    }
    switch (tensor->dtype) {
    case TOFFEE_DTYPE_FLOAT:
        memcpy(&single, data, sizeof(single));
        *out = (double)single;
        break;
    case TOFFEE_DTYPE_DOUBLE: memcpy(out, data, sizeof(*out)); break;
    case TOFFEE_DTYPE_FLOAT16:
        memcpy(&half, data, sizeof(half));
        *out = (double)toffee_c2_half(half);
        break;
    default:
        found = toffee_c2_element_int(tensor->dtype, data, 0, &whole);
        *out = (double)whole;
        break;
    }
    toffee_tensor_let_go(tensor);
    return found;
}

int32_t
toffee_c2_axis(int64_t axis, int32_t rank)
{
    if (rank < 0 || axis < -(int64_t)rank || axis >= rank) {
        return -1;
    }
    return (int32_t)(axis < 0 ? axis + rank : axis);
}
