/* csrc/opt/eval_move.c -- evaluates what moves elements of any dtype, and what makes them. */
#include <string.h>

#include "opt/eval.h"

/* ---- elements ---- */

bool
toffee_eval_is_whole(const toffee_tensor *tensor)
{
    return tensor != NULL &&
           (toffee_dtype_is_int(tensor->dtype) || tensor->dtype == TOFFEE_DTYPE_BOOL);
}

const toffee_tensor *
toffee_eval_input(const toffee_eval *e, size_t index)
{
    return index < e->node->inputs.n ? e->in[index] : NULL;
}

toffee_code
toffee_eval_result(toffee_eval *e, toffee_dtype dtype, const int64_t *dims, int32_t rank,
                   void **data, toffee_status *st)
{
    uint64_t n_elements = 0;
    uint64_t n_bytes = 0;

    *data = NULL;
    if (rank < 0 || rank > TOFFEE_MAX_RANK ||
        !toffee_dtype_count(dtype, dims, rank, &n_elements, &n_bytes) ||
        n_bytes > TOFFEE_OPT_MAX_BYTES || toffee_dtype_get(dtype)->n_bytes == 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_tensor_new(e->arena, NULL, dtype, dims, rank, NULL, &e->out, st));
    *data = toffee_arena_calloc(e->arena, (size_t)n_bytes + 1, 1);
    if (*data == NULL) {
        return toffee_fail_nomem(st);
    }
    e->out->data = *data;
    return TOFFEE_OK;
}

void
toffee_eval_index_next(int64_t *index, const int64_t *dims, int32_t rank)
{
    for (int32_t d = rank; d-- > 0 && ++index[d] == dims[d];) {
        index[d] = 0;
    }
}

/* Fills the result, of DIMS, with the elements of X at START + index · STRIDES. */
static toffee_code
move(toffee_eval *e, const toffee_tensor *x, const int64_t *dims, int32_t rank, int64_t start,
     const int64_t *strides, toffee_status *st)
{
    int64_t index[TOFFEE_MAX_RANK] = {0};
    size_t size = toffee_dtype_get(x->dtype)->n_bytes;
    void *data = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_eval_result(e, x->dtype, dims, rank, &data, st));
    for (uint64_t i = 0; data != NULL && i < e->out->n_elements; i++) {
        int64_t at = start;

        for (int32_t d = 0; d < rank; d++) {
            at += index[d] * strides[d];
        }
        memcpy((char *)data + i * size, (const char *)x->data + (size_t)at * size, size);
        toffee_eval_index_next(index, dims, rank);
    }
    return TOFFEE_OK;
}

/* Strides of X's elements along its axes. */
static void
strides_of(const toffee_tensor *x, int64_t *strides)
{
    int64_t stride = 1;

    for (int32_t d = x->rank; d-- > 0;) {
        strides[d] = stride;
        /* Of an empty tensor the other sizes may be anything, and nothing is read. */
        stride = x->n_elements != 0 ? stride * x->dims[d] : 0;
    }
}

bool
toffee_eval_broadcast_strides(const toffee_tensor *x, const int64_t *dims, int32_t rank,
                              int64_t *strides)
{
    int64_t own[TOFFEE_MAX_RANK];

    if (x->rank > rank) {
        return false;
    }
    strides_of(x, own);
    for (int32_t d = 0; d < rank; d++) {
        int32_t axis = d - (rank - x->rank);

        strides[d] = axis >= 0 && x->dims[axis] != 1 ? own[axis] : 0;
        if (axis >= 0 && x->dims[axis] != 1 && x->dims[axis] != dims[d]) {
            return false;
        }
    }
    return true;
}

bool
toffee_eval_broadcast_dims(const toffee_tensor *x, int64_t *dims, int32_t *rank)
{
    int32_t more = x->rank - *rank;

    if (more > 0) {
        memmove(dims + more, dims, (size_t)*rank * sizeof(*dims));
        for (int32_t d = 0; d < more; d++) {
            dims[d] = 1;
        }
        *rank = x->rank;
    }
    for (int32_t d = 0; d < x->rank; d++) {
        int64_t *dim = &dims[*rank - x->rank + d];

        if (*dim != x->dims[d] && *dim != 1 && x->dims[d] != 1) {
            return false;
        }
        *dim = *dim == 1 ? x->dims[d] : *dim;
    }
    return true;
}

/* ---- movement ---- */

