/* csrc/lower/lower_shape.c -- views and reshapes: the same elements under other dims.
 *
 * Where PyTorch's dims follow from the call alone, the node says it without naming a size that
 * could be another in another run: Flatten, Squeeze, Unsqueeze, Expand, and Reshape with 0 and -1.
 */
#include "lower/shape.h"
#include "lower/view.h"

#include <string.h>

static toffee_code
return_dims(toffee_lowering *lo, const toffee_call *call, toffee_value *value, toffee_status *st)
{
    const toffee_result *result = &call->results[0];

    TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, value, result->dims, result->rank, &value, st));
    return toffee_lower_return(lo, call, 0, value, st);
}

/* ---- reshapes ------------------------------------------------------------------------------- */

/* aten::view, reshape, unflatten, …(self, …) -> Reshape. view.dtype reads the bytes as another
 * type: declined unless it is the type that they have. */
static toffee_code
lower_reshape(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");

    if (self == NULL || call->results[0].dtype != toffee_value_dtype(self)) {
        return TOFFEE_DECLINED;
    }
    return return_dims(lo, call, self, st);
}

/* aten::flatten.using_ints(self, start_dim, end_dim) -> Flatten[axis=1] where all but the batch is
 * flattened, else Reshape. */
static toffee_code
lower_flatten(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    int32_t rank = self != NULL ? toffee_value_rank(self) : 0;
    toffee_node *node = NULL;
    toffee_value *out = NULL;

    if (self == NULL) {
        return TOFFEE_DECLINED;
    }
    if (rank < 3 || toffee_axis(toffee_call_int(call, "start_dim", 0), rank) != 1 ||
        toffee_axis(toffee_call_int(call, "end_dim", -1), rank) != rank - 1) {
        return return_dims(lo, call, self, st);
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit(lo, "Flatten", TOFFEE_INPUTS(self), toffee_value_dtype(self), &node, &out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "axis", 1, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

/* aten::atleast_1d, 2d, 3d(self or tensors) -> Unsqueeze of each that has too few dimensions. */
static toffee_code
lower_atleast(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    const toffee_arg *tensors = toffee_call_arg(call, "tensors");
    toffee_value *self = toffee_call_value(call, "self");

    for (size_t i = 0; i < call->n_results; i++) {
        const toffee_result *result = &call->results[i];
        toffee_value *value = self;

        if (tensors != NULL) {
            value = i < tensors->n ? tensors->values[i] : NULL;
        }
        if (value == NULL) {
            return TOFFEE_DECLINED;
        }
        TOFFEE_RETURN_IF_ERROR(toffee_fit(lo, value, result->dims, result->rank, &value, st));
        TOFFEE_RETURN_IF_ERROR(toffee_lower_return(lo, call, i, value, st));
    }
    return TOFFEE_OK;
}

/* aten::squeeze(self), .dim(self, dim), .dims(self, dim) -> Squeeze of those that were 1. */
static toffee_code
lower_squeeze(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    bool wanted[TOFFEE_MAX_RANK] = {false};
    int64_t axes[TOFFEE_MAX_RANK];
    size_t n_dims = 0;
    size_t n = 0;
    const int64_t *dims = toffee_call_ints(call, "dim", &n_dims);
    bool all = toffee_call_arg(call, "dim") == NULL;
    int32_t rank = self != NULL ? toffee_value_rank(self) : 0;

    if (self == NULL) {
        return TOFFEE_DECLINED;
    }
    for (size_t i = 0; i < n_dims && rank != 0; i++) {
        wanted[toffee_axis(dims[i], rank)] = true;
    }
    for (int32_t i = 0; i < rank; i++) {
        if ((all || wanted[i]) && toffee_value_dim(self, i) == 1) {
            axes[n++] = i;
        }
    }
    TOFFEE_RETURN_IF_ERROR(toffee_squeeze(lo, self, axes, n, &self, st));
    return toffee_lower_return(lo, call, 0, self, st);
}

/* aten::unsqueeze(self, dim) -> Unsqueeze */
static toffee_code
lower_unsqueeze(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    int64_t axis = 0;

    if (self == NULL) {
        return TOFFEE_DECLINED;
    }
    axis = toffee_axis(toffee_call_int(call, "dim", 0), toffee_value_rank(self) + 1);
    TOFFEE_RETURN_IF_ERROR(toffee_unsqueeze(lo, self, &axis, 1, &self, st));
    return toffee_lower_return(lo, call, 0, self, st);
}

/* aten::real, resolve_conj, resolve_neg(self) -> self, where numbers are real. */
static toffee_code
lower_itself(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");

    if (self == NULL ||
        toffee_dtype_get(toffee_value_dtype(self))->category == TOFFEE_CATEGORY_COMPLEX) {
        return TOFFEE_DECLINED;
    }
    return toffee_lower_return(lo, call, 0, self, st);
}

/* ---- permutations --------------------------------------------------------------------------- */

static toffee_code
return_permuted(toffee_lowering *lo, const toffee_call *call, toffee_value *self,
                const int64_t *perm, toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, self, perm, &self, st));
    return toffee_lower_return(lo, call, 0, self, st);
}

static void
perm_identity(int64_t *perm, int32_t rank)
{
    for (int32_t i = 0; i < rank; i++) {
        perm[i] = i;
    }
}

static void
perm_swap(int64_t *perm, int64_t a, int64_t b)
{
    int64_t kept = perm[a];

    perm[a] = perm[b];
    perm[b] = kept;
}

/* aten::transpose.int(self, dim0, dim1), swapaxes(self, axis0, axis1) -> Transpose */
static toffee_code
lower_transpose(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    bool by_axes = toffee_call_has(call, "axis0");
    int64_t perm[TOFFEE_MAX_RANK] = {0};
    int32_t rank = self != NULL ? toffee_value_rank(self) : 0;

    if (self == NULL) {
        return TOFFEE_DECLINED;
    }
    perm_identity(perm, rank);
    perm_swap(perm, toffee_axis(toffee_call_int(call, by_axes ? "axis0" : "dim0", 0), rank),
              toffee_axis(toffee_call_int(call, by_axes ? "axis1" : "dim1", 0), rank));
    return return_permuted(lo, call, self, perm, st);
}

/* aten::t, mT, mH, matrix_H, adjoint(self) -> Transpose of the last two. For real numbers: the
 * adjoint of complex ones is declined. */
static toffee_code
lower_matrix_transpose(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    int64_t perm[TOFFEE_MAX_RANK];
    int32_t rank = self != NULL ? toffee_value_rank(self) : 0;

    if (self == NULL ||
        (lo->rule->arg != 0 &&
         toffee_dtype_get(toffee_value_dtype(self))->category == TOFFEE_CATEGORY_COMPLEX)) {
        return TOFFEE_DECLINED;
    }
    perm_identity(perm, rank);
    if (rank >= 2) {
        perm_swap(perm, rank - 1, rank - 2);
    }
    return return_permuted(lo, call, self, perm, st);
}

/* aten::numpy_T(self) -> Transpose into the reverse order */
static toffee_code
lower_numpy_t(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    int64_t perm[TOFFEE_MAX_RANK];
    int32_t rank = self != NULL ? toffee_value_rank(self) : 0;

    if (self == NULL) {
        return TOFFEE_DECLINED;
    }
    for (int32_t i = 0; i < rank; i++) {
        perm[i] = rank - 1 - i;
    }
    return return_permuted(lo, call, self, perm, st);
}

/* aten::permute(self, dims) -> Transpose */
static toffee_code
lower_permute(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    int64_t perm[TOFFEE_MAX_RANK];
    size_t n = 0;
    const int64_t *dims = toffee_call_ints(call, "dims", &n);

    if (self == NULL || n != (size_t)toffee_value_rank(self)) {
        return TOFFEE_DECLINED;
    }
    for (size_t i = 0; i < n; i++) {
        perm[i] = toffee_axis(dims[i], (int32_t)n);
    }
    return return_permuted(lo, call, self, perm, st);
}

/* aten::movedim, moveaxis(self, source, destination) -> Transpose: source[i] goes to
 * destination[i], the others keep their order. */
static toffee_code
lower_movedim(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    int64_t perm[TOFFEE_MAX_RANK];
    bool moved[TOFFEE_MAX_RANK] = {false};
    size_t n_source = 0;
    size_t n_destination = 0;
    const int64_t *source = toffee_call_ints(call, "source", &n_source);
    const int64_t *destination = toffee_call_ints(call, "destination", &n_destination);
    int32_t rank = self != NULL ? toffee_value_rank(self) : 0;
    int32_t next = 0;

    if (self == NULL || n_source != n_destination) {
        return TOFFEE_DECLINED;
    }
    if (rank == 0) {
        return toffee_lower_return(lo, call, 0, self, st);
    }
    for (int32_t i = 0; i < rank; i++) {
        perm[i] = -1;
    }
    for (size_t i = 0; i < n_source; i++) {
        perm[toffee_axis(destination[i], rank)] = toffee_axis(source[i], rank);
        moved[toffee_axis(source[i], rank)] = true;
    }
    for (int32_t i = 0; i < rank; i++) {
        if (perm[i] >= 0) {
            continue;
        }
        while (moved[next]) {
            next++;
        }
        perm[i] = next++;
    }
    return return_permuted(lo, call, self, perm, st);
}

/* ---- more elements than there were ---------------------------------------------------------- */

/* aten::expand, expand_as, broadcast_to(self, …) -> Expand */
static toffee_code
lower_expand(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");

    if (self == NULL) {
        return TOFFEE_DECLINED;
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_expand(lo, self, call->results[0].dims, call->results[0].rank, &self, st));
    return toffee_lower_return(lo, call, 0, self, st);
}

/* aten::repeat(self, repeats), tile(self, dims) -> Unsqueeze in front where there are more numbers
 * than dimensions, then Tile */
static toffee_code
lower_repeat(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    int64_t repeats[TOFFEE_MAX_RANK];
    int64_t axes[TOFFEE_MAX_RANK];
    size_t n = 0;
    const int64_t *given =
        toffee_call_ints(call, toffee_call_has(call, "repeats") ? "repeats" : "dims", &n);
    int32_t rank = self != NULL ? toffee_value_rank(self) : 0;
    int32_t lead = (int32_t)n - rank; /* below 0 for a tile with fewer numbers */
    bool once = true;
    toffee_value *counts = NULL;

    if (self == NULL || n > TOFFEE_MAX_RANK) {
        return TOFFEE_DECLINED;
    }
    for (int32_t i = 0; i < lead; i++) {
        axes[i] = i;
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_unsqueeze(lo, self, axes, lead > 0 ? (size_t)lead : 0, &self, st));
    rank = toffee_value_rank(self);
    for (int32_t i = 0; i < rank; i++) {
        int32_t at = i - (rank - (int32_t)n);

        repeats[i] = at >= 0 ? given[at] : 1;
        once = once && repeats[i] == 1;
    }
    if (!once) {
        TOFFEE_RETURN_IF_ERROR(toffee_const_ints(lo, repeats, (size_t)rank, &counts, st));
        TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, "Tile", TOFFEE_INPUTS(self, counts),
                                           toffee_value_dtype(self), NULL, &self, st));
    }
    return toffee_lower_return(lo, call, 0, self, st);
}

