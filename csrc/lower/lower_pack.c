/* csrc/lower/lower_pack.c -- sequences of different lengths: packing and padding them.
 *
 * Sizes: T steps, N sequences, P elements of all sequences together. */
#include "lower/fit.h"
#include "lower/pack.h"
#include "lower/shape.h"

#include <string.h>

/* The numbers of VALUE if they are the same in every run, else NULL. */
static const int64_t *
pack_numbers(const toffee_lowering *lo, const toffee_value *value)
{
    return toffee_value_dtype(value) == TOFFEE_DTYPE_INT64 ? toffee_const_data(lo, value) : NULL;
}

/* Notes PACK under KEY, its packed data or its batch sizes. */
static toffee_code
pack_note(toffee_lowering *lo, const toffee_value *key, const toffee_pack *pack, toffee_status *st)
{
    toffee_arena *arena = lo->graph->arena;
    toffee_pack *copy = toffee_arena_copy(arena, pack, sizeof(*pack));

    return copy != NULL && toffee_ptrmap_set(arena, &lo->packs, key, copy) ? TOFFEE_OK
                                                                           : toffee_fail_nomem(st);
}

int64_t
toffee_pack_count(const toffee_lowering *lo, const toffee_value *value)
{
    const toffee_pack *pack = toffee_ptrmap_get(&lo->packs, value);

    return pack != NULL && pack->batch_sizes == value ? toffee_value_dim(pack->lengths, 0) : -1;
}

toffee_code
toffee_pack_lengths(toffee_lowering *lo, const toffee_pack *pack, toffee_value **out,
                    toffee_status *st)
{
    const int64_t *numbers = pack_numbers(lo, pack->lengths);
    int64_t n = toffee_value_dim(pack->lengths, 0);
    int32_t *narrow = NULL;

    if (pack->mask == NULL) {
        *out = NULL;
        return TOFFEE_OK;
    }
    if (numbers == NULL) {
        return toffee_cast(lo, pack->lengths, TOFFEE_DTYPE_INT32, out, st);
    }
    narrow = toffee_arena_calloc(lo->scratch, (size_t)n, sizeof(*narrow));
    if (narrow == NULL) {
        return toffee_fail_nomem(st);
    }
    for (int64_t i = 0; i < n; i++) {
        narrow[i] = (int32_t)numbers[i];
    }
    return toffee_const_tensor(lo, TOFFEE_DTYPE_INT32, &n, 1, narrow, out, st);
}

/* ---- who is within ----------------------------------------------------------------------------
 */

/* The numbers 0 to N - 1 with DIMS, a row or a column. */
static toffee_value *
pack_places(toffee_chain *chain, int64_t n, const int64_t dims[2])
{
    int64_t *places = toffee_arena_calloc(chain->lo->scratch, (size_t)n + 1, sizeof(*places));
    toffee_value *out = NULL;

    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    if (places == NULL) {
        chain->rc = toffee_fail_nomem(chain->st);
        return NULL;
    }
    for (int64_t i = 0; i < n; i++) {
        places[i] = i;
    }
    chain->rc =
        toffee_const_tensor(chain->lo, TOFFEE_DTYPE_INT64, dims, 2, places, &out, chain->st);
    return out;
}

/* Lengths that are the same in every run: mask and batch sizes are constants too. */
static toffee_code
pack_measure_fixed(toffee_lowering *lo, const int64_t *lengths, int64_t n, toffee_pack *pack,
                   toffee_status *st)
{
    const int64_t dims[2] = {pack->longest, n};
    bool *mask = toffee_arena_calloc(lo->scratch, (size_t)(pack->longest * n), sizeof(*mask));
    int64_t *sizes = toffee_arena_calloc(lo->scratch, (size_t)pack->longest, sizeof(*sizes));

    if (mask == NULL || sizes == NULL) {
        return toffee_fail_nomem(st);
    }
    for (int64_t t = 0; t < pack->longest; t++) {
        for (int64_t k = 0; k < n; k++) {
            mask[t * n + k] = t < lengths[k];
            sizes[t] += mask[t * n + k];
        }
    }
    pack->is_fixed = true;
    TOFFEE_RETURN_IF_ERROR(
        toffee_const_ints(lo, sizes, (size_t)pack->longest, &pack->batch_sizes, st));
    return sizes[pack->longest - 1] < n
               ? toffee_const_tensor(lo, TOFFEE_DTYPE_BOOL, dims, 2, mask, &pack->mask, st)
               : TOFFEE_OK;
}

