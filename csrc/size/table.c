/* csrc/size/table.c -- constants whose own sizes moved: filled, evenly spaced, triangles.
 *
 * They are data that PyTorch computed in the run, or tables that a lowering made: masks, positions,
 * indices. What they are is read off their elements, at every point; it counts only if each element
 * of each agrees. */
#include "size/twins.h"

#include <math.h>
#include <string.h>

typedef struct {
    const toffee_tensor *const *tensors; /* one a point, of one dtype and rank, data at hand */
    const toffee_expr **sizes;           /* rank of them */
    toffee_dtype dtype;
    int32_t rank;
} table;

/* ---- what is in it -------------------------------------------------------------------------- */

static bool
same_element(const toffee_tensor *a, uint64_t i, const toffee_tensor *b, uint64_t k)
{
    size_t width = toffee_dtype_get(a->dtype)->n_bytes;

    return memcmp((const uint8_t *)a->data + i * width, (const uint8_t *)b->data + k * width,
                  width) == 0;
}

/* Whether all elements of all tensors are the same. */
static bool
is_filled(const toffee_unifier *u, const table *t)
{
    const toffee_tensor *first = t->tensors[0];

    for (size_t p = 0; p < u->n; p++) {
        for (uint64_t i = 0; i < t->tensors[p]->n_elements; i++) {
            if (!same_element(t->tensors[p], i, first, 0)) {
                return false;
            }
        }
    }
    return first->n_elements != 0;
}

/* The step along AXIS of TENSOR, if it has one: 0 where it has one row only. */
static int64_t
step_along(const toffee_tensor *tensor, int32_t axis)
{
    uint64_t stride = 1;

    for (int32_t i = axis + 1; i < tensor->rank; i++) {
        stride *= (uint64_t)tensor->dims[i];
    }
    return tensor->dims[axis] < 2 ? 0
                                  : toffee_element_int(tensor->dtype, tensor->data, stride) -
                                        toffee_element_int(tensor->dtype, tensor->data, 0);
}

/* Whether element [i, k, …] of TENSOR is its first plus i * STEPS[0] + k * STEPS[1] + … */
static bool
is_even(const toffee_tensor *tensor, const int64_t *steps)
{
    int64_t first = toffee_element_int(tensor->dtype, tensor->data, 0);

    for (uint64_t i = 0; i < tensor->n_elements; i++) {
        uint64_t rest = i;
        int64_t want = first;

        for (int32_t axis = tensor->rank; axis-- > 0; rest /= (uint64_t)tensor->dims[axis]) {
            want += steps[axis] * (int64_t)(rest % (uint64_t)tensor->dims[axis]);
        }
        if (toffee_element_int(tensor->dtype, tensor->data, i) != want) {
            return false;
        }
    }
    return true;
}

/* ---- making it ------------------------------------------------------------------------------ */

