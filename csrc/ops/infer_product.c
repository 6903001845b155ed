/* csrc/ops/infer_product.c -- infers products of matrices and sums over axes. */
#include "ops/infer_rules.h"
#include "ops/known.h"

#include <string.h>

static toffee_code
inner_clash(toffee_dim columns, toffee_dim rows, toffee_status *st)
{
    return toffee_fail(st, TOFFEE_ERR_CHECK,
                       "the inner sizes of the product differ: A has %lld columns and B has %lld "
                       "rows",
                       (long long)columns.value, (long long)rows.value);
}

toffee_code
toffee_infer_gemm(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *a = toffee_infer_in(ctx, 0);
    const toffee_fact *b = toffee_infer_in(ctx, 1);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    int32_t a_rows = toffee_node_int(node, "transA", 0) != 0;
    int32_t b_rows = toffee_node_int(node, "transB", 0) != 0;
    toffee_dim *dims = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, 2, &dims, st));
    dims[0] = toffee_fact_dim(a, a_rows);
    dims[1] = toffee_fact_dim(b, 1 - b_rows);
    out->rank = 2;
    out->dims = dims;
    return TOFFEE_OK;
}

/* Output 0 as numpy.matmul of A and B makes it. */
static toffee_code
matmul_shape(toffee_infer *ctx, const toffee_fact *a, const toffee_fact *b, toffee_status *st)
{
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_fact batches[2] = {*a, *b};
    const toffee_fact *both[2] = {&batches[0], &batches[1]};
    toffee_fact batch = {.rank = -1};
    toffee_dim *dims = NULL;
    int32_t rank = 0;

    if (a->rank < 0 || b->rank < 0) {
        return TOFFEE_OK;
    }
    if (a->rank == 0 || b->rank == 0) {
        return toffee_fail(st, TOFFEE_ERR_CHECK, "an input is a scalar; for that there is Mul");
    }
    if (toffee_dim_clash(a->dims[a->rank - 1], b->dims[b->rank == 1 ? 0 : b->rank - 2])) {
        return inner_clash(a->dims[a->rank - 1], b->dims[b->rank == 1 ? 0 : b->rank - 2], st);
    }
    batches[0].rank = a->rank > 2 ? a->rank - 2 : 0;
    batches[1].rank = b->rank > 2 ? b->rank - 2 : 0;
    TOFFEE_RETURN_IF_ERROR(toffee_infer_broadcast(ctx, &batch, both, 2, st));
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, (int64_t)batch.rank + 2, &dims, st));
    if (batch.rank != 0) {
        memcpy(dims, batch.dims, (size_t)batch.rank * sizeof(*dims));
    }
    rank = batch.rank;
    if (a->rank > 1) {
        dims[rank++] = a->dims[a->rank - 2];
    }
    if (b->rank > 1) {
        dims[rank++] = b->dims[b->rank - 1];
    }
    out->rank = rank;
    out->dims = dims;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_matmul(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    (void)node;
    return matmul_shape(ctx, toffee_infer_in(ctx, 0), toffee_infer_in(ctx, 1), st);
}

toffee_code
toffee_infer_qlinear_matmul(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    (void)node;
    return matmul_shape(ctx, toffee_infer_in(ctx, 0), toffee_infer_in(ctx, 3), st);
}

/* ---- Einsum ---- */

#define EINSUM_LETTERS 52

typedef struct {
    toffee_dim sizes[EINSUM_LETTERS]; /* by letter */
    uint8_t terms[EINSUM_LETTERS];    /* in how many places of the left side it stands, up to 2 */
    toffee_fact dots;                 /* what "..." stands for, broadcast over the inputs */
} einsum_axes;

/* 0..51 for a letter, -1 for anything else. */
static int
letter_index(uint8_t letter)
{
    if (letter >= 'a' && letter <= 'z') {
        return letter - 'a';
    }
    return letter >= 'A' && letter <= 'Z' ? letter - 'A' + 26 : -1;
}

/* The number of letters in TERM, up to END; *DOTS is whether it has an ellipsis. -1: neither letter
 * nor ellipsis. */
static int32_t
term_count(const uint8_t *term, const uint8_t *end, bool *dots)
{
    int32_t n = 0;

    *dots = false;
    for (; term < end; term++) {
        if (*term == '.') {
            if (*dots || end - term < 3 || term[1] != '.' || term[2] != '.') {
                return -1;
            }
            *dots = true;
            term += 2;
        }
        else if (*term != ' ') {
            if (letter_index(*term) < 0) {
                return -1;
            }
            n += n < TOFFEE_MAX_RANK + 1;
        }
    }
    return n;
}

/* Takes the sizes of INPUT, whose axes TERM names, into AXES. *KNOWN becomes false if its rank is
 * not known and the ellipsis therefore neither. */
