/* csrc/caffe2/importer.c -- what the rules of the import share. */
#include "caffe2/importer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ops/check.h"

/* ---- errors ---------------------------------------------------------------------------------- */

static void importer_fail(toffee_c2i *c, toffee_code code, const char *format, va_list ap)
    __attribute__((format(printf, 3, 0)));

static void
importer_fail(toffee_c2i *c, toffee_code code, const char *format, va_list ap)
{
    char text[600];

    if (c->rc != TOFFEE_OK) {
        return;
    }
    (void)vsnprintf(text, sizeof(text), format, ap);
    c->rc = toffee_fail(c->st, code, "operator %zu of %s, %.80s making '%.80s': %s", c->index,
                        c->net->file, c->op->type->text,
                        c->op->n_outputs != 0 ? c->op->outputs[0]->text : "", text);
}

void
toffee_c2i_fail(toffee_c2i *c, toffee_code code, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    importer_fail(c, code, format, ap);
    va_end(ap);
}

void
toffee_c2i_refuse(toffee_c2i *c, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    importer_fail(c, TOFFEE_ERR_UNSUPPORTED, format, ap);
    va_end(ap);
}

void
toffee_c2i_nomem(toffee_c2i *c)
{
    if (c->rc == TOFFEE_OK) {
        c->rc = toffee_fail_nomem(c->st);
    }
}

/* Keeps the error of a step that reports into the importer's status. */
static void
importer_keep(toffee_c2i *c, toffee_code rc)
{
    if (c->rc == TOFFEE_OK && rc != TOFFEE_OK) {
        c->rc = rc;
    }
}

void
toffee_c2i_arity(toffee_c2i *c, size_t least, size_t most)
{
    if (c->op->n_inputs < least || c->op->n_inputs > most) {
        toffee_c2i_refuse(c, "it has %zu inputs", c->op->n_inputs);
    }
}

/* ---- arguments ------------------------------------------------------------------------------- */

static const toffee_c2_read_arg *
importer_arg(toffee_c2i *c, const char *name)
{
    toffee_c2_read_arg *arg = toffee_c2_read_find(c->op, name);

    if (arg != NULL) {
        arg->used = true;
    }
    return arg;
}

static void
importer_bad_arg(toffee_c2i *c, const char *name, const char *type)
{
    toffee_c2i_refuse(c, "its argument '%s' is not %s", name, type);
}

bool
toffee_c2i_has(toffee_c2i *c, const char *name)
{
    return importer_arg(c, name) != NULL;
}

int64_t
toffee_c2i_int(toffee_c2i *c, const char *name, int64_t fallback)
{
    const toffee_c2_read_arg *arg = importer_arg(c, name);

    if (arg != NULL && !arg->has_i) {
        importer_bad_arg(c, name, "an integer");
    }
    return arg != NULL && arg->has_i ? arg->i : fallback;
}

double
toffee_c2i_float(toffee_c2i *c, const char *name, double fallback)
{
    const toffee_c2_read_arg *arg = importer_arg(c, name);

    if (arg != NULL && !arg->has_f) {
        importer_bad_arg(c, name, "a float");
    }
    return arg != NULL && arg->has_f ? (double)arg->f : fallback;
}

const int64_t *
toffee_c2i_ints(toffee_c2i *c, const char *name, size_t *n)
{
    const toffee_c2_read_arg *arg = importer_arg(c, name);

    *n = 0;
    if (arg == NULL) {
        return NULL;
    }
    if (arg->has_i || arg->has_f || arg->has_s || arg->n_floats != 0) {
        importer_bad_arg(c, name, "a list of integers");
        return NULL;
    }
    *n = arg->n_ints;
    return arg->ints;
}

