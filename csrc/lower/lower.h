/* csrc/lower/lower.h -- from an ATen call to nodes.
 *
 * A lowering is a plain function: it reads the call, appends nodes to the graph, and returns values
 * for the call's results. Everything that it makes lives in the graph's arena, so it may return
 * early. Its outcomes: OK (every result it could be asked for is returned), DECLINED (these
 * arguments are not for it: the call is taken apart instead; nodes it had emitted are dead and get
 * pruned), or an error.
 *
 * Every value that a lowering sees has a known dtype and static dims: they are those of the tensors
 * of the run. Every value that it emits must be given its dtype; shapes are optional but wanted by
 * the listing. */
#ifndef TOFFEE_LOWER_LOWER_H
#define TOFFEE_LOWER_LOWER_H

#include "lower/call.h"

typedef struct toffee_lowering toffee_lowering;
typedef struct toffee_rule toffee_rule;

struct toffee_rule {
    const char *aten; /* "aten::tanh" */
    toffee_code (*lower)(toffee_lowering *lo, const toffee_call *call, toffee_status *st);
    /* Data for functions that serve many rows; unused otherwise. */
    const char *onnx; /* operator to emit */
    int64_t arg;
};

/* Where in the user's program a node comes from. Strings of the graph. */
typedef struct {
    const toffee_str *line; /* becomes its doc_string; NULL: none */
    const toffee_str *path; /* of the module; its name until the end of the trace; NULL: none */
} toffee_origin;

/* Where a lowering works. One a trace. */
struct toffee_lowering {
    toffee_graph *graph;
    toffee_arena *scratch;   /* emptied between calls */
    const toffee_rule *rule; /* the row that is running */
    toffee_origin origin;    /* of each node emitted */
    toffee_ptrmap constants; /* interned bytes -> value, so that equal constants are one
                                initializer; and each of these values -> itself */
    toffee_ptrmap data;      /* larger constants, which are not shared: value -> itself */
    size_t n_constants;      /* names given out by toffee_const_name */
    bool is_twin;            /* the graph is compared with that of other sizes, so a number that
                                may be a size must be an input of a node (trace/twin.h) */
    bool is_any;             /* what depends on a size in ways that attributes cannot say, windows
                                of other sizes, is reckoned in the graph; only with is_twin */
    toffee_ptrmap parts;     /* complex value -> its toffee_pair, where that is known */
    toffee_ptrmap packs;     /* packed data, batch sizes -> their toffee_pack (pack.h) */
};

/* Has NODE say where the run is. For who makes nodes without toffee_emit. */
static inline void
toffee_node_sign(toffee_node *node, const toffee_lowering *lo)
{
    node->doc = lo->origin.line;
    node->name = lo->origin.path;
}

/* The row for OP ("aten::add"), or NULL. */
const toffee_rule *toffee_rule_find(const char *op);
/* The row for OP where a tensor or a number of the call is complex, or NULL. These rows also serve
 * calls without, if no other row does. */
const toffee_rule *toffee_rule_find_complex(const char *op);
/* All rows in order of name, for docs and tests; not those for complex calls. */
size_t toffee_rule_count(void);
const toffee_rule *toffee_rule_at(size_t index);
/* Runs RULE on CALL. After OK every result is either set or was not produced by this rule (which
 * the trace reports if it is ever used). */
TOFFEE_NODISCARD toffee_code toffee_lower(toffee_lowering *lo, const toffee_rule *rule,
                                          const toffee_call *call, toffee_status *st);

