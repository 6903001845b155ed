/* csrc/caffe2/import_math.c -- element by element, products and reductions. */
#include <float.h>
#include <string.h>

#include "caffe2/importer.h"

/* ---- one input ------------------------------------------------------------------------------- */

/* Caffe2 puts these on devices and into other memory, or ends the gradient: the content stays. */
static void
math_identity(toffee_c2i *c)
{
    toffee_c2i_arity(c, 1, 1);
    toffee_c2i_return(c, "Identity", toffee_c2i_in(c, 0), NULL);
}

static void
math_unary(toffee_c2i *c)
{
    toffee_c2i_arity(c, 1, 1);
    toffee_c2i_return(c, c->rule->onnx, toffee_c2i_in(c, 0), NULL);
}

static void
math_sqr(toffee_c2i *c)
{
    toffee_value *x = toffee_c2i_in(c, 0);

    toffee_c2i_return(c, "Mul", x, x);
}

static void
math_cube(toffee_c2i *c)
{
    toffee_value *x = toffee_c2i_in(c, 0);

    toffee_c2i_return(c, "Mul", toffee_c2i_apply(c, "Mul", x, x), x);
}

static void
math_rsqrt(toffee_c2i *c)
{
    toffee_c2i_return(c, "Reciprocal", toffee_c2i_apply(c, "Sqrt", toffee_c2i_in(c, 0), NULL),
                      NULL);
}

static void
math_swish(toffee_c2i *c)
{
    toffee_value *x = toffee_c2i_in(c, 0);

    toffee_c2i_return(c, "Mul", x, toffee_c2i_apply(c, "Sigmoid", x, NULL));
}

/* Activations whose arguments have ONNX's names or stand in the list. */
static const struct {
    const char *op;
    const char *caffe2;
    const char *onnx;
    double fallback; /* Caffe2's */
} factors[] = {
    {"Elu", "alpha", "alpha", 1.0},
    {"HardSigmoid", "alpha", "alpha", 0.2},
    {"HardSigmoid", "beta", "beta", 0.5},
    {"LeakyRelu", "alpha", "alpha", 0.01},
    {"Selu", "alpha", "alpha", 1.6732632423543772848170429916717},
    {"Selu", "scale", "gamma", 1.0507009873554804934193349852946},
};

static void
math_factors(toffee_c2i *c)
{
    toffee_c2i_arity(c, 1, 1);
    toffee_c2i_node(c, c->rule->onnx);
    toffee_c2i_add(c, toffee_c2i_in(c, 0));
    for (size_t i = 0; i < TOFFEE_COUNTOF(factors); i++) {
        if (strcmp(factors[i].op, c->rule->op) == 0) {
            toffee_c2i_set_float(c, factors[i].onnx,
                                 toffee_c2i_float(c, factors[i].caffe2, factors[i].fallback));
        }
    }
    toffee_c2i_out(c, 0);
}

/* One slope, or one for each channel, which is axis 1. */
static void
math_prelu(toffee_c2i *c)
{
    toffee_value *x = toffee_c2i_in(c, 0);
    toffee_value *slope = toffee_c2i_in(c, 1);
    int64_t shape[TOFFEE_MAX_RANK];
    int32_t rank = 0;

    toffee_c2i_arity(c, 2, 2);
    if (toffee_c2i_dim(c, slope, 0) != 1 || toffee_c2i_rank(c, slope) != 1) {
        rank = toffee_c2i_need_rank(c, x);
        if (rank != 2 && c->rc == TOFFEE_OK) {
            /* [C] -> [C, 1, ...]. A slope per channel of a matrix aligns as it is. */
            shape[0] = -1;
            for (int32_t i = 2; i < rank; i++) {
                shape[i - 1] = 1;
            }
            slope =
                toffee_c2i_apply(c, "Reshape", slope,
                                 toffee_c2i_const_ints(c, shape, rank > 1 ? (size_t)rank - 1 : 1));
        }
    }
    toffee_c2i_return(c, "PRelu", x, slope);
}