/* Reshape, Squeeze, Unsqueeze, Flatten, Identity: the bytes stay, the shape is as declared. */
toffee_code
toffee_eval_reshape(toffee_eval *e, toffee_status *st)
{
    int64_t dims[TOFFEE_MAX_RANK];
    const toffee_tensor *x = toffee_eval_input(e, 0);
    int32_t rank = toffee_opt_shape(e->node->outputs.data[0], dims);
    uint64_t n_elements = 0;
    uint64_t n_bytes = 0;
    void *data = NULL;

    if (x == NULL || rank < 0 || !toffee_dtype_count(x->dtype, dims, rank, &n_elements, &n_bytes) ||
        n_elements != x->n_elements) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_eval_result(e, x->dtype, dims, rank, &data, st));
    if (data != NULL && n_bytes != 0) {
        memcpy(data, x->data, (size_t)n_bytes);
    }
    return TOFFEE_OK;
}

toffee_code
toffee_eval_transpose(toffee_eval *e, toffee_status *st)
{
    int64_t own[TOFFEE_MAX_RANK];
    int64_t strides[TOFFEE_MAX_RANK];
    int64_t dims[TOFFEE_MAX_RANK];
    const toffee_tensor *x = toffee_eval_input(e, 0);
    const toffee_attr *perm = toffee_node_attr(e->node, "perm");
    uint64_t seen = 0;

    if (x == NULL ||
        (perm != NULL && (perm->type != TOFFEE_ATTR_INTS || perm->n != (size_t)x->rank))) {
        return TOFFEE_OK;
    }
    strides_of(x, own);
    for (int32_t d = 0; d < x->rank; d++) {
        int64_t from = perm != NULL ? perm->ints[d] : x->rank - 1 - d;

        if (from < 0 || from >= x->rank || (seen >> from & 1) != 0) {
            return TOFFEE_OK;
        }
        seen |= UINT64_C(1) << from;
        dims[d] = x->dims[from];
        strides[d] = own[from];
    }
    return move(e, x, dims, x->rank, 0, strides, st);
}

toffee_code
toffee_eval_expand(toffee_eval *e, toffee_status *st)
{
    int64_t strides[TOFFEE_MAX_RANK];
    int64_t dims[TOFFEE_MAX_RANK];
    const toffee_tensor *x = toffee_eval_input(e, 0);
    int32_t rank = toffee_opt_shape(e->node->outputs.data[0], dims);

    if (x == NULL || toffee_eval_input(e, 1) == NULL || rank < 0 ||
        !toffee_eval_broadcast_strides(x, dims, rank, strides)) {
        return TOFFEE_OK;
    }
    return move(e, x, dims, rank, 0, strides, st);
}

/* One axis of a Slice: from *BEGIN, COUNT elements, clamped as ONNX says. */
static int64_t
slice_count(int64_t size, int64_t *begin, int64_t end, int64_t step)
{
    int64_t low = step < 0 ? -1 : 0;
    int64_t high = step < 0 ? size - 1 : size;

    *begin += *begin < 0 ? size : 0;
    end += end < 0 ? size : 0;
    *begin = *begin < 0 ? 0 : *begin > high ? high : *begin;
    end = end < low ? low : end > size ? size : end;
    if (step > 0) {
        return end > *begin ? (end - *begin - 1) / step + 1 : 0;
    }
    return end < *begin ? (*begin - end - 1) / -step + 1 : 0;
}

toffee_code
toffee_eval_slice(toffee_eval *e, toffee_status *st)
{
    int64_t strides[TOFFEE_MAX_RANK];
    int64_t dims[TOFFEE_MAX_RANK];
    const toffee_tensor *x = toffee_eval_input(e, 0);
    int64_t start = 0;
    uint64_t seen = 0;

    for (size_t i = 0; i < e->node->inputs.n; i++) {
        bool given = e->node->inputs.data[i] != NULL;

        if (given && (toffee_eval_input(e, i) == NULL ||
                      (i > 0 && (toffee_eval_input(e, i)->rank != 1 ||
                                 !toffee_eval_is_whole(toffee_eval_input(e, i)) ||
                                 toffee_eval_input(e, i)->n_elements !=
                                     toffee_eval_input(e, 1)->n_elements)))) {
            return TOFFEE_OK;
        }
    }
    if (x == NULL || toffee_eval_input(e, 1) == NULL || toffee_eval_input(e, 2) == NULL) {
        return TOFFEE_OK;
    }
    strides_of(x, strides);
    memcpy(dims, x->dims, (size_t)x->rank * sizeof(*dims));
    for (uint64_t i = 0; i < toffee_eval_input(e, 1)->n_elements; i++) {
        int64_t begin =
            toffee_opt_load(toffee_eval_input(e, 1)->dtype, toffee_eval_input(e, 1)->data, i);
        int64_t end =
            toffee_opt_load(toffee_eval_input(e, 2)->dtype, toffee_eval_input(e, 2)->data, i);
        int64_t axis = (int64_t)i;
        int64_t step = 1;

        if (toffee_eval_input(e, 3) != NULL) {
            axis =
                toffee_opt_load(toffee_eval_input(e, 3)->dtype, toffee_eval_input(e, 3)->data, i);
            axis += axis < 0 ? x->rank : 0;
        }
        if (toffee_eval_input(e, 4) != NULL) {
            step =
                toffee_opt_load(toffee_eval_input(e, 4)->dtype, toffee_eval_input(e, 4)->data, i);
        }
        if (axis < 0 || axis >= x->rank || (seen >> axis & 1) != 0 || step == 0 ||
            step < -INT32_MAX || step > INT32_MAX) {
            return TOFFEE_OK;
        }
        seen |= UINT64_C(1) << axis;
        dims[axis] = slice_count(x->dims[axis], &begin, end, step);
        start += dims[axis] != 0 ? begin * strides[axis] : 0;
        strides[axis] *= step;
    }
    return move(e, x, dims, x->rank, start, strides, st);
}

