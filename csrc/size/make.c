/* csrc/size/make.c -- nodes that compute sizes: Shape of an axis, arithmetic, Concat.
 *
 * All of it is on INT64 vectors of one element, so that pieces of a shape are concatenated as they
 * are. What was made once is used again: nodes are made in front of their first use, and the list
 * only grows. */
#include "size/twins.h"

#include <math.h>
#include <string.h>

static const int64_t one[1] = {1};

static toffee_code
key_of(toffee_unifier *u, const void *bytes, size_t n, const toffee_str **out, toffee_status *st)
{
    *out = toffee_strpool_intern(u->keys, bytes, n);
    return *out != NULL ? TOFFEE_OK : toffee_fail_nomem(st);
}

static toffee_code
remember(toffee_unifier *u, toffee_ptrmap *map, const toffee_str *key, toffee_value *value,
         toffee_status *st)
{
    return toffee_ptrmap_set(u->arena, map, key, value) ? TOFFEE_OK : toffee_fail_nomem(st);
}

/* The new node stands where the one at hand does: on its line, in its module. */
static toffee_code
sign(toffee_unifier *u, toffee_node *node, toffee_status *st)
{
    const toffee_node *around = u->nodes[0];
    const char *path = toffee_str_text(around->name);
    const char *end = strrchr(path, '/');

    node->doc = around->doc;
    if (!u->names_nodes) {
        return TOFFEE_OK;
    }
    return toffee_names_take_node(&u->names, path, end != NULL ? (size_t)(end - path) : 0,
                                  node->op_type, &node->name, st);
}

