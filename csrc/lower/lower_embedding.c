/* csrc/lower/lower_embedding.c -- rows of a table by number: embeddings and bags of them. */
#include "lower/fit.h"
#include "lower/shape.h"

#include <math.h>

/* What a bag of rows becomes: the argument "mode". */
enum { BAG_SUM, BAG_MEAN, BAG_MAX };

/* aten::embedding(weight [V, E], indices, …) -> Gather(weight, indices) [axis = 0] */
static toffee_code
lower_embedding(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *weight = toffee_call_value(call, "weight");
    toffee_value *indices = toffee_call_value(call, "indices");
    toffee_node *node = NULL;
    toffee_value *out = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, "Gather", TOFFEE_INPUTS(weight, indices),
                                       toffee_value_dtype(weight), &node, &out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "axis", 0, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

/* aten::embedding_renorm(self [V, E], indices, max_norm, norm_type): rows that are named and longer
 * than max_norm are cut to it
 *   -> ReduceL1 or ReduceL2 of the rows, their factor, and ScatterElements for which are named */
static toffee_code
lower_embedding_renorm(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    static const int64_t all[1] = {-1};
    toffee_value *weight = toffee_call_value(call, "self");
    toffee_value *indices = toffee_call_value(call, "indices");
    toffee_dtype dtype = toffee_value_dtype(weight);
    double norm_type = toffee_call_float(call, "norm_type", 2);
    int64_t n = toffee_value_numel(indices);
    const int64_t column[2] = {toffee_value_dim(weight, 0), 1};
    toffee_value *shape = NULL;
    toffee_value *factor = NULL;
    toffee_value *limit = NULL;
    toffee_value *one = NULL;
    toffee_value *axis = NULL;
    toffee_value *named = NULL;
    toffee_value *marks = NULL;
    toffee_value *size = NULL;
    toffee_node *node = NULL;

    if ((norm_type != 1 && norm_type != 2) || toffee_value_rank(weight) != 2) {
        return TOFFEE_DECLINED;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_const_int(lo, 1, &axis, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, norm_type == 1 ? "ReduceL1" : "ReduceL2",
                                            TOFFEE_INPUTS(weight, axis), dtype, column, 2, NULL,
                                            &size, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_const_float(lo, dtype, toffee_call_float(call, "max_norm", 1), &limit, st));
    TOFFEE_RETURN_IF_ERROR(toffee_const_float(lo, dtype, 1, &one, st));
    /* torch divides by the length and a little more. */
    TOFFEE_RETURN_IF_ERROR(toffee_emit_scaled(lo, "Add", size, 1e-7, &factor, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "Div", TOFFEE_INPUTS(limit, factor), size, NULL, &factor, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "Greater", TOFFEE_INPUTS(size, limit),
                                            TOFFEE_DTYPE_BOOL, column, 2, NULL, &size, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "Where", TOFFEE_INPUTS(size, factor, one), factor, NULL, &factor, st));
    TOFFEE_RETURN_IF_ERROR(toffee_const_ints(lo, all, 1, &shape, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "Reshape", TOFFEE_INPUTS(indices, shape),
                                            toffee_value_dtype(indices), &n, 1, NULL, &indices,
                                            st));
    TOFFEE_RETURN_IF_ERROR(toffee_const_fill(lo, TOFFEE_DTYPE_FLOAT, column, 1, 0, &named, st));
    TOFFEE_RETURN_IF_ERROR(toffee_const_fill(lo, TOFFEE_DTYPE_FLOAT, &n, 1, 1, &marks, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_like(
        lo, "ScatterElements", TOFFEE_INPUTS(named, indices, marks), named, &node, &named, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "axis", 0, st));
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, named, TOFFEE_DTYPE_BOOL, &named, st));
    TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, named, column, 2, &named, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_like(lo, "Where", TOFFEE_INPUTS(named, factor, one), factor,
                                            NULL, &factor, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "Mul", TOFFEE_INPUTS(weight, factor), weight, NULL, &weight, st));
    return toffee_lower_return(lo, call, 0, weight, st);
}

/* ---- bags ----------------------------------------------------------------------------------- */

/* N indices in B bags; the rows of the bags are E wide. */
typedef struct {
    int64_t n, n_bags, width;
    toffee_value *indices; /* [N] */
    toffee_value *offsets; /* [B] or, with an end, [B + 1] */
    toffee_value *rows;    /* [N, E] */
    toffee_value *member;  /* bool [B, N]: whether the bag has the row */
} bags;