/* aten::repeat_interleave.self_int(self, repeats, dim?, output_size?)
 *   -> Unsqueeze behind dim, Expand, Reshape that joins the two
 * Without dim all of self is flattened first. Of repeats that are a tensor, PyTorch takes rows by
 * the numbers that repeat_interleave.Tensor makes. */
static toffee_code
lower_repeat_interleave(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    const toffee_arg *repeats = toffee_call_arg(call, "repeats");
    int64_t dims[2 * TOFFEE_MAX_RANK];
    int64_t flat = 0;
    int64_t axis = 0;

    if (!toffee_call_has(call, "self")) {
        return toffee_lower_repeats(lo, call, st);
    }
    if (self == NULL || repeats == NULL || repeats->kind != TOFFEE_ARG_INT) {
        return TOFFEE_DECLINED;
    }
    if (toffee_call_has(call, "dim") && toffee_value_rank(self) != 0) {
        axis = toffee_axis(toffee_call_int(call, "dim", 0), toffee_value_rank(self)) + 1;
    }
    else {
        flat = toffee_value_numel(self);
        TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, self, &flat, 1, &self, st));
        axis = 1;
    }
    if (toffee_value_rank(self) == TOFFEE_MAX_RANK) {
        return TOFFEE_DECLINED;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_unsqueeze(lo, self, &axis, 1, &self, st));
    toffee_value_dims(self, dims);
    dims[axis] = repeats->i;
    TOFFEE_RETURN_IF_ERROR(toffee_expand(lo, self, dims, toffee_value_rank(self), &self, st));
    return return_dims(lo, call, self, st);
}

