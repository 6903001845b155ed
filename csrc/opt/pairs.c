/* csrc/opt/pairs.c -- two Transposes in a row are one, and so are two nodes that only say another
 * shape: Reshape, Flatten, Squeeze, Unsqueeze. What comes back to where it was is nothing. */
#include <string.h>

#include "opt/pass.h"

/* ---- Transpose ---- */

/* The permutation of NODE, a Transpose, into PERM (room for TOFFEE_MAX_RANK); its length, or -1. */
static int32_t
transpose_perm(const toffee_node *node, int64_t *perm)
{
    const toffee_attr *attr = toffee_node_attr(node, "perm");
    const toffee_value *x = toffee_opt_in(node, 0);
    int32_t rank = x != NULL ? x->type.rank : -1;
    uint64_t seen = 0;

    if (attr == NULL) {
        rank = rank <= TOFFEE_MAX_RANK ? rank : -1;
        for (int32_t d = 0; d < rank; d++) {
            perm[d] = rank - 1 - d;
        }
        return rank;
    }
    if (attr->type != TOFFEE_ATTR_INTS || attr->n > TOFFEE_MAX_RANK) {
        return -1;
    }
    for (size_t d = 0; d < attr->n; d++) {
        perm[d] = attr->ints[d];
        if (perm[d] < 0 || perm[d] >= (int64_t)attr->n || (seen >> perm[d] & 1) != 0) {
            return -1;
        }
        seen |= UINT64_C(1) << perm[d];
    }
    return (int32_t)attr->n;
}

static toffee_code
pair_transpose(toffee_opt *opt, toffee_node *node, toffee_node *first, toffee_status *st)
{
    int64_t inner[TOFFEE_MAX_RANK];
    int64_t outer[TOFFEE_MAX_RANK];
    int32_t rank = transpose_perm(first, inner);
    bool is_identity = true;
    toffee_value *between = node->inputs.data[0];

    if (rank < 0 || transpose_perm(node, outer) != rank || toffee_opt_in(first, 0) == NULL) {
        return TOFFEE_OK;
    }
    for (int32_t d = 0; d < rank; d++) {
        outer[d] = inner[outer[d]];
        is_identity = is_identity && outer[d] == d;
    }
    if (is_identity) {
        return toffee_opt_bypass(opt, node, first->inputs.data[0], st);
    }
    if (!toffee_opt_is_single(opt, between)) {
        return TOFFEE_OK; /* nothing would be saved */
    }
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_ints(node, "perm", outer, (size_t)rank, st));
    TOFFEE_RETURN_IF_ERROR(toffee_opt_set_input(opt, node, 0, first->inputs.data[0], st));
    return toffee_opt_remove(opt, first, st);
}

/* ---- shapes ---- */

static bool
is_reshape(const toffee_opt *opt, const toffee_node *node)
{
    return toffee_opt_is(opt, node, "Reshape") || toffee_opt_is(opt, node, "Flatten") ||
           toffee_opt_is(opt, node, "Squeeze") || toffee_opt_is(opt, node, "Unsqueeze");
}

/* Whether NODE, a Reshape, says a shape that does not depend on the one that it is given, but for
 * the number of elements. */
static toffee_code
says_all(toffee_opt *opt, const toffee_node *node, bool *out, toffee_status *st)
{
    const toffee_tensor *shape = NULL;

    *out = false;
    TOFFEE_RETURN_IF_ERROR(toffee_opt_constant(opt, toffee_opt_in(node, 1), &shape, st));
    *out = shape != NULL && shape->dtype == TOFFEE_DTYPE_INT64;
    for (uint64_t i = 0; *out && i < shape->n_elements; i++) {
        *out = toffee_opt_load(shape->dtype, shape->data, i) != 0;
    }
    return TOFFEE_OK;
}

/* Makes NODE a Reshape to the shape that it is declared to give. *DONE is false if that is not
 * known, or has a size of 0, which means something else to Reshape. */
static toffee_code
make_reshape(toffee_opt *opt, toffee_node *node, bool *done, toffee_status *st)
{
    int64_t dims[TOFFEE_MAX_RANK];
    const toffee_value *y = node->outputs.data[0];
    int64_t rank = toffee_opt_shape(y, dims);
    toffee_value *shape = NULL;
    const toffee_str *reshape = NULL;

    *done = rank >= 0;
    for (int64_t d = 0; d < rank; d++) {
        *done = *done && dims[d] != 0;
    }
    if (!*done) {
        return TOFFEE_OK;
    }
    reshape = toffee_graph_intern(opt->graph, "Reshape");
    if (reshape == NULL) {
        return toffee_fail_nomem(st);
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_opt_add_constant(opt, y, TOFFEE_DTYPE_INT64, &rank, 1, dims, &shape, st));
    if (node->inputs.n < 2) {
        TOFFEE_RETURN_IF_ERROR(toffee_node_add_input(node, NULL, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_opt_set_input(opt, node, 1, shape, st));
    node->op_type = reshape;
    node->attrs.n = 0;
    return TOFFEE_OK;
}

static toffee_code
pair_reshape(toffee_opt *opt, toffee_node *node, toffee_node *first, toffee_status *st)
{
    toffee_value *x = toffee_opt_in(first, 0);
    bool can = false;

    if (x == NULL) {
        return TOFFEE_OK;
    }
    if (toffee_opt_same_type(x, node->outputs.data[0])) {
        return toffee_opt_bypass(opt, node, x, st);
    }
    if (!toffee_opt_is_single(opt, node->inputs.data[0])) {
        return TOFFEE_OK;
    }
    if (toffee_str_is(node->op_type, "Reshape")) {
        TOFFEE_RETURN_IF_ERROR(says_all(opt, node, &can, st));
    }
    if (!can) {
        TOFFEE_RETURN_IF_ERROR(make_reshape(opt, node, &can, st));
    }
    if (!can) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_opt_set_input(opt, node, 0, x, st));
    return toffee_opt_remove(opt, first, st);
}

toffee_code
toffee_pass_pairs(toffee_opt *opt, toffee_status *st)
{
    for (size_t i = 0; i < opt->graph->nodes.n; i++) {
        toffee_node *node = opt->graph->nodes.data[i];
        toffee_node *first = NULL;

        toffee_opt_refresh(opt, node);
        first = toffee_opt_producer(opt, toffee_opt_in(node, 0));
        if (first == NULL || toffee_opt_out(node, 0) == NULL || first->graph != opt->graph) {
            continue;
        }
        if (toffee_opt_is(opt, node, "Transpose") && toffee_opt_is(opt, first, "Transpose")) {
            TOFFEE_RETURN_IF_ERROR(pair_transpose(opt, node, first, st));
        }
        else if (is_reshape(opt, node) && is_reshape(opt, first)) {
            TOFFEE_RETURN_IF_ERROR(pair_reshape(opt, node, first, st));
        }
    }
    return TOFFEE_OK;
}
