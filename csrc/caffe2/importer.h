/* csrc/caffe2/importer.h -- what the rules of the import share: arguments of an operator of Caffe2,
 * and building nodes, with one error check at the end.
 *
 * An importer keeps the first error; after it every step does nothing and every question has a
 * harmless answer. A rule starts a node with toffee_c2i_node, then gives its inputs, attributes and
 * outputs, then perhaps starts the next. A node that has ended has its types inferred at once, so
 * that ranks and sizes are known as far as they follow. Private to caffe2/. */
#ifndef TOFFEE_CAFFE2_IMPORTER_H
#define TOFFEE_CAFFE2_IMPORTER_H

#include "caffe2/import.h"
#include "caffe2/read.h"

typedef struct toffee_c2i_rule toffee_c2i_rule;

typedef struct {
    toffee_graph *graph; /* being built; everything lives in its arena */
    toffee_status *st;
    toffee_code rc; /* the first error */
    const toffee_c2_read_net *net;
    toffee_c2_read_op *op; /* at hand, */
    size_t index;          /* number INDEX of NET */
    const toffee_c2i_rule *rule;
    toffee_value **in;    /* what the inputs of the operator are, n_inputs of them */
    toffee_node *node;    /* being described; NULL: none */
    toffee_ptrmap blobs;  /* name (toffee_str *) -> what the blob is now (toffee_value *) */
    toffee_ptrmap writes; /* name -> how often it is still written, plus one, as a pointer */
    toffee_ptrmap reads;  /* name -> itself, if something reads it or wants it at the end */
    toffee_ptrmap fixed;  /* name -> itself: of an input, whose name no other value may get */
    toffee_ptrmap wanted; /* toffee_value * -> itself, if it is an output of the graph */
    size_t n_names;       /* numbers given to names so far */
} toffee_c2i;

struct toffee_c2i_rule {
    const char *op;            /* Caffe2's name; rows are sorted by it */
    void (*fn)(toffee_c2i *c); /* NULL: one node of `onnx` with the same inputs */
    const char *onnx;          /* what it becomes, for the docs and for shared functions */
    const char *limit;         /* what is refused, for the docs; NULL: nothing */
};

typedef struct {
    const toffee_c2i_rule *rows;
    size_t n;
} toffee_c2i_family;

/* One for each import_*.c. */
extern const toffee_c2i_family toffee_c2i_rules_fill;
extern const toffee_c2i_family toffee_c2i_rules_math;
extern const toffee_c2i_family toffee_c2i_rules_nn;
extern const toffee_c2i_family toffee_c2i_rules_shape;

/* ---- arguments ---- */

/* Whether there is an argument NAME; it then counts as looked at. What no rule looks at is refused
 * at the end: it might change what the operator means. */
bool toffee_c2i_has(toffee_c2i *c, const char *name);
/* Its value; FALLBACK (NULL with *N 0 for lists) if there is none. Another type is refused. */
int64_t toffee_c2i_int(toffee_c2i *c, const char *name, int64_t fallback);
double toffee_c2i_float(toffee_c2i *c, const char *name, double fallback);
const int64_t *toffee_c2i_ints(toffee_c2i *c, const char *name, size_t *n);
/* "" if there is none. */
const char *toffee_c2i_text(toffee_c2i *c, const char *name);

/* Refuses the operator: UNSUPPORTED with its position. The reason reads well after "Conv: ". */
void toffee_c2i_refuse(toffee_c2i *c, const char *format, ...) TOFFEE_PRINTF(2, 3);
/* Fails with a message that begins with the position of the operator. */
void toffee_c2i_fail(toffee_c2i *c, toffee_code code, const char *format, ...) TOFFEE_PRINTF(3, 4);
/* Out of memory. */
void toffee_c2i_nomem(toffee_c2i *c);
/* Refuses more than N inputs, or fewer than LEAST. */
void toffee_c2i_arity(toffee_c2i *c, size_t least, size_t most);