toffee_code
toffee_make_node(toffee_unifier *u, const char *op_type, toffee_value *const *inputs,
                 size_t n_inputs, toffee_dtype dtype, const int64_t *dims, int32_t rank,
                 toffee_node **node, toffee_value **out, toffee_status *st)
{
    toffee_node *made = NULL;
    toffee_value *value = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_node_new(u->graph, op_type, &made, st));
    TOFFEE_RETURN_IF_ERROR(sign(u, made, st));
    for (size_t i = 0; i < n_inputs; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_node_add_input(made, inputs[i], st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_graph_new_value(u->graph, &value, st));
    TOFFEE_RETURN_IF_ERROR(toffee_value_set_type(value, dtype, dims, rank, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_add_output(made, value, st));
    if (!TOFFEE_VEC_PUSH(u->arena, &u->made, made) ||
        !TOFFEE_VEC_PUSH(u->arena, &u->fresh, value)) {
        return toffee_fail_nomem(st);
    }
    if (node != NULL) {
        *node = made;
    }
    *out = value;
    return TOFFEE_OK;
}

/* ---- constants ------------------------------------------------------------------------------ */

/* A name that nothing in the graph has: "constant.7". */
static toffee_code
constant_name(toffee_unifier *u, const toffee_str **out, toffee_status *st)
{
    const char *text = NULL;

    do {
        text = toffee_arena_printf(u->arena, "constant.%zu", u->n_constants++);
        if (text == NULL) {
            return toffee_fail_nomem(st);
        }
    } while (toffee_graph_find(u->graph, text) != NULL);
    *out = toffee_graph_intern(u->graph, text);
    return *out != NULL ? TOFFEE_OK : toffee_fail_nomem(st);
}

toffee_code
toffee_make_constant(toffee_unifier *u, toffee_dtype dtype, const int64_t *dims, int32_t rank,
                     const void *data, toffee_value **out, toffee_status *st)
{
    size_t head = (2 + (size_t)rank) * sizeof(int64_t);
    uint64_t n_elements = 0;
    uint64_t n_bytes = 0;
    int64_t *key = NULL;
    void *copy = NULL;
    const toffee_str *interned = NULL;
    const toffee_str *name = NULL;
    toffee_tensor *tensor = NULL;

    if (!toffee_dtype_count(dtype, dims, rank, &n_elements, &n_bytes)) {
        return toffee_fail(st, TOFFEE_ERR_LIMIT, "a constant is larger than memory can hold");
    }
    key = toffee_arena_calloc(u->arena, head + (size_t)n_bytes, 1);
    if (key == NULL) {
        return toffee_fail_nomem(st);
    }
    key[0] = dtype;
    key[1] = rank;
    for (int32_t i = 0; i < rank; i++) {
        key[2 + i] = dims[i];
    }
    if (n_bytes != 0) {
        memcpy((char *)key + head, data, (size_t)n_bytes);
    }
    TOFFEE_RETURN_IF_ERROR(key_of(u, key, head + (size_t)n_bytes, &interned, st));
    *out = toffee_ptrmap_get(&u->constants, interned);
    if (*out != NULL) {
        return TOFFEE_OK;
    }
    copy = toffee_arena_copy(u->graph->arena, data, (size_t)n_bytes);
    if (copy == NULL && n_bytes != 0) {
        return toffee_fail_nomem(st);
    }
    TOFFEE_RETURN_IF_ERROR(constant_name(u, &name, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_tensor_new(u->graph->arena, name, dtype, dims, rank, copy, &tensor, st));
    TOFFEE_RETURN_IF_ERROR(toffee_graph_add_initializer(u->graph, tensor, st));
    TOFFEE_RETURN_IF_ERROR(toffee_graph_value(u->graph, name, out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_value_set_type(*out, dtype, dims, rank, st));
    return remember(u, &u->constants, interned, *out, st);
}

static toffee_code
make_number(toffee_unifier *u, int64_t number, toffee_value **out, toffee_status *st)
{
    return toffee_make_constant(u, TOFFEE_DTYPE_INT64, one, 1, &number, out, st);
}

/* ---- of any dtype --------------------------------------------------------------------------- */

toffee_code
toffee_make_cast(toffee_unifier *u, toffee_value *value, toffee_dtype dtype, toffee_value **out,
                 toffee_status *st)
{
    const toffee_type *type = &value->type;
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_node *node = NULL;

    *out = value;
    if (type->dtype == dtype) {
        return TOFFEE_OK;
    }
    for (int32_t i = 0; i < type->rank; i++) {
        dims[i] = type->dims[i].value;
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_make_node(u, "Cast", &value, 1, dtype, dims, type->rank, &node, out, st));
    return toffee_node_set_int(node, "to", dtype, st);
}

toffee_code
toffee_make_reshape(toffee_unifier *u, toffee_value *value, const int64_t *dims, int32_t rank,
                    toffee_value **out, toffee_status *st)
{
    const int64_t n[1] = {rank};
    toffee_value *inputs[2] = {value, NULL};

    TOFFEE_RETURN_IF_ERROR(toffee_make_constant(u, TOFFEE_DTYPE_INT64, n, 1, dims, &inputs[1], st));
    return toffee_make_node(u, "Reshape", inputs, 2, value->type.dtype, dims, rank, NULL, out, st);
}

/* ---- sizes ---------------------------------------------------------------------------------- */

static toffee_code make_size(toffee_unifier *u, const toffee_expr *size, toffee_value **out,
                             toffee_status *st);

static toffee_code
make_binary(toffee_unifier *u, const char *op_type, toffee_value *a, toffee_value *b,
            toffee_value **out, toffee_status *st)
{
    toffee_value *inputs[2] = {a, b};

    return toffee_make_node(u, op_type, inputs, 2, TOFFEE_DTYPE_INT64, one, 1, NULL, out, st);
}

/* Shape of one axis of VALUE. */
static toffee_code
make_axis(toffee_unifier *u, toffee_value *value, int32_t axis, toffee_value **out,
          toffee_status *st)
{
    toffee_node *node = NULL;

    TOFFEE_RETURN_IF_ERROR(
        toffee_make_node(u, "Shape", &value, 1, TOFFEE_DTYPE_INT64, one, 1, &node, out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "start", axis, st));
    return toffee_node_set_int(node, "end", (int64_t)axis + 1, st);
}

static toffee_code
make_symbol(toffee_unifier *u, const toffee_atom *atom, toffee_value **out, toffee_status *st)
{
    for (size_t i = 0; i < u->in->n_dims; i++) {
        const toffee_dynamic_dim *dim = &u->in->dims[i];

        if (strcmp(u->in->symbols[dim->symbol], atom->name) == 0) {
            toffee_value *input = toffee_graph_find(u->graph, dim->name);

            return make_axis(u, input, dim->axis, out, st);
        }
    }
    return toffee_fail(st, TOFFEE_ERR_TRACE, "no input has the size '%s'", atom->name);
}

/* Whether EXPR is not negative, whatever sizes its symbols stand for: none of its terms can be. */
static bool
is_never_negative(const toffee_expr *expr)
{
    for (size_t i = 0; i < expr->n; i++) {
        if (expr->terms[i].coefficient < 0) {
            return false;
        }
        for (size_t k = 0; k < expr->terms[i].n; k++) {
            const toffee_atom *atom = expr->terms[i].atoms[k];

            bool left = atom->left == NULL || is_never_negative(atom->left);
            bool right = atom->right == NULL || is_never_negative(atom->right);

            if (atom->kind == TOFFEE_ATOM_MAX ? !left && !right : !left || !right) {
                return false;
            }
        }
    }
    return true;
}

/* An atom of two expressions. ONNX's Div of whole numbers rounds towards zero, and its Mod has the
 * sign of the divisor, as Python's: a negative dividend is made a multiple of the divisor first. */
static toffee_code
make_of_two(toffee_unifier *u, const toffee_atom *atom, toffee_value **out, toffee_status *st)
{
    toffee_value *left = NULL;
    toffee_value *right = NULL;

    TOFFEE_RETURN_IF_ERROR(make_size(u, atom->left, &left, st));
    TOFFEE_RETURN_IF_ERROR(make_size(u, atom->right, &right, st));
    switch (atom->kind) {
    case TOFFEE_ATOM_REMAINDER: return make_binary(u, "Mod", left, right, out, st);
    case TOFFEE_ATOM_MAX: return make_binary(u, "Max", left, right, out, st);
    case TOFFEE_ATOM_MIN: return make_binary(u, "Min", left, right, out, st);
    default: break;
    }
    if (!is_never_negative(atom->left) || !is_never_negative(atom->right)) {
        toffee_value *rest = NULL;

        TOFFEE_RETURN_IF_ERROR(make_binary(u, "Mod", left, right, &rest, st));
        TOFFEE_RETURN_IF_ERROR(make_binary(u, "Sub", left, rest, &left, st));
    }
    return make_binary(u, "Div", left, right, out, st);
}

static toffee_code
make_atom(toffee_unifier *u, const toffee_atom *atom, toffee_value **out, toffee_status *st)
{
    *out = toffee_ptrmap_get(&u->sizes, atom);
    if (*out != NULL) {
        return TOFFEE_OK;
    }
    switch (atom->kind) {
    case TOFFEE_ATOM_SYMBOL: TOFFEE_RETURN_IF_ERROR(make_symbol(u, atom, out, st)); break;
    case TOFFEE_ATOM_DERIVED: {
        const toffee_size_owner *owner = atom->owner;

        TOFFEE_RETURN_IF_ERROR(make_axis(u, owner->value, owner->axis, out, st));
        break;
    }
    default: TOFFEE_RETURN_IF_ERROR(make_of_two(u, atom, out, st)); break;
    }
    return toffee_ptrmap_set(u->arena, &u->sizes, atom, *out) ? TOFFEE_OK : toffee_fail_nomem(st);
}

/* TERM without its sign. */
static toffee_code
make_term(toffee_unifier *u, const toffee_term *term, toffee_value **out, toffee_status *st)
{
    int64_t factor = term->coefficient < 0 ? -term->coefficient : term->coefficient;
    toffee_value *value = NULL;

    *out = NULL;
    for (size_t i = 0; i < term->n; i++) {
        TOFFEE_RETURN_IF_ERROR(make_atom(u, term->atoms[i], &value, st));
        if (*out != NULL) {
            TOFFEE_RETURN_IF_ERROR(make_binary(u, "Mul", *out, value, &value, st));
        }
        *out = value;
    }
    if (*out == NULL) {
        return make_number(u, factor, out, st);
    }
    if (factor != 1) {
        TOFFEE_RETURN_IF_ERROR(make_number(u, factor, &value, st));
        return make_binary(u, "Mul", *out, value, out, st);
    }
    return TOFFEE_OK;
}

/* Terms with a minus are subtracted from those without. */
static toffee_code
make_sum(toffee_unifier *u, const toffee_expr *size, toffee_value **out, toffee_status *st)
{
    toffee_value *term = NULL;

    *out = NULL;
    for (size_t i = 0; i < size->n; i++) {
        if (size->terms[i].coefficient < 0) {
            continue;
        }
        TOFFEE_RETURN_IF_ERROR(make_term(u, &size->terms[i], &term, st));
        if (*out != NULL) {
            TOFFEE_RETURN_IF_ERROR(make_binary(u, "Add", *out, term, &term, st));
        }
        *out = term;
    }
    if (*out == NULL) {
        TOFFEE_RETURN_IF_ERROR(make_number(u, 0, out, st));
    }
    for (size_t i = 0; i < size->n; i++) {
        if (size->terms[i].coefficient < 0) {
            TOFFEE_RETURN_IF_ERROR(make_term(u, &size->terms[i], &term, st));
            TOFFEE_RETURN_IF_ERROR(make_binary(u, "Sub", *out, term, out, st));
        }
    }
    return TOFFEE_OK;
}

/* SIZE as an INT64 [1]. */
static toffee_code
make_size(toffee_unifier *u, const toffee_expr *size, toffee_value **out, toffee_status *st)
{
    int64_t number = 0;

    if (toffee_expr_is_number(size, &number)) {
        return make_number(u, number, out, st);
    }
    *out = toffee_ptrmap_get(&u->sizes, size);
    if (*out != NULL) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(make_sum(u, size, out, st));
    return toffee_ptrmap_set(u->arena, &u->sizes, size, *out) ? TOFFEE_OK : toffee_fail_nomem(st);
}

/* The numbers from SIZES[0] on, N at most, as one constant; *TAKEN is how many there are. */
static toffee_code
make_numbers(toffee_unifier *u, const toffee_expr *const *sizes, size_t n, size_t *taken,
             toffee_value **out, toffee_status *st)
{
    int64_t *numbers = toffee_arena_calloc(u->arena, n, sizeof(*numbers));
    int64_t count = 0;

    if (numbers == NULL) {
        return toffee_fail_nomem(st);
    }
    while ((size_t)count < n && toffee_expr_is_number(sizes[count], &numbers[count])) {
        count++;
    }
    *taken = (size_t)count;
    return count != 0 ? toffee_make_constant(u, TOFFEE_DTYPE_INT64, &count, 1, numbers, out, st)
                      : TOFFEE_OK;
}

toffee_code
toffee_make_vector(toffee_unifier *u, const toffee_expr *const *sizes, size_t n, toffee_value **out,
                   toffee_status *st)
{
    const toffee_str *key = NULL;
    toffee_node *node = NULL;
    TOFFEE_VEC(toffee_value *) parts = {0};
    const int64_t dims[1] = {(int64_t)n};
    size_t taken = 0;

    if (n == 0) {
        return toffee_make_constant(u, TOFFEE_DTYPE_INT64, dims, 1, NULL, out, st);
    }
    TOFFEE_RETURN_IF_ERROR(key_of(u, sizes, n * sizeof(*sizes), &key, st));
    *out = toffee_ptrmap_get(&u->vectors, key);
    if (*out != NULL) {
        return TOFFEE_OK;
    }
    for (size_t i = 0; i < n; i += taken) {
        TOFFEE_RETURN_IF_ERROR(make_numbers(u, sizes + i, n - i, &taken, out, st));
        if (taken == 0) {
            TOFFEE_RETURN_IF_ERROR(make_size(u, sizes[i], out, st));
            taken = 1;
        }
        if (!TOFFEE_VEC_PUSH(u->arena, &parts, *out)) {
            return toffee_fail_nomem(st);
        }
    }
    if (parts.n > 1) {
        TOFFEE_RETURN_IF_ERROR(toffee_make_node(u, "Concat", parts.data, parts.n,
                                                TOFFEE_DTYPE_INT64, dims, 1, &node, out, st));
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "axis", 0, st));
    }
    return remember(u, &u->vectors, key, *out, st);
}

/* ---- 0-d numbers ---------------------------------------------------------------------------- */

/* What a 0-d number is remembered by. */
typedef struct {
    const toffee_expr *size;
    const toffee_expr *by;
    double scale, offset;
    int32_t dtype;
    int32_t form;
} scalar_key;

/* A / B or what else OP_TYPE makes of two 0-d DOUBLE. */
static toffee_code
make_double(toffee_unifier *u, const char *op_type, toffee_value *a, toffee_value *b,
            toffee_value **out, toffee_status *st)
{
    toffee_value *inputs[2] = {a, b};

    return toffee_make_node(u, op_type, inputs, 2, TOFFEE_DTYPE_DOUBLE, NULL, 0, NULL, out, st);
}

/* What FIT says, as a 0-d DOUBLE: Python computed it so. */
static toffee_code
make_form(toffee_unifier *u, const toffee_real_fit *fit, toffee_value **out, toffee_status *st)
{
    static const char *const ops[] = {
        [TOFFEE_REAL_IS] = NULL,     [TOFFEE_REAL_INVERSE] = "Reciprocal",
        [TOFFEE_REAL_ROOT] = "Sqrt", [TOFFEE_REAL_INVERSE_ROOT] = "Sqrt",
        [TOFFEE_REAL_LOG] = "Log",   [TOFFEE_REAL_POWER] = NULL,
        [TOFFEE_REAL_RATIO] = NULL,
    };
    const toffee_dtype dtype = TOFFEE_DTYPE_DOUBLE;
    toffee_value *inputs[2] = {NULL, NULL};

    TOFFEE_RETURN_IF_ERROR(toffee_make_scalar(u, fit->expr, dtype, &inputs[0], st));
    if (ops[fit->form] != NULL) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_make_node(u, ops[fit->form], inputs, 1, dtype, NULL, 0, NULL, &inputs[0], st));
    }
    if (fit->form == TOFFEE_REAL_INVERSE_ROOT) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_make_node(u, "Reciprocal", inputs, 1, dtype, NULL, 0, NULL, &inputs[0], st));
    }
    if (fit->form == TOFFEE_REAL_RATIO) {
        TOFFEE_RETURN_IF_ERROR(toffee_make_scalar(u, fit->by, dtype, &inputs[1], st));
        TOFFEE_RETURN_IF_ERROR(make_double(u, "Div", inputs[0], inputs[1], &inputs[0], st));
    }
    if (fit->scale != 1) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_make_constant(u, dtype, NULL, 0, &fit->scale, &inputs[1], st));
        TOFFEE_RETURN_IF_ERROR(fit->form == TOFFEE_REAL_POWER
                                   ? make_double(u, "Pow", inputs[1], inputs[0], &inputs[0], st)
                                   : make_double(u, "Mul", inputs[0], inputs[1], &inputs[0], st));
    }
    if (fit->offset != 0) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_make_constant(u, dtype, NULL, 0, &fit->offset, &inputs[1], st));
        TOFFEE_RETURN_IF_ERROR(make_double(u, "Add", inputs[0], inputs[1], &inputs[0], st));
    }
    *out = inputs[0];
    return TOFFEE_OK;
}