/* ---- windows and diagonals ------------------------------------------------------------------ */

/* aten::unfold(self, dimension, size, step): windows of one dimension; their contents become the
 * last one.
 *   -> Reshape, Transpose where the windows neither overlap nor leave anything out
 *   -> Gather by a constant [n, size], Transpose */
static toffee_code
lower_unfold(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    int32_t rank = self != NULL ? toffee_value_rank(self) : 0;
    int64_t size = toffee_call_int(call, "size", 1);
    int64_t step = toffee_call_int(call, "step", 1);
    int64_t axis = toffee_axis(toffee_call_int(call, "dimension", 0), rank);
    int64_t dims[TOFFEE_MAX_RANK];
    int64_t perm[TOFFEE_MAX_RANK];
    int64_t window[2] = {0, size};
    int64_t *indices = NULL;
    toffee_value *table = NULL;
    int32_t at = 0;

    if (self == NULL) {
        return TOFFEE_DECLINED;
    }
    if (rank == 0) {
        return return_dims(lo, call, self, st);
    }
    window[0] = call->results[0].dims[axis];
    if (size == step && window[0] * size == toffee_value_dim(self, (int32_t)axis)) {
        for (int32_t i = 0; i < rank; i++) {
            dims[at++] = i == axis ? window[0] : toffee_value_dim(self, i);
            if (i == axis) {
                dims[at++] = size;
            }
        }
        TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, self, dims, rank + 1, &self, st));
    }
    else if (lo->is_twin) {
        TOFFEE_RETURN_IF_ERROR(toffee_positions_table(lo, window, step, 1, &table, st));
        TOFFEE_RETURN_IF_ERROR(toffee_gather(lo, self, axis, table, &self, st));
    }
    else {
        indices =
            toffee_arena_calloc(lo->scratch, (size_t)window[0] * (size_t)size, sizeof(*indices));
        if (indices == NULL) {
            return toffee_fail_nomem(st);
        }
        for (int64_t i = 0; i < window[0] * size; i++) {
            indices[i] = i / size * step + i % size;
        }
        TOFFEE_RETURN_IF_ERROR(
            toffee_const_tensor(lo, TOFFEE_DTYPE_INT64, window, 2, indices, &table, st));
        TOFFEE_RETURN_IF_ERROR(toffee_gather(lo, self, axis, table, &self, st));
    }
    for (int32_t i = 0; i <= rank; i++) {
        perm[i] = i <= axis ? i : i == rank ? axis + 1 : i + 1;
    }
    return return_permuted(lo, call, self, perm, st);
}