/* ---- families: each file has its rows, sorted by name --------------------------------------- */
typedef struct {
    const toffee_rule *rows;
    size_t n;
} toffee_rule_family;
extern const toffee_rule_family toffee_rules_arith;  /* lower_arith.c: operators of two operands */
extern const toffee_rule_family toffee_rules_logic;  /* lower_logic.c: comparisons, bools, bits */
extern const toffee_rule_family toffee_rules_math;   /* lower_math.c: functions of one operand */
extern const toffee_rule_family toffee_rules_matmul; /* lower_matmul.c: matrix products */
extern const toffee_rule_family toffee_rules_reduce; /* lower_reduce.c: sums, means, softmax */
extern const toffee_rule_family toffee_rules_nn;     /* lower_nn.c: activations, dropout */
extern const toffee_rule_family toffee_rules_embedding; /* lower_embedding.c: rows by number */
extern const toffee_rule_family toffee_rules_norm;      /* lower_norm.c: normalizations */
extern const toffee_rule_family toffee_rules_attention; /* lower_attention.c */
extern const toffee_rule_family toffee_rules_conv;      /* lower_conv.c */
extern const toffee_rule_family toffee_rules_pool;      /* lower_pool.c */
extern const toffee_rule_family toffee_rules_pixel;  /* lower_pixel.c: shuffles, grids, patches */
extern const toffee_rule_family toffee_rules_resize; /* lower_resize.c: interpolation */
extern const toffee_rule_family toffee_rules_rnn;    /* lower_rnn.c: recurrent layers */
extern const toffee_rule_family toffee_rules_cell;   /* lower_cell.c: single steps of them */
extern const toffee_rule_family toffee_rules_pack;   /* lower_pack.c: different lengths */
extern const toffee_rule_family toffee_rules_quant;  /* lower_quant.c: numbers of few bits */
extern const toffee_rule_family toffee_rules_shape;  /* lower_shape.c: views and reshapes */
extern const toffee_rule_family toffee_rules_index;  /* lower_index.c: select, slice, cat, gather */
extern const toffee_rule_family toffee_rules_advanced; /* lower_advanced.c: indexing by tensors */
extern const toffee_rule_family toffee_rules_scatter;  /* lower_scatter.c: writing part of one */
extern const toffee_rule_family toffee_rules_group;    /* lower_group.c: rows in groups */
extern const toffee_rule_family toffee_rules_pad;      /* lower_pad.c */
extern const toffee_rule_family toffee_rules_random;   /* lower_random.c: random numbers */
extern const toffee_rule_family toffee_rules_create;   /* lower_create.c: copies, casts, fills */
extern const toffee_rule_family toffee_rules_range;    /* lower_range.c: of sizes and numbers */

/* For calls with a complex tensor, see lower/pair.h. */
extern const toffee_rule_family toffee_rules_complex; /* lower_complex.c: functions, arithmetic */
extern const toffee_rule_family toffee_rules_pairs;   /* lower_pairs.c: what moves elements about */
extern const toffee_rule_family toffee_rules_fft;     /* lower_fft.c: Fourier transforms */

/* ---- emitting (emit.c) ---------------------------------------------------------------------- */

/* A counted list of values for toffee_emit; NULL entries are left-out optional inputs. */
#define TOFFEE_INPUTS(...)                                                                         \
    (toffee_value *[]){__VA_ARGS__},                                                               \
        (sizeof((toffee_value *[]){__VA_ARGS__}) / sizeof(toffee_value *))

/* Appends a node of OP_TYPE with these inputs (trailing NULLs are cut) and one output of DTYPE and
 * unknown shape. *NODE (may be NULL) for setting attributes, *OUT (may be NULL) its output.
 * Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_emit(toffee_lowering *lo, const char *op_type,
                                         toffee_value *const *inputs, size_t n_inputs,
                                         toffee_dtype dtype, toffee_node **node, toffee_value **out,
                                         toffee_status *st);
/* The same for an operator whose inputs and output are all of DTYPE. Where ONNX or ONNX Runtime's
 * CPU kernels lack that dtype, the inputs are cast to one that holds every value of it and the
 * output is cast back, so integers still wrap as PyTorch's do. *NODE is the operator, not the Cast.
 */
TOFFEE_NODISCARD toffee_code toffee_emit_wide(toffee_lowering *lo, const char *op_type,
                                              toffee_value *const *inputs, size_t n_inputs,
                                              toffee_dtype dtype, toffee_node **node,
                                              toffee_value **out, toffee_status *st);
/* The dtype that toffee_emit_wide computes in: DTYPE itself where OP_TYPE has it, or is not in the
 * table. (kernels.c) */
toffee_dtype toffee_compute_dtype(const char *op_type, toffee_dtype dtype);
/* Appends a further output of DTYPE to NODE. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_emit_output(toffee_lowering *lo, toffee_node *node,
                                                toffee_dtype dtype, toffee_value **out,
                                                toffee_status *st);
/* Makes VALUE result INDEX of the call: gives it the result's dims, and inserts a Cast where its
 * dtype is not the result's. Of a complex result it is the pairs of reals. */
TOFFEE_NODISCARD toffee_code toffee_lower_return(toffee_lowering *lo, const toffee_call *call,
                                                 size_t index, toffee_value *value,
                                                 toffee_status *st);

