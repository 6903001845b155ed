/* csrc/caffe2/import_shape.c -- operators that move elements. */
#include <string.h>

#include "caffe2/importer.h"

/* The second output is the old shape. */
static void
shape_reshape(toffee_c2i *c)
{
    toffee_value *x = toffee_c2i_in(c, 0);
    size_t n = 0;
    const int64_t *dims = toffee_c2i_ints(c, "shape", &n);
    bool said = toffee_c2i_has(c, "shape");
    toffee_value *shape = NULL;

    toffee_c2i_arity(c, said ? 1 : 2, said ? 1 : 2);
    shape = said ? toffee_c2i_const_ints(c, dims, n) : toffee_c2i_as_int64(c, toffee_c2i_in(c, 1));
    toffee_c2i_return(c, "Reshape", x, shape);
    if (toffee_c2i_wanted(c, 1)) {
        toffee_c2i_node(c, "Shape");
        toffee_c2i_add(c, x);
        toffee_c2i_out(c, 1);
    }
}

static void
shape_resize_like(toffee_c2i *c)
{
    toffee_c2i_arity(c, 2, 2);
    toffee_c2i_return(c, "Reshape", toffee_c2i_in(c, 0),
                      toffee_c2i_apply(c, "Shape", toffee_c2i_in(c, 1), NULL));
}

static void
shape_flatten(toffee_c2i *c)
{
    toffee_value *x = toffee_c2i_in(c, 0);
    int64_t axis = toffee_c2i_axis(c, x, toffee_c2i_int(c, "axis", 1));

    toffee_c2i_arity(c, 1, 1);
    toffee_c2i_node(c, "Flatten");
    toffee_c2i_add(c, x);
    toffee_c2i_set_int(c, "axis", axis);
    toffee_c2i_out(c, 0);
}

static void
shape_to_vector(toffee_c2i *c)
{
    int64_t all = -1;

    toffee_c2i_arity(c, 1, 1);
    toffee_c2i_return(c, "Reshape", toffee_c2i_in(c, 0), toffee_c2i_const_ints(c, &all, 1));
}

static void
shape_transpose(toffee_c2i *c)
{
    size_t n = 0;
    const int64_t *axes = toffee_c2i_ints(c, "axes", &n);

    toffee_c2i_arity(c, 1, 1);
    toffee_c2i_node(c, "Transpose");
    toffee_c2i_add(c, toffee_c2i_in(c, 0));
    if (n != 0) {
        toffee_c2i_set_ints(c, "perm", axes, n);
    }
    toffee_c2i_out(c, 0);
}

/* Axis 1 to the end, or the last to axis 1. */
static void
shape_order(toffee_c2i *c)
{
    bool to_last = strcmp(c->rule->op, "NCHW2NHWC") == 0;
    toffee_value *x = toffee_c2i_in(c, 0);
    int32_t rank = toffee_c2i_need_rank(c, x);
    int64_t perm[TOFFEE_MAX_RANK];

    toffee_c2i_arity(c, 1, 1);
    if (c->rc == TOFFEE_OK && rank < 3) {
        toffee_c2i_refuse(c, "it changes the order of %d axes", (int)rank);
    }
    for (int32_t i = 0; i < rank; i++) {
        perm[i] = to_last ? (i == 0          ? 0
                             : i == rank - 1 ? 1
                                             : i + 1)
                          : (i == 0   ? 0
                             : i == 1 ? rank - 1
                                      : i - 1);
    }
    toffee_c2i_node(c, "Transpose");
    toffee_c2i_add(c, x);
    toffee_c2i_set_ints(c, "perm", perm, (size_t)rank);
    toffee_c2i_out(c, 0);
}

/* Squeeze and ExpandDims. */
static void
shape_dims(toffee_c2i *c)
{
    size_t n = 0;
    const int64_t *dims = toffee_c2i_ints(c, "dims", &n);

    toffee_c2i_arity(c, 1, 1);
    if (n == 0) {
        toffee_c2i_refuse(c, "it does not say which dims");
    }
    for (size_t i = 0; i < n; i++) {
        if (dims[i] < 0) {
            toffee_c2i_refuse(c, "its dims are negative");
        }
    }
    toffee_c2i_return(c, c->rule->onnx, toffee_c2i_in(c, 0), toffee_c2i_const_ints(c, dims, n));
}