const char *
toffee_c2i_text(toffee_c2i *c, const char *name)
{
    const toffee_c2_read_arg *arg = importer_arg(c, name);
    char *text = NULL;

    if (arg == NULL) {
        return "";
    }
    if (!arg->has_s) {
        importer_bad_arg(c, name, "a text");
        return "";
    }
    text = toffee_arena_strndup(c->graph->arena, arg->s.n != 0 ? (const char *)arg->s.data : "",
                                arg->s.n);
    if (text == NULL) {
        toffee_c2i_nomem(c);
        return "";
    }
    return text;
}

/* ---- values ---------------------------------------------------------------------------------- */

/* A name that neither a blob nor a value has: STEM and a number. */
static const toffee_str *
importer_name(toffee_c2i *c, const char *stem)
{
    const toffee_str *name = NULL;
    char *text = NULL;

    do {
        text = toffee_arena_printf(c->graph->arena, "%s_%zu", stem, ++c->n_names);
    } while (text != NULL && toffee_strpool_find(c->graph->pool, text, strlen(text)) != NULL);
    name = text != NULL ? toffee_graph_intern(c->graph, text) : NULL;
    if (name == NULL) {
        toffee_c2i_nomem(c);
    }
    return name;
}

static toffee_value *
importer_value(toffee_c2i *c, const toffee_str *name)
{
    toffee_value *value = NULL;

    if (c->rc == TOFFEE_OK && name != NULL) {
        importer_keep(c, toffee_graph_value(c->graph, name, &value, c->st));
    }
    return value;
}

static toffee_value *
importer_fresh(toffee_c2i *c)
{
    const char *stem = c->op->n_outputs != 0 ? c->op->outputs[0]->text : "value";

    return c->rc == TOFFEE_OK ? importer_value(c, importer_name(c, stem)) : NULL;
}

/* A value for what output INDEX of the operator is from now on. */
static toffee_value *
importer_bind(toffee_c2i *c, size_t index)
{
    const toffee_str *blob = NULL;
    toffee_value *value = NULL;
    uintptr_t left = 0;

    if (c->rc != TOFFEE_OK) {
        return NULL;
    }
    if (index >= c->op->n_outputs) {
        toffee_c2i_refuse(c, "it has %zu outputs", c->op->n_outputs);
        return NULL;
    }
    blob = c->op->outputs[index];
    left = (uintptr_t)toffee_ptrmap_get(&c->writes, blob);
    if (left > 1 || toffee_ptrmap_get(&c->fixed, blob) != NULL) {
        value = importer_value(c, importer_name(c, blob->text));
    }
    else {
        value = importer_value(c, blob);
    }
    if (value != NULL && !toffee_ptrmap_set(c->graph->arena, &c->blobs, blob, value)) {
        toffee_c2i_nomem(c);
    }
    return value;
}

toffee_value *
toffee_c2i_in(toffee_c2i *c, size_t index)
{
    if (c->rc != TOFFEE_OK) {
        return NULL;
    }
    if (index >= c->op->n_inputs) {
        toffee_c2i_refuse(c, "it has %zu inputs", c->op->n_inputs);
        return NULL;
    }
    return c->in[index];
}

bool
toffee_c2i_wanted(toffee_c2i *c, size_t index)
{
    return index < c->op->n_outputs && toffee_ptrmap_get(&c->reads, c->op->outputs[index]) != NULL;
}

/* Puts the node that is being described into the graph and infers its types. */
static void
importer_settle(toffee_c2i *c)
{
    toffee_node *node = c->node;

    c->node = NULL;
    if (node == NULL || c->rc != TOFFEE_OK) {
        return;
    }
    importer_keep(c, toffee_graph_append_node(c->graph, node, c->st));
    if (c->rc == TOFFEE_OK) {
        c->rc = toffee_infer_node(node, c->graph->nodes.n - 1, c->st);
        if (c->rc != TOFFEE_OK && c->rc != TOFFEE_ERR_NOMEM) {
            toffee_status_prefix(c->st, "operator %zu of %s, %.80s: ", c->index, c->net->file,
                                 c->op->type->text);
        }
    }
}