toffee_code
toffee_eval_concat(toffee_eval *e, toffee_status *st)
{
    int64_t dims[TOFFEE_MAX_RANK];
    const toffee_tensor *x = toffee_eval_input(e, 0);
    int64_t axis = toffee_opt_int(e->node, "axis", INT64_MAX);
    size_t size = 0;
    size_t at = 0;
    size_t outer = 1;
    void *data = NULL;

    if (x == NULL || axis >= x->rank || axis < -(int64_t)x->rank) {
        return TOFFEE_OK;
    }
    axis += axis < 0 ? x->rank : 0;
    memcpy(dims, x->dims, (size_t)x->rank * sizeof(*dims));
    for (size_t i = 1; i < e->node->inputs.n; i++) {
        const toffee_tensor *other = toffee_eval_input(e, i);

        if (other == NULL || other->dtype != x->dtype || other->rank != x->rank) {
            return TOFFEE_OK;
        }
        for (int32_t d = 0; d < x->rank; d++) {
            if (d != axis && other->dims[d] != dims[d]) {
                return TOFFEE_OK;
            }
        }
        if (__builtin_add_overflow(dims[axis], other->dims[axis], &dims[axis])) {
            return TOFFEE_OK;
        }
    }
    TOFFEE_RETURN_IF_ERROR(toffee_eval_result(e, x->dtype, dims, x->rank, &data, st));
    if (data == NULL || e->out->n_bytes == 0) {
        return TOFFEE_OK;
    }
    size = toffee_dtype_get(x->dtype)->n_bytes;
    for (int64_t d = 0; d < axis; d++) {
        outer *= (size_t)dims[d];
    }
    for (size_t row = 0; row < outer; row++) {
        for (size_t i = 0; i < e->node->inputs.n; i++) {
            size_t n = (size_t)toffee_eval_input(e, i)->n_elements / outer * size;

            if (n != 0) {
                memcpy((char *)data + at, (const char *)toffee_eval_input(e, i)->data + row * n, n);
            }
            at += n;
        }
    }
    return TOFFEE_OK;
}

toffee_code
toffee_eval_gather(toffee_eval *e, toffee_status *st)
{
    int64_t dims[2 * TOFFEE_MAX_RANK];
    const toffee_tensor *x = toffee_eval_input(e, 0);
    const toffee_tensor *indices = toffee_eval_input(e, 1);
    int64_t axis = toffee_opt_int(e->node, "axis", 0);
    size_t outer = 1;
    size_t inner = 0;
    void *data = NULL;
    int32_t rank = 0;

    if (x == NULL || !toffee_eval_is_whole(indices) || axis >= x->rank ||
        axis < -(int64_t)x->rank) {
        return TOFFEE_OK;
    }
    axis += axis < 0 ? x->rank : 0;
    for (int32_t d = 0; d < x->rank; d++) {
        if (d != axis) {
            dims[rank++] = x->dims[d];
        }
        for (int32_t k = 0; d == axis && k < indices->rank; k++) {
            dims[rank++] = indices->dims[k];
        }
    }
    for (uint64_t i = 0; i < indices->n_elements; i++) {
        int64_t index = toffee_opt_load(indices->dtype, indices->data, i);

        if (index >= x->dims[axis] || index < -x->dims[axis]) {
            return TOFFEE_OK;
        }
    }
    TOFFEE_RETURN_IF_ERROR(toffee_eval_result(e, x->dtype, dims, rank, &data, st));
    if (data == NULL || e->out->n_bytes == 0) {
        return TOFFEE_OK;
    }
    inner = toffee_dtype_get(x->dtype)->n_bytes;
    for (int32_t d = 0; d < x->rank; d++) {
        *(d < axis ? &outer : &inner) *= d != axis ? (size_t)x->dims[d] : 1;
    }
    for (size_t row = 0; row < outer; row++) {
        for (uint64_t i = 0; i < indices->n_elements; i++) {
            int64_t index = toffee_opt_load(indices->dtype, indices->data, i);

            index += index < 0 ? x->dims[axis] : 0;
            memcpy((char *)data + (row * indices->n_elements + i) * inner,
                   (const char *)x->data + (row * (size_t)x->dims[axis] + (size_t)index) * inner,
                   inner);
        }
    }
    return TOFFEE_OK;
}