static void
math_clip(toffee_c2i *c)
{
    toffee_value *x = toffee_c2i_in(c, 0);
    double least = toffee_c2i_float(c, "min", -FLT_MAX);
    double most = toffee_c2i_float(c, "max", FLT_MAX);
    toffee_value *low = NULL;
    toffee_value *high = NULL;

    toffee_c2i_arity(c, 1, 1);
    if (least > most) {
        toffee_c2i_refuse(c, "its min is above its max");
    }
    low = toffee_c2i_const_number(c, least, toffee_c2i_dtype(c, x));
    high = toffee_c2i_const_number(c, most, toffee_c2i_dtype(c, x));
    toffee_c2i_node(c, "Clip");
    toffee_c2i_add(c, x);
    toffee_c2i_add(c, low);
    toffee_c2i_add(c, high);
    toffee_c2i_out(c, 0);
}

static void
math_scale(toffee_c2i *c)
{
    toffee_value *x = toffee_c2i_in(c, 0);
    double scale = toffee_c2i_float(c, "scale", 1.0);

    toffee_c2i_arity(c, 1, 1);
    toffee_c2i_return(c, "Mul", x, toffee_c2i_const_number(c, scale, toffee_c2i_dtype(c, x)));
}

static void
cast_to(toffee_c2i *c, toffee_dtype dtype)
{
    toffee_c2i_arity(c, 1, 1);
    toffee_c2i_node(c, "Cast");
    toffee_c2i_add(c, toffee_c2i_in(c, 0));
    toffee_c2i_set_int(c, "to", (int64_t)dtype);
    toffee_c2i_out(c, 0);
}

static void
math_cast(toffee_c2i *c)
{
    (void)toffee_c2i_has(c, "from_type");
    if (!toffee_c2i_has(c, "to")) {
        toffee_c2i_refuse(c, "it does not say to which type");
    }
    cast_to(c, toffee_c2i_data_type_arg(c, "to", TOFFEE_DTYPE_FLOAT));
}

static void
math_to_half(toffee_c2i *c)
{
    cast_to(c, TOFFEE_DTYPE_FLOAT16);
}

static void
math_to_float(toffee_c2i *c)
{
    cast_to(c, TOFFEE_DTYPE_FLOAT);
}

/* ---- two inputs ------------------------------------------------------------------------------ */

/* Input 1 as it lines up with input 0 under broadcast=1: its first axis is at "axis", or its last
 * at the end; without, both broadcast as NumPy's do. */
static toffee_value *
math_lined_up(toffee_c2i *c)
{
    toffee_value *a = toffee_c2i_in(c, 0);
    toffee_value *b = toffee_c2i_in(c, 1);
    bool legacy = toffee_c2i_int(c, "broadcast", 0) != 0;
    int64_t axis = toffee_c2i_int(c, "axis", -1);
    int64_t axes[TOFFEE_MAX_RANK];
    int32_t rank_a = 0;
    int32_t rank_b = 0;
    size_t n = 0;

    toffee_c2i_arity(c, 2, 2);
    if (toffee_c2i_has(c, "axis_str")) {
        const char *text = toffee_c2i_text(c, "axis_str");
        size_t at = strcspn("NCHW", text);

        if (strlen(text) != 1 || at == strlen("NCHW") || axis != -1) {
            toffee_c2i_refuse(c, "its argument 'axis_str' is not one of N, C, H, W");
            return NULL;
        }
        axis = (int64_t)at;
    }
    if (!legacy) {
        if (axis != -1) {
            toffee_c2i_refuse(c, "it has an axis without broadcast=1");
        }
        return b;
    }
    rank_b = toffee_c2i_rank(c, b);
    if (axis == -1 && rank_b == 0) {
        return b;
    }
    rank_a = toffee_c2i_need_rank(c, a);
    rank_b = toffee_c2i_need_rank(c, b);
    if (axis < 0 || (rank_b == 1 && toffee_c2i_dim(c, b, 0) == 1)) {
        axis = rank_a - rank_b;
    }
    if (c->rc == TOFFEE_OK && (axis < 0 || axis > rank_a - rank_b)) {
        toffee_c2i_refuse(c, "its second input does not fit into the first at that axis");
    }
    if (c->rc != TOFFEE_OK || axis + rank_b == rank_a) {
        return b;
    }
    for (int64_t i = rank_b; axis + i < rank_a; i++) {
        axes[n++] = i;
    }
    return toffee_c2i_apply(c, "Unsqueeze", b, toffee_c2i_const_ints(c, axes, n));
}

