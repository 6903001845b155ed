/* csrc/lower/lower_fft.c -- Fourier transforms, the three that all of torch.fft and stft come down
 * to: of complex numbers, of real ones, and to real ones.
 *
 * Note [DFT]. ONNX has DFT. ONNX Runtime computes it well for powers of two (in 1.32 by radix 2);
 * for other lengths it loses digits: at 1000 the largest error is 2e-4 of the largest value in
 * float32, and 5e-8 in double. So other lengths are products with a constant matrix of sines and
 * cosines, and where that would be large, convolutions with a chirp (Bluestein), which are products
 * between two transforms whose length is a power of two. */
#include "lower/pair.h"

#include <math.h>

#include "lower/shape.h"

/* Most elements of a matrix: 1 MiB in float32. */
#define MAX_MATRIX (1 << 18)

/* Longest transform. */
#define MAX_LENGTH (1 << 24)

/* How long a c2r transform of a power of two may be to be one product. */
#define MAX_SMALL 64

static bool
is_power_of_two(int64_t n)
{
    return (n & (n - 1)) == 0;
}

/* What a matrix stands for: which parts go in and come out. */
typedef struct {
    int64_t n;         /* points of the transform */
    int64_t n_in;      /* of them given */
    int64_t n_out;     /* of them wanted */
    int64_t in_parts;  /* 2: complex; 1: real */
    int64_t out_parts; /* the same */
    int sign;          /* of the exponent */
    bool is_half;      /* what is given is the first half of a spectrum that is its own mirror */
} dft_plan;

/* exp(sign 2 pi i k t / n): exact for what is a whole number of quarters. */
static void
unit_root(const dft_plan *plan, int64_t k, int64_t t, double *re, double *im)
{
    int64_t turn = k * t % plan->n; /* both are below 2**31 */
    double angle = 2 * 3.14159265358979323846 * (double)turn / (double)plan->n;

    *re = 4 * turn % plan->n == 0 ? (double[]){1, 0, -1, 0}[4 * turn / plan->n] : cos(angle);
    *im = 4 * turn % plan->n == 0 ? (double[]){0, 1, 0, -1}[4 * turn / plan->n] : sin(angle);
    *im *= plan->sign;
}

/* A constant of DTYPE, float or double, from N doubles at DATA. */
static toffee_value *
chain_constant(toffee_chain *chain, toffee_dtype dtype, const int64_t *dims, int32_t rank,
               const double *data, int64_t n)
{
    toffee_value *out = NULL;
    float *narrow = NULL;

    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    if (dtype == TOFFEE_DTYPE_DOUBLE) {
        chain->rc = toffee_const_tensor(chain->lo, dtype, dims, rank, data, &out, chain->st);
        return out;
    }
    narrow = toffee_arena_calloc(chain->lo->scratch, (size_t)n, sizeof(*narrow));
    if (narrow == NULL) {
        chain->rc = toffee_fail_nomem(chain->st);
        return NULL;
    }
    for (int64_t i = 0; i < n; i++) {
        narrow[i] = (float)data[i];
    }
    chain->rc = toffee_const_tensor(chain->lo, dtype, dims, rank, narrow, &out, chain->st);
    return out;
}

/* The matrix of PLAN: rows are what goes in, columns what comes out, parts beside each other. */
static toffee_value *
chain_matrix(toffee_chain *chain, const dft_plan *plan, toffee_dtype dtype)
{
    const int64_t dims[2] = {plan->n_in * plan->in_parts, plan->n_out * plan->out_parts};
    double *data = NULL;

    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    data = toffee_arena_calloc(chain->lo->scratch, (size_t)(dims[0] * dims[1]), sizeof(*data));
    if (data == NULL) {
        chain->rc = toffee_fail_nomem(chain->st);
        return NULL;
    }
    for (int64_t t = 0; t < plan->n_in; t++) {
        /* The mirrored half doubles the real part of what comes out. */
        double weight = plan->is_half && t != 0 && 2 * t != plan->n ? 2 : 1;

        for (int64_t k = 0; k < plan->n_out; k++) {
            double *row = data + t * plan->in_parts * dims[1] + k * plan->out_parts;
            double re = 0;
            double im = 0;

            unit_root(plan, k, t, &re, &im);
            row[0] = weight * re;
            if (plan->out_parts == 2) {
                row[1] = weight * im;
            }
            if (plan->in_parts == 2) {
                row[dims[1]] = -weight * im;
            }
            if (plan->in_parts == 2 && plan->out_parts == 2) {
                row[dims[1] + 1] = weight * re;
            }
        }
    }
    return chain_constant(chain, dtype, dims, 2, data, dims[0] * dims[1]);
}