int32_t
toffee_c2i_rank(toffee_c2i *c, const toffee_value *x)
{
    importer_settle(c);
    if (c->rc != TOFFEE_OK || x == NULL) {
        return -1;
    }
    return x->tensor != NULL ? x->tensor->rank : x->type.rank;
}

int64_t
toffee_c2i_dim(toffee_c2i *c, const toffee_value *x, int32_t axis)
{
    int32_t rank = toffee_c2i_rank(c, x);

    if (axis < 0 || axis >= rank) {
        return -1;
    }
    return x->tensor != NULL ? x->tensor->dims[axis] : x->type.dims[axis].value;
}

toffee_dtype
toffee_c2i_dtype(toffee_c2i *c, const toffee_value *x)
{
    importer_settle(c);
    if (c->rc != TOFFEE_OK || x == NULL) {
        return TOFFEE_DTYPE_UNDEFINED;
    }
    return x->tensor != NULL ? x->tensor->dtype : x->type.dtype;
}

int32_t
toffee_c2i_need_rank(toffee_c2i *c, const toffee_value *x)
{
    int32_t rank = toffee_c2i_rank(c, x);

    if (rank < 0) {
        toffee_c2i_refuse(c,
                          "it needs the number of axes of '%.80s'; say the shapes of the net's "
                          "inputs with inputs=",
                          x != NULL ? toffee_str_text(x->name) : "");
        return 0;
    }
    return rank;
}

int64_t
toffee_c2i_need_dim(toffee_c2i *c, const toffee_value *x, int32_t axis)
{
    int64_t dim = toffee_c2i_dim(c, x, axis);

    if (dim < 0) {
        toffee_c2i_refuse(c,
                          "it needs the sizes of '%.80s'; say the shapes of the net's inputs "
                          "with inputs=",
                          x != NULL ? toffee_str_text(x->name) : "");
        return 0;
    }
    return dim;
}

int64_t
toffee_c2i_axis(toffee_c2i *c, const toffee_value *x, int64_t axis)
{
    int32_t rank = toffee_c2i_rank(c, x);

    if (axis < 0) {
        rank = toffee_c2i_need_rank(c, x);
        axis += rank;
    }
    if (axis < 0 || axis > TOFFEE_MAX_RANK || (rank >= 0 && axis > rank)) {
        toffee_c2i_refuse(c, "its axis lies outside of its input");
        return 0;
    }
    return axis;
}

/* An initializer of a name of its own; DATA is copied. */
static toffee_value *
importer_tensor(toffee_c2i *c, toffee_value *value, toffee_dtype dtype, const int64_t *dims,
                int32_t rank, const void *data)
{
    toffee_tensor *tensor = NULL;

    if (c->rc == TOFFEE_OK && value != NULL) {
        importer_keep(c, toffee_tensor_new(c->graph->arena, value->name, dtype, dims, rank, data,
                                           &tensor, c->st));
    }
    if (c->rc == TOFFEE_OK && tensor != NULL) {
        importer_keep(c, toffee_graph_add_initializer(c->graph, tensor, c->st));
    }
    return c->rc == TOFFEE_OK ? value : NULL;
}

static toffee_value *
importer_const(toffee_c2i *c, toffee_dtype dtype, const int64_t *dims, int32_t rank,
               const void *data, size_t n_bytes)
{
    void *copy = toffee_arena_copy(c->graph->arena, data, n_bytes);

    if (copy == NULL && n_bytes != 0) {
        toffee_c2i_nomem(c);
        return NULL;
    }
    return importer_tensor(c, importer_fresh(c), dtype, dims, rank, copy);
}

toffee_value *
toffee_c2i_const_ints(toffee_c2i *c, const int64_t *ints, size_t n)
{
    int64_t length = (int64_t)n;

    return importer_const(c, TOFFEE_DTYPE_INT64, &length, 1, ints, n * sizeof(*ints));
}

toffee_value *
toffee_c2i_const_floats(toffee_c2i *c, const float *floats, size_t n)
{
    int64_t length = (int64_t)n;

    return importer_const(c, TOFFEE_DTYPE_FLOAT, &length, 1, floats, n * sizeof(*floats));
}

