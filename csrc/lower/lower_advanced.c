/* csrc/lower/lower_advanced.c -- indexing by tensors: x[i, :, j] and x[mask], read and written.
 *
 * PyTorch and NumPy: the tensors are broadcast to one shape S, which takes the place of the indexed
 * dimensions if these are neighbours, and else comes first. ONNX wants the indexed dimensions in
 * front: they are transposed there, S comes out in front, and is transposed to its place. */
#include "lower/chain.h"
#include "lower/shape.h"

#include <string.h>

typedef struct {
    toffee_value *self;
    toffee_value *columns[TOFFEE_MAX_RANK]; /* positions on a dimension each, of dims S or less */
    int32_t dims[TOFFEE_MAX_RANK];          /* the dimension of self */
    bool from_mask[TOFFEE_MAX_RANK];
    int32_t n;
    int32_t n_masks;
    toffee_value *mask;             /* the last one, bool */
    toffee_value *where;            /* its NonZero: [dims of the mask, true ones] */
    int64_t shape[TOFFEE_MAX_RANK]; /* S */
    int32_t shape_rank;
    int32_t place; /* of S in the result; before it are dimensions of self */
    int64_t to_front[TOFFEE_MAX_RANK];
    int64_t rest[TOFFEE_MAX_RANK]; /* sizes of the dimensions that are not indexed */
    int32_t n_rest;
} index_plan;

/* The dimensions of a mask: for each, the row of NonZero that has its positions. How many there are
 * is not known yet. */
static toffee_code
plan_add_mask(toffee_lowering *lo, index_plan *plan, toffee_value *mask, int32_t *dim,
              toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, mask, TOFFEE_DTYPE_BOOL, &plan->mask, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, "NonZero", TOFFEE_INPUTS(plan->mask), TOFFEE_DTYPE_INT64,
                                       NULL, &plan->where, st));
    plan->n_masks++;
    for (int32_t i = 0; i < toffee_value_rank(mask); i++) {
        const int64_t no_dims[1] = {-1};
        toffee_value *row = NULL;
        toffee_value *number = NULL;
        toffee_node *node = NULL;

        TOFFEE_RETURN_IF_ERROR(toffee_const_scalar_int(lo, TOFFEE_DTYPE_INT64, i, &number, st));
        TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, "Gather", TOFFEE_INPUTS(plan->where, number),
                                           TOFFEE_DTYPE_INT64, &node, &row, st));
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "axis", 0, st));
        TOFFEE_RETURN_IF_ERROR(toffee_value_set_type(row, TOFFEE_DTYPE_INT64, no_dims, 1, st));
        plan->columns[plan->n] = row;
        plan->from_mask[plan->n] = true;
        plan->dims[plan->n++] = (*dim)++;
    }
    return TOFFEE_OK;
}

/* Whether MASK is a constant whose bytes are at hand. */
static bool
mask_is_constant(toffee_lowering *lo, const toffee_value *mask)
{
    return mask->tensor != NULL && mask->tensor->data != NULL &&
           toffee_ptrmap_get(&lo->constants, mask) != NULL;
}

/* The dimensions of a constant mask: for each, the positions of the true ones. */
static toffee_code
plan_add_constant_mask(toffee_lowering *lo, index_plan *plan, const toffee_value *mask,
                       int32_t *dim, toffee_status *st)
{
    const uint8_t *bytes = mask->tensor->data;
    size_t n_elements = (size_t)mask->tensor->n_elements;
    size_t behind = n_elements; /* elements that one step in the dimension passes over */
    int64_t *positions = toffee_arena_calloc(lo->scratch, n_elements + 1, sizeof(*positions));

    if (positions == NULL) {
        return toffee_fail_nomem(st);
    }
    for (int32_t i = 0; i < toffee_value_rank(mask); i++) {
        size_t size = (size_t)toffee_value_dim(mask, i);
        int64_t n = 0;

        behind = size != 0 ? behind / size : 0;
        for (size_t k = 0; k < n_elements; k++) {
            if (bytes[k] != 0) {
                positions[n++] = (int64_t)(k / behind % size);
            }
        }
        TOFFEE_RETURN_IF_ERROR(toffee_const_tensor(lo, TOFFEE_DTYPE_INT64, &n, 1, positions,
                                                   &plan->columns[plan->n], st));
        plan->dims[plan->n++] = (*dim)++;
    }
    return TOFFEE_OK;
}

