/* csrc/lower/lower_matmul.c -- matrix products and what adds to them. */
#include "lower/chain.h"

#include <string.h>

/* The number NAME of the call, 1 if it has none. */
static double
call_factor(const toffee_call *call, const char *name)
{
    return toffee_call_float(call, name, 1);
}

/* Whether SELF, A and B can go into a product: tensors of one real dtype, not bools. SELF may be
 * NULL. */
static bool
operands_multiply(const toffee_value *self, const toffee_value *a, const toffee_value *b)
{
    return a != NULL && b != NULL && toffee_dtype_is_real(toffee_value_dtype(a)) &&
           toffee_value_dtype(a) != TOFFEE_DTYPE_BOOL &&
           toffee_value_dtype(a) == toffee_value_dtype(b) &&
           (self == NULL || toffee_value_dtype(self) == toffee_value_dtype(a));
}

/* The matrix that X is the transpose of, if a Transpose made it; Gemm can take that one instead. */
static toffee_value *
matrix_untransposed(toffee_value *x)
{
    const toffee_node *node = x->producer;
    const toffee_attr *perm = NULL;

    if (node == NULL || !toffee_str_is(node->op_type, "Transpose") || node->domain != NULL) {
        return NULL;
    }
    perm = toffee_node_attr(node, "perm");
    return perm != NULL && perm->n == 2 && perm->ints[0] == 1 && perm->ints[1] == 0
               ? node->inputs.data[0]
               : NULL;
}

/* alpha * A B + beta * C as one Gemm, which takes matrices as they lie in memory: a transposed
 * operand becomes an attribute. C may be NULL. Float types only. */
static toffee_code
emit_gemm(toffee_lowering *lo, toffee_value *a, toffee_value *b, toffee_value *c, double alpha,
          double beta, toffee_value **out, toffee_status *st)
{
    toffee_value *plain_a = matrix_untransposed(a);
    toffee_value *plain_b = matrix_untransposed(b);
    toffee_node *node = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_emit(
        lo, "Gemm", TOFFEE_INPUTS(plain_a != NULL ? plain_a : a, plain_b != NULL ? plain_b : b, c),
        toffee_value_dtype(a), &node, out, st));
    if (plain_a != NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "transA", 1, st));
    }
    if (plain_b != NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "transB", 1, st));
    }
    if (alpha != 1) {
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_float(node, "alpha", alpha, st));
    }
    if (beta != 1 && c != NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_float(node, "beta", beta, st));
    }
    return TOFFEE_OK;
}

/* Whether emit_gemm can say it: attributes of Gemm are single precision, its kernels float. */
static bool
gemm_fits(toffee_dtype dtype, double alpha, double beta)
{
    return toffee_dtype_is_float(dtype) &&
           (dtype != TOFFEE_DTYPE_DOUBLE || ((float)alpha == alpha && (float)beta == beta));
}

/* aten::linear(input, weight, bias?)
 *   -> Gemm(input, weight, bias?) [transB] for a matrix of inputs;
 *      else Add(MatMul(input, Transpose(weight)), bias). */
static toffee_code
lower_linear(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    static const int64_t swap[2] = {1, 0};
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *input = toffee_call_value(call, "input");   /* [..., in] */
    toffee_value *weight = toffee_call_value(call, "weight"); /* [out, in], or [in] */
    toffee_value *bias = toffee_call_value(call, "bias");     /* [out], or NULL */
    toffee_value *out = NULL;
    toffee_node *node = NULL;

    if (!operands_multiply(bias, input, weight)) {
        return TOFFEE_DECLINED;
    }
    if (toffee_value_rank(input) == 2 && toffee_value_rank(weight) == 2 &&
        toffee_dtype_is_float(toffee_value_dtype(input))) {
        TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, "Gemm", TOFFEE_INPUTS(input, weight, bias),
                                           toffee_value_dtype(input), &node, &out, st));
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "transB", 1, st));
        return toffee_lower_return(lo, call, 0, out, st);
    }
    if (toffee_value_rank(weight) == 2) {
        weight = toffee_chain_transpose(&chain, weight, swap);
    }
    out = toffee_chain_product(&chain, input, weight);
    if (bias != NULL) {
        out = toffee_chain_binary(&chain, "Add", out, bias);
    }
    return toffee_chain_return(&chain, call, 0, out);
}