/* The argument "axis", or that of the channels. */
static int64_t
shape_channel_axis(toffee_c2i *c)
{
    return strncmp(c->rule->op, "Depth", strlen("Depth")) == 0 ? 1 : toffee_c2i_int(c, "axis", 1);
}

/* The second output has the sizes of the inputs on the axis. */
static void
shape_concat(toffee_c2i *c)
{
    int64_t axis = shape_channel_axis(c);
    bool add = toffee_c2i_int(c, "add_axis", 0) != 0;
    size_t n = c->op->n_inputs;
    toffee_value **parts = toffee_arena_calloc(c->graph->arena, n + 1, sizeof(*parts));
    int32_t *sizes = toffee_arena_calloc(c->graph->arena, n + 1, sizeof(*sizes));
    int64_t length = (int64_t)n;

    if (parts == NULL || sizes == NULL) {
        toffee_c2i_nomem(c);
        return;
    }
    toffee_c2i_arity(c, 1, SIZE_MAX);
    for (size_t i = 0; i < n && c->rc == TOFFEE_OK; i++) {
        parts[i] = toffee_c2i_in(c, i);
        sizes[i] = 1;
        if (add) {
            parts[i] =
                toffee_c2i_apply(c, "Unsqueeze", parts[i], toffee_c2i_const_ints(c, &axis, 1));
        }
        else if (toffee_c2i_wanted(c, 1)) {
            int64_t at = toffee_c2i_axis(c, parts[i], axis);
            int64_t size = toffee_c2i_need_dim(c, parts[i], (int32_t)at);

            sizes[i] = (int32_t)(size < INT32_MAX ? size : INT32_MAX);
        }
    }
    toffee_c2i_node(c, "Concat");
    for (size_t i = 0; i < n && c->rc == TOFFEE_OK; i++) {
        toffee_c2i_add(c, parts[i]);
    }
    toffee_c2i_set_int(c, "axis", axis);
    toffee_c2i_out(c, 0);
    if (toffee_c2i_wanted(c, 1)) {
        toffee_c2i_bind_tensor(c, 1, TOFFEE_DTYPE_INT32, &length, 1, sizes);
    }
}

static void
shape_split(toffee_c2i *c)
{
    size_t n = 0;
    const int64_t *sizes = toffee_c2i_ints(c, "split", &n);
    toffee_value *lengths = NULL;
    int64_t axis = shape_channel_axis(c);

    toffee_c2i_arity(c, 1, n != 0 ? 1 : 2);
    if (toffee_c2i_int(c, "add_axis", 0) != 0) {
        toffee_c2i_refuse(c, "it takes the axis away (add_axis)");
    }
    if (n != 0 && n != c->op->n_outputs) {
        toffee_c2i_refuse(c, "it has %zu outputs and %zu sizes", c->op->n_outputs, n);
    }
    if (n != 0) {
        lengths = toffee_c2i_const_ints(c, sizes, n);
    }
    else if (c->op->n_inputs == 2) {
        lengths = toffee_c2i_as_int64(c, toffee_c2i_in(c, 1));
    }
    toffee_c2i_node(c, "Split");
    toffee_c2i_add(c, toffee_c2i_in(c, 0));
    if (lengths != NULL) {
        toffee_c2i_add(c, lengths);
    }
    else {
        toffee_c2i_set_int(c, "num_outputs", (int64_t)c->op->n_outputs);
    }
    toffee_c2i_set_int(c, "axis", axis);
    for (size_t i = 0; i < c->op->n_outputs; i++) {
        toffee_c2i_out(c, i);
    }
}