/* S from the columns that are not from masks. */
static void
plan_broadcast(index_plan *plan)
{
    for (int32_t i = 0; i < plan->n; i++) {
        const toffee_value *column = plan->columns[i];
        int32_t rank = toffee_value_rank(column);

        if (rank > plan->shape_rank) {
            int32_t more = rank - plan->shape_rank;

            memmove(plan->shape + more, plan->shape,
                    (size_t)plan->shape_rank * sizeof(plan->shape[0]));
            for (int32_t k = 0; k < more; k++) {
                plan->shape[k] = 1;
            }
            plan->shape_rank = rank;
        }
        for (int32_t k = 0; k < rank && !plan->from_mask[i]; k++) {
            int64_t size = toffee_value_dim(column, k);

            if (size != 1) {
                plan->shape[plan->shape_rank - rank + k] = size;
            }
        }
    }
}

/* Reads the list of indices; DECLINED where one is a mask without dimensions or is no index.
 * KEEP_MASK: leave a mask that stands alone as it is, even if it is constant. */
static toffee_code
plan_make(toffee_lowering *lo, const toffee_call *call, bool keep_mask, index_plan *plan,
          toffee_status *st)
{
    const toffee_arg *indices = toffee_call_arg(call, "indices");
    bool indexed[TOFFEE_MAX_RANK] = {false};
    bool neighbours = true;
    int32_t dim = 0;
    int32_t rank = 0;
    int32_t n = 0;
    size_t n_given = 0;

    memset(plan, 0, sizeof(*plan));
    plan->self = toffee_call_value(call, "self");
    if (plan->self == NULL || indices == NULL || indices->kind != TOFFEE_ARG_VALUES) {
        return TOFFEE_DECLINED;
    }
    rank = toffee_value_rank(plan->self);
    for (size_t i = 0; i < indices->n; i++) {
        n_given += indices->values[i] != NULL;
    }
    for (size_t i = 0; i < indices->n; i++) {
        toffee_value *index = indices->values[i];
        toffee_dtype dtype = index != NULL ? toffee_value_dtype(index) : TOFFEE_DTYPE_UNDEFINED;
        bool is_mask = dtype == TOFFEE_DTYPE_BOOL || dtype == TOFFEE_DTYPE_UINT8;

        if (index == NULL) {
            dim++;
            continue;
        }
        if (dim + (is_mask ? toffee_value_rank(index) : 1) > rank ||
            (is_mask && toffee_value_rank(index) == 0)) {
            return TOFFEE_DECLINED;
        }
        if (is_mask && mask_is_constant(lo, index) && !(keep_mask && n_given == 1)) {
            TOFFEE_RETURN_IF_ERROR(plan_add_constant_mask(lo, plan, index, &dim, st));
            continue;
        }
        if (is_mask) {
            TOFFEE_RETURN_IF_ERROR(plan_add_mask(lo, plan, index, &dim, st));
            continue;
        }
        plan->columns[plan->n] = index;
        plan->dims[plan->n++] = dim++;
    }
    if (plan->n == 0) {
        return TOFFEE_DECLINED;
    }
    for (int32_t i = 0; i < plan->n; i++) {
        indexed[plan->dims[i]] = true;
        neighbours = neighbours && plan->dims[i] == plan->dims[0] + i;
        plan->to_front[n++] = plan->dims[i];
    }
    for (int32_t i = 0; i < rank; i++) {
        if (!indexed[i]) {
            plan->to_front[n++] = i;
            plan->rest[plan->n_rest++] = toffee_value_dim(plan->self, i);
        }
    }
    plan->place = neighbours ? plan->dims[0] : 0;
    plan_broadcast(plan);
    return TOFFEE_OK;
}