/* Lengths that are known at run time: the mask compares places with them, batch sizes are its sums,
 * without the zeros at the end. */
static toffee_code
pack_measure(toffee_chain *chain, int64_t n_steps, toffee_pack *pack)
{
    static const int64_t samples[1] = {1};
    const int64_t column[2] = {n_steps, 1};
    toffee_value *x = pack_places(chain, n_steps, column);
    toffee_value *sizes = NULL;

    pack->mask = toffee_chain_test(chain, "Less", x, pack->lengths);
    x = toffee_chain_cast(chain, pack->mask, TOFFEE_DTYPE_INT64);
    sizes = toffee_chain_reduce(chain, "ReduceSum", x, samples, 1, false);
    x = toffee_chain_cast(chain, sizes, TOFFEE_DTYPE_BOOL);
    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_emit(chain->lo, "Compress", TOFFEE_INPUTS(sizes, x), TOFFEE_DTYPE_INT64,
                                NULL, &pack->batch_sizes, chain->st);
    }
    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_value_set_type(pack->batch_sizes, TOFFEE_DTYPE_INT64, &pack->longest, 1,
                                          chain->st);
    }
    return chain->rc;
}

/* Batch sizes that came from elsewhere: the mask compares them with places, lengths are its sums.
 */
static toffee_code
pack_measure_sizes(toffee_lowering *lo, toffee_value *sizes, int64_t n, toffee_pack *pack,
                   toffee_status *st)
{
    static const int64_t steps[1] = {0};
    const int64_t row[2] = {1, n};
    const int64_t column[2] = {toffee_value_dim(sizes, 0), 1};
    const int64_t *numbers = pack_numbers(lo, sizes);
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = NULL;

    pack->longest = column[0];
    pack->batch_sizes = sizes;
    if (numbers != NULL) {
        int64_t *lengths = toffee_arena_calloc(lo->scratch, (size_t)n, sizeof(*lengths));

        if (lengths == NULL) {
            return toffee_fail_nomem(st);
        }
        for (int64_t t = 0; t < pack->longest; t++) {
            for (int64_t k = 0; k < numbers[t] && k < n; k++) {
                lengths[k]++;
            }
        }
        TOFFEE_RETURN_IF_ERROR(toffee_const_ints(lo, lengths, (size_t)n, &pack->lengths, st));
        return pack_measure_fixed(lo, lengths, n, pack, st);
    }
    pack->is_fixed = true; /* the longest is as many as there are sizes: a shape */
    x = pack_places(&chain, n, row);
    sizes = toffee_chain_reshape(&chain, sizes, column, 2);
    pack->mask = toffee_chain_test(&chain, "Less", x, sizes);
    x = toffee_chain_cast(&chain, pack->mask, TOFFEE_DTYPE_INT64);
    pack->lengths = toffee_chain_reduce(&chain, "ReduceSum", x, steps, 1, false);
    return chain.rc;
}

/* ---- between packed and padded ----------------------------------------------------------------
 */

/* DATA [P, ..] as [T, N, ..] with 0 past the ends, by ScatterND to where the mask is true. */
static toffee_code
pack_unpack(toffee_lowering *lo, toffee_value *data, toffee_pack *pack, toffee_status *st)
{
    static const int64_t perm[2] = {1, 0};
    int32_t rank = toffee_value_rank(data) + 1;
    int64_t dims[TOFFEE_MAX_RANK];
    int64_t n_places[2] = {2, toffee_value_dim(data, 0)};
    toffee_value *places = NULL;
    toffee_value *zeros = NULL;

    toffee_value_dims(data, dims + 1);
    dims[0] = pack->is_fixed ? pack->longest : toffee_value_dim(pack->mask, 0);
    dims[1] = toffee_value_dim(pack->lengths, 0);
    pack->is_zero = true;
    if (pack->mask == NULL) {
        return toffee_reshape(lo, data, dims, rank, &pack->padded, st);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, "NonZero", TOFFEE_INPUTS(pack->mask), TOFFEE_DTYPE_INT64,
                                       NULL, &places, st));
    TOFFEE_RETURN_IF_ERROR(toffee_value_set_type(places, TOFFEE_DTYPE_INT64, n_places, 2, st));
    TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, places, perm, &places, st));
    TOFFEE_RETURN_IF_ERROR(toffee_const_float(lo, toffee_value_dtype(data), 0, &zeros, st));
    TOFFEE_RETURN_IF_ERROR(toffee_expand(lo, zeros, dims, rank, &zeros, st));
    return toffee_scatter(lo, "ScatterND", zeros, places, data, NULL, 0, &pack->padded, st);
}