/* X with AXIS of its first RANK axes moved to the place of the last of these; IS_BACK: from there
 * to AXIS. */
static toffee_value *
chain_move(toffee_chain *chain, toffee_value *x, int32_t axis, int32_t rank, bool is_back)
{
    int64_t perm[TOFFEE_MAX_RANK];
    int32_t k = 0;

    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    for (int32_t i = 0; i < rank; i++) {
        if (is_back) {
            perm[i] = i < axis ? i : (i == axis ? rank - 1 : i - 1);
        }
        else if (i != axis) {
            perm[k++] = i;
        }
    }
    if (!is_back) {
        perm[k] = axis;
    }
    for (int32_t i = rank; i < toffee_value_rank(x); i++) {
        perm[i] = i;
    }
    return toffee_chain_transpose(chain, x, perm);
}

/* X (…, n_in, parts; no last axis where the parts are one) by one product. */
static toffee_value *
chain_direct(toffee_chain *chain, toffee_value *x, const dft_plan *plan)
{
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_value *matrix = NULL;
    int32_t rank = 0;

    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    matrix = chain_matrix(chain, plan, toffee_value_dtype(x));
    toffee_value_dims(x, dims);
    rank = toffee_value_rank(x);
    if (plan->in_parts == 2) {
        rank--;
        dims[rank - 1] = plan->n_in * 2;
        x = toffee_chain_reshape(chain, x, dims, rank);
    }
    x = toffee_chain_product(chain, x, matrix);
    if (plan->out_parts == 2) {
        dims[rank - 1] = plan->n_out;
        dims[rank] = 2;
        x = toffee_chain_reshape(chain, x, dims, rank + 1);
    }
    return x;
}

/* X (its last axis the parts) by the operator of ONNX. LENGTH is that of its axis, or what it is
 * filled up to with zeros. */
static toffee_value *
chain_operator(toffee_chain *chain, toffee_value *x, int32_t axis, int64_t length, bool is_inverse,
               bool is_onesided)
{
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_value *fill = NULL;
    toffee_value *where = NULL;
    toffee_value *out = NULL;
    toffee_node *node = NULL;

    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    toffee_value_dims(x, dims);
    if (dims[axis] != length) {
        chain->rc =
            toffee_const_scalar_int(chain->lo, TOFFEE_DTYPE_INT64, length, &fill, chain->st);
    }
    dims[axis] = is_onesided ? length / 2 + 1 : length;
    dims[toffee_value_rank(x) - 1] = 2;
    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_const_scalar_int(chain->lo, TOFFEE_DTYPE_INT64, axis, &where, chain->st);
    }
    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_emit(chain->lo, "DFT", TOFFEE_INPUTS(x, fill, where),
                                toffee_value_dtype(x), &node, &out, chain->st);
    }
    toffee_chain_set_int(chain, out, "inverse", is_inverse);
    toffee_chain_set_int(chain, out, "onesided", is_onesided);
    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_value_set_type(out, toffee_value_dtype(x), dims, toffee_value_rank(x),
                                          chain->st);
    }
    return out;
}

/* The chirp exp(sign pi i t**2 / n) as parts; IS_FILTER: its conjugate, from -n + 1 to n - 1,
 * around a circle of LENGTH points, which else is n. The parts have the axes behind the
 * transform's. */