/* ---- values ---- */

/* Input INDEX of the operator; NULL after an error or if it is not there, which is refused. */
toffee_value *toffee_c2i_in(toffee_c2i *c, size_t index);
/* Whether something reads what output INDEX of the operator makes. */
bool toffee_c2i_wanted(toffee_c2i *c, size_t index);
/* -1, -1 and UNDEFINED if not known. */
int32_t toffee_c2i_rank(toffee_c2i *c, const toffee_value *x);
int64_t toffee_c2i_dim(toffee_c2i *c, const toffee_value *x, int32_t axis);
toffee_dtype toffee_c2i_dtype(toffee_c2i *c, const toffee_value *x);
/* The rank of X; refuses the operator if it is not known. */
int32_t toffee_c2i_need_rank(toffee_c2i *c, const toffee_value *x);
/* The size of AXIS likewise. */
int64_t toffee_c2i_need_dim(toffee_c2i *c, const toffee_value *x, int32_t axis);
/* AXIS counted from the front: a negative one needs the rank of X. Refused if it lies outside. */
int64_t toffee_c2i_axis(toffee_c2i *c, const toffee_value *x, int64_t axis);

/* Initializers with names of their own. */
toffee_value *toffee_c2i_const_ints(toffee_c2i *c, const int64_t *ints, size_t n);
toffee_value *toffee_c2i_const_floats(toffee_c2i *c, const float *floats, size_t n);
toffee_value *toffee_c2i_const_int(toffee_c2i *c, int64_t i);
/* X as a scalar of DTYPE: FLOAT, DOUBLE, INT32 or INT64; others are refused. */
toffee_value *toffee_c2i_const_number(toffee_c2i *c, double x, toffee_dtype dtype);

/* ---- nodes ---- */

/* Starts a node; what follows is about it: its inputs in order, attributes, which are copied. */
void toffee_c2i_node(toffee_c2i *c, const char *op_type);
void toffee_c2i_add(toffee_c2i *c, toffee_value *value);
void toffee_c2i_set_int(toffee_c2i *c, const char *name, int64_t i);
void toffee_c2i_set_float(toffee_c2i *c, const char *name, double f);
void toffee_c2i_set_text(toffee_c2i *c, const char *name, const char *text);
void toffee_c2i_set_ints(toffee_c2i *c, const char *name, const int64_t *ints, size_t n);
/* The node's next output is output INDEX of the operator. */
void toffee_c2i_out(toffee_c2i *c, size_t index);
/* The node's next output has a name of its own. */
toffee_value *toffee_c2i_out_fresh(toffee_c2i *c);
/* X as int64, which ONNX wants of shapes: X itself, or that of a Cast. */
toffee_value *toffee_c2i_as_int64(toffee_c2i *c, toffee_value *x);
/* A whole node without attributes: of A, and of B if that is not NULL. */
toffee_value *toffee_c2i_apply(toffee_c2i *c, const char *op_type, toffee_value *a,
                               toffee_value *b);
/* The same whose output is output 0 of the operator. */
void toffee_c2i_return(toffee_c2i *c, const char *op_type, toffee_value *a, toffee_value *b);
/* Output INDEX of the operator is TENSOR, an initializer from now on. */
void toffee_c2i_bind_tensor(toffee_c2i *c, size_t index, toffee_dtype dtype, const int64_t *dims,
                            size_t rank, const void *data);

/* ---- of Caffe2 ---- */

/* A number of caffe2.TensorProto.DataType; UNDEFINED if ONNX has none. */
toffee_dtype toffee_c2i_data_type(int64_t number);
/* The argument NAME as such a number, or as its name ("INT32"). */
toffee_dtype toffee_c2i_data_type_arg(toffee_c2i *c, const char *name, toffee_dtype fallback);
/* A node of the row's `onnx` with all inputs and the first output. */
void toffee_c2i_same(toffee_c2i *c);

#endif /* TOFFEE_CAFFE2_IMPORTER_H */