toffee_code
toffee_pack_read(toffee_lowering *lo, toffee_value *data, toffee_value *batch_sizes, int64_t n,
                 toffee_pack *pack, toffee_status *st)
{
    const toffee_pack *known = toffee_ptrmap_get(&lo->packs, data);

    if (known != NULL && known->batch_sizes == batch_sizes) {
        *pack = *known;
        return TOFFEE_OK;
    }
    memset(pack, 0, sizeof(*pack));
    known = toffee_ptrmap_get(&lo->packs, batch_sizes);
    if (known != NULL && known->batch_sizes == batch_sizes) {
        *pack = *known;
    }
    else {
        TOFFEE_RETURN_IF_ERROR(pack_measure_sizes(lo, batch_sizes, n, pack, st));
        pack->batch_sizes = batch_sizes;
        TOFFEE_RETURN_IF_ERROR(pack_note(lo, batch_sizes, pack, st));
    }
    return pack_unpack(lo, data, pack, st);
}

toffee_code
toffee_pack_return(toffee_lowering *lo, const toffee_call *call, size_t index,
                   const toffee_pack *pack, toffee_status *st)
{
    int32_t rank = toffee_value_rank(pack->padded);
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_value *data = NULL;
    toffee_value *mask = NULL;
    toffee_node *node = NULL;

    toffee_value_dims(pack->padded, dims);
    dims[1] *= dims[0];
    TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, pack->padded, dims + 1, rank - 1, &data, st));
    if (pack->mask != NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, pack->mask, dims + 1, 1, &mask, st));
        TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, "Compress", TOFFEE_INPUTS(data, mask),
                                           toffee_value_dtype(data), &node, &data, st));
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "axis", 0, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_lower_return(lo, call, index, data, st));
    return pack_note(lo, call->results[index].value, pack, st);
}

/* ---- operators --------------------------------------------------------------------------------
 */

/* aten::_pack_padded_sequence(input, lengths, batch_first) -> data, batch_sizes
 *   -> Compress of the steps that are within (places < lengths), and how many they are each time */
static toffee_code
lower_pack(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *x = toffee_call_value(call, "input");
    toffee_value *lengths = toffee_call_value(call, "lengths");
    const int64_t *numbers = NULL;
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_pack pack = {0};
    int64_t perm[TOFFEE_MAX_RANK];
    toffee_range steps = {0, 0, 0, 1};

    if (x == NULL || lengths == NULL || call->n_results < 2 || toffee_value_rank(x) < 2 ||
        call->results[1].rank != 1 || call->results[1].dims[0] == 0) {
        return TOFFEE_DECLINED;
    }
    if (toffee_call_bool(call, "batch_first", false)) {
        for (int32_t i = 0; i < toffee_value_rank(x); i++) {
            perm[i] = i < 2 ? 1 - i : i;
        }
        x = toffee_chain_transpose(&chain, x, perm);
    }
    pack.lengths = toffee_chain_cast(&chain, lengths, TOFFEE_DTYPE_INT64);
    pack.longest = steps.count = call->results[1].dims[0];
    TOFFEE_RETURN_IF_ERROR(chain.rc);
    numbers = pack_numbers(lo, pack.lengths);
    if (numbers != NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_slice(lo, x, &steps, 1, &x, st));
        TOFFEE_RETURN_IF_ERROR(
            pack_measure_fixed(lo, numbers, toffee_value_dim(lengths, 0), &pack, st));
    }
    else {
        TOFFEE_RETURN_IF_ERROR(pack_measure(&chain, toffee_value_dim(x, 0), &pack));
    }
    pack.padded = x;
    TOFFEE_RETURN_IF_ERROR(toffee_lower_return(lo, call, 1, pack.batch_sizes, st));
    TOFFEE_RETURN_IF_ERROR(toffee_pack_return(lo, call, 0, &pack, st));
    return pack_note(lo, pack.batch_sizes, &pack, st);
}