/* An INT64 vector of the sizes, of which one is *OUT's: its ConstantOfShape with ELEMENT. */
static toffee_code
make_filled(toffee_unifier *u, const table *t, const void *element, toffee_value **out,
            toffee_status *st)
{
    static const int64_t one[1] = {1};
    void *copy = toffee_arena_copy(u->graph->arena, element, toffee_dtype_get(t->dtype)->n_bytes);
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_tensor *value = NULL;
    toffee_value *shape = NULL;
    toffee_node *node = NULL;

    if (copy == NULL) {
        return toffee_fail_nomem(st);
    }
    for (int32_t i = 0; i < t->rank; i++) {
        dims[i] = t->tensors[0]->dims[i];
        dims[i] = toffee_expr_is_number(t->sizes[i], NULL) ? dims[i] : -1;
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_tensor_new(u->graph->arena, NULL, t->dtype, one, 1, copy, &value, st));
    TOFFEE_RETURN_IF_ERROR(toffee_make_vector(u, t->sizes, (size_t)t->rank, &shape, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_make_node(u, "ConstantOfShape", &shape, 1, t->dtype, dims, t->rank, &node, out, st));
    return toffee_node_set_tensor(node, "value", value, st);
}

/* Range(0, size of AXIS) * STEP, standing along AXIS of t->rank axes. */
static toffee_code
make_ramp(toffee_unifier *u, const table *t, int32_t axis, const toffee_expr *step,
          toffee_value **out, toffee_status *st)
{
    static const int64_t zero = 0;
    static const int64_t one = 1;
    int64_t dims[TOFFEE_MAX_RANK];
    const int64_t unknown[1] = {-1};
    int64_t number = 0;
    toffee_value *in[3] = {NULL, NULL, NULL};

    TOFFEE_RETURN_IF_ERROR(toffee_make_constant(u, TOFFEE_DTYPE_INT64, NULL, 0, &zero, &in[0], st));
    TOFFEE_RETURN_IF_ERROR(toffee_make_scalar(u, t->sizes[axis], TOFFEE_DTYPE_INT64, &in[1], st));
    TOFFEE_RETURN_IF_ERROR(toffee_make_constant(u, TOFFEE_DTYPE_INT64, NULL, 0, &one, &in[2], st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_make_node(u, "Range", in, 3, TOFFEE_DTYPE_INT64, unknown, 1, NULL, &in[0], st));
    if (!toffee_expr_is_number(step, &number) || number != 1) {
        TOFFEE_RETURN_IF_ERROR(toffee_make_scalar(u, step, TOFFEE_DTYPE_INT64, &in[1], st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_make_node(u, "Mul", in, 2, TOFFEE_DTYPE_INT64, unknown, 1, NULL, &in[0], st));
    }
    *out = in[0];
    if (t->rank == 1) {
        return TOFFEE_OK;
    }
    for (int32_t i = 0; i < t->rank; i++) {
        dims[i] = i == axis ? -1 : 1;
    }
    return toffee_make_reshape(u, in[0], dims, t->rank, out, st);
}

/* first + ramps, cast to the dtype. Axes whose step is 0 everywhere are broadcast at the end. */
static toffee_code
make_even(toffee_unifier *u, const table *t, const toffee_expr *first,
          const toffee_expr *const *steps, toffee_value **out, toffee_status *st)
{
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_value *in[2] = {NULL, NULL};
    int64_t number = 0;
    bool is_whole = true;

    for (int32_t i = 0; i < t->rank; i++) {
        dims[i] = -1;
        if (toffee_expr_is_number(steps[i], &number) && number == 0) {
            is_whole = is_whole && toffee_expr_is_number(t->sizes[i], &number) && number == 1;
            continue;
        }
        TOFFEE_RETURN_IF_ERROR(make_ramp(u, t, i, steps[i], &in[1], st));
        if (in[0] != NULL) {
            TOFFEE_RETURN_IF_ERROR(toffee_make_node(u, "Add", in, 2, TOFFEE_DTYPE_INT64, dims,
                                                    t->rank, NULL, &in[1], st));
        }
        in[0] = in[1];
    }
    if (!toffee_expr_is_number(first, &number) || number != 0) {
        TOFFEE_RETURN_IF_ERROR(toffee_make_scalar(u, first, TOFFEE_DTYPE_INT64, &in[1], st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_make_node(u, "Add", in, 2, TOFFEE_DTYPE_INT64, dims, t->rank, NULL, &in[0], st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_make_cast(u, in[0], t->dtype, &in[0], st));
    if (!is_whole) {
        TOFFEE_RETURN_IF_ERROR(toffee_make_vector(u, t->sizes, (size_t)t->rank, &in[1], st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_make_node(u, "Expand", in, 2, t->dtype, dims, t->rank, NULL, &in[0], st));
    }
    *out = in[0];
    return TOFFEE_OK;
}

/* ---- kinds ---------------------------------------------------------------------------------- */

/* Evenly spaced along each axis, by steps that may move too; *OUT is NULL if it is not that. */
static toffee_code
try_even(toffee_unifier *u, const table *t, toffee_value **out, toffee_status *st)
{
    const toffee_expr *steps[TOFFEE_MAX_RANK] = {NULL};
    const toffee_expr *first = NULL;
    int64_t *samples =
        toffee_arena_calloc(u->arena, u->n * (size_t)(t->rank + 1), sizeof(*samples));
    int64_t own[TOFFEE_MAX_RANK];
    bool is_ramp = false;

    if (samples == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t p = 0; p < u->n; p++) {
        const toffee_tensor *tensor = t->tensors[p];

        if (tensor->n_elements == 0) {
            return TOFFEE_OK;
        }
        for (int32_t i = 0; i < t->rank; i++) {
            own[i] = step_along(tensor, i);
            samples[(size_t)i * u->n + p] = own[i];
        }
        if (!is_even(tensor, own)) {
            return TOFFEE_OK;
        }
        samples[(size_t)t->rank * u->n + p] = toffee_element_int(t->dtype, tensor->data, 0);
    }
    for (int32_t i = 0; i < t->rank; i++) {
        int64_t number = 0;

        TOFFEE_RETURN_IF_ERROR(toffee_unifier_fit(u, samples + (size_t)i * u->n, &steps[i], st));
        if (steps[i] == NULL) {
            return TOFFEE_OK;
        }
        is_ramp = is_ramp || !toffee_expr_is_number(steps[i], &number) || number != 0;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_unifier_fit(u, samples + (size_t)t->rank * u->n, &first, st));
    return first != NULL && is_ramp ? make_even(u, t, first, steps, out, st) : TOFFEE_OK;
}

/* Whether element [i] of TENSOR is FIRST + i * STEP, rounded to its dtype. */
static bool
is_even_real(const toffee_tensor *tensor, double first, double step)
{
    for (uint64_t i = 0; i < tensor->n_elements; i++) {
        double want = first + (double)i * step;

        want = tensor->dtype == TOFFEE_DTYPE_FLOAT ? (double)(float)want : want;
        if (toffee_element_real(tensor->dtype, tensor->data, i) != want) {
            return false;
        }
    }
    return true;
}

/* FIRST + Range(0, size) * STEP, computed as Python does. */
static toffee_code
make_even_real(toffee_unifier *u, const table *t, double first, double step, toffee_value **out,
               toffee_status *st)
{
    const toffee_dtype wide = TOFFEE_DTYPE_DOUBLE;
    const int64_t unknown[1] = {-1};
    const toffee_expr *one = NULL;
    toffee_value *in[2] = {NULL, NULL};

    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(u->pool, 1, &one, st));
    TOFFEE_RETURN_IF_ERROR(make_ramp(u, t, 0, one, &in[0], st));
    TOFFEE_RETURN_IF_ERROR(toffee_make_cast(u, in[0], wide, &in[0], st));
    TOFFEE_RETURN_IF_ERROR(toffee_make_constant(u, wide, NULL, 0, &step, &in[1], st));
    TOFFEE_RETURN_IF_ERROR(toffee_make_node(u, "Mul", in, 2, wide, unknown, 1, NULL, &in[0], st));
    if (first != 0) {
        TOFFEE_RETURN_IF_ERROR(toffee_make_constant(u, wide, NULL, 0, &first, &in[1], st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_make_node(u, "Add", in, 2, wide, unknown, 1, NULL, &in[0], st));
    }
    return toffee_make_cast(u, in[0], t->dtype, out, st);
}

/* Real numbers that are evenly spaced by one number from another, both short decimals, at all
 * points: [i * 0.5 for i in range(n)]. */
static toffee_code
try_even_real(toffee_unifier *u, const table *t, toffee_value **out, toffee_status *st)
{
    const toffee_tensor *longest = t->tensors[0];
    double first = 0;
    double step = 0;

    for (size_t p = 0; p < u->n; p++) {
        longest = t->tensors[p]->n_elements > longest->n_elements ? t->tensors[p] : longest;
    }
    if (t->rank != 1 || longest->n_elements < 4 ||
        (t->dtype != TOFFEE_DTYPE_FLOAT && t->dtype != TOFFEE_DTYPE_DOUBLE)) {
        return TOFFEE_OK;
    }
    first = toffee_element_real(t->dtype, longest->data, 0);
    step = (toffee_element_real(t->dtype, longest->data, longest->n_elements - 1) - first) /
           (double)(longest->n_elements - 1);
    for (int i = 0; i < TOFFEE_FIT_MAX_DIGITS * TOFFEE_FIT_MAX_DIGITS && isfinite(step); i++) {
        double short_step = toffee_fit_decimal(step, 1 + i / TOFFEE_FIT_MAX_DIGITS);
        double short_first = toffee_fit_decimal(first, 1 + i % TOFFEE_FIT_MAX_DIGITS);
        bool fits = short_step != 0;

        for (size_t p = 0; p < u->n && fits; p++) {
            fits = is_even_real(t->tensors[p], short_first, short_step);
        }
        if (fits) {
            return make_even_real(u, t, short_first, short_step, out, st);
        }
    }
    return TOFFEE_OK;
}

/* Whether the last two axes of TENSOR are a triangle: INSIDE on the diagonal *K and on its one side
 * (*UPPER), the first matrix's corner opposite on the other. */
static bool
is_triangle(const toffee_tensor *tensor, bool upper, int64_t k, const toffee_tensor *inside,
            uint64_t at_inside, const toffee_tensor *outside, uint64_t at_outside)
{
    int64_t columns = tensor->dims[tensor->rank - 1];
    int64_t rows = tensor->dims[tensor->rank - 2];

    for (uint64_t i = 0; i < tensor->n_elements; i++) {
        int64_t column = (int64_t)(i % (uint64_t)columns);
        int64_t row = (int64_t)(i / (uint64_t)columns % (uint64_t)rows);
        bool is_inside = upper ? column - row >= k : column - row <= k;

        if (!same_element(tensor, i, is_inside ? inside : outside,
                          is_inside ? at_inside : at_outside)) {
            return false;
        }
    }
    return true;
}

/* Where(Trilu(ConstantOfShape(true), k), inside, outside). */
static toffee_code
make_triangle(toffee_unifier *u, const table *t, bool upper, int64_t k, uint64_t at_inside,
              uint64_t at_outside, toffee_value **out, toffee_status *st)
{
    static const uint8_t yes = 1;
    size_t width = toffee_dtype_get(t->dtype)->n_bytes;
    const uint8_t *data = t->tensors[0]->data;
    table mask = *t;
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_value *in[3] = {NULL, NULL, NULL};
    toffee_node *node = NULL;

    for (int32_t i = 0; i < t->rank; i++) {
        dims[i] = -1;
    }
    mask.dtype = TOFFEE_DTYPE_BOOL;
    TOFFEE_RETURN_IF_ERROR(make_filled(u, &mask, &yes, &in[0], st));
    TOFFEE_RETURN_IF_ERROR(toffee_make_constant(u, TOFFEE_DTYPE_INT64, NULL, 0, &k, &in[1], st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_make_node(u, "Trilu", in, 2, TOFFEE_DTYPE_BOOL, dims, t->rank, &node, &in[0], st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "upper", upper, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_make_constant(u, t->dtype, NULL, 0, data + at_inside * width, &in[1], st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_make_constant(u, t->dtype, NULL, 0, data + at_outside * width, &in[2], st));
    return toffee_make_node(u, "Where", in, 3, t->dtype, dims, t->rank, NULL, out, st);
}

/* A mask as attention has it. The diagonal is looked for in the first row of the first tensor. */
static toffee_code
try_triangle(toffee_unifier *u, const table *t, toffee_value **out, toffee_status *st)
{
    const toffee_tensor *first = t->tensors[0];
    int64_t columns = t->rank < 2 ? 0 : first->dims[t->rank - 1];
    int64_t rows = t->rank < 2 ? 0 : first->dims[t->rank - 2];
    uint64_t corner_right = (uint64_t)columns - 1;
    uint64_t corner_left = (uint64_t)(rows - 1) * (uint64_t)columns;
    int64_t edge = 0;

    if (columns < 2 || rows < 2 || same_element(first, corner_left, first, corner_right)) {
        return TOFFEE_OK;
    }
    while (edge < columns && same_element(first, (uint64_t)edge, first, 0)) {
        edge++;
    }
    if (edge == columns || !same_element(first, 0, first, corner_left)) {
        return TOFFEE_OK; /* the diagonal begins below the first row: nobody masks so */
    }
    for (size_t p = 0; p < u->n; p++) {
        if (t->tensors[p]->n_elements == 0 ||
            !is_triangle(t->tensors[p], true, edge, first, corner_right, first, corner_left)) {
            return TOFFEE_OK;
        }
    }
    return make_triangle(u, t, true, edge, corner_right, corner_left, out, st);
}

toffee_code
toffee_unifier_table(toffee_unifier *u, toffee_value *const *seen, toffee_value **out,
                     toffee_status *st)
{
    const toffee_tensor **tensors = toffee_arena_calloc(u->arena, u->n, sizeof(*tensors));
    int64_t *samples = toffee_arena_calloc(u->arena, u->n, sizeof(*samples));
    const toffee_expr *sizes[TOFFEE_MAX_RANK] = {NULL};
    table t = {tensors, sizes, seen[0]->tensor->dtype, seen[0]->tensor->rank};

    *out = NULL;
    if (tensors == NULL || samples == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t p = 0; p < u->n; p++) {
        tensors[p] = seen[p]->tensor;
        if (tensors[p]->dtype != t.dtype || tensors[p]->rank != t.rank || t.rank == 0 ||
            (tensors[p]->data == NULL && tensors[p]->n_elements != 0)) {
            return TOFFEE_OK;
        }
    }
    for (int32_t i = 0; i < t.rank; i++) {
        for (size_t p = 0; p < u->n; p++) {
            samples[p] = tensors[p]->dims[i];
        }
        TOFFEE_RETURN_IF_ERROR(toffee_unifier_fit(u, samples, &sizes[i], st));
        if (sizes[i] == NULL) {
            return TOFFEE_OK;
        }
    }
    if (toffee_dtype_get(t.dtype)->n_bytes == 0) {
        return TOFFEE_OK;
    }
    if (is_filled(u, &t)) {
        return make_filled(u, &t, tensors[0]->data, out, st);
    }
    if (toffee_dtype_is_int(t.dtype) && t.dtype != TOFFEE_DTYPE_UINT64) {
        TOFFEE_RETURN_IF_ERROR(try_even(u, &t, out, st));
    }
    if (toffee_dtype_is_float(t.dtype)) {
        TOFFEE_RETURN_IF_ERROR(try_even_real(u, &t, out, st));
    }
    return *out == NULL ? try_triangle(u, &t, out, st) : TOFFEE_OK;
}
