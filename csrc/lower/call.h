/* csrc/lower/call.h -- one ATen call as C data: what a lowering reads.
 *
 * trace/ fills it in after the operator has run: arguments by their names in the schema with
 * defaults filled in, and what came out. All of it lives in the trace's scratch arena for the
 * length of the call. The in-place and out= spellings of an operator arrive as the plain one: the
 * op is "aten::add" for add.Tensor, add_.Tensor and add.out, and writing back is the trace's work.
 */
#ifndef TOFFEE_LOWER_CALL_H
#define TOFFEE_LOWER_CALL_H

#include "ir/graph.h"

typedef enum {
    TOFFEE_ARG_NONE,   /* None */
    TOFFEE_ARG_VALUE,  /* a tensor */
    TOFFEE_ARG_VALUES, /* a list of tensors; NULL where it holds None */
    TOFFEE_ARG_BOOL,   /* also a Python number given where the schema says Tensor or Scalar */
    TOFFEE_ARG_INT,
    TOFFEE_ARG_FLOAT,
    TOFFEE_ARG_COMPLEX,
    TOFFEE_ARG_STRING,
    TOFFEE_ARG_INTS, /* also bool lists */
    TOFFEE_ARG_FLOATS,
    TOFFEE_ARG_DTYPE,
    TOFFEE_ARG_OTHER, /* layout, device, generator, memory format: lowerings ignore them */
} toffee_arg_kind;

typedef struct {
    const char *name;
    toffee_arg_kind kind;
    toffee_value *value;
    toffee_value *const *values;
    int64_t i; /* BOOL, INT */
    double f;  /* FLOAT; real part of COMPLEX */
    double imag;
    const char *s;
    const int64_t *ints;
    const double *floats;
    toffee_dtype
        dtype; /* of VALUE, that of the tensor: complex where the value is pairs of reals */
    const toffee_dtype *dtypes; /* the same for each of VALUES */
    size_t n;                   /* of values, ints, floats */
} toffee_arg;

/* What the operator returned, a tensor each; lists are laid out flat. */
typedef struct {
    toffee_dtype dtype; /* UNDEFINED: None, or not a tensor */
    int32_t rank;
    const int64_t *dims;
    toffee_value *value; /* set by the lowering, through toffee_lower_return */
} toffee_result;

/* The dims of RESULT's value into DIMS, which has room for TOFFEE_MAX_RANK + 1; their number. Of a
 * complex result the value is pairs of reals: the last one is 2. */
int32_t toffee_result_dims(const toffee_result *result, int64_t *dims);

typedef struct {
    const char *op;       /* "aten::conv2d", without a trailing "_" */
    const char *overload; /* "", "Tensor", "out", … as PyTorch names it */
    const toffee_arg *args;
    size_t n_args;
    toffee_result *results;
    size_t n_results;
    bool in_place; /* the result is written back into an argument: dtypes of results are the
                      target's, which need not be the promoted one */
    bool training; /* the trace's training= */
} toffee_call;

/* Whether some tensor or number of the call is complex: it is for the lowerings of complex tensors
 * (lower/pair.h) and for no other. */
bool toffee_call_is_complex(const toffee_call *call);

/* The argument called NAME, or NULL if the schema has none. "self" and "input" both name the first
 * argument of a schema that has one of the two. */
const toffee_arg *toffee_call_arg(const toffee_call *call, const char *name);
/* Whether the argument exists and is not None. */
bool toffee_call_has(const toffee_call *call, const char *name);
/* The tensor argument NAME; NULL when it is None, missing, or a Python number. */
toffee_value *toffee_call_value(const toffee_call *call, const char *name);
/* The argument as a number; FALLBACK when it is None or missing. A BOOL counts as 0 or 1. */
int64_t toffee_call_int(const toffee_call *call, const char *name, int64_t fallback);
double toffee_call_float(const toffee_call *call, const char *name, double fallback);
bool toffee_call_bool(const toffee_call *call, const char *name, bool fallback);
/* The text; FALLBACK when it is None or missing. */
const char *toffee_call_string(const toffee_call *call, const char *name, const char *fallback);
/* The dtype; UNDEFINED when it is None or missing. */
toffee_dtype toffee_call_dtype(const toffee_call *call, const char *name);
/* The list and its length; an INT counts as a list of one; NULL and 0 when it is None or missing.
 */
const int64_t *toffee_call_ints(const toffee_call *call, const char *name, size_t *n);

#endif /* TOFFEE_LOWER_CALL_H */