/* *X [T, N, ..] cut to its N_STEPS first steps, or made as long by steps of PADDING. */
static toffee_code
pad_resize(toffee_lowering *lo, toffee_value **x, int64_t n_steps, double padding,
           toffee_status *st)
{
    const toffee_range steps = {0, 0, n_steps, 1};
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_value *parts[2] = {*x, NULL};

    toffee_value_dims(*x, dims);
    if (dims[0] >= n_steps) {
        return toffee_slice(lo, *x, &steps, 1, x, st);
    }
    dims[0] = n_steps - dims[0];
    TOFFEE_RETURN_IF_ERROR(toffee_const_float(lo, toffee_value_dtype(*x), padding, &parts[1], st));
    TOFFEE_RETURN_IF_ERROR(toffee_expand(lo, parts[1], dims, toffee_value_rank(*x), &parts[1], st));
    return toffee_concat(lo, parts, 2, 0, x, st);
}

/* *X [T, N, ..] cut to as many steps as the longest sequence has at run time. */
static toffee_code
pad_cut(toffee_chain *chain, const toffee_pack *pack, toffee_value **x)
{
    static const int64_t first[1] = {0};
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_value *longest = toffee_chain_reduce(chain, "ReduceMax", pack->lengths, first, 1, true);
    toffee_value *zero = NULL;

    if (chain->rc != TOFFEE_OK) {
        return chain->rc;
    }
    toffee_value_dims(*x, dims);
    dims[0] = pack->longest;
    TOFFEE_RETURN_IF_ERROR(toffee_const_int(chain->lo, 0, &zero, chain->st));
    return toffee_emit_dims(chain->lo, "Slice", TOFFEE_INPUTS(*x, zero, longest, zero),
                            toffee_value_dtype(*x), dims, toffee_value_rank(*x), NULL, x,
                            chain->st);
}

/* aten::_pad_packed_sequence(data, batch_sizes, batch_first, padding_value, total_length)
 *   -> padded sequences and their lengths: what was packed, as long as the longest, with the value
 *      where the mask is false */
static toffee_code
lower_pad(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *data = toffee_call_value(call, "data");
    toffee_value *sizes = toffee_call_value(call, "batch_sizes");
    double padding = toffee_call_float(call, "padding_value", 0);
    int64_t total = toffee_call_int(call, "total_length", 0);
    bool batch_first = toffee_call_bool(call, "batch_first", false);
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = NULL;
    toffee_value *other = NULL;
    toffee_pack pack;
    int64_t dims[TOFFEE_MAX_RANK];
    int64_t perm[TOFFEE_MAX_RANK];

    if (data == NULL || sizes == NULL || call->n_results < 2 || call->results[0].rank < 2 ||
        toffee_value_numel(sizes) == 0) {
        return TOFFEE_DECLINED;
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_pack_read(lo, data, sizes, call->results[0].dims[batch_first ? 0 : 1], &pack, st));
    x = pack.padded;
    if (pack.mask != NULL && (padding != 0 || !pack.is_zero)) {
        for (int32_t i = 0; i < toffee_value_rank(x); i++) {
            dims[i] = i < 2 ? toffee_value_dim(x, i) : 1;
        }
        pack.mask = toffee_chain_reshape(&chain, pack.mask, dims, toffee_value_rank(x));
        other = toffee_chain_number(&chain, toffee_value_dtype(data), padding);
        x = toffee_chain_where(&chain, pack.mask, x, other);
        TOFFEE_RETURN_IF_ERROR(chain.rc);
    }
    if (total <= 0 && !pack.is_fixed) {
        TOFFEE_RETURN_IF_ERROR(pad_cut(&chain, &pack, &x));
    }
    else {
        total = total > 0 ? total : pack.longest;
        TOFFEE_RETURN_IF_ERROR(pad_resize(lo, &x, total, padding, st));
    }
    if (batch_first) {
        for (int32_t i = 0; i < toffee_value_rank(x); i++) {
            perm[i] = i < 2 ? 1 - i : i;
        }
        x = toffee_chain_transpose(&chain, x, perm);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_chain_return(&chain, call, 0, x));
    return toffee_lower_return(lo, call, 1, pack.lengths, st);
}

static const toffee_rule rows[] = {
    {"aten::_pack_padded_sequence", lower_pack, NULL, 0},
    {"aten::_pad_packed_sequence", lower_pad, NULL, 0},
};

const toffee_rule_family toffee_rules_pack = {rows, TOFFEE_COUNTOF(rows)};
