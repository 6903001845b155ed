/* csrc/lower/lower_pairs.c -- what moves the elements of complex tensors about.
 *
 * Such an operator does to a tensor of pairs what it does to one of numbers, if the last axis is
 * kept out of its sight: the call is made over and handed to the lowering for real tensors. Where
 * that works on the last axes by itself, it is called for each of the two parts. */
#include "lower/pair.h"

#include <string.h>

#include "lower/shape.h"

/* What has to be made over, in rule->arg. */
enum {
    DIMS = 1,     /* numbers of dimensions count from the front, as the last axis is a new one */
    NEW_DIM = 2,  /* and these count in the result, which has one more */
    PERM = 4,     /* all dimensions are listed: the new one stays last */
    TIMES = 8,    /* the new one is repeated once */
    PADS = 16,    /* pairs of numbers from the last dimension on: it gets none */
    ALL_DIMS = 32 /* no dimensions means all of them */
};

/* Arguments that number dimensions. */
static const char *const dim_names[] = {"dim",    "dim0",        "dim1",      "dim2",
                                        "axis0",  "axis1",       "start_dim", "end_dim",
                                        "source", "destination", "dims"};
/* Arguments that are elements of the result, which a real tensor may be beside complex ones. */
static const char *const element_names[] = {"self", "tensors", "values", "src", "source"};