static void
math_binary(toffee_c2i *c)
{
    toffee_value *b = math_lined_up(c);

    toffee_c2i_return(c, c->rule->onnx, toffee_c2i_in(c, 0), b);
}

static void
math_not_equal(toffee_c2i *c)
{
    toffee_value *b = math_lined_up(c);

    toffee_c2i_return(c, "Not", toffee_c2i_apply(c, "Equal", toffee_c2i_in(c, 0), b), NULL);
}

static void
math_pow(toffee_c2i *c)
{
    toffee_value *x = toffee_c2i_in(c, 0);

    if (c->op->n_inputs == 2) {
        math_binary(c);
        return;
    }
    toffee_c2i_arity(c, 1, 1);
    toffee_c2i_return(
        c, "Pow", x,
        toffee_c2i_const_number(c, toffee_c2i_float(c, "exponent", 0), toffee_c2i_dtype(c, x)));
}

/* ---- products -------------------------------------------------------------------------------- */

/* X as a matrix: the axes before AXIS, and those from it on. */
static toffee_value *
math_matrix(toffee_c2i *c, toffee_value *x, int64_t axis)
{
    if (axis == 1 && toffee_c2i_rank(c, x) == 2) {
        return x;
    }
    toffee_c2i_node(c, "Flatten");
    toffee_c2i_add(c, x);
    toffee_c2i_set_int(c, "axis", axis);
    return toffee_c2i_out_fresh(c);
}

/* Y = X W^T + b on matrices; then the axes of X before "axis" come back. */
static void
math_fc(toffee_c2i *c)
{
    toffee_value *x = toffee_c2i_in(c, 0);
    toffee_value *w = toffee_c2i_in(c, 1);
    toffee_value *b = toffee_c2i_in(c, 2);
    int64_t axis = toffee_c2i_axis(c, x, toffee_c2i_int(c, "axis", 1));
    int64_t axis_w = toffee_c2i_axis(c, w, toffee_c2i_int(c, "axis_w", 1));
    bool transposed = strcmp(c->rule->op, "FCTransposed") == 0;
    int64_t shape[TOFFEE_MAX_RANK + 1];
    toffee_value *flat = NULL;
    toffee_value *y = NULL;

    toffee_c2i_arity(c, 3, 3);
    /* Before the nodes, which infer: these sizes are part of what FC makes. */
    for (int64_t i = 0; i < axis && axis != 1; i++) {
        shape[i] = toffee_c2i_need_dim(c, x, (int32_t)i);
    }
    flat = math_matrix(c, x, axis);
    w = math_matrix(c, w, axis_w);
    toffee_c2i_node(c, "Gemm");
    toffee_c2i_add(c, flat);
    toffee_c2i_add(c, w);
    toffee_c2i_add(c, b);
    toffee_c2i_set_int(c, "transB", !transposed);
    if (axis == 1) {
        toffee_c2i_out(c, 0);
        return;
    }
    y = toffee_c2i_out_fresh(c);
    shape[axis] = toffee_c2i_need_dim(c, y, 1);
    toffee_c2i_return(c, "Reshape", y, toffee_c2i_const_ints(c, shape, (size_t)axis + 1));
}