/* *OUT [B, 1] becomes the offsets from FIRST on; where they run out, N ends the last bag. */
static toffee_code
bags_bounds(toffee_lowering *lo, const bags *b, int64_t first, toffee_value **out,
            toffee_status *st)
{
    const int64_t column[2] = {b->n_bags, 1};
    int64_t n_offsets = toffee_value_dim(b->offsets, 0);
    toffee_value *from = NULL;
    toffee_value *to = NULL;
    toffee_value *last = NULL;
    toffee_node *node = NULL;
    int64_t stop = first + b->n_bags < n_offsets ? first + b->n_bags : n_offsets;
    int64_t n = stop - first;

    *out = b->offsets;
    if (n != n_offsets) {
        TOFFEE_RETURN_IF_ERROR(toffee_const_int(lo, first, &from, st));
        TOFFEE_RETURN_IF_ERROR(toffee_const_int(lo, stop, &to, st));
        TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "Slice", TOFFEE_INPUTS(*out, from, to),
                                                TOFFEE_DTYPE_INT64, &n, 1, NULL, out, st));
    }
    if (n != b->n_bags) {
        TOFFEE_RETURN_IF_ERROR(toffee_const_int(lo, b->n, &last, st));
        TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "Concat", TOFFEE_INPUTS(*out, last),
                                                TOFFEE_DTYPE_INT64, &b->n_bags, 1, &node, out, st));
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "axis", 0, st));
    }
    return toffee_reshape(lo, *out, column, 2, out, st);
}

/* b->member: places from the bag's offset up to the next one's, but not those of PADDING_IDX. */
static toffee_code
bags_find_members(toffee_lowering *lo, bags *b, int64_t padding_idx, toffee_status *st)
{
    const int64_t dims[2] = {b->n_bags, b->n};
    toffee_value *places = NULL;
    toffee_value *bound = NULL;
    toffee_value *inside = NULL;
    toffee_value *padding = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_positions(lo, b->n, false, &places, st));
    TOFFEE_RETURN_IF_ERROR(bags_bounds(lo, b, 0, &bound, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "GreaterOrEqual", TOFFEE_INPUTS(places, bound),
                                            TOFFEE_DTYPE_BOOL, dims, 2, NULL, &b->member, st));
    TOFFEE_RETURN_IF_ERROR(bags_bounds(lo, b, 1, &bound, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "Less", TOFFEE_INPUTS(places, bound),
                                            TOFFEE_DTYPE_BOOL, dims, 2, NULL, &inside, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_like(lo, "And", TOFFEE_INPUTS(b->member, inside), inside,
                                            NULL, &b->member, st));
    if (padding_idx < 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_const_scalar_int(lo, TOFFEE_DTYPE_INT64, padding_idx, &padding, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "Equal", TOFFEE_INPUTS(b->indices, padding),
                                            TOFFEE_DTYPE_BOOL, &b->n, 1, NULL, &padding, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "Not", TOFFEE_INPUTS(padding), padding, NULL, &padding, st));
    return toffee_emit_like(lo, "And", TOFFEE_INPUTS(b->member, padding), inside, NULL, &b->member,
                            st);
}

/* Sums: a product with the matrix of members. Means: by the number of members, at least 1. */
static toffee_code
bags_sum(toffee_lowering *lo, const bags *b, bool mean, toffee_value **out, toffee_status *st)
{
    toffee_dtype dtype = toffee_value_dtype(b->rows);
    const int64_t dims[2] = {b->n_bags, b->width};
    const int64_t column[2] = {b->n_bags, 1};
    toffee_value *weights = NULL;
    toffee_value *count = NULL;
    toffee_value *axis = NULL;
    toffee_value *one = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, b->member, dtype, &weights, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "MatMul", TOFFEE_INPUTS(weights, b->rows), dtype,
                                            dims, 2, NULL, out, st));
    if (!mean) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_const_int(lo, 1, &axis, st));
    TOFFEE_RETURN_IF_ERROR(toffee_const_float(lo, dtype, 1, &one, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "ReduceSum", TOFFEE_INPUTS(weights, axis), dtype,
                                            column, 2, NULL, &count, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "Max", TOFFEE_INPUTS(count, one), count, NULL, &count, st));
    return toffee_emit_like(lo, "Div", TOFFEE_INPUTS(*out, count), *out, NULL, out, st);
}