static bool
name_is_among(const char *name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* The dims of the first complex tensor of the call; -1: there is none. */
static int32_t
call_rank(const toffee_call *call)
{
    for (size_t i = 0; i < call->n_args; i++) {
        const toffee_arg *arg = &call->args[i];

        if (arg->kind == TOFFEE_ARG_VALUE && toffee_dtype_is_complex(arg->dtype)) {
            return toffee_value_rank(arg->value) - 1;
        }
        for (size_t k = 0; arg->kind == TOFFEE_ARG_VALUES && k < arg->n; k++) {
            if (toffee_dtype_is_complex(arg->dtypes[k])) {
                return toffee_value_rank(arg->values[k]) - 1;
            }
        }
    }
    return -1;
}

/* X of dtype DTYPE as pairs: itself, or with zeros. */
static toffee_value *
chain_pairs(toffee_chain *chain, toffee_value *x, toffee_dtype dtype)
{
    toffee_result result = {.dtype = TOFFEE_DTYPE_COMPLEX64};
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_pair z = {x, NULL};

    if (chain->rc != TOFFEE_OK || x == NULL || toffee_dtype_is_complex(dtype)) {
        return x;
    }
    toffee_value_dims(x, dims);
    result.dims = dims;
    result.rank = toffee_value_rank(x);
    if (!toffee_dtype_is_float(toffee_value_dtype(x))) {
        z.re = toffee_chain_cast(chain, x, TOFFEE_DTYPE_FLOAT);
    }
    z.re = toffee_pair_add_axis(chain, z.re);
    return toffee_pair_join(chain, z, &result);
}

/* COUNT numbers of ARG, negative ones counted from RANK dimensions, and EXTRA of them behind. */
static toffee_code
copy_ints(toffee_lowering *lo, toffee_arg *arg, int32_t rank, const int64_t *extra,
          toffee_status *st)
{
    int64_t *ints = toffee_arena_calloc(lo->scratch, arg->n + 1, sizeof(*ints));

    if (ints == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t i = 0; i < arg->n; i++) {
        ints[i] = rank >= 0 ? toffee_axis(arg->ints[i], rank) : arg->ints[i];
    }
    if (extra != NULL) {
        ints[arg->n++] = *extra;
    }
    arg->ints = ints;
    return TOFFEE_OK;
}

/* "pad" with no padding of the new last axis in front. */
static toffee_code
shift_pads(toffee_lowering *lo, toffee_arg *arg, toffee_status *st)
{
    int64_t *ints = toffee_arena_calloc(lo->scratch, arg->n + 2, sizeof(*ints));

    if (ints == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t i = 0; i < arg->n; i++) {
        ints[i + 2] = arg->ints[i];
    }
    arg->ints = ints;
    arg->n += 2;
    return TOFFEE_OK;
}

/* Whether item I of a list to join is an empty tensor of one dimension, which goes with all others
 * and adds nothing to them. */
static bool
is_passed_over(const toffee_arg *arg, size_t i)
{
    int32_t rank = toffee_dtype_is_complex(arg->dtypes[i]) ? 2 : 1;

    return toffee_value_rank(arg->values[i]) == rank && toffee_value_dim(arg->values[i], 0) == 0;
}

/* ARG of the real call. DECLINED where a number would have to be two. */
static toffee_code
make_over(toffee_chain *chain, int64_t flags, int32_t rank, toffee_arg *arg)
{
    toffee_lowering *lo = chain->lo;
    int32_t dims = rank + ((flags & NEW_DIM) != 0 ? 1 : 0);
    bool is_element = name_is_among(arg->name, element_names, TOFFEE_COUNTOF(element_names));
    bool is_dim = (flags & (DIMS | NEW_DIM | PERM)) != 0 &&
                  name_is_among(arg->name, dim_names, TOFFEE_COUNTOF(dim_names));
    const int64_t last = rank;
    const int64_t once = 1;
    size_t n = 0;

    if (arg->kind == TOFFEE_ARG_COMPLEX ||
        (strcmp(arg->name, "value") == 0 && arg->kind != TOFFEE_ARG_NONE &&
         !(arg->kind != TOFFEE_ARG_VALUE && arg->i == 0 && arg->f == 0))) {
        return TOFFEE_DECLINED;
    }
    if (arg->kind == TOFFEE_ARG_VALUE && is_element) {
        arg->value = chain_pairs(chain, arg->value, arg->dtype);
    }
    if (arg->kind == TOFFEE_ARG_VALUES && is_element) {
        toffee_value **values = toffee_arena_calloc(lo->scratch, arg->n, sizeof(*values));

        if (values == NULL) {
            return toffee_fail_nomem(chain->st);
        }
        for (size_t i = 0; i < arg->n; i++) {
            if (arg->values[i] == NULL) {
                return TOFFEE_DECLINED;
            }
            if ((flags & NEW_DIM) != 0 || !is_passed_over(arg, i) || (i == arg->n - 1 && n == 0)) {
                values[n++] = chain_pairs(chain, arg->values[i], arg->dtypes[i]);
            }
        }
        arg->values = values;
        arg->n = n;
    }
    if (arg->kind == TOFFEE_ARG_DTYPE) {
        arg->dtype = toffee_dtype_of_part(arg->dtype);
    }
    if (arg->kind == TOFFEE_ARG_INT && is_dim) {
        arg->i = toffee_axis(arg->i, dims);
    }
    if (arg->kind == TOFFEE_ARG_INTS && is_dim) {
        return copy_ints(lo, arg, dims, (flags & PERM) != 0 ? &last : NULL, chain->st);
    }
    if (arg->kind == TOFFEE_ARG_INTS && (flags & TIMES) != 0) {
        return copy_ints(lo, arg, -1, &once, chain->st);
    }
    if (arg->kind == TOFFEE_ARG_INTS && (flags & PADS) != 0 && strcmp(arg->name, "pad") == 0) {
        return shift_pads(lo, arg, chain->st);
    }
    return chain->rc;
}

/* "dim" of the real call, where it is not given and stands for all: the first RANK. */
static toffee_code
name_all_dims(toffee_lowering *lo, toffee_call *call, int32_t rank, toffee_status *st)
{
    toffee_arg *args = toffee_arena_calloc(lo->scratch, call->n_args + 1, sizeof(*args));
    int64_t *dims = toffee_arena_calloc(lo->scratch, (size_t)rank + 1, sizeof(*dims));
    size_t n = 0;
    size_t n_dims = 0;

    (void)toffee_call_ints(call, "dim", &n_dims);
    if (n_dims != 0) {
        return TOFFEE_OK;
    }
    if (args == NULL || dims == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t i = 0; i < call->n_args; i++) {
        if (strcmp(call->args[i].name, "dim") != 0) {
            args[n++] = call->args[i];
        }
    }
    for (int32_t i = 0; i < rank; i++) {
        dims[i] = i;
    }
    args[n++] =
        (toffee_arg){.name = "dim", .kind = TOFFEE_ARG_INTS, .ints = dims, .n = (size_t)rank};
    call->args = args;
    call->n_args = n;
    return TOFFEE_OK;
}

/* CALL with its own copies of args and results: dims of the latter as those of pairs (IS_PAIRS) or
 * of one part. */
static toffee_code
copy_call(toffee_lowering *lo, const toffee_call *call, bool is_pairs, toffee_call *out,
          toffee_arg **out_args, toffee_status *st)
{
    toffee_arg *args = toffee_arena_copy(lo->scratch, call->args, call->n_args * sizeof(*args));
    toffee_result *results =
        toffee_arena_copy(lo->scratch, call->results, call->n_results * sizeof(*results));

    if (args == NULL || results == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t i = 0; i < call->n_results; i++) {
        toffee_result *result = &results[i];

        if (is_pairs && toffee_dtype_is_complex(result->dtype)) {
            int64_t *dims =
                toffee_arena_calloc(lo->scratch, (size_t)result->rank + 1, sizeof(*dims));

            if (dims == NULL) {
                return toffee_fail_nomem(st);
            }
            result->rank = toffee_result_dims(result, dims);
            result->dims = dims;
        }
        result->dtype = toffee_dtype_of_part(result->dtype);
    }
    *out = *call;
    out->args = *out_args = args;
    out->results = results;
    return TOFFEE_OK;
}

/* ARG of the real call for one part: the real ones (PART 0) or the imaginary ones. DECLINED for a
 * real tensor beside the complex ones whose imaginary part would be meant. */
static toffee_code
take_part(toffee_chain *chain, int part, toffee_arg *arg)
{
    bool is_element = name_is_among(arg->name, element_names, TOFFEE_COUNTOF(element_names));

    if (arg->kind == TOFFEE_ARG_COMPLEX) {
        arg->kind = TOFFEE_ARG_FLOAT;
        arg->f = part == 0 ? arg->f : arg->imag;
    }
    else if (strcmp(arg->name, "value") == 0 && part == 1 && arg->kind != TOFFEE_ARG_VALUE) {
        arg->i = 0;
        arg->f = 0;
    }
    if (arg->kind == TOFFEE_ARG_DTYPE) {
        arg->dtype = toffee_dtype_of_part(arg->dtype);
    }
    if (arg->kind == TOFFEE_ARG_VALUE && toffee_dtype_is_complex(arg->dtype)) {
        toffee_pair z = toffee_pair_split(chain, arg->value);

        arg->value = toffee_pair_drop_axis(chain, part == 0 ? z.re : z.im);
        arg->dtype = toffee_dtype_of_part(arg->dtype);
    }
    else if (arg->kind == TOFFEE_ARG_VALUES || (arg->kind == TOFFEE_ARG_VALUE && is_element)) {
        return TOFFEE_DECLINED;
    }
    return chain->rc;
}

/* Linear operators of one complex tensor and its like: by the lowering for real tensors, of the
 * real and of the imaginary parts. */
static toffee_code
lower_by_parts(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const toffee_rule *rule = toffee_rule_find(call->op);
    toffee_value *parts[2] = {NULL, NULL};

    if (rule == NULL || call->n_results != 1 || call_rank(call) < 0 ||
        !toffee_dtype_is_complex(call->results[0].dtype)) {
        return TOFFEE_DECLINED;
    }
    for (int part = 0; part < 2; part++) {
        toffee_arg *args = NULL;
        toffee_call real;

        TOFFEE_RETURN_IF_ERROR(copy_call(lo, call, false, &real, &args, st));
        for (size_t i = 0; i < call->n_args; i++) {
            toffee_code rc = take_part(&chain, part, &args[i]);

            if (rc != TOFFEE_OK) {
                return rc;
            }
        }
        TOFFEE_RETURN_IF_ERROR(toffee_lower(lo, rule, &real, st));
        parts[part] = toffee_pair_add_axis(&chain, real.results[0].value);
    }
    return toffee_pair_return(&chain, call, (toffee_pair){parts[0], parts[1]});
}

/* aten::scatter: by parts, unless what falls on a place is multiplied. */
static toffee_code
lower_scatter(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    const char *reduction = toffee_call_string(call, "reduce", "add");

    return strcmp(reduction, "add") == 0 ? lower_by_parts(lo, call, st) : TOFFEE_DECLINED;
}

/* Operators that keep pairs together: by the lowering for real tensors, of pairs. */
static toffee_code
lower_as_pairs(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const toffee_rule *rule = toffee_rule_find(call->op);
    int64_t flags = lo->rule->arg;
    int32_t rank = call_rank(call);
    toffee_arg *args = NULL;
    toffee_call real;

    if (rule == NULL || rank < 0 || call->n_results == 0) {
        return TOFFEE_DECLINED;
    }
    if (!toffee_dtype_is_complex(call->results[0].dtype)) {
        /* expand_as and the like, where only the other one is complex, which only says how large */
        return toffee_dtype_is_complex(call->args[0].dtype) ? TOFFEE_DECLINED
                                                            : toffee_lower(lo, rule, call, st);
    }
    if (rank == 0 && (flags & ALL_DIMS) != 0) {
        return toffee_lower_return(lo, call, 0, call->args[0].value, st);
    }
    if (rank == 0 && (flags & DIMS) != 0) {
        return lower_by_parts(lo, call, st); /* dimension 0 of it is none */
    }
    TOFFEE_RETURN_IF_ERROR(copy_call(lo, call, true, &real, &args, st));
    for (size_t i = 0; i < call->n_args; i++) {
        toffee_code rc = make_over(&chain, flags, rank, &args[i]);

        if (rc != TOFFEE_OK) {
            return rc == TOFFEE_DECLINED ? lower_by_parts(lo, call, st) : rc;
        }
    }
    if ((flags & ALL_DIMS) != 0) {
        TOFFEE_RETURN_IF_ERROR(name_all_dims(lo, &real, rank, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_lower(lo, rule, &real, st));
    for (size_t i = 0; i < call->n_results; i++) {
        call->results[i].value = real.results[i].value;
    }
    return TOFFEE_OK;
}

/* aten::view_as_real, view_as_complex, resolve_conj, …: the value is that of the operand. */
static toffee_code
lower_itself(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    return toffee_lower_return(lo, call, 0, call->args[0].value, st);
}

/* The elements of ARG (tensor or number) in the dtype of the result, which may be real: then
 * imaginary parts are dropped, as PyTorch does with a warning. */
static toffee_code
lower_elements(toffee_lowering *lo, const toffee_call *call, const toffee_arg *arg,
               toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const toffee_result *result = &call->results[0];
    toffee_pair z = toffee_pair_operand(&chain, arg, toffee_dtype_of_part(result->dtype));
    toffee_value *zero = NULL;

    if (toffee_dtype_is_complex(result->dtype)) {
        return toffee_pair_return(&chain, call, z);
    }
    if (result->dtype == TOFFEE_DTYPE_BOOL) {
        z = toffee_pair_operand(&chain, arg, toffee_pair_dtype(&arg, 1));
        zero = toffee_chain_number(&chain, toffee_pair_dtype(&arg, 1), 0);
        z.re = toffee_chain_test(&chain, "Equal", z.re, zero);
        z.im = toffee_chain_test(&chain, "Equal", z.im, zero);
        z.re = toffee_chain_binary(&chain, "Mul", z.re, z.im);
        z.re = toffee_chain_unary(&chain, "Not", z.re);
    }
    z.re = toffee_pair_drop_axis(&chain, z.re);
    z.re = toffee_chain_expand(&chain, z.re, result->dims, result->rank);
    return toffee_chain_return(&chain, call, 0, z.re);
}

/* aten::clone, to, contiguous, …, copy, fill, full: the argument that rule->onnx names. */
static toffee_code
lower_copy(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    const toffee_arg *arg = toffee_call_arg(call, lo->rule->onnx);
    bool is_same = false;

    if (arg == NULL || arg->kind == TOFFEE_ARG_NONE || call->n_results != 1) {
        return TOFFEE_DECLINED;
    }
    is_same = arg->kind == TOFFEE_ARG_VALUE && toffee_dtype_is_complex(arg->dtype) &&
              toffee_dtype_is_complex(call->results[0].dtype) &&
              toffee_value_rank(arg->value) == call->results[0].rank + 1;
    for (int32_t i = 0; is_same && i < call->results[0].rank; i++) {
        is_same = toffee_value_dim(arg->value, i) == call->results[0].dims[i];
    }
    return is_same ? toffee_lower_return(lo, call, 0, arg->value, st)
                   : lower_elements(lo, call, arg, st);
}

/* aten::zeros, ones_like, empty, …: rule->arg everywhere. */
static toffee_code
lower_filled(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    const toffee_arg number = {.name = "value", .kind = TOFFEE_ARG_INT, .i = lo->rule->arg};

    if (call->n_results != 1 || !toffee_dtype_is_complex(call->results[0].dtype)) {
        return TOFFEE_DECLINED;
    }
    return lower_elements(lo, call, &number, st);
}

/* aten::where(condition, self, other); masked_fill(self, mask, value), where what is chosen is
 * named last: rule->arg 1. */
static toffee_code
lower_where(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    bool is_fill = lo->rule->arg != 0;
    toffee_value *condition = toffee_call_value(call, is_fill ? "mask" : "condition");
    toffee_dtype dtype = TOFFEE_DTYPE_UNDEFINED;
    toffee_pair a;
    toffee_pair b;
    toffee_value *zero = NULL;

    if (condition == NULL || call->n_results != 1 ||
        !toffee_dtype_is_complex(call->results[0].dtype)) {
        return TOFFEE_DECLINED; /* only the condition is given: indices */
    }
    dtype = toffee_dtype_of_part(call->results[0].dtype);
    a = toffee_pair_operand(&chain, toffee_call_arg(call, is_fill ? "value" : "self"), dtype);
    b = toffee_pair_operand(&chain, toffee_call_arg(call, is_fill ? "self" : "other"), dtype);
    condition = toffee_chain_cast(&chain, condition, TOFFEE_DTYPE_BOOL);
    condition = toffee_pair_add_axis(&chain, condition);
    zero = toffee_chain_number(&chain, dtype, 0);
    a.re = toffee_chain_where(&chain, condition, a.re, b.re);
    a.im = toffee_chain_where(&chain, condition, a.im != NULL ? a.im : zero,
                              b.im != NULL ? b.im : zero);
    return toffee_pair_return(&chain, call, a);
}

/* aten::real, imag (rule->arg 1). */
static toffee_code
lower_part(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    toffee_value *out = NULL;

    if (self == NULL || !toffee_dtype_is_complex(call->args[0].dtype)) {
        return TOFFEE_DECLINED;
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_select(lo, self, toffee_value_rank(self) - 1, lo->rule->arg, &out, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

/* aten::var, std, var_mean, std_mean (rule->arg 1: the root): the variances of the parts add up.
 * The mean is that of the pairs. */
static toffee_code
lower_var(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const toffee_rule *rule = toffee_rule_find(lo->rule->onnx);
    toffee_value *sum = NULL;
    toffee_pair mean = {NULL, NULL};

    if (rule == NULL || !toffee_dtype_is_complex(call->args[0].dtype)) {
        return TOFFEE_DECLINED;
    }
    for (int part = 0; part < 2; part++) {
        toffee_arg *args = NULL;
        toffee_call real;
        toffee_code rc = TOFFEE_OK;

        TOFFEE_RETURN_IF_ERROR(copy_call(lo, call, false, &real, &args, st));
        for (size_t i = 0; i < call->n_args && rc == TOFFEE_OK; i++) {
            rc = take_part(&chain, part, &args[i]);
        }
        rc = rc == TOFFEE_OK ? toffee_lower(lo, rule, &real, st) : rc;
        if (rc != TOFFEE_OK) {
            return rc;
        }
        sum = part == 0 ? real.results[0].value
                        : toffee_chain_binary(&chain, "Add", sum, real.results[0].value);
        if (call->n_results == 2) {
            mean.re = part == 0 ? real.results[1].value : mean.re;
            mean.im = real.results[1].value;
        }
    }
    if (lo->rule->arg != 0) {
        sum = toffee_chain_unary(&chain, "Sqrt", sum);
    }
    if (call->n_results == 2) {
        mean.re = toffee_pair_add_axis(&chain, mean.re);
        mean.im = toffee_pair_add_axis(&chain, mean.im);
        mean.re = toffee_pair_join(&chain, mean, &call->results[1]);
        TOFFEE_RETURN_IF_ERROR(toffee_chain_return(&chain, call, 1, mean.re));
    }
    return toffee_chain_return(&chain, call, 0, sum);
}

/* aten::any, logical_not, nonzero, …: the lowering for real tensors, of what is not zero. */
static toffee_code
lower_as_bools(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const toffee_rule *rule = toffee_rule_find(call->op);
    toffee_arg *args = NULL;
    toffee_call real;

    if (rule == NULL || call->n_results == 0 || toffee_dtype_is_complex(call->results[0].dtype)) {
        return TOFFEE_DECLINED;
    }
    TOFFEE_RETURN_IF_ERROR(copy_call(lo, call, false, &real, &args, st));
    for (size_t i = 0; i < call->n_args; i++) {
        const toffee_arg *arg = &call->args[i];
        toffee_value *zero = NULL;
        toffee_pair z;

        if (arg->kind != TOFFEE_ARG_VALUE || !toffee_dtype_is_complex(arg->dtype)) {
            continue;
        }
        z = toffee_pair_split(&chain, arg->value);
        zero = toffee_chain_number(&chain, toffee_dtype_of_part(arg->dtype), 0);
        z.re = toffee_chain_test(&chain, "Equal", z.re, zero);
        z.im = toffee_chain_test(&chain, "Equal", z.im, zero);
        z.re = toffee_chain_binary(&chain, "Mul", z.re, z.im);
        z.re = toffee_chain_unary(&chain, "Not", z.re);
        args[i].value = toffee_pair_drop_axis(&chain, z.re);
        args[i].dtype = TOFFEE_DTYPE_BOOL;
    }
    if (chain.rc != TOFFEE_OK) {
        return chain.rc;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_lower(lo, rule, &real, st));
    for (size_t i = 0; i < call->n_results; i++) {
        call->results[i].value = real.results[i].value;
    }
    return TOFFEE_OK;
}

static const toffee_rule rows[] = {
    /* sorted by name */
    {"aten::_to_copy", lower_copy, "self", 0},
    {"aten::_unsafe_index", lower_as_pairs, NULL, 0},
    {"aten::_unsafe_view", lower_as_pairs, NULL, 0},
    {"aten::alias", lower_copy, "self", 0},
    {"aten::alias_copy", lower_copy, "self", 0},
    {"aten::all", lower_as_bools, NULL, 0},
    {"aten::any", lower_as_bools, NULL, 0},
    {"aten::broadcast_to", lower_as_pairs, NULL, 0},
    {"aten::cat", lower_as_pairs, NULL, DIMS},
    {"aten::chunk", lower_as_pairs, NULL, DIMS},
    {"aten::clone", lower_copy, "self", 0},
    {"aten::concat", lower_as_pairs, NULL, DIMS},
    {"aten::concatenate", lower_as_pairs, NULL, DIMS},
    {"aten::constant_pad_nd", lower_as_pairs, NULL, PADS},
    {"aten::contiguous", lower_copy, "self", 0},
    {"aten::copy", lower_copy, "src", 0},
    {"aten::cumsum", lower_as_pairs, NULL, DIMS | ALL_DIMS},
    {"aten::detach", lower_copy, "self", 0},
    {"aten::diagonal", lower_by_parts, NULL, 0},
    {"aten::diagonal_scatter", lower_by_parts, NULL, 0},
    {"aten::empty", lower_filled, NULL, 0},
    {"aten::empty_like", lower_filled, NULL, 0},
    {"aten::empty_permuted", lower_filled, NULL, 0},
    {"aten::empty_strided", lower_filled, NULL, 0},
    {"aten::expand", lower_as_pairs, NULL, 0},
    {"aten::expand_as", lower_as_pairs, NULL, 0},
    {"aten::fill", lower_copy, "value", 0},
    {"aten::flatten", lower_as_pairs, NULL, DIMS},
    {"aten::flip", lower_as_pairs, NULL, DIMS},
    {"aten::full", lower_copy, "fill_value", 0},
    {"aten::full_like", lower_copy, "fill_value", 0},
    {"aten::gather", lower_by_parts, NULL, 0},
    {"aten::imag", lower_part, NULL, 1},
    {"aten::index", lower_as_pairs, NULL, 0},
    {"aten::index_add", lower_by_parts, NULL, 0},
    {"aten::index_copy", lower_by_parts, NULL, 0},
    {"aten::index_put", lower_as_pairs, NULL, 0},
    {"aten::index_select", lower_as_pairs, NULL, DIMS},
    {"aten::lift", lower_copy, "self", 0},
    {"aten::lift_fresh", lower_copy, "self", 0},
    {"aten::logical_and", lower_as_bools, NULL, 0},
    {"aten::logical_not", lower_as_bools, NULL, 0},
    {"aten::logical_or", lower_as_bools, NULL, 0},
    {"aten::logical_xor", lower_as_bools, NULL, 0},
    {"aten::masked_fill", lower_where, NULL, 1},
    {"aten::masked_scatter", lower_by_parts, NULL, 0},
    {"aten::masked_select", lower_by_parts, NULL, 0},
    {"aten::mean", lower_as_pairs, NULL, DIMS | ALL_DIMS},
    {"aten::moveaxis", lower_as_pairs, NULL, DIMS},
    {"aten::movedim", lower_as_pairs, NULL, DIMS},
    {"aten::narrow", lower_as_pairs, NULL, DIMS},
    {"aten::new_empty", lower_filled, NULL, 0},
    {"aten::new_empty_strided", lower_filled, NULL, 0},
    {"aten::new_full", lower_copy, "fill_value", 0},
    {"aten::new_ones", lower_filled, NULL, 1},
    {"aten::new_zeros", lower_filled, NULL, 0},
    {"aten::nonzero", lower_as_bools, NULL, 0},
    {"aten::ones", lower_filled, NULL, 1},
    {"aten::ones_like", lower_filled, NULL, 1},
    {"aten::permute", lower_as_pairs, NULL, PERM},
    {"aten::positive", lower_copy, "self", 0},
    {"aten::put", lower_by_parts, NULL, 0},
    {"aten::real", lower_part, NULL, 0},
    {"aten::reflection_pad1d", lower_by_parts, NULL, 0},
    {"aten::reflection_pad2d", lower_by_parts, NULL, 0},
    {"aten::reflection_pad3d", lower_by_parts, NULL, 0},
    {"aten::repeat", lower_as_pairs, NULL, TIMES},
    {"aten::repeat_interleave", lower_by_parts, NULL, 0},
    {"aten::replication_pad1d", lower_by_parts, NULL, 0},
    {"aten::replication_pad2d", lower_by_parts, NULL, 0},
    {"aten::replication_pad3d", lower_by_parts, NULL, 0},
    {"aten::reshape", lower_as_pairs, NULL, 0},
    {"aten::reshape_as", lower_as_pairs, NULL, 0},
    {"aten::resolve_conj", lower_itself, NULL, 0},
    {"aten::resolve_neg", lower_itself, NULL, 0},
    {"aten::roll", lower_by_parts, NULL, 0},
    {"aten::scalar_tensor", lower_copy, "s", 0},
    {"aten::scatter", lower_scatter, NULL, 0},
    {"aten::scatter_add", lower_by_parts, NULL, 0},
    {"aten::select", lower_as_pairs, NULL, DIMS},
    {"aten::select_scatter", lower_as_pairs, NULL, DIMS},
    {"aten::slice", lower_as_pairs, NULL, DIMS},
    {"aten::slice_scatter", lower_as_pairs, NULL, DIMS},
    {"aten::split", lower_as_pairs, NULL, DIMS},
    {"aten::split_with_sizes", lower_as_pairs, NULL, DIMS},
    {"aten::squeeze", lower_as_pairs, NULL, DIMS},
    {"aten::stack", lower_as_pairs, NULL, NEW_DIM},
    {"aten::std", lower_var, "aten::var", 1},
    {"aten::std_mean", lower_var, "aten::var_mean", 1},
    {"aten::sum", lower_as_pairs, NULL, DIMS | ALL_DIMS},
    {"aten::swapaxes", lower_as_pairs, NULL, DIMS},
    {"aten::swapdims", lower_as_pairs, NULL, DIMS},
    {"aten::take", lower_by_parts, NULL, 0},
    {"aten::tensor_split", lower_as_pairs, NULL, DIMS},
    {"aten::to", lower_copy, "self", 0},
    {"aten::transpose", lower_as_pairs, NULL, DIMS},
    {"aten::tril", lower_by_parts, NULL, 0},
    {"aten::triu", lower_by_parts, NULL, 0},
    {"aten::type_as", lower_copy, "self", 0},
    {"aten::unbind", lower_as_pairs, NULL, DIMS},
    {"aten::unflatten", lower_as_pairs, NULL, 0},
    {"aten::unfold", lower_by_parts, NULL, 0},
    {"aten::unsafe_chunk", lower_as_pairs, NULL, DIMS},
    {"aten::unsafe_split", lower_as_pairs, NULL, DIMS},
    {"aten::unsafe_split_with_sizes", lower_as_pairs, NULL, DIMS},
    {"aten::unsqueeze", lower_as_pairs, NULL, NEW_DIM},
    {"aten::var", lower_var, "aten::var", 0},
    {"aten::var_mean", lower_var, "aten::var_mean", 0},
    {"aten::view", lower_as_pairs, NULL, 0},
    {"aten::view_as", lower_as_pairs, NULL, 0},
    {"aten::view_as_complex", lower_itself, NULL, 0},
    {"aten::view_as_real", lower_itself, NULL, 0},
    {"aten::where", lower_where, NULL, 0},
    {"aten::zero", lower_filled, NULL, 0},
    {"aten::zeros", lower_filled, NULL, 0},
    {"aten::zeros_like", lower_filled, NULL, 0},
};

const toffee_rule_family toffee_rules_pairs = {rows, TOFFEE_COUNTOF(rows)};