/* The permutation from S and the rest to S in its place; or, if BACK, the way back. */
static void
plan_place_perm(const index_plan *plan, bool back, int64_t *perm)
{
    int32_t rank = plan->shape_rank + plan->n_rest;

    for (int32_t i = 0; i < rank; i++) {
        int32_t from = i;

        if (i < plan->place) {
            from = plan->shape_rank + i;
        }
        else if (i < plan->place + plan->shape_rank) {
            from = i - plan->place;
        }
        if (back) {
            perm[from] = i;
        }
        else {
            perm[i] = from;
        }
    }
}

/* The columns side by side, as GatherND and ScatterND want them: dims S and one more. */
static toffee_code
plan_rows(toffee_lowering *lo, const index_plan *plan, toffee_value **out, toffee_status *st)
{
    static const int64_t swap[2] = {1, 0};
    const int64_t last = plan->shape_rank;
    toffee_value *columns[TOFFEE_MAX_RANK] = {NULL};
    int64_t dims[TOFFEE_MAX_RANK + 1];

    if (plan->n_masks == 1 && plan->n == toffee_value_rank(plan->mask)) {
        dims[0] = plan->n;
        dims[1] = plan->shape[0];
        TOFFEE_RETURN_IF_ERROR(toffee_value_set_type(plan->where, TOFFEE_DTYPE_INT64, dims, 2, st));
        return toffee_transpose(lo, plan->where, swap, out, st);
    }
    for (int32_t i = 0; i < plan->n; i++) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_cast(lo, plan->columns[i], TOFFEE_DTYPE_INT64, &columns[i], st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_expand(lo, columns[i], plan->shape, plan->shape_rank, &columns[i], st));
        TOFFEE_RETURN_IF_ERROR(toffee_unsqueeze(lo, columns[i], &last, 1, &columns[i], st));
    }
    return toffee_concat(lo, columns, (size_t)plan->n, last, out, st);
}

/* aten::index.Tensor(self, indices)
 *   -> Gather, where one tensor of whole numbers indexes
 *   -> Transpose, GatherND, Transpose
 * The number of true ones of a mask is that of the run, except in x[mask] alone. */
static toffee_code
lower_index(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    index_plan plan;
    int64_t dims[2 * TOFFEE_MAX_RANK];
    int64_t perm[2 * TOFFEE_MAX_RANK];
    toffee_value *rows = NULL;
    toffee_value *self = NULL;
    toffee_value *out = NULL;

    TOFFEE_RETURN_IF_ERROR(plan_make(lo, call, false, &plan, st));
    if (plan.n == 1 && plan.n_masks == 0) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_gather(lo, plan.self, plan.dims[0], plan.columns[0], &out, st));
        return toffee_lower_return(lo, call, 0, out, st);
    }
    if (plan.shape_rank + plan.n_rest != call->results[0].rank) {
        return TOFFEE_DECLINED;
    }
    for (int32_t i = 0; i < plan.shape_rank; i++) {
        plan.shape[i] = call->results[0].dims[plan.place + i]; /* where the masks' numbers are */
    }
    TOFFEE_RETURN_IF_ERROR(plan_rows(lo, &plan, &rows, st));
    TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, plan.self, plan.to_front, &self, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, "GatherND", TOFFEE_INPUTS(self, rows),
                                       toffee_value_dtype(self), NULL, &out, st));
    memcpy(dims, plan.shape, sizeof(plan.shape));
    memcpy(dims + plan.shape_rank, plan.rest, (size_t)plan.n_rest * sizeof(dims[0]));
    TOFFEE_RETURN_IF_ERROR(toffee_value_set_type(out, toffee_value_dtype(self), dims,
                                                 plan.shape_rank + plan.n_rest, st));
    plan_place_perm(&plan, false, perm);
    TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, out, perm, &out, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

/* x[mask] = VALUES, where VALUES are the same for every true one: Where. Their dimension for these,
 * if they have one, becomes the dimensions of the mask. */