static toffee_pair
chain_chirp(toffee_chain *chain, int64_t n, int sign, int64_t length, bool is_filter,
            int32_t n_axes, toffee_dtype dtype)
{
    int64_t dims[TOFFEE_MAX_RANK];
    double *re = NULL;
    double *im = NULL;
    toffee_pair z = {NULL, NULL};

    if (chain->rc != TOFFEE_OK) {
        return z;
    }
    re = toffee_arena_calloc(chain->lo->scratch, (size_t)length, sizeof(*re));
    im = toffee_arena_calloc(chain->lo->scratch, (size_t)length, sizeof(*im));
    if (re == NULL || im == NULL) {
        chain->rc = toffee_fail_nomem(chain->st);
        return z;
    }
    for (int64_t t = 0; t < n; t++) {
        double angle = sign * 3.14159265358979323846 * (double)(t * t % (2 * n)) / (double)n;
        int64_t mirror = is_filter && t != 0 ? length - t : t;

        re[t] = re[mirror] = cos(angle);
        im[t] = im[mirror] = is_filter ? -sin(angle) : sin(angle);
    }
    dims[0] = length;
    for (int32_t i = 1; i < n_axes; i++) {
        dims[i] = 1;
    }
    z.re = chain_constant(chain, dtype, dims, n_axes, re, length);
    z.im = chain_constant(chain, dtype, dims, n_axes, im, length);
    return z;
}

/* X times Z, with its own dims. */
static toffee_value *
chain_times(toffee_chain *chain, toffee_value *x, toffee_pair z)
{
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_result result = {.dtype = TOFFEE_DTYPE_COMPLEX64, .dims = dims};

    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    toffee_value_dims(x, dims);
    result.rank = toffee_value_rank(x) - 1;
    z = toffee_pair_mul(chain, toffee_pair_split(chain, x), z);
    return toffee_pair_join(chain, z, &result);
}

/* X, pairs, along AXIS for any length: k t = (k**2 + t**2 - (k - t)**2) / 2, so that the transform
 * is a convolution with a chirp, between two products with its conjugate. */
static toffee_value *
chain_convolution(toffee_chain *chain, toffee_value *x, int32_t axis, int sign)
{
    toffee_range first = {.axis = axis, .step = 1};
    toffee_result whole = {.dtype = TOFFEE_DTYPE_COMPLEX64};
    toffee_dtype dtype = TOFFEE_DTYPE_FLOAT;
    int64_t dims[TOFFEE_MAX_RANK] = {0};
    toffee_pair chirp;
    toffee_pair filter;
    toffee_value *spectrum = NULL;
    int64_t n = 0;
    int64_t length = 1;
    int32_t n_axes = 0;

    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    n = toffee_value_dim(x, axis);
    dtype = toffee_value_dtype(x);
    n_axes = toffee_value_rank(x) - axis;
    while (length < 2 * n - 1) {
        length *= 2;
    }
    chirp = chain_chirp(chain, n, sign, n, false, n_axes, dtype);
    filter = chain_chirp(chain, n, sign, length, true, n_axes, dtype);
    dims[0] = length;
    for (int32_t i = 1; i < n_axes; i++) {
        dims[i] = 1;
    }
    whole.rank = n_axes - 1;
    whole.dims = dims;
    spectrum = toffee_pair_join(chain, filter, &whole);
    spectrum = chain_operator(chain, spectrum, 0, length, false, false);
    x = chain_times(chain, x, chirp);
    x = chain_operator(chain, x, axis, length, false, false);
    filter = toffee_pair_split(chain, spectrum);
    x = chain_times(chain, x, filter);
    x = chain_operator(chain, x, axis, length, true, false);
    first.count = n;
    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_slice(chain->lo, x, &first, 1, &x, chain->st);
    }
    return chain_times(chain, x, chirp);
}

/* The transform of X, pairs, along AXIS. *SCALE takes up what the way divides by. */
static toffee_value *
chain_c2c(toffee_chain *chain, toffee_value *x, int32_t axis, int sign, double *scale)
{
    dft_plan plan = {.in_parts = 2, .out_parts = 2, .sign = sign};
    int32_t rank = 0;

    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    rank = toffee_value_rank(x) - 1;
    plan.n = plan.n_in = plan.n_out = toffee_value_dim(x, axis);
    if (is_power_of_two(plan.n)) {
        *scale *= sign > 0 ? (double)plan.n : 1; /* the inverse divides */
        return chain_operator(chain, x, axis, plan.n, sign > 0, false);
    }
    if (4 * plan.n * plan.n > MAX_MATRIX) {
        return chain_convolution(chain, x, axis, sign);
    }
    x = chain_move(chain, x, axis, rank, false);
    x = chain_direct(chain, x, &plan);
    return chain_move(chain, x, axis, rank, true);
}