/* aten::diagonal(self, offset, dim1, dim2), linalg_diagonal(A, …): a step through the elements of
 * both dimensions at once, which toffee_view_read turns into Reshape and Slice. */
static toffee_code
lower_diagonal(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, toffee_call_has(call, "self") ? "self" : "A");
    int32_t rank = self != NULL ? toffee_value_rank(self) : 0;
    int64_t offset = toffee_call_int(call, "offset", 0);
    int64_t dim1 = toffee_axis(toffee_call_int(call, "dim1", 0), rank);
    int64_t dim2 = toffee_axis(toffee_call_int(call, "dim2", 1), rank);
    int64_t dims[TOFFEE_MAX_RANK];
    int64_t strides[TOFFEE_MAX_RANK];
    int64_t view_strides[TOFFEE_MAX_RANK];
    toffee_geometry root = {.rank = rank, .sizes = dims, .strides = strides};
    toffee_geometry view = {.sizes = call->results[0].dims, .strides = view_strides};

    if (self == NULL || rank < 2) {
        return TOFFEE_DECLINED;
    }
    toffee_value_dims(self, dims);
    toffee_strides(dims, rank, strides);
    for (int32_t i = 0; i < rank; i++) {
        if (i != dim1 && i != dim2) {
            view_strides[view.rank++] = strides[i];
        }
    }
    view_strides[view.rank++] = strides[dim1] + strides[dim2];
    view.offset = offset >= 0 ? offset * strides[dim2] : -offset * strides[dim1];
    TOFFEE_RETURN_IF_ERROR(toffee_view_read(lo, self, &root, &view, &self, st));
    return toffee_lower_return(lo, call, 0, self, st);
}