static toffee_code
einsum_term(toffee_infer *ctx, einsum_axes *axes, const toffee_fact *input, const uint8_t *term,
            const uint8_t *end, bool *known, toffee_status *st)
{
    bool dots = false;
    int32_t n = term_count(term, end, &dots);
    int32_t hidden = input->rank - n; /* axes that the ellipsis stands for */
    int32_t d = 0;

    if (n < 0) {
        return toffee_fail(st, TOFFEE_ERR_CHECK, "attribute 'equation' is not understood");
    }
    if (input->rank < 0) {
        *known = *known && !dots;
    }
    else if (dots ? hidden < 0 : hidden != 0) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "an input has rank %d, but the equation gives it %d axes",
                           (int)input->rank, (int)n);
    }
    for (; term < end; term++) {
        int letter = letter_index(*term);

        if (*term == '.') {
            toffee_fact part = {.rank = hidden, .dims = input->dims + d, .given = true};
            const toffee_fact *both[2] = {&axes->dots, &part};
            toffee_fact sum = {.rank = -1};

            if (input->rank >= 0) {
                TOFFEE_RETURN_IF_ERROR(toffee_infer_broadcast(ctx, &sum, both, 2, st));
                axes->dots = sum;
                d += hidden;
            }
            term += 2;
        }
        else if (letter >= 0) {
            toffee_dim dim = toffee_fact_dim(input, d++);

            if (axes->terms[letter] == 0) {
                axes->sizes[letter] = dim;
            }
            else if (!toffee_dim_broadcast(axes->sizes[letter], dim, &axes->sizes[letter])) {
                return toffee_fail(st, TOFFEE_ERR_CHECK,
                                   "the axes called '%c' have sizes %lld and %lld", *term,
                                   (long long)axes->sizes[letter].value, (long long)dim.value);
            }
            axes->terms[letter] = axes->terms[letter] == 0 ? 1 : 2;
        }
    }
    return TOFFEE_OK;
}

/* Appends to OUT, whose dims have room, the axes that the right side TERM names. */
static toffee_code
einsum_output(const einsum_axes *axes, const uint8_t *term, const uint8_t *end, toffee_dim *dims,
              int32_t *rank, toffee_status *st)
{
    for (; term < end; term++) {
        int letter = letter_index(*term);

        if (*term == '.') {
            for (int32_t d = 0; d < axes->dots.rank; d++) {
                dims[(*rank)++] = axes->dots.dims[d];
            }
            term += 2;
        }
        else if (letter >= 0) {
            if (axes->terms[letter] == 0) {
                return toffee_fail(st, TOFFEE_ERR_CHECK,
                                   "the right side of the equation has '%c', which the left has "
                                   "not",
                                   *term);
            }
            dims[(*rank)++] = axes->sizes[letter];
        }
    }
    return TOFFEE_OK;
}

toffee_code
toffee_infer_einsum(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    toffee_fact *out = toffee_infer_out(ctx, 0);
    const toffee_bytes text = toffee_node_attr(node, "equation")->s;
    const uint8_t *at = text.data;
    const uint8_t *end = text.data + text.n;
    const uint8_t *arrow = NULL;
    einsum_axes axes = {.dots = {.rank = 0, .given = true}};
    toffee_dim *dims = NULL;
    bool known = true;
    bool dots = false;
    int32_t n = 0;

    for (const uint8_t *p = at; arrow == NULL && p + 1 < end; p++) {
        arrow = p[0] == '-' && p[1] == '>' ? p : NULL;
    }
    for (size_t i = 0; i < ctx->n_in; i++) {
        const uint8_t *left = arrow != NULL ? arrow : end;
        const uint8_t *comma = at < left ? memchr(at, ',', (size_t)(left - at)) : NULL;

        if ((comma == NULL) != (i + 1 == ctx->n_in)) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "the left side of the equation does not have a term for each of "
                               "the %zu inputs",
                               ctx->n_in);
        }
        comma = comma != NULL ? comma : left;
        TOFFEE_RETURN_IF_ERROR(einsum_term(ctx, &axes, ctx->in[i], at, comma, &known, st));
        at = comma + (comma < left);
    }
    n = arrow != NULL ? term_count(arrow + 2, end, &dots) : EINSUM_LETTERS;
    if (n < 0) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "the right side of attribute 'equation' is not understood");
    }
    if (!known && (dots || arrow == NULL)) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_infer_dims(ctx,
                          (int64_t)n + axes.dots.rank > TOFFEE_MAX_RANK && arrow == NULL
                              ? TOFFEE_MAX_RANK
                              : (int64_t)n + axes.dots.rank,
                          &dims, st));
    out->dims = dims;
    out->rank = 0;
    if (arrow != NULL) {
        return einsum_output(&axes, arrow + 2, end, dims, &out->rank, st);
    }
    /* Without a right side: the ellipsis, then each letter that stands once, capitals first. */
    for (int32_t d = 0; d < axes.dots.rank && out->rank < TOFFEE_MAX_RANK; d++) {
        dims[out->rank++] = axes.dots.dims[d];
    }
    for (int k = 0; k < EINSUM_LETTERS && out->rank < TOFFEE_MAX_RANK; k++) {
        int letter = k < 26 ? k + 26 : k - 26;

        if (axes.terms[letter] == 1) {
            dims[out->rank++] = axes.sizes[letter];
        }
    }
    return TOFFEE_OK;
}