/* aten::mm, bmm, matmul, mv, dot: MatMul, whose rules for any number of dimensions are those of
 * torch.matmul. */
static toffee_code
lower_matmul(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *a = toffee_call_value(call, "self");
    toffee_value *b = toffee_call_value(call, lo->rule->onnx);

    if (a != NULL && b != NULL && toffee_value_dtype(a) == TOFFEE_DTYPE_BOOL &&
        toffee_value_dtype(b) == TOFFEE_DTYPE_BOOL) { /* PyTorch has only empty ones */
        a = toffee_chain_cast(&chain, a, TOFFEE_DTYPE_INT32);
        b = toffee_chain_cast(&chain, b, TOFFEE_DTYPE_INT32);
    }
    if (!operands_multiply(NULL, a, b)) {
        return TOFFEE_DECLINED;
    }
    a = toffee_chain_product(&chain, a, b);
    return toffee_chain_return(&chain, call, 0, a);
}

/* X times FACTOR, without a node when that is 1. */
static toffee_value *
chain_factor(toffee_chain *chain, toffee_value *x, double factor)
{
    return factor == 1 ? x : toffee_chain_with(chain, "Mul", x, factor);
}

/* The names of the operands of beta * self + alpha * (a @ b). */
typedef struct {
    const char *aten;
    const char *a;
    const char *b;
} product_names;

static const product_names products[] = {
    {"aten::addbmm", "batch1", "batch2"},  {"aten::addmm", "mat1", "mat2"},
    {"aten::addmv", "mat", "vec"},         {"aten::addr", "vec1", "vec2"},
    {"aten::baddbmm", "batch1", "batch2"},
};

/* aten::addmm -> Gemm; addmv, baddbmm, addbmm (which sums over the batch), addr (an outer product)
 *   -> alpha * MatMul(a, b) + beta * self. A beta of 0 drops self, NaNs and all, as in PyTorch. */
static toffee_code
lower_addmm(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    static const int64_t batch[1] = {0};
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const product_names *names = &products[lo->rule->arg];
    double alpha = call_factor(call, "alpha");
    double beta = call_factor(call, "beta");
    toffee_value *self = toffee_call_value(call, "self");
    toffee_value *a = toffee_call_value(call, names->a);
    toffee_value *b = toffee_call_value(call, names->b);
    toffee_value *out = NULL;

    if (self == NULL || !operands_multiply(self, a, b)) {
        return TOFFEE_DECLINED;
    }
    if (strcmp(lo->rule->onnx, "Gemm") == 0 && gemm_fits(toffee_value_dtype(a), alpha, beta)) {
        TOFFEE_RETURN_IF_ERROR(emit_gemm(lo, a, b, beta != 0 ? self : NULL, alpha, beta, &out, st));
        return toffee_lower_return(lo, call, 0, out, st);
    }
    if (strcmp(lo->rule->onnx, "Mul") == 0) {
        const int64_t column[2] = {toffee_value_dim(a, 0), 1};

        a = toffee_chain_reshape(&chain, a, column, 2);
        out = toffee_chain_binary(&chain, "Mul", a, b);
    }
    else {
        out = toffee_chain_product(&chain, a, b);
    }
    if (strcmp(lo->rule->onnx, "ReduceSum") == 0) {
        out = toffee_chain_reduce(&chain, "ReduceSum", out, batch, 1, false);
    }
    out = chain_factor(&chain, out, alpha);
    if (beta != 0) {
        self = chain_factor(&chain, self, beta);
        out = toffee_chain_binary(&chain, "Add", out, self);
    }
    return toffee_chain_return(&chain, call, 0, out);
}

/* aten::outer(self, vec2), ger -> Mul of a column and a row. */
static toffee_code
lower_outer(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const toffee_arg *args[2] = {toffee_call_arg(call, "self"), toffee_call_arg(call, "vec2")};
    toffee_dtype dtype = toffee_promote(args, 2);
    toffee_value *a = toffee_call_value(call, "self");
    toffee_value *b = toffee_call_value(call, "vec2");
    int64_t column[2] = {0, 1};

    if (a == NULL || b == NULL || !toffee_dtype_is_real(dtype) || toffee_value_rank(a) != 1) {
        return TOFFEE_DECLINED;
    }
    column[0] = toffee_value_dim(a, 0);
    a = toffee_chain_cast(&chain, a, dtype);
    b = toffee_chain_cast(&chain, b, dtype);
    a = toffee_chain_reshape(&chain, a, column, 2);
    a = toffee_chain_binary(&chain, "Mul", a, b);
    return toffee_chain_return(&chain, call, 0, a);
}