/* ---- turning -------------------------------------------------------------------------------- */

static toffee_code
value_flip(toffee_lowering *lo, toffee_value *value, const int64_t *dims, size_t n,
           toffee_value **out, toffee_status *st)
{
    toffee_range ranges[TOFFEE_MAX_RANK];
    size_t n_ranges = 0;

    for (size_t i = 0; i < n && toffee_value_rank(value) != 0; i++) {
        int64_t axis = toffee_axis(dims[i], toffee_value_rank(value));
        int64_t size = toffee_value_dim(value, (int32_t)axis);

        if (size != 0) {
            ranges[n_ranges++] = (toffee_range){axis, -1, size, -1};
        }
    }
    return toffee_slice(lo, value, ranges, n_ranges, out, st);
}

/* aten::flip(self, dims) -> Slice with steps of -1 */
static toffee_code
lower_flip(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    size_t n = 0;
    const int64_t *dims = toffee_call_ints(call, "dims", &n);

    if (self == NULL || n > TOFFEE_MAX_RANK) {
        return TOFFEE_DECLINED;
    }
    TOFFEE_RETURN_IF_ERROR(value_flip(lo, self, dims, n, &self, st));
    return toffee_lower_return(lo, call, 0, self, st);
}

/* aten::rot90(self, k, dims) -> Slice with steps of -1, Transpose */
static toffee_code
lower_rot90(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    int64_t turns = (toffee_call_int(call, "k", 1) % 4 + 4) % 4;
    int32_t rank = self != NULL ? toffee_value_rank(self) : 0;
    int64_t perm[TOFFEE_MAX_RANK];
    size_t n = 0;
    const int64_t *dims = toffee_call_ints(call, "dims", &n);

    if (self == NULL || n != 2 || rank < 2) {
        return TOFFEE_DECLINED;
    }
    perm_identity(perm, rank);
    if (turns == 2) {
        TOFFEE_RETURN_IF_ERROR(value_flip(lo, self, dims, 2, &self, st));
    }
    else if (turns != 0) {
        TOFFEE_RETURN_IF_ERROR(value_flip(lo, self, turns == 1 ? dims + 1 : dims, 1, &self, st));
        perm_swap(perm, toffee_axis(dims[0], rank), toffee_axis(dims[1], rank));
    }
    return return_permuted(lo, call, self, perm, st);
}

/* The last SHIFT elements of AXIS come first. */
static toffee_code
value_roll(toffee_lowering *lo, toffee_value *value, int64_t axis, int64_t shift,
           toffee_value **out, toffee_status *st)
{
    int64_t size = toffee_value_dim(value, (int32_t)axis);
    toffee_value *parts[2] = {NULL};
    toffee_range range = {.axis = axis, .step = 1};
    bool is_formula = lo->is_twin && shift >= -size && shift <= size;

    *out = value;
    if (size == 0 || (shift % size == 0 && !is_formula)) {
        return TOFFEE_OK;
    }
    if (is_formula) {
        /* The same formulas at all sizes, also where nothing moves: -0 would not be the end. */
        range.start = shift < 0 ? -shift : size - shift;
        shift += shift < 0 ? size : 0;
    }
    else {
        range.start = shift < 0 ? -shift % size : -(shift % size); /* says how far, not the size */
        shift = (shift % size + size) % size;
    }
    range.count = shift;
    TOFFEE_RETURN_IF_ERROR(toffee_slice(lo, value, &range, 1, &parts[0], st));
    range.start = 0;
    range.count = size - shift;
    TOFFEE_RETURN_IF_ERROR(toffee_slice(lo, value, &range, 1, &parts[1], st));
    return toffee_concat(lo, parts, 2, axis, out, st);
}