static toffee_code
put_where(toffee_lowering *lo, const toffee_call *call, const index_plan *plan,
          toffee_value *values, bool accumulate, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    int32_t n_behind = plan->n_rest - plan->place; /* dimensions of self behind the mask */
    int32_t mask_rank = toffee_value_rank(plan->mask);
    int64_t dims[2 * TOFFEE_MAX_RANK];
    int64_t axes[TOFFEE_MAX_RANK];
    int32_t rank = 0;
    toffee_value *mask = NULL;
    toffee_value *out = NULL;

    for (int32_t i = 0; i < n_behind; i++) {
        axes[i] = mask_rank + i;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_unsqueeze(lo, plan->mask, axes, (size_t)n_behind, &mask, st));
    for (int32_t i = 0; i < toffee_value_rank(values); i++) {
        if (i == toffee_value_rank(values) - n_behind - 1) {
            for (int32_t k = 0; k < mask_rank; k++) {
                dims[rank++] = 1;
            }
            continue;
        }
        dims[rank++] = toffee_value_dim(values, i);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_fit(lo, values, dims, rank, &values, st));
    if (accumulate) {
        values = toffee_chain_binary(&chain, "Add", plan->self, values);
    }
    out = toffee_chain_where(&chain, mask, values, plan->self);
    return toffee_chain_return(&chain, call, 0, out);
}

/* aten::index_put(self, indices, values, accumulate)
 *   -> Where, for a mask and values that do not depend on the place
 *   -> Transpose, ScatterND [reduction=add if accumulate], Transpose */
static toffee_code
lower_index_put(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    index_plan plan;
    const toffee_arg *given = toffee_call_arg(call, "values");
    bool accumulate = toffee_call_bool(call, "accumulate", false);
    int64_t dims[2 * TOFFEE_MAX_RANK];
    int64_t perm[2 * TOFFEE_MAX_RANK];
    int64_t inverse[TOFFEE_MAX_RANK];
    int32_t rank = 0;
    int32_t at = 0;
    toffee_value *values = NULL;
    toffee_value *rows = NULL;
    toffee_value *out = NULL;

    TOFFEE_RETURN_IF_ERROR(plan_make(lo, call, true, &plan, st));
    if (given == NULL || given->kind == TOFFEE_ARG_NONE) {
        return TOFFEE_DECLINED;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_operand(lo, given, toffee_value_dtype(plan.self), &values, st));
    rank = plan.shape_rank + plan.n_rest;
    if (toffee_value_rank(values) > rank || rank > TOFFEE_MAX_RANK) {
        return TOFFEE_DECLINED;
    }
    if (plan.n_masks != 0) {
        if (plan.n_masks != 1 || plan.n != toffee_value_rank(plan.mask)) {
            return TOFFEE_DECLINED; /* how long the columns are cannot be told from the call */
        }
        at = toffee_value_rank(values) - (plan.n_rest - plan.place) - 1;
        if (at < 0 || toffee_value_dim(values, at) == 1) {
            return put_where(lo, call, &plan, values, accumulate, st);
        }
        plan.shape[0] = toffee_value_dim(values, at);
    }
    for (int32_t i = 0, behind = 0; i < rank; i++) {
        bool in_shape = i >= plan.place && i < plan.place + plan.shape_rank;

        dims[i] = in_shape ? plan.shape[i - plan.place] : plan.rest[behind++];
    }
    TOFFEE_RETURN_IF_ERROR(plan_rows(lo, &plan, &rows, st));
    TOFFEE_RETURN_IF_ERROR(toffee_expand(lo, values, dims, rank, &values, st));
    plan_place_perm(&plan, true, perm);
    TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, values, perm, &values, st));
    TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, plan.self, plan.to_front, &out, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_scatter(lo, "ScatterND", out, rows, values, accumulate ? "add" : NULL, 0, &out, st));
    for (int32_t i = 0; i < toffee_value_rank(plan.self); i++) {
        inverse[plan.to_front[i]] = i;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, out, inverse, &out, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

static const toffee_rule rows[] = {
    /* sorted by name */
    {"aten::_unsafe_index", lower_index, NULL, 0},
    {"aten::_unsafe_index_put", lower_index_put, NULL, 0},
    {"aten::index", lower_index, NULL, 0},
    {"aten::index_put", lower_index_put, NULL, 0},
};
const toffee_rule_family toffee_rules_advanced = {rows, TOFFEE_COUNTOF(rows)};