toffee_code
toffee_make_real(toffee_unifier *u, const toffee_real_fit *fit, toffee_dtype dtype,
                 toffee_value **out, toffee_status *st)
{
    scalar_key bytes;
    const toffee_str *key = NULL;

    memset(&bytes, 0, sizeof(bytes)); /* its padding is part of the key */
    bytes.size = fit->expr;
    bytes.by = fit->by;
    bytes.scale = fit->scale;
    bytes.offset = fit->offset;
    bytes.dtype = dtype;
    bytes.form = fit->form;
    TOFFEE_RETURN_IF_ERROR(key_of(u, &bytes, sizeof(bytes), &key, st));
    *out = toffee_ptrmap_get(&u->scalars, key);
    if (*out != NULL) {
        return TOFFEE_OK;
    }
    if (fit->form != TOFFEE_REAL_IS || fit->scale != 1 || fit->offset != 0) {
        TOFFEE_RETURN_IF_ERROR(make_form(u, fit, out, st));
        TOFFEE_RETURN_IF_ERROR(toffee_make_cast(u, *out, dtype, out, st));
    }
    else if (dtype != TOFFEE_DTYPE_INT64) {
        TOFFEE_RETURN_IF_ERROR(toffee_make_scalar(u, fit->expr, TOFFEE_DTYPE_INT64, out, st));
        TOFFEE_RETURN_IF_ERROR(toffee_make_cast(u, *out, dtype, out, st));
    }
    else {
        TOFFEE_RETURN_IF_ERROR(make_size(u, fit->expr, out, st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_make_node(u, "Squeeze", out, 1, dtype, NULL, 0, NULL, out, st));
    }
    return remember(u, &u->scalars, key, *out, st);
}

toffee_code
toffee_make_scalar(toffee_unifier *u, const toffee_expr *size, toffee_dtype dtype,
                   toffee_value **out, toffee_status *st)
{
    const toffee_real_fit fit = {.form = TOFFEE_REAL_IS, .expr = size, .scale = 1};

    return toffee_make_real(u, &fit, dtype, out, st);
}

/* ---- numbers in tensors --------------------------------------------------------------------- */

int64_t
toffee_element_int(toffee_dtype dtype, const void *data, uint64_t i)
{
    const uint8_t *at = (const uint8_t *)data + i * toffee_dtype_get(dtype)->n_bytes;
    union {
        int64_t i64;
        int32_t i32;
        int16_t i16;
        int8_t i8;
        uint32_t u32;
        uint16_t u16;
        uint8_t u8;
    } bits = {0};

    memcpy(&bits, at, toffee_dtype_get(dtype)->n_bytes);
    switch (dtype) {
    case TOFFEE_DTYPE_INT32: return bits.i32;
    case TOFFEE_DTYPE_INT16: return bits.i16;
    case TOFFEE_DTYPE_INT8: return bits.i8;
    case TOFFEE_DTYPE_UINT32: return bits.u32;
    case TOFFEE_DTYPE_UINT16: return bits.u16;
    case TOFFEE_DTYPE_UINT8: return bits.u8;
    case TOFFEE_DTYPE_BOOL: return bits.u8 != 0;
    default: return bits.i64;
    }
}

/* Sign, EXPONENT_BITS and FRACTION_BITS of the low bits of BITS. */
static double
small_float(uint32_t bits, int exponent_bits, int fraction_bits)
{
    int bias = (1 << (exponent_bits - 1)) - 1;
    int exponent = (int)(bits >> fraction_bits) & ((1 << exponent_bits) - 1);
    double fraction = (double)(bits & ((1U << fraction_bits) - 1)) / (double)(1U << fraction_bits);
    double sign = (bits >> (exponent_bits + fraction_bits)) & 1U ? -1 : 1;

    if (exponent == (1 << exponent_bits) - 1) {
        return fraction != 0 ? (double)NAN : sign * (double)INFINITY;
    }
    return sign *
           (exponent == 0 ? ldexp(fraction, 1 - bias) : ldexp(1 + fraction, exponent - bias));
}

double
toffee_element_real(toffee_dtype dtype, const void *data, uint64_t i)
{
    const uint8_t *at = (const uint8_t *)data + i * toffee_dtype_get(dtype)->n_bytes;
    uint16_t half = 0;
    float f = 0;
    double d = 0;

    switch (dtype) {
    case TOFFEE_DTYPE_FLOAT: memcpy(&f, at, sizeof(f)); return f;
    case TOFFEE_DTYPE_FLOAT16: memcpy(&half, at, sizeof(half)); return small_float(half, 5, 10);
    case TOFFEE_DTYPE_BFLOAT16: memcpy(&half, at, sizeof(half)); return small_float(half, 8, 7);
    default: memcpy(&d, at, sizeof(d)); return d;
    }
}