/* aten::roll(self, shifts, dims) -> two Slices and a Concat for each dimension; without dims all of
 * self is rolled as one. */
static toffee_code
lower_roll(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    int32_t rank = self != NULL ? toffee_value_rank(self) : 0;
    size_t n_shifts = 0;
    size_t n_dims = 0;
    const int64_t *shifts = toffee_call_ints(call, "shifts", &n_shifts);
    const int64_t *dims = toffee_call_ints(call, "dims", &n_dims);
    int64_t flat = 0;

    if (self == NULL || n_shifts != (n_dims != 0 ? n_dims : 1)) {
        return TOFFEE_DECLINED;
    }
    if (n_dims == 0) {
        flat = toffee_value_numel(self);
        TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, self, &flat, 1, &self, st));
        TOFFEE_RETURN_IF_ERROR(value_roll(lo, self, 0, shifts[0], &self, st));
        return return_dims(lo, call, self, st);
    }
    for (size_t i = 0; i < n_dims && rank != 0; i++) {
        TOFFEE_RETURN_IF_ERROR(
            value_roll(lo, self, toffee_axis(dims[i], rank), shifts[i], &self, st));
    }
    return toffee_lower_return(lo, call, 0, self, st);
}

static const toffee_rule rows[] = {
    /* sorted by name */
    {"aten::_unsafe_view", lower_reshape, NULL, 0},
    {"aten::adjoint", lower_matrix_transpose, NULL, 1},
    {"aten::atleast_1d", lower_atleast, NULL, 0},
    {"aten::atleast_2d", lower_atleast, NULL, 0},
    {"aten::atleast_3d", lower_atleast, NULL, 0},
    {"aten::broadcast_to", lower_expand, NULL, 0},
    {"aten::diagonal", lower_diagonal, NULL, 0},
    {"aten::expand", lower_expand, NULL, 0},
    {"aten::expand_as", lower_expand, NULL, 0},
    {"aten::flatten", lower_flatten, NULL, 0},
    {"aten::flip", lower_flip, NULL, 0},
    {"aten::linalg_diagonal", lower_diagonal, NULL, 0},
    {"aten::mH", lower_matrix_transpose, NULL, 1},
    {"aten::mT", lower_matrix_transpose, NULL, 0},
    {"aten::matrix_H", lower_matrix_transpose, NULL, 1},
    {"aten::moveaxis", lower_movedim, NULL, 0},
    {"aten::movedim", lower_movedim, NULL, 0},
    {"aten::numpy_T", lower_numpy_t, NULL, 0},
    {"aten::permute", lower_permute, NULL, 0},
    {"aten::real", lower_itself, NULL, 0},
    {"aten::repeat", lower_repeat, NULL, 0},
    {"aten::repeat_interleave", lower_repeat_interleave, NULL, 0},
    {"aten::reshape", lower_reshape, NULL, 0},
    {"aten::reshape_as", lower_reshape, NULL, 0},
    {"aten::resolve_conj", lower_itself, NULL, 0},
    {"aten::resolve_neg", lower_itself, NULL, 0},
    {"aten::roll", lower_roll, NULL, 0},
    {"aten::rot90", lower_rot90, NULL, 0},
    {"aten::squeeze", lower_squeeze, NULL, 0},
    {"aten::swapaxes", lower_transpose, NULL, 0},
    {"aten::swapdims", lower_transpose, NULL, 0},
    {"aten::t", lower_matrix_transpose, NULL, 0},
    {"aten::tile", lower_repeat, NULL, 0},
    {"aten::transpose", lower_transpose, NULL, 0},
    {"aten::unflatten", lower_reshape, NULL, 0},
    {"aten::unfold", lower_unfold, NULL, 0},
    {"aten::unsqueeze", lower_unsqueeze, NULL, 0},
    {"aten::view", lower_reshape, NULL, 0},
    {"aten::view_as", lower_reshape, NULL, 0},
    {"aten::view_copy", lower_reshape, NULL, 0},
};
const toffee_rule_family toffee_rules_shape = {rows, TOFFEE_COUNTOF(rows)};