toffee_value *
toffee_c2i_const_int(toffee_c2i *c, int64_t i)
{
    return importer_const(c, TOFFEE_DTYPE_INT64, NULL, 0, &i, sizeof(i));
}

toffee_value *
toffee_c2i_const_number(toffee_c2i *c, double x, toffee_dtype dtype)
{
    float f = (float)x;
    int32_t i32 = 0;
    int64_t i64 = 0;

    switch (dtype) {
    case TOFFEE_DTYPE_UNDEFINED: /* most of Caffe2 is for floats alone */
    case TOFFEE_DTYPE_FLOAT: return importer_const(c, TOFFEE_DTYPE_FLOAT, NULL, 0, &f, sizeof(f));
    case TOFFEE_DTYPE_DOUBLE: return importer_const(c, dtype, NULL, 0, &x, sizeof(x));
    case TOFFEE_DTYPE_INT32:
        i32 = x >= -0x1p31 && x < 0x1p31 ? (int32_t)x : 0;
        return importer_const(c, dtype, NULL, 0, &i32, sizeof(i32));
    case TOFFEE_DTYPE_INT64:
        i64 = x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : 0;
        return importer_const(c, dtype, NULL, 0, &i64, sizeof(i64));
    default:
        toffee_c2i_refuse(c, "it computes with %s", toffee_dtype_get(dtype)->name);
        return NULL;
    }
}

/* ---- nodes ----------------------------------------------------------------------------------- */

void
toffee_c2i_node(toffee_c2i *c, const char *op_type)
{
    importer_settle(c);
    if (c->rc == TOFFEE_OK) {
        importer_keep(c, toffee_node_new(c->graph, op_type, &c->node, c->st));
    }
}

void
toffee_c2i_add(toffee_c2i *c, toffee_value *value)
{
    if (c->rc == TOFFEE_OK) {
        importer_keep(c, toffee_node_add_input(c->node, value, c->st));
    }
}

void
toffee_c2i_set_int(toffee_c2i *c, const char *name, int64_t i)
{
    if (c->rc == TOFFEE_OK) {
        importer_keep(c, toffee_node_set_int(c->node, name, i, c->st));
    }
}

void
toffee_c2i_set_float(toffee_c2i *c, const char *name, double f)
{
    if (c->rc == TOFFEE_OK) {
        importer_keep(c, toffee_node_set_float(c->node, name, f, c->st));
    }
}

void
toffee_c2i_set_text(toffee_c2i *c, const char *name, const char *text)
{
    if (c->rc == TOFFEE_OK) {
        importer_keep(c, toffee_node_set_string(c->node, name, text, c->st));
    }
}

void
toffee_c2i_set_ints(toffee_c2i *c, const char *name, const int64_t *ints, size_t n)
{
    if (c->rc == TOFFEE_OK) {
        importer_keep(c, toffee_node_set_ints(c->node, name, ints, n, c->st));
    }
}

void
toffee_c2i_out(toffee_c2i *c, size_t index)
{
    toffee_value *value = importer_bind(c, index);

    if (c->rc == TOFFEE_OK) {
        importer_keep(c, toffee_node_add_output(c->node, value, c->st));
    }
}

toffee_value *
toffee_c2i_out_fresh(toffee_c2i *c)
{
    toffee_value *value = importer_fresh(c);

    if (c->rc == TOFFEE_OK) {
        importer_keep(c, toffee_node_add_output(c->node, value, c->st));
    }
    return c->rc == TOFFEE_OK ? value : NULL;
}

toffee_value *
toffee_c2i_as_int64(toffee_c2i *c, toffee_value *x)
{
    if (toffee_c2i_dtype(c, x) == TOFFEE_DTYPE_INT64) {
        return x;
    }
    toffee_c2i_node(c, "Cast");
    toffee_c2i_add(c, x);
    toffee_c2i_set_int(c, "to", TOFFEE_DTYPE_INT64);
    return toffee_c2i_out_fresh(c);
}

