/* csrc/caffe2/net.h -- building operators of Caffe2, with one error check at the end.
 *
 * A builder keeps the first error, like a sink: after it every step does nothing. A rule describes
 * one node: it starts an operator with toffee_c2_op (or toffee_c2_aten), then gives its inputs,
 * outputs and arguments in order, then perhaps starts the next. Private to caffe2/. */
#ifndef TOFFEE_CAFFE2_NET_H
#define TOFFEE_CAFFE2_NET_H

#include "caffe2.pb-c.h"
#include "caffe2/emit.h"

/* What the names of blobs begin with that are no values of the graph. */
#define TOFFEE_C2_FRESH "_c2/"

typedef struct {
    Caffe2__OperatorDef *def;
    TOFFEE_VEC(char *) inputs;
    TOFFEE_VEC(char *) outputs;
    TOFFEE_VEC(Caffe2__Argument *) args;
    size_t node; /* index of the node that it is for */
} toffee_c2_op_draft;

typedef struct {
    TOFFEE_VEC(toffee_c2_op_draft) ops;
} toffee_c2_net_draft;

typedef struct {
    toffee_arena *arena; /* everything that is made lives here */
    toffee_status *st;
    toffee_code rc; /* the first error */
    const toffee_graph *graph;
    const toffee_c2_options *options;
    const toffee_node *node; /* at hand */
    size_t index;            /* of it */
    const char *why;         /* the rule declined, for a reason to tell; or NULL */
    toffee_c2_net_draft init;
    toffee_c2_net_draft predict;
    toffee_c2_net_draft *into; /* which of the two gets operators */
    size_t n_fresh;            /* blobs named so far */
    Caffe2__DeviceOption device;
    TOFFEE_VEC(const toffee_tensor *) held; /* whose bytes arguments point to; let go at the end */
} toffee_c2;

/* ---- operators ---- */

/* Starts an operator; what follows is about it. TYPE is static or lives as long as the builder. */
void toffee_c2_op(toffee_c2 *c, const char *type);
/* Starts the operator "ATen" that calls FUNCTION. PyTorch 1.10.2 knows it by its name, the sorted
 * names of its arguments and the number of inputs ("softmax-dim-1"): all must be given, and no
 * others. Numbers that are not whole pass as float32. */
void toffee_c2_aten(toffee_c2 *c, const char *function);
/* An input or output by the name of a blob; NULL is an error of the rule. */
void toffee_c2_in(toffee_c2 *c, const char *blob);
void toffee_c2_out(toffee_c2 *c, const char *blob);
/* An output with a name of its own, which is returned; "" after an error. */
const char *toffee_c2_out_fresh(toffee_c2 *c);
/* A name that no value of the graph has, for a blob; "" after an error. */
const char *toffee_c2_fresh(toffee_c2 *c);
/* Input or output INDEX of the node at hand. One that the node leaves out gets a fresh name as an
 * output, and is an error as an input. */
void toffee_c2_in_at(toffee_c2 *c, size_t index);
void toffee_c2_out_at(toffee_c2 *c, size_t index);
/* All inputs of the node, in order. */
void toffee_c2_in_all(toffee_c2 *c);

/* Arguments. NAME is static; values are copied. */
void toffee_c2_int(toffee_c2 *c, const char *name, int64_t i);
void toffee_c2_float(toffee_c2 *c, const char *name, double f);
void toffee_c2_string(toffee_c2 *c, const char *name, const char *text);
void toffee_c2_ints(toffee_c2 *c, const char *name, const int64_t *ints, size_t n);
void toffee_c2_floats(toffee_c2 *c, const char *name, const float *floats, size_t n);

/* OUTPUT INDEX of the node is blob X. */
void toffee_c2_return(toffee_c2 *c, size_t index, const char *x);

/* ---- constants, made once by the init net ---- */

/* A blob of int64 with DIMS ([n] if DIMS is NULL). */
const char *toffee_c2_const_ints(toffee_c2 *c, const int64_t *values, size_t n, const int64_t *dims,
                                 size_t rank);
/* A blob of float with DIMS. */
const char *toffee_c2_const_floats(toffee_c2 *c, const float *values, size_t n, const int64_t *dims,
                                   size_t rank);
/* A tensor of a graph as blob NAME: operators of the net that is being built. Used for initializers
 * and Constant nodes. Exact for every dtype that it takes; else UNSUPPORTED. */
void toffee_c2_fill(toffee_c2 *c, const toffee_tensor *tensor, const char *name);

/* ---- the node at hand ---- */

/* Input INDEX, or NULL if it is left out. Output likewise. */
const toffee_value *toffee_c2_input(const toffee_c2 *c, size_t index);
const toffee_value *toffee_c2_output(const toffee_c2 *c, size_t index);
/* The name of the blob that VALUE is. */
const char *toffee_c2_blob(toffee_c2 *c, const toffee_value *value);
/* UNDEFINED, -1 and false if not known, or VALUE is NULL. toffee_c2_dims wants every size. */
toffee_dtype toffee_c2_dtype(const toffee_value *value);
int32_t toffee_c2_rank(const toffee_value *value);
int64_t toffee_c2_dim(const toffee_value *value, int32_t axis);
bool toffee_c2_dims(toffee_c2 *c, const toffee_value *value, const int64_t **dims);
/* Attributes of the node; FALLBACK, and NULL with *N 0, if it has none. */
int64_t toffee_c2_attr_int(const toffee_c2 *c, const char *name, int64_t fallback);
double toffee_c2_attr_float(const toffee_c2 *c, const char *name, double fallback);
const char *toffee_c2_attr_text(toffee_c2 *c, const char *name, const char *fallback);
const int64_t *toffee_c2_attr_ints(const toffee_c2 *c, const char *name, size_t *n);
/* The tensor that VALUE always is: an initializer that callers cannot override, or a Constant. */
const toffee_tensor *toffee_c2_known(const toffee_value *value);
/* The elements of such a tensor of integers or bools; NULL if it is none, or larger than the graph
 * could mean (65,536 elements). An empty one gives a pointer that is not NULL. */
const int64_t *toffee_c2_known_ints(toffee_c2 *c, const toffee_value *value, size_t *n);
/* The one element of such a tensor, of any real dtype. */
bool toffee_c2_known_number(toffee_c2 *c, const toffee_value *value, double *out);
/* Element I of DATA, which is of DTYPE and at any address; false for dtypes that are no integers.
 */
bool toffee_c2_element_int(toffee_dtype dtype, const uint8_t *data, uint64_t i, int64_t *out);
/* A float16 as a float. */
float toffee_c2_half(uint16_t bits);
/* AXIS counted from the front; -1 if it lies outside or RANK is not known. */
int32_t toffee_c2_axis(int64_t axis, int32_t rank);

/* ---- results of a rule ---- */

/* `return toffee_c2_decline(c, "…")`: this way does not cover the node. The reason is told if no
 * other way does; it reads well after "Caffe2 cannot compute it: ". */
toffee_code toffee_c2_decline(toffee_c2 *c, const char *why);
/* The builder's first error, else OK: what a rule returns at its end. */
static inline toffee_code
toffee_c2_done(const toffee_c2 *c)
{
    return c->rc;
}

#endif /* TOFFEE_CAFFE2_NET_H */