/* ---- making ---- */

/* Shape and Size, of a value whose sizes are declared: the value itself may be anything. */
toffee_code
toffee_eval_shape(toffee_eval *e, toffee_status *st)
{
    int64_t dims[TOFFEE_MAX_RANK];
    int64_t rank = toffee_opt_shape(toffee_opt_in(e->node, 0), dims);
    int64_t begin = toffee_opt_int(e->node, "start", 0);
    int64_t end = toffee_opt_int(e->node, "end", rank);
    int64_t n = 0;
    void *data = NULL;

    if (rank < 0) {
        return TOFFEE_OK;
    }
    if (toffee_str_is(e->node->op_type, "Size")) {
        int64_t product = 1;

        for (int64_t d = 0; d < rank; d++) {
            if (__builtin_mul_overflow(product, dims[d], &product)) {
                return TOFFEE_OK;
            }
        }
        TOFFEE_RETURN_IF_ERROR(toffee_eval_result(e, TOFFEE_DTYPE_INT64, NULL, 0, &data, st));
        memcpy(data, &product, sizeof(product));
        return TOFFEE_OK;
    }
    begin += begin < 0 ? rank : 0;
    end += end < 0 ? rank : 0;
    begin = begin < 0 ? 0 : begin > rank ? rank : begin;
    end = end < 0 ? 0 : end > rank ? rank : end;
    n = end > begin ? end - begin : 0;
    TOFFEE_RETURN_IF_ERROR(toffee_eval_result(e, TOFFEE_DTYPE_INT64, &n, 1, &data, st));
    memcpy(data, dims + begin, (size_t)n * sizeof(*dims));
    return TOFFEE_OK;
}

toffee_code
toffee_eval_fill(toffee_eval *e, toffee_status *st)
{
    static const float zero = 0;
    int64_t dims[TOFFEE_MAX_RANK];
    const toffee_tensor *shape = toffee_eval_input(e, 0);
    const toffee_attr *attr = toffee_node_attr(e->node, "value");
    toffee_dtype dtype = TOFFEE_DTYPE_FLOAT;
    const void *element = &zero;
    size_t size = 0;
    void *data = NULL;

    if (shape == NULL || shape->dtype != TOFFEE_DTYPE_INT64 || shape->rank != 1 ||
        shape->n_elements > TOFFEE_MAX_RANK) {
        return TOFFEE_OK;
    }
    if (attr != NULL) {
        if (attr->type != TOFFEE_ATTR_TENSOR || attr->t == NULL || attr->t->n_elements != 1 ||
            attr->t->data == NULL) {
            return TOFFEE_OK;
        }
        dtype = attr->t->dtype;
        element = attr->t->data;
    }
    for (uint64_t i = 0; i < shape->n_elements; i++) {
        dims[i] = toffee_opt_load(shape->dtype, shape->data, i);
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_eval_result(e, dtype, dims, (int32_t)shape->n_elements, &data, st));
    size = toffee_dtype_get(dtype)->n_bytes;
    for (uint64_t i = 0; data != NULL && i < e->out->n_elements; i++) {
        memcpy((char *)data + i * size, element, size);
    }
    return TOFFEE_OK;
}

toffee_code
toffee_eval_range(toffee_eval *e, toffee_status *st)
{
    int64_t numbers[3];
    int64_t span = 0;
    int64_t n = 0;
    toffee_dtype dtype = TOFFEE_DTYPE_UNDEFINED;
    void *data = NULL;

    for (size_t i = 0; i < 3; i++) {
        const toffee_tensor *x = toffee_eval_input(e, i);

        if (x == NULL || x->n_elements != 1 ||
            (x->dtype != TOFFEE_DTYPE_INT64 && x->dtype != TOFFEE_DTYPE_INT32)) {
            return TOFFEE_OK;
        }
        dtype = x->dtype;
        numbers[i] = toffee_opt_load(x->dtype, x->data, 0);
    }
    if (numbers[2] == 0 || numbers[2] == INT64_MIN ||
        __builtin_sub_overflow(numbers[1], numbers[0], &span)) {
        return TOFFEE_OK;
    }
    if (span != 0 && (span > 0) == (numbers[2] > 0)) {
        n = (span - (span > 0 ? 1 : -1)) / numbers[2] + 1;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_eval_result(e, dtype, &n, 1, &data, st));
    for (int64_t i = 0; data != NULL && i < n; i++) {
        toffee_opt_store(dtype, data, (uint64_t)i, numbers[0] + i * numbers[2]);
    }
    return TOFFEE_OK;
}