toffee_value *
toffee_c2i_apply(toffee_c2i *c, const char *op_type, toffee_value *a, toffee_value *b)
{
    toffee_c2i_node(c, op_type);
    toffee_c2i_add(c, a);
    if (b != NULL) {
        toffee_c2i_add(c, b);
    }
    return toffee_c2i_out_fresh(c);
}

void
toffee_c2i_return(toffee_c2i *c, const char *op_type, toffee_value *a, toffee_value *b)
{
    toffee_c2i_node(c, op_type);
    toffee_c2i_add(c, a);
    if (b != NULL) {
        toffee_c2i_add(c, b);
    }
    toffee_c2i_out(c, 0);
}

void
toffee_c2i_bind_tensor(toffee_c2i *c, size_t index, toffee_dtype dtype, const int64_t *dims,
                       size_t rank, const void *data)
{
    importer_settle(c);
    if (rank > TOFFEE_MAX_RANK) {
        toffee_c2i_refuse(c, "it makes a tensor of %zu axes", rank);
        return;
    }
    (void)importer_tensor(c, importer_bind(c, index), dtype, dims, (int32_t)rank, data);
}

/* ---- of Caffe2 ------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    toffee_dtype dtype;
} data_types[] = {
    [0] = {"UNDEFINED", TOFFEE_DTYPE_UNDEFINED}, [1] = {"FLOAT", TOFFEE_DTYPE_FLOAT},
    [2] = {"INT32", TOFFEE_DTYPE_INT32},         [3] = {"BYTE", TOFFEE_DTYPE_UINT8},
    [4] = {"STRING", TOFFEE_DTYPE_STRING},       [5] = {"BOOL", TOFFEE_DTYPE_BOOL},
    [6] = {"UINT8", TOFFEE_DTYPE_UINT8},         [7] = {"INT8", TOFFEE_DTYPE_INT8},
    [8] = {"UINT16", TOFFEE_DTYPE_UINT16},       [9] = {"INT16", TOFFEE_DTYPE_INT16},
    [10] = {"INT64", TOFFEE_DTYPE_INT64},        [12] = {"FLOAT16", TOFFEE_DTYPE_FLOAT16},
    [13] = {"DOUBLE", TOFFEE_DTYPE_DOUBLE},
};

toffee_dtype
toffee_c2i_data_type(int64_t number)
{
    return number >= 0 && (uint64_t)number < TOFFEE_COUNTOF(data_types) ? data_types[number].dtype
                                                                        : TOFFEE_DTYPE_UNDEFINED;
}

toffee_dtype
toffee_c2i_data_type_arg(toffee_c2i *c, const char *name, toffee_dtype fallback)
{
    const toffee_c2_read_arg *arg = importer_arg(c, name);
    toffee_dtype found = TOFFEE_DTYPE_UNDEFINED;

    if (arg == NULL) {
        return fallback;
    }
    if (arg->has_s) {
        for (size_t i = 0; i < TOFFEE_COUNTOF(data_types); i++) {
            const char *text = data_types[i].name;

            if (text != NULL && strlen(text) == arg->s.n &&
                strncasecmp(text, (const char *)arg->s.data, arg->s.n) == 0) {
                found = data_types[i].dtype;
            }
        }
    }
    else {
        found = toffee_c2i_data_type(toffee_c2i_int(c, name, 0));
    }
    if (found == TOFFEE_DTYPE_UNDEFINED || found == TOFFEE_DTYPE_STRING) {
        toffee_c2i_refuse(c, "its argument '%s' names no type of numbers that ONNX has", name);
    }
    return found;
}

void
toffee_c2i_same(toffee_c2i *c)
{
    toffee_c2i_node(c, c->rule->onnx);
    for (size_t i = 0; i < c->op->n_inputs; i++) {
        toffee_c2i_add(c, toffee_c2i_in(c, i));
    }
    toffee_c2i_out(c, 0);
}