/* The same of real X, which comes out as pairs; IS_HALF: the first half of them. */
static toffee_value *
chain_r2c(toffee_chain *chain, toffee_value *x, int32_t axis, bool is_half)
{
    dft_plan plan = {.in_parts = 1, .out_parts = 2, .sign = -1};
    toffee_range half = {.axis = axis, .step = 1};
    double scale = 1;
    int32_t rank = 0;

    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    rank = toffee_value_rank(x);
    plan.n = plan.n_in = toffee_value_dim(x, axis);
    plan.n_out = is_half ? plan.n / 2 + 1 : plan.n;
    if (is_power_of_two(plan.n)) {
        x = toffee_pair_add_axis(chain, x);
        return chain_operator(chain, x, axis, plan.n, false, is_half);
    }
    if (plan.n * plan.n_out * 2 <= MAX_MATRIX) {
        x = chain_move(chain, x, axis, rank, false);
        x = chain_direct(chain, x, &plan);
        return chain_move(chain, x, axis, rank, true);
    }
    x = toffee_pair_add_axis(chain, x);
    if (chain->rc == TOFFEE_OK) {
        int64_t dims[TOFFEE_MAX_RANK];
        toffee_result result = {.dtype = TOFFEE_DTYPE_COMPLEX64, .rank = rank, .dims = dims};

        toffee_value_dims(x, dims);
        x = toffee_pair_join(chain, (toffee_pair){x, NULL}, &result);
    }
    x = chain_c2c(chain, x, axis, -1, &scale);
    half.count = plan.n_out;
    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_slice(chain->lo, x, &half, 1, &x, chain->st);
    }
    return x;
}

/* All of a spectrum of N points from the first half of it: the rest is its mirror. */
static toffee_value *
chain_mirror(toffee_chain *chain, toffee_value *x, int32_t axis, int64_t n)
{
    const int64_t count = (n - 1) / 2;
    const toffee_range back = {axis, count, count, -1};
    toffee_value *mirror = NULL;
    toffee_value *out = NULL;

    if (chain->rc != TOFFEE_OK || count == 0) {
        return x;
    }
    chain->rc = toffee_slice(chain->lo, x, &back, 1, &mirror, chain->st);
    mirror = toffee_pair_conj(chain, mirror);
    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_concat(chain->lo, TOFFEE_INPUTS(x, mirror), axis, &out, chain->st);
    }
    return out;
}

/* The inverse transform of X, pairs, the first half of a spectrum, to N real numbers along AXIS. */
static toffee_value *
chain_c2r(toffee_chain *chain, toffee_value *x, int32_t axis, int64_t n, double *scale)
{
    dft_plan plan = {.n = n,
                     .n_in = n / 2 + 1,
                     .n_out = n,
                     .in_parts = 2,
                     .out_parts = 1,
                     .sign = 1,
                     .is_half = true};
    int32_t rank = 0;

    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    rank = toffee_value_rank(x) - 1;
    if (n <= MAX_SMALL || (!is_power_of_two(n) && 2 * plan.n_in * n <= MAX_MATRIX)) {
        x = chain_move(chain, x, axis, rank, false);
        x = chain_direct(chain, x, &plan);
        return chain_move(chain, x, axis, rank, true);
    }
    x = chain_mirror(chain, x, axis, n);
    x = chain_c2c(chain, x, axis, 1, scale);
    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_select(chain->lo, x, rank, 0, &x, chain->st);
    }
    return x;
}

/* ---- the calls ------------------------------------------------------------------------------ */

/* Which dimensions, and how long the signal is on each. */
typedef struct {
    int32_t axes[TOFFEE_MAX_RANK];
    size_t n;
    double scale; /* what the result is multiplied by */
} fft_plan;

/* Reads dim and normalization; the signal has the dims of LIKE, of RANK dimensions, but for its
 * last, which is LAST if that is not 0. */