/* A name for a constant that nothing in the graph has yet: "constant.7". Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_const_name(toffee_lowering *lo, const toffee_str **out,
                                               toffee_status *st);
/* Initializers for what is small and known; equal ones are shared. */
TOFFEE_NODISCARD toffee_code toffee_const_ints(toffee_lowering *lo, const int64_t *ints, size_t n,
                                               toffee_value **out, toffee_status *st); /* [n] */
TOFFEE_NODISCARD toffee_code toffee_const_int(toffee_lowering *lo, int64_t i, toffee_value **out,
                                              toffee_status *st); /* [1] int64 */
/* A 0-d number of any dtype, converted from F, or from I for integer and bool dtypes. */
TOFFEE_NODISCARD toffee_code toffee_const_float(toffee_lowering *lo, toffee_dtype dtype, double f,
                                                toffee_value **out, toffee_status *st);
TOFFEE_NODISCARD toffee_code toffee_const_scalar_int(toffee_lowering *lo, toffee_dtype dtype,
                                                     int64_t i, toffee_value **out,
                                                     toffee_status *st);
/* The number of ARG (BOOL, INT or FLOAT) as a 0-d constant of DTYPE. */
TOFFEE_NODISCARD toffee_code toffee_const_arg(toffee_lowering *lo, toffee_dtype dtype,
                                              const toffee_arg *arg, toffee_value **out,
                                              toffee_status *st);
/* An initializer of any dtype and dims; N_BYTES at DATA are copied. Shared with an equal one. */
TOFFEE_NODISCARD toffee_code toffee_const_tensor(toffee_lowering *lo, toffee_dtype dtype,
                                                 const int64_t *dims, int32_t rank,
                                                 const void *data, toffee_value **out,
                                                 toffee_status *st);

/* The bytes of VALUE where it is the same in every run and they are at hand, else NULL. A parameter
 * is not the same: it may become an input of the graph. */
const void *toffee_const_data(const toffee_lowering *lo, const toffee_value *value);

/* VALUE as DTYPE: itself, or a Cast of it. */
TOFFEE_NODISCARD toffee_code toffee_cast(toffee_lowering *lo, toffee_value *value,
                                         toffee_dtype dtype, toffee_value **out, toffee_status *st);
/* VALUE with DIMS, by Reshape, with 0 for dimensions that stay in place and one -1 where that says
 * the same for any batch size; itself when it has these dims. Sets the output's shape. */
TOFFEE_NODISCARD toffee_code toffee_reshape(toffee_lowering *lo, toffee_value *value,
                                            const int64_t *dims, int32_t rank, toffee_value **out,
                                            toffee_status *st);
/* Axis PERM[i] of VALUE becomes axis i, by Transpose; itself when PERM is the identity. Sets the
 * output's shape. */
TOFFEE_NODISCARD toffee_code toffee_transpose(toffee_lowering *lo, toffee_value *value,
                                              const int64_t *perm, toffee_value **out,
                                              toffee_status *st);

/* ---- facts about values --------------------------------------------------------------------- */
static inline int32_t
toffee_value_rank(const toffee_value *value)
{
    return value->type.rank;
}

static inline int64_t
toffee_value_dim(const toffee_value *value, int32_t axis)
{
    return value->type.dims[axis].value;
}

static inline toffee_dtype
toffee_value_dtype(const toffee_value *value)
{
    return value->type.dtype;
}

/* The dims copied into DIMS, which has room for TOFFEE_MAX_RANK. */
void toffee_value_dims(const toffee_value *value, int64_t *dims);
/* Product of the dims. */
int64_t toffee_value_numel(const toffee_value *value);
/* AXIS counted from the front: -1 is RANK - 1; on rank 0, 0 and -1 are 0. */
int64_t toffee_axis(int64_t axis, int32_t rank);

/* ---- type promotion (promote.c) ------------------------------------------------------------- */

/* torch.result_type of the arguments (VALUE or number), by PyTorch's rules for dimensioned tensors,
 * 0-d tensors and Python numbers; default float dtype is float32. Arguments may be NULL or None. */
toffee_dtype toffee_promote(const toffee_arg *const *args, size_t n);
/* The same for two dtypes of dimensioned tensors: torch.promote_types. */
toffee_dtype toffee_promote_types(toffee_dtype a, toffee_dtype b);
/* ARG (VALUE or number) as a value of DTYPE: cast, or a 0-d constant. */
TOFFEE_NODISCARD toffee_code toffee_operand(toffee_lowering *lo, const toffee_arg *arg,
                                            toffee_dtype dtype, toffee_value **out,
                                            toffee_status *st);

#endif /* TOFFEE_LOWER_LOWER_H */