/* X with its last two axes exchanged. */
static toffee_value *
math_transposed(toffee_c2i *c, toffee_value *x)
{
    int64_t perm[TOFFEE_MAX_RANK];
    int32_t rank = toffee_c2i_need_rank(c, x);

    if (rank < 2) {
        return x;
    }
    for (int32_t i = 0; i < rank; i++) {
        perm[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
    }
    toffee_c2i_node(c, "Transpose");
    toffee_c2i_add(c, x);
    toffee_c2i_set_ints(c, "perm", perm, (size_t)rank);
    return toffee_c2i_out_fresh(c);
}

static void
math_matmul(toffee_c2i *c)
{
    toffee_value *a = toffee_c2i_in(c, 0);
    toffee_value *b = toffee_c2i_in(c, 1);

    toffee_c2i_arity(c, 2, 2);
    if (toffee_c2i_int(c, "axis_a", 1) != 1 || toffee_c2i_int(c, "axis_b", 1) != 1 ||
        (c->rc == TOFFEE_OK &&
         (toffee_c2i_need_rank(c, a) != 2 || toffee_c2i_need_rank(c, b) != 2))) {
        toffee_c2i_refuse(c, "it multiplies what are not two matrices");
    }
    if (toffee_c2i_int(c, "trans_a", 0) != 0) {
        a = math_transposed(c, a);
    }
    if (toffee_c2i_int(c, "trans_b", 0) != 0) {
        b = math_transposed(c, b);
    }
    toffee_c2i_return(c, "MatMul", a, b);
}

static void
math_batch_matmul(toffee_c2i *c)
{
    toffee_value *a = toffee_c2i_in(c, 0);
    toffee_value *b = toffee_c2i_in(c, 1);

    toffee_c2i_arity(c, 2, 2);
    (void)toffee_c2i_has(c, "broadcast");
    if (toffee_c2i_int(c, "trans_a", 0) != 0) {
        a = math_transposed(c, a);
    }
    if (toffee_c2i_int(c, "trans_b", 0) != 0) {
        b = math_transposed(c, b);
    }
    toffee_c2i_return(c, "MatMul", a, b);
}

/* ---- reductions ------------------------------------------------------------------------------ */

static void
reduce_over(toffee_c2i *c, const int64_t *axes, size_t n, bool keep)
{
    toffee_value *over = n != 0 ? toffee_c2i_const_ints(c, axes, n) : NULL;

    toffee_c2i_arity(c, 1, 1);
    toffee_c2i_node(c, c->rule->onnx);
    toffee_c2i_add(c, toffee_c2i_in(c, 0));
    if (over != NULL) {
        toffee_c2i_add(c, over);
    }
    toffee_c2i_set_int(c, "keepdims", keep);
    toffee_c2i_out(c, 0);
}

static void
math_reduce(toffee_c2i *c)
{
    size_t n = 0;
    const int64_t *axes = toffee_c2i_ints(c, "axes", &n);

    reduce_over(c, axes, n, toffee_c2i_int(c, "keepdims", 1) != 0);
}

/* The first or the last axes, which go. */
static void
math_reduce_side(toffee_c2i *c)
{
    int64_t n = toffee_c2i_int(c, "num_reduce_dim", 1);
    bool front = strncmp(c->rule->op, "ReduceFront", strlen("ReduceFront")) == 0;
    int64_t axes[TOFFEE_MAX_RANK];

    if (n < 1 || n > TOFFEE_MAX_RANK) {
        toffee_c2i_refuse(c, "it reduces %lld axes", (long long)n);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        axes[i] = front ? i : i - n;
    }
    reduce_over(c, axes, (size_t)n, false);
}

static void
math_arg(toffee_c2i *c)
{
    toffee_c2i_arity(c, 1, 1);
    toffee_c2i_node(c, c->rule->onnx);
    toffee_c2i_add(c, toffee_c2i_in(c, 0));
    toffee_c2i_set_int(c, "axis", toffee_c2i_int(c, "axis", -1));
    toffee_c2i_set_int(c, "keepdims", toffee_c2i_int(c, "keepdims", 1) != 0);
    toffee_c2i_out(c, 0);
}

#define UNARY(name) {name, math_unary, name, NULL}
#define BROADCAST "an axis that does not line up"
#define SIDE "`lengths`"

static const toffee_c2i_rule rows[] = {
    UNARY("Abs"),
    UNARY("Acos"),
    {"Add", math_binary, "Add", BROADCAST},
    {"Alias", math_identity, "Identity", NULL},
    {"And", math_binary, "And", BROADCAST},
    {"ArgMax", math_arg, "ArgMax", NULL},
    {"ArgMin", math_arg, "ArgMin", NULL},
    UNARY("Asin"),
    UNARY("Atan"),
    {"BatchMatMul", math_batch_matmul, "MatMul, Transpose", NULL},
    {"Cast", math_cast, "Cast", "types that ONNX has not"},
    UNARY("Ceil"),
    {"Clip", math_clip, "Clip", NULL},
    {"Copy", math_identity, "Identity", NULL},
    {"CopyCPUToGPU", math_identity, "Identity", NULL},
    {"CopyGPUToCPU", math_identity, "Identity", NULL},
    UNARY("Cos"),
    UNARY("Cosh"),
    {"Cube", math_cube, "Mul", NULL},
    {"Div", math_binary, "Div", BROADCAST},
    {"EQ", math_binary, "Equal", BROADCAST},
    {"Elu", math_factors, "Elu", NULL},
    {"EnsureCPUOutput", math_identity, "Identity", NULL},
    UNARY("Erf"),
    UNARY("Exp"),
    {"FC", math_fc, "Gemm, Flatten, Reshape", "with `axis` not 1: unknown sizes"},
    {"FCTransposed", math_fc, "Gemm, Flatten, Reshape", "as FC"},
    {"FloatToHalf", math_to_half, "Cast", NULL},
    UNARY("Floor"),
    {"GE", math_binary, "GreaterOrEqual", BROADCAST},
    {"GT", math_binary, "Greater", BROADCAST},
    {"HalfToFloat", math_to_float, "Cast", NULL},
    {"HardSigmoid", math_factors, "HardSigmoid", NULL},
    {"LE", math_binary, "LessOrEqual", BROADCAST},
    {"LT", math_binary, "Less", BROADCAST},
    {"LeakyRelu", math_factors, "LeakyRelu", NULL},
    UNARY("Log"),
    {"MatMul", math_matmul, "MatMul, Transpose", "other than two matrices"},
    {"Max", NULL, "Max", NULL},
    {"Mean", NULL, "Mean", NULL},
    {"Min", NULL, "Min", NULL},
    {"Mul", math_binary, "Mul", BROADCAST},
    {"NE", math_not_equal, "Equal, Not", BROADCAST},
    {"Negative", math_unary, "Neg", NULL},
    UNARY("Not"),
    {"Or", math_binary, "Or", BROADCAST},
    {"PRelu", math_prelu, "PRelu", NULL},
    {"Pow", math_pow, "Pow", BROADCAST},
    UNARY("Reciprocal"),
    {"ReduceBackMax", math_reduce_side, "ReduceMax", SIDE},
    {"ReduceBackMean", math_reduce_side, "ReduceMean", SIDE},
    {"ReduceBackSum", math_reduce_side, "ReduceSum", SIDE},
    {"ReduceFrontMax", math_reduce_side, "ReduceMax", SIDE},
    {"ReduceFrontMean", math_reduce_side, "ReduceMean", SIDE},
    {"ReduceFrontSum", math_reduce_side, "ReduceSum", SIDE},
    {"ReduceL1", math_reduce, "ReduceL1", NULL},
    {"ReduceL2", math_reduce, "ReduceL2", NULL},
    {"ReduceMax", math_reduce, "ReduceMax", NULL},
    {"ReduceMean", math_reduce, "ReduceMean", NULL},
    {"ReduceMin", math_reduce, "ReduceMin", NULL},
    {"ReduceSum", math_reduce, "ReduceSum", NULL},
    UNARY("Relu"),
    {"Rsqrt", math_rsqrt, "Sqrt, Reciprocal", NULL},
    {"Scale", math_scale, "Mul", NULL},
    {"Selu", math_factors, "Selu", NULL},
    UNARY("Sigmoid"),
    UNARY("Sign"),
    UNARY("Sin"),
    UNARY("Sinh"),
    UNARY("Softplus"),
    UNARY("Softsign"),
    {"Sqr", math_sqr, "Mul", NULL},
    UNARY("Sqrt"),
    {"StopGradient", math_identity, "Identity", NULL},
    {"Sub", math_binary, "Sub", BROADCAST},
    {"Sum", NULL, "Sum", NULL},
    {"Swish", math_swish, "Sigmoid, Mul", NULL},
    UNARY("Tan"),
    UNARY("Tanh"),
    {"Xor", math_binary, "Xor", BROADCAST},
};

const toffee_c2i_family toffee_c2i_rules_math = {rows, TOFFEE_COUNTOF(rows)};