/* Negative numbers count from one behind the end: -1 is the end itself. */
static void
shape_slice(toffee_c2i *c)
{
    size_t n = 0;
    size_t n_ends = 0;
    const int64_t *starts = toffee_c2i_ints(c, "starts", &n);
    const int64_t *ends = toffee_c2i_ints(c, "ends", &n_ends);
    int64_t from[TOFFEE_MAX_RANK];
    int64_t to[TOFFEE_MAX_RANK];
    int64_t axes[TOFFEE_MAX_RANK];
    toffee_value *parts[3] = {NULL};

    toffee_c2i_arity(c, 1, 1);
    if (n == 0 || n != n_ends || n > TOFFEE_MAX_RANK) {
        toffee_c2i_refuse(c, "it has %zu starts and %zu ends", n, n_ends);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        from[i] = starts[i] == -1 ? INT64_MAX : starts[i] < 0 ? starts[i] + 1 : starts[i];
        to[i] = ends[i] == -1 ? INT64_MAX : ends[i] < 0 ? ends[i] + 1 : ends[i];
        axes[i] = (int64_t)i;
    }
    parts[0] = toffee_c2i_const_ints(c, from, n);
    parts[1] = toffee_c2i_const_ints(c, to, n);
    parts[2] = toffee_c2i_const_ints(c, axes, n);
    toffee_c2i_node(c, "Slice");
    toffee_c2i_add(c, toffee_c2i_in(c, 0));
    for (size_t i = 0; i < TOFFEE_COUNTOF(parts); i++) {
        toffee_c2i_add(c, parts[i]);
    }
    toffee_c2i_out(c, 0);
}

static void
shape_gather(toffee_c2i *c)
{
    toffee_c2i_arity(c, 2, 2);
    if (toffee_c2i_int(c, "match_outer", 0) != 0) {
        toffee_c2i_refuse(c, "it matches outer axes (match_outer)");
    }
    (void)toffee_c2i_has(c, "wrap_indices");
    toffee_c2i_node(c, "Gather");
    toffee_c2i_add(c, toffee_c2i_in(c, 0));
    toffee_c2i_add(c, toffee_c2i_in(c, 1));
    toffee_c2i_set_int(c, "axis", toffee_c2i_int(c, "axis", 0));
    toffee_c2i_out(c, 0);
}

static void
shape_shape(toffee_c2i *c)
{
    toffee_c2i_arity(c, 1, 1);
    toffee_c2i_return(c, "Shape", toffee_c2i_in(c, 0), NULL);
}

static void
shape_where(toffee_c2i *c)
{
    toffee_c2i_arity(c, 3, 3);
    toffee_c2i_same(c);
}

static void
shape_tile(toffee_c2i *c)
{
    toffee_value *x = toffee_c2i_in(c, 0);
    int32_t rank = toffee_c2i_need_rank(c, x);
    int64_t axis = toffee_c2i_axis(c, x, toffee_c2i_int(c, "axis", 0));
    int64_t repeats[TOFFEE_MAX_RANK];

    toffee_c2i_arity(c, 1, 1);
    if (axis >= rank || rank > TOFFEE_MAX_RANK) {
        toffee_c2i_refuse(c, "its axis lies outside of its input");
        return;
    }
    for (int32_t i = 0; i < rank; i++) {
        repeats[i] = i == axis ? toffee_c2i_int(c, "tiles", 1) : 1;
    }
    toffee_c2i_return(c, "Tile", x, toffee_c2i_const_ints(c, repeats, (size_t)rank));
}

#define CHANNELS "order NHWC"

static const toffee_c2i_rule rows[] = {
    {"Concat", shape_concat, "Concat, Unsqueeze", CHANNELS},
    {"DepthConcat", shape_concat, "Concat", CHANNELS},
    {"DepthSplit", shape_split, "Split", CHANNELS},
    {"ExpandDims", shape_dims, "Unsqueeze", NULL},
    {"Flatten", shape_flatten, "Flatten", NULL},
    {"FlattenToVec", shape_to_vector, "Reshape", NULL},
    {"Gather", shape_gather, "Gather", "`match_outer`"},
    {"NCHW2NHWC", shape_order, "Transpose", "an unknown number of axes"},
    {"NHWC2NCHW", shape_order, "Transpose", "an unknown number of axes"},
    {"Reshape", shape_reshape, "Reshape, Shape", NULL},
    {"ResizeLike", shape_resize_like, "Shape, Reshape", NULL},
    {"Shape", shape_shape, "Shape", "`axes`"},
    {"Slice", shape_slice, "Slice", "starts and ends as inputs"},
    {"Split", shape_split, "Split", "order NHWC, `add_axis`"},
    {"Squeeze", shape_dims, "Squeeze", NULL},
    {"Tile", shape_tile, "Tile", "an unknown number of axes, tiles as an input"},
    {"Transpose", shape_transpose, "Transpose", NULL},
    {"Where", shape_where, "Where", NULL},
};

const toffee_c2i_family toffee_c2i_rules_shape = {rows, TOFFEE_COUNTOF(rows)};