/* The largest number of each column; 0 in a bag without members. */
static toffee_code
bags_max(toffee_lowering *lo, const bags *b, toffee_value **out, toffee_status *st)
{
    toffee_dtype dtype = toffee_value_dtype(b->rows);
    const int64_t cube[3] = {b->n_bags, b->n, b->width};
    const int64_t apart[3] = {b->n_bags, b->n, 1};
    const int64_t dims[2] = {b->n_bags, b->width};
    toffee_value *member = NULL;
    toffee_value *axis = NULL;
    toffee_value *least = NULL;
    toffee_value *zero = NULL;
    toffee_value *none = NULL;
    toffee_node *node = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_const_float(lo, dtype, -INFINITY, &least, st));
    TOFFEE_RETURN_IF_ERROR(toffee_const_float(lo, dtype, 0, &zero, st));
    TOFFEE_RETURN_IF_ERROR(toffee_const_int(lo, 1, &axis, st));
    TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, b->member, apart, 3, &member, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "Where", TOFFEE_INPUTS(member, b->rows, least),
                                            dtype, cube, 3, NULL, out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "ReduceMax", TOFFEE_INPUTS(*out, axis), dtype, dims,
                                            2, &node, out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "keepdims", 0, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "Equal", TOFFEE_INPUTS(*out, least),
                                            TOFFEE_DTYPE_BOOL, dims, 2, NULL, &none, st));
    return toffee_emit_like(lo, "Where", TOFFEE_INPUTS(none, zero, *out), *out, NULL, out, st);
}

/* aten::embedding_bag(weight [V, E], indices [N], offsets, …, mode, per_sample_weights?,
 *                     include_last_offset, padding_idx), and the core operators under it, of whose
 * results only the first, [B, E], is made
 *   -> Gather of the rows; a matrix of which bag has which row, by comparing places with offsets;
 *      then MatMul for sums and means, Where and ReduceMax for the largest */
static toffee_code
lower_embedding_bag(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *weight = toffee_call_value(call, "weight");
    toffee_value *scale = toffee_call_value(call, "per_sample_weights");
    int64_t mode = toffee_call_int(call, "mode", BAG_SUM);
    int64_t padding_idx = toffee_call_int(call, "padding_idx", -1);
    bags b = {0};
    int64_t dims[2];
    toffee_node *node = NULL;
    toffee_value *out = NULL;

    b.indices = toffee_call_value(call, "indices");
    b.offsets = toffee_call_value(call, "offsets");
    if (toffee_value_rank(b.indices) != 1 || toffee_value_rank(weight) != 2 || mode < BAG_SUM ||
        mode > BAG_MAX || toffee_value_dim(b.indices, 0) == 0) {
        return TOFFEE_DECLINED;
    }
    b.n = toffee_value_dim(b.indices, 0);
    b.n_bags = call->results[0].dims[0];
    b.width = toffee_value_dim(weight, 1);
    dims[0] = b.n;
    dims[1] = b.width;
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, b.indices, TOFFEE_DTYPE_INT64, &b.indices, st));
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, b.offsets, TOFFEE_DTYPE_INT64, &b.offsets, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "Gather", TOFFEE_INPUTS(weight, b.indices),
                                            toffee_value_dtype(weight), dims, 2, &node, &b.rows,
                                            st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "axis", 0, st));
    if (scale != NULL) {
        dims[1] = 1;
        TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, scale, dims, 2, &scale, st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_emit_like(lo, "Mul", TOFFEE_INPUTS(b.rows, scale), b.rows, NULL, &b.rows, st));
    }
    /* -1 is the last row to the outer operator, and no row at all to those under it. */
    if (lo->rule->arg != 0 && padding_idx < 0 && toffee_call_has(call, "padding_idx")) {
        padding_idx += toffee_value_dim(weight, 0);
    }
    TOFFEE_RETURN_IF_ERROR(bags_find_members(lo, &b, padding_idx, st));
    if (mode == BAG_MAX) {
        TOFFEE_RETURN_IF_ERROR(bags_max(lo, &b, &out, st));
    }
    else {
        TOFFEE_RETURN_IF_ERROR(bags_sum(lo, &b, mode == BAG_MEAN, &out, st));
    }
    return toffee_lower_return(lo, call, 0, out, st);
}

static const toffee_rule rows[] = {
    /* sorted by name; the number: whether padding_idx counts from the end */
    {"aten::_embedding_bag", lower_embedding_bag, NULL, 0},
    {"aten::_embedding_bag_forward_only", lower_embedding_bag, NULL, 0},
    {"aten::embedding", lower_embedding, NULL, 0},
    {"aten::embedding_bag", lower_embedding_bag, NULL, 1},
    {"aten::embedding_renorm", lower_embedding_renorm, NULL, 0},
};

const toffee_rule_family toffee_rules_embedding = {rows, TOFFEE_COUNTOF(rows)};