static bool
fft_plan_get(const toffee_call *call, const toffee_value *like, int32_t rank, int64_t last,
             fft_plan *plan)
{
    const int64_t *dims = toffee_call_ints(call, "dim", &plan->n);
    int64_t normalization = toffee_call_int(call, "normalization", 0);
    double n_points = 1;
    int64_t n = 0;

    if (plan->n == 0 || plan->n > TOFFEE_MAX_RANK) {
        return false;
    }
    for (size_t i = 0; i < plan->n; i++) {
        plan->axes[i] = (int32_t)toffee_axis(dims[i], rank);
        n = i == plan->n - 1 && last != 0 ? last : toffee_value_dim(like, plan->axes[i]);
        n_points *= (double)n;
        if (n < 1 || n > MAX_LENGTH) {
            return false;
        }
    }
    plan->scale = 1;
    if (normalization != 0) {
        plan->scale = 1 / (normalization == 1 ? sqrt(n_points) : n_points);
    }
    return true;
}

static toffee_code
return_scaled(toffee_chain *chain, const toffee_call *call, toffee_value *x, double scale)
{
    if (fabs(scale - 1) > 1e-15) {
        x = toffee_chain_with(chain, "Mul", x, scale);
    }
    return toffee_chain_return(chain, call, 0, x);
}

/* aten::_fft_c2c(self, dim, normalization, forward) */
static toffee_code
lower_c2c(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = toffee_call_value(call, "self");
    int sign = toffee_call_bool(call, "forward", true) ? -1 : 1;
    fft_plan plan;

    if (x == NULL || !toffee_dtype_is_complex(call->args[0].dtype)) {
        return TOFFEE_DECLINED;
    }
    if (!fft_plan_get(call, x, toffee_value_rank(x) - 1, 0, &plan)) {
        return TOFFEE_DECLINED;
    }
    for (size_t i = plan.n; i-- > 0;) {
        x = chain_c2c(&chain, x, plan.axes[i], sign, &plan.scale);
    }
    return return_scaled(&chain, call, x, plan.scale);
}

/* aten::_fft_r2c(self, dim, normalization, onesided): the last dimension first. */
static toffee_code
lower_r2c(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = toffee_call_value(call, "self");
    bool is_half = toffee_call_bool(call, "onesided", true);
    fft_plan plan;

    if (x == NULL || toffee_dtype_is_complex(call->args[0].dtype) ||
        !fft_plan_get(call, x, toffee_value_rank(x), 0, &plan)) {
        return TOFFEE_DECLINED;
    }
    x = chain_r2c(&chain, x, plan.axes[plan.n - 1], is_half);
    for (size_t i = plan.n - 1; i-- > 0;) {
        x = chain_c2c(&chain, x, plan.axes[i], -1, &plan.scale);
    }
    return return_scaled(&chain, call, x, plan.scale);
}

/* aten::_fft_c2r(self, dim, normalization, last_dim_size): the last dimension last. */
static toffee_code
lower_c2r(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = toffee_call_value(call, "self");
    int64_t last = toffee_call_int(call, "last_dim_size", 0);
    toffee_range half = {.step = 1, .count = last / 2 + 1};
    fft_plan plan;

    if (x == NULL || !toffee_dtype_is_complex(call->args[0].dtype) || last < 1 ||
        !fft_plan_get(call, x, toffee_value_rank(x) - 1, last, &plan)) {
        return TOFFEE_DECLINED;
    }
    half.axis = plan.axes[plan.n - 1];
    if (toffee_value_dim(x, (int32_t)half.axis) != half.count) {
        return TOFFEE_DECLINED; /* torch.fft cuts and pads before it calls */
    }
    for (size_t i = 0; i < plan.n - 1; i++) {
        x = chain_c2c(&chain, x, plan.axes[i], 1, &plan.scale);
    }
    x = chain_c2r(&chain, x, plan.axes[plan.n - 1], last, &plan.scale);
    return return_scaled(&chain, call, x, plan.scale);
}

static const toffee_rule rows[] = {
    /* sorted by name */
    {"aten::_fft_c2c", lower_c2c, NULL, 0},
    {"aten::_fft_c2r", lower_c2r, NULL, 0},
    {"aten::_fft_r2c", lower_r2c, NULL, 0},
};

const toffee_rule_family toffee_rules_fft = {rows, TOFFEE_COUNTOF(rows)};
