/* csrc/lower/call.c -- finding arguments of a call by name. */
#include "lower/call.h"

#include <string.h>

/* PyTorch calls the first argument self or input, and not alike in all spellings of an operator:
 * dropout(input) and dropout_(self). */
static bool
is_first_name(const char *name)
{
    return strcmp(name, "self") == 0 || strcmp(name, "input") == 0;
}

const toffee_arg *
toffee_call_arg(const toffee_call *call, const char *name)
{
    for (size_t i = 0; i < call->n_args; i++) {
        if (strcmp(call->args[i].name, name) == 0) {
            return &call->args[i];
        }
    }
    if (call->n_args > 0 && is_first_name(name) && is_first_name(call->args[0].name)) {
        return &call->args[0];
    }
    return NULL;
}

bool
toffee_call_has(const toffee_call *call, const char *name)
{
    const toffee_arg *arg = toffee_call_arg(call, name);

    return arg != NULL && arg->kind != TOFFEE_ARG_NONE;
}

toffee_value *
toffee_call_value(const toffee_call *call, const char *name)
{
    const toffee_arg *arg = toffee_call_arg(call, name);

    return arg != NULL && arg->kind == TOFFEE_ARG_VALUE ? arg->value : NULL;
}

int64_t
toffee_call_int(const toffee_call *call, const char *name, int64_t fallback)
{
    const toffee_arg *arg = toffee_call_arg(call, name);

    if (arg == NULL) {
        return fallback;
    }
    switch (arg->kind) {
    case TOFFEE_ARG_BOOL:
    case TOFFEE_ARG_INT: return arg->i;
    case TOFFEE_ARG_FLOAT:
        /* Outside of what an int64 holds the conversion would be undefined. */
        return arg->f > -0x1p63 && arg->f < 0x1p63 ? (int64_t)arg->f : fallback;
    default: return fallback;
    }
}

double
toffee_call_float(const toffee_call *call, const char *name, double fallback)
{
    const toffee_arg *arg = toffee_call_arg(call, name);

    if (arg == NULL) {
        return fallback;
    }
    switch (arg->kind) {
    case TOFFEE_ARG_BOOL:
    case TOFFEE_ARG_INT: return (double)arg->i;
    case TOFFEE_ARG_FLOAT: return arg->f;
    default: return fallback;
    }
}

bool
toffee_call_bool(const toffee_call *call, const char *name, bool fallback)
{
    return toffee_call_int(call, name, fallback) != 0;
}

const char *
toffee_call_string(const toffee_call *call, const char *name, const char *fallback)
{
    const toffee_arg *arg = toffee_call_arg(call, name);

    return arg != NULL && arg->kind == TOFFEE_ARG_STRING ? arg->s : fallback;
}

toffee_dtype
toffee_call_dtype(const toffee_call *call, const char *name)
{
    const toffee_arg *arg = toffee_call_arg(call, name);

    return arg != NULL && arg->kind == TOFFEE_ARG_DTYPE ? arg->dtype : TOFFEE_DTYPE_UNDEFINED;
}

const int64_t *
toffee_call_ints(const toffee_call *call, const char *name, size_t *n)
{
    const toffee_arg *arg = toffee_call_arg(call, name);

    *n = 0;
    if (arg != NULL && arg->kind == TOFFEE_ARG_INT) {
        *n = 1;
        return &arg->i;
    }
    if (arg != NULL && arg->kind == TOFFEE_ARG_INTS) {
        *n = arg->n;
        return arg->ints;
    }
    return NULL;
}

static bool
arg_is_complex(const toffee_arg *arg)
{
    if (arg->kind == TOFFEE_ARG_VALUES) {
        for (size_t i = 0; i < arg->n; i++) {
            if (toffee_dtype_is_complex(arg->dtypes[i])) {
                return true;
            }
        }
    }
    return arg->kind == TOFFEE_ARG_COMPLEX ||
           (arg->kind == TOFFEE_ARG_VALUE && toffee_dtype_is_complex(arg->dtype));
}

bool
toffee_call_is_complex(const toffee_call *call)
{
    for (size_t i = 0; i < call->n_args; i++) {
        if (arg_is_complex(&call->args[i])) {
            return true;
        }
    }
    for (size_t i = 0; i < call->n_results; i++) {
        if (toffee_dtype_is_complex(call->results[i].dtype)) {
            return true;
        }
    }
    return false;
}

int32_t
toffee_result_dims(const toffee_result *result, int64_t *dims)
{
    for (int32_t i = 0; i < result->rank; i++) {
        dims[i] = result->dims[i];
    }
    if (!toffee_dtype_is_complex(result->dtype)) {
        return result->rank;
    }
    dims[result->rank] = 2;
    return result->rank + 1;
}