/* Whether each "..." of EQUATION stands for as many dimensions: ONNX asks for that, PyTorch does
 * not. */
static bool
einsum_ellipses_agree(const char *equation, const toffee_arg *tensors)
{
    int64_t agreed = -1;

    for (size_t i = 0; i < tensors->n; i++) {
        int64_t n = toffee_value_rank(tensors->values[i]);
        bool has_ellipsis = false;

        for (; *equation != '\0' && *equation != ',' && *equation != '-'; equation++) {
            has_ellipsis = has_ellipsis || *equation == '.';
            n -= *equation != '.' && *equation != ' ';
        }
        equation += *equation == ',';
        if (has_ellipsis && agreed >= 0 && n != agreed) {
            return false;
        }
        agreed = has_ellipsis ? n : agreed;
    }
    return true;
}

/* aten::einsum(equation, tensors) -> Einsum, whose equations are PyTorch's. */
static toffee_code
lower_einsum(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    const toffee_arg *tensors = toffee_call_arg(call, "tensors");
    const char *equation = toffee_call_string(call, "equation", NULL);
    toffee_dtype dtype = TOFFEE_DTYPE_UNDEFINED;
    toffee_node *node = NULL;
    toffee_value *out = NULL;

    if (tensors == NULL || tensors->kind != TOFFEE_ARG_VALUES || tensors->n == 0 ||
        equation == NULL || !einsum_ellipses_agree(equation, tensors)) {
        return TOFFEE_DECLINED;
    }
    for (size_t i = 0; i < tensors->n; i++) {
        if (!operands_multiply(NULL, tensors->values[0], tensors->values[i])) {
            return TOFFEE_DECLINED;
        }
    }
    dtype = toffee_value_dtype(tensors->values[0]);
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_wide(lo, "Einsum", tensors->values, tensors->n, dtype, &node, &out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_string(node, "equation", equation, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

/* The row's operator is the name of the second operand (MatMul family), or what to emit; its number
 * is the place in `products`. */
/* aten::det, linalg_det -> Det. ONNX Runtime has none for double: small matrices are taken apart
 * (toffee/_linear_algebra.py, up to this size). */
#define MAX_DOUBLE_DET 64

static toffee_code
lower_det(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *x = toffee_call_value(call, lo->rule->onnx);
    toffee_value *out = NULL;

    if (x == NULL || !toffee_dtype_is_float(toffee_value_dtype(x)) || toffee_value_numel(x) == 0 ||
        (toffee_value_dtype(x) == TOFFEE_DTYPE_DOUBLE &&
         toffee_value_dim(x, toffee_value_rank(x) - 1) <= MAX_DOUBLE_DET)) {
        return TOFFEE_DECLINED;
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit(lo, "Det", TOFFEE_INPUTS(x), toffee_value_dtype(x), NULL, &out, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

static const toffee_rule rows[] = {
    /* sorted by name */
    {"aten::addbmm", lower_addmm, "ReduceSum", 0}, {"aten::addmm", lower_addmm, "Gemm", 1},
    {"aten::addmv", lower_addmm, "MatMul", 2},     {"aten::addr", lower_addmm, "Mul", 3},
    {"aten::baddbmm", lower_addmm, "MatMul", 4},   {"aten::bmm", lower_matmul, "mat2", 0},
    {"aten::det", lower_det, "self", 0},           {"aten::dot", lower_matmul, "tensor", 0},
    {"aten::einsum", lower_einsum, NULL, 0},       {"aten::ger", lower_outer, NULL, 0},
    {"aten::linalg_det", lower_det, "A", 0},       {"aten::linear", lower_linear, NULL, 0},
    {"aten::matmul", lower_matmul, "other", 0},    {"aten::mm", lower_matmul, "mat2", 0},
    {"aten::mv", lower_matmul, "vec", 0},          {"aten::outer", lower_outer, NULL, 0},
    {"aten::vdot", lower_matmul, "other", 0},
};

const toffee_rule_family toffee_rules_matmul = {rows, TOFFEE_COUNTOF(rows)};
