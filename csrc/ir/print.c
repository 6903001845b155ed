/* csrc/ir/print.c */
#include "ir/print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "ir/function.h"

/* Longest header that stays on one line, in bytes; a longer one gets a line an input. */
#define PRINT_HEADER_WIDTH 100
/* Longer lists are cut to their first elements. */
#define PRINT_MAX_INTS 32
#define PRINT_MAX_ELEMENTS 8
#define PRINT_MAX_STRING 256

/* The text so far. The first allocation that fails sets `failed`; what follows is dropped. */
typedef struct {
    toffee_arena *arena;
    TOFFEE_VEC(char) text;
    bool failed;
} printer;

static void put_graph(printer *out, const toffee_graph *graph, int depth);

static void
put(printer *out, const char *text, size_t length)
{
    if (out->failed) {
        return;
    }
    if (!toffee_vec_reserve(out->arena, (void **)&out->text.data, out->text.n, &out->text.capacity,
                            out->text.n + length + 1, 1)) {
        out->failed = true;
        return;
    }
    memcpy(out->text.data + out->text.n, text, length);
    out->text.n += length;
}

static void
put_text(printer *out, const char *text)
{
    put(out, text, strlen(text));
}

static void
put_int(printer *out, int64_t i)
{
    char text[24];

    put(out, text, (size_t)snprintf(text, sizeof(text), "%" PRId64, i));
}

static void
put_uint(printer *out, uint64_t i)
{
    char text[24];

    put(out, text, (size_t)snprintf(text, sizeof(text), "%" PRIu64, i));
}

/* A text that looks like a real number, in the C locale's spelling whatever the locale is. */
static void
put_real(printer *out, char *text)
{
    for (char *at = text; *at != '\0'; at++) {
        *at = (char)(*at == ',' ? '.' : *at);
    }
    put_text(out, text);
    if (strpbrk(text, ".en") == NULL) {
        put_text(out, ".0"); /* a float looks like one */
    }
}

/* The shortest decimal that reads back as F. */
static void
put_float(printer *out, float f)
{
    char text[32] = "nan"; /* of either sign */

    for (int digits = 6; digits <= 9 && f == f; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, (double)f);
        if (strtof(text, NULL) == f) {
            break;
        }
    }
    put_real(out, text);
}

static void
put_double(printer *out, double d)
{
    char text[40] = "nan";

    for (int digits = 15; digits <= 17 && d == d; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, d);
        if (strtod(text, NULL) == d) {
            break;
        }
    }
    put_real(out, text);
}

/* Bytes of the printable UTF-8 character at AT, of which REST bytes follow; 0: not one. */
static size_t
utf8_length(const uint8_t *at, size_t rest)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = *at < 0x80       ? 1
                    : *at >> 5 == 6  ? 2
                    : *at >> 4 == 14 ? 3
                    : *at >> 3 == 30 ? 4
                                     : 0;
    uint32_t code = length < 2 ? *at : *at & (0x7fU >> length);

    if (length == 0 || length > rest) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if (at[i] >> 6 != 2) {
            return 0;
        }
        code = code << 6 | (at[i] & 0x3f);
    }
    /* Control characters, surrogates, line separators and direction marks would garble a terminal.
     */
    if (code < smallest[length] || code < 0x20 || (code >= 0x7f && code < 0xa0) ||
        (code >= 0xd800 && code < 0xe000) || (code >= 0x2028 && code <= 0x202e) ||
        (code >= 0x2066 && code <= 0x2069) || code > 0x10ffff) {
        return 0;
    }
    return length;
}

/* N bytes with what is not printable, and the ASCII characters in SPECIAL, escaped. */
static void
put_escaped(printer *out, const uint8_t *bytes, size_t n, const char *special)
{
    size_t i = 0;

    while (i < n) {
        size_t length = utf8_length(bytes + i, n - i);
        char escape[8];

        if (length > 1 || (length == 1 && strchr(special, bytes[i]) == NULL)) {
            put(out, (const char *)bytes + i, length);
            i += length;
            continue;
        }
        if (bytes[i] == '"' || bytes[i] == '\\') {
            snprintf(escape, sizeof(escape), "\\%c", bytes[i]);
        }
        else if (bytes[i] == '\n') {
            snprintf(escape, sizeof(escape), "\\n");
        }
        else {
            snprintf(escape, sizeof(escape), "\\x%02x", bytes[i]);
        }
        put_text(out, escape);
        i++;
    }
}

/* A name: with the characters escaped that the listing itself is made of. */
static void
put_name(printer *out, const toffee_str *name)
{
    if (name != NULL) {
        put_escaped(out, (const uint8_t *)name->text, name->length, " ,()[]{}=\"\\");
    }
}

/* A symbol, or an expression such as "(length + 3)//4", which stays as it can be read. */
static void
put_symbol(printer *out, const toffee_str *text)
{
    put_escaped(out, (const uint8_t *)text->text, text->length, ",[]{}=\"\\");
}

static void
put_quoted(printer *out, const toffee_bytes *s)
{
    size_t n = s->n <= PRINT_MAX_STRING ? s->n : PRINT_MAX_STRING;

    put_text(out, "\"");
    put_escaped(out, s->data, n, "\"\\");
    put_text(out, "\"");
    if (n < s->n) {
        put_text(out, "...");
    }
}

static void
put_value(printer *out, const toffee_value *value)
{
    if (value == NULL) {
        put_text(out, "-");
        return;
    }
    put_text(out, "%");
    if (value->name == NULL) {
        put_text(out, "?");
    }
    put_name(out, value->name);
}

static void
put_dtype(printer *out, toffee_dtype dtype)
{
    put_text(out, toffee_dtype_get(dtype)->printed);
}

static void put_type(printer *out, const toffee_type *type);

/* "Sequence(Float(3))", "Map(Long, String())": a type that is no tensor's. */
static void
put_type_more(printer *out, const toffee_type_more *more)
{
    static const char *const names[] = {
        [TOFFEE_TYPE_IS_SEQUENCE] = "Sequence", [TOFFEE_TYPE_IS_OPTIONAL] = "Optional",
        [TOFFEE_TYPE_IS_MAP] = "Map",           [TOFFEE_TYPE_IS_SPARSE] = "Sparse",
        [TOFFEE_TYPE_IS_OPAQUE] = "Opaque",
    };

    put_text(out, names[more->kind]);
    put_text(out, "(");
    if (more->kind == TOFFEE_TYPE_IS_MAP) {
        put_dtype(out, more->key);
        put_text(out, ", ");
    }
    if (more->elem != NULL) {
        put_type(out, more->elem);
    }
    put_text(out, ")");
}

static void
put_type(printer *out, const toffee_type *type)
{
    if (toffee_type_get_kind(type) != TOFFEE_TYPE_IS_TENSOR) {
        put_type_more(out, type->more);
        return;
    }
    if (type->rank < 0) {
        if (type->dtype != TOFFEE_DTYPE_UNDEFINED) {
            put_dtype(out, type->dtype);
        }
        return;
    }
    put_dtype(out, type->dtype);
    put_text(out, "(");
    for (int32_t i = 0; i < type->rank; i++) {
        put_text(out, i != 0 ? ", " : "");
        if (type->dims[i].param != NULL) {
            put_symbol(out, type->dims[i].param);
        }
        else if (type->dims[i].value >= 0) {
            put_int(out, type->dims[i].value);
        }
        else {
            put_text(out, "?");
        }
    }
    put_text(out, ")");
}

static void
put_tensor_type(printer *out, const toffee_tensor *tensor)
{
    put_dtype(out, tensor->dtype);
    put_text(out, "(");
    for (int32_t i = 0; i < tensor->rank; i++) {
        put_text(out, i != 0 ? ", " : "");
        put_int(out, tensor->dims[i]);
    }
    put_text(out, ")");
}

/* " : Float(10, 3)", or nothing; an initializer without a declared type has that of its tensor. */
static void
put_value_type(printer *out, const toffee_value *value)
{
    if (value->type.dtype == TOFFEE_DTYPE_UNDEFINED && value->type.rank < 0 &&
        toffee_type_get_kind(&value->type) == TOFFEE_TYPE_IS_TENSOR) {
        if (value->tensor != NULL) {
            put_text(out, " : ");
            put_tensor_type(out, value->tensor);
        }
        return;
    }
    put_text(out, " : ");
    put_type(out, &value->type);
}

/* Floats that C has no type for: sign, EXPONENT bits, MANTISSA bits. */
typedef struct {
    uint8_t exponent, mantissa;
    int16_t bias;
    bool infinities; /* the largest exponent is infinity or NaN */
    uint8_t nan;     /* otherwise: the byte without sign that is NaN; 0: only 0x80 is */
} small_float;

static const small_float small_floats[TOFFEE_N_DTYPES] = {
    [TOFFEE_DTYPE_FLOAT16] = {5, 10, 15, true, 0},
    [TOFFEE_DTYPE_BFLOAT16] = {8, 7, 127, true, 0},
    [TOFFEE_DTYPE_FLOAT8E4M3FN] = {4, 3, 7, false, 0x7f},
    [TOFFEE_DTYPE_FLOAT8E4M3FNUZ] = {4, 3, 8, false, 0},
    [TOFFEE_DTYPE_FLOAT8E5M2] = {5, 2, 15, true, 0},
    [TOFFEE_DTYPE_FLOAT8E5M2FNUZ] = {5, 2, 16, false, 0},
    /* These have neither infinities nor NaN: no byte without sign is 0xff. */
    [TOFFEE_DTYPE_FLOAT4E2M1] = {2, 1, 1, false, 0xff},
    [TOFFEE_DTYPE_FLOAT6E2M3] = {2, 3, 1, false, 0xff},
    [TOFFEE_DTYPE_FLOAT6E3M2] = {3, 2, 3, false, 0xff},
};

static void
put_small_float(printer *out, const small_float *form, uint32_t bits)
{
    uint32_t sign = bits >> (form->exponent + form->mantissa) & 1;
    uint32_t top = (1U << form->exponent) - 1;
    uint32_t exponent = bits >> form->mantissa & top;
    uint32_t mantissa = bits & ((1U << form->mantissa) - 1);
    uint32_t magnitude = bits & ((1U << (form->exponent + form->mantissa)) - 1);
    /* 2**-k without libm: the bits of a double. */
    int shift = (exponent == 0 ? 1 : (int)exponent) - form->bias - form->mantissa;
    uint64_t scale_bits = (uint64_t)(shift + 1023) << 52;
    double scale = 0.0;
    double value = (double)(exponent == 0 ? mantissa : mantissa + (1U << form->mantissa));

    memcpy(&scale, &scale_bits, sizeof(scale));
    if (form->infinities && exponent == top) {
        put_text(out, mantissa != 0 ? "nan" : sign != 0 ? "-inf" : "inf");
        return;
    }
    if (!form->infinities &&
        (form->nan != 0 ? magnitude == form->nan : sign != 0 && magnitude == 0)) {
        put_text(out, "nan");
        return;
    }
    put_float(out, (float)(sign != 0 ? -value * scale : value * scale));
}

/* Element AT of packed DATA. */
static void
put_packed(printer *out, toffee_dtype dtype, const uint8_t *data, uint64_t at)
{
    unsigned width = toffee_dtype_get(dtype)->packed_bits;
    uint8_t elements[PRINT_MAX_ELEMENTS];
    uint8_t bits = 0;

    toffee_dtype_unpack(dtype, data, at + 1, elements); /* only the first few are ever printed */
    bits = elements[at];
    if (small_floats[dtype].exponent != 0) {
        put_small_float(out, &small_floats[dtype], bits);
    }
    else if (dtype == TOFFEE_DTYPE_INT4 || dtype == TOFFEE_DTYPE_INT2) {
        put_int(out, bits >> (width - 1) != 0 ? (int)bits - (1 << width) : bits);
    }
    else {
        put_uint(out, bits);
    }
}

/* A power of two without sign or mantissa. */
static void
put_e8m0(printer *out, uint32_t bits)
{
    uint32_t float_bits = bits != 0 ? bits << 23 : UINT32_C(1) << 22;
    float f = 0.0F;

    if (bits == 0xff) {
        put_text(out, "nan");
        return;
    }
    memcpy(&f, &float_bits, sizeof(f));
    put_float(out, f);
}

/* Element AT of DATA, which need not be aligned; AT is below PRINT_MAX_ELEMENTS. */
static void
put_element(printer *out, toffee_dtype dtype, const uint8_t *data, uint64_t at)
{
    const toffee_dtype_info *info = toffee_dtype_get(dtype);
    const uint8_t *element = data + at * info->n_bytes;
    uint64_t bits = 0;
    float f[2];
    double d[2];

    memcpy(&bits, element, info->n_bytes < sizeof(bits) ? info->n_bytes : sizeof(bits));
    if (info->packed_bits != 0) {
        put_packed(out, dtype, data, at);
        return;
    }
    if (small_floats[dtype].exponent != 0) {
        put_small_float(out, &small_floats[dtype], (uint32_t)bits);
        return;
    }
    switch (dtype) {
    case TOFFEE_DTYPE_FLOAT:
        memcpy(f, element, sizeof(f[0]));
        put_float(out, f[0]);
        return;
    case TOFFEE_DTYPE_DOUBLE:
        memcpy(d, element, sizeof(d[0]));
        put_double(out, d[0]);
        return;
    case TOFFEE_DTYPE_COMPLEX64:
        memcpy(f, element, sizeof(f));
        put_float(out, f[0]);
        put_text(out, f[1] < 0 ? "" : "+");
        put_float(out, f[1]);
        put_text(out, "j");
        return;
    case TOFFEE_DTYPE_COMPLEX128:
        memcpy(d, element, sizeof(d));
        put_double(out, d[0]);
        put_text(out, d[1] < 0 ? "" : "+");
        put_double(out, d[1]);
        put_text(out, "j");
        return;
    case TOFFEE_DTYPE_FLOAT8E8M0: put_e8m0(out, (uint32_t)bits); return;
    case TOFFEE_DTYPE_BOOL: put_text(out, bits != 0 ? "True" : "False"); return;
    case TOFFEE_DTYPE_INT8: put_int(out, (int8_t)bits); return;
    case TOFFEE_DTYPE_INT16: put_int(out, (int16_t)bits); return;
    case TOFFEE_DTYPE_INT32: put_int(out, (int32_t)bits); return;
    case TOFFEE_DTYPE_INT64: put_int(out, (int64_t)bits); return;
    default: put_uint(out, bits);
    }
}

/* "{0, -1}"; what would have to be fetched first is not. */
static void
put_elements(printer *out, const toffee_tensor *tensor)
{
    bool at_hand = tensor->dtype == TOFFEE_DTYPE_STRING
                       ? tensor->strings != NULL
                       : tensor->data != NULL && toffee_dtype_known(tensor->dtype);
    uint64_t n = !at_hand                                  ? 0
                 : tensor->n_elements > PRINT_MAX_ELEMENTS ? PRINT_MAX_ELEMENTS
                                                           : tensor->n_elements;

    put_text(out, "{");
    for (uint64_t i = 0; i < n; i++) {
        put_text(out, i != 0 ? ", " : "");
        if (tensor->dtype == TOFFEE_DTYPE_STRING) {
            put_quoted(out, &tensor->strings[i]);
        }
        else {
            put_element(out, tensor->dtype, tensor->data, i);
        }
    }
    if (n < tensor->n_elements) {
        put_text(out, n != 0 ? ", ..." : "...");
    }
    put_text(out, "}");
}

static void
put_tensor(printer *out, const toffee_tensor *tensor)
{
    put_tensor_type(out, tensor);
    put_text(out, " ");
    put_elements(out, tensor);
}

/* "Sparse(3, 3) {indices, values}" */
static void
put_sparse(printer *out, const toffee_sparse *sparse)
{
    put_text(out, "Sparse(");
    for (int32_t i = 0; i < sparse->rank; i++) {
        put_text(out, i != 0 ? ", " : "");
        put_int(out, sparse->dims[i]);
    }
    put_text(out, ") {");
    if (sparse->indices != NULL) {
        put_tensor(out, sparse->indices);
        put_text(out, ", ");
    }
    put_tensor(out, sparse->values);
    put_text(out, "}");
}

static void
put_list_item(printer *out, const toffee_attr *attr, size_t i, int depth)
{
    switch (attr->type) {
    case TOFFEE_ATTR_FLOATS: put_float(out, attr->floats[i]); return;
    case TOFFEE_ATTR_INTS: put_int(out, attr->ints[i]); return;
    case TOFFEE_ATTR_STRINGS: put_quoted(out, &attr->strings[i]); return;
    case TOFFEE_ATTR_TENSORS: put_tensor(out, attr->tensors[i]); return;
    case TOFFEE_ATTR_SPARSE_TENSOR:
    case TOFFEE_ATTR_SPARSE_TENSORS: put_sparse(out, attr->sparse[i]); return;
    case TOFFEE_ATTR_TYPE_PROTO:
    case TOFFEE_ATTR_TYPE_PROTOS: put_type(out, &attr->types[i]); return;
    default: put_graph(out, attr->graphs[i], depth);
    }
}

static void
put_list(printer *out, const toffee_attr *attr, int depth)
{
    size_t n =
        attr->n > PRINT_MAX_INTS && attr->type != TOFFEE_ATTR_GRAPHS ? PRINT_MAX_ELEMENTS : attr->n;

    put_text(out, "[");
    for (size_t i = 0; i < n; i++) {
        put_text(out, i != 0 ? ", " : "");
        put_list_item(out, attr, i, depth);
    }
    if (n < attr->n) {
        put_text(out, ", ... ");
        put_uint(out, attr->n);
        put_text(out, " in all");
    }
    put_text(out, "]");
}

static void
put_attr(printer *out, const toffee_attr *attr, int depth)
{
    put_name(out, attr->name);
    put_text(out, "=");
    if (attr->ref != NULL) {
        put_text(out, "@");
        put_name(out, attr->ref);
        return;
    }
    switch (attr->type) {
    case TOFFEE_ATTR_UNDEFINED: put_text(out, "?"); return;
    case TOFFEE_ATTR_FLOAT: put_float(out, attr->f); return;
    case TOFFEE_ATTR_INT: put_int(out, attr->i); return;
    case TOFFEE_ATTR_STRING: put_quoted(out, &attr->s); return;
    case TOFFEE_ATTR_TENSOR: /* a file may give the type and no value */
        if (attr->t != NULL) {
            put_tensor(out, attr->t);
        }
        return;
    case TOFFEE_ATTR_GRAPH:
        if (attr->g != NULL) {
            put_graph(out, attr->g, depth);
        }
        return;
    case TOFFEE_ATTR_SPARSE_TENSOR:
    case TOFFEE_ATTR_TYPE_PROTO:
        if (attr->n != 0) {
            put_list_item(out, attr, 0, depth);
        }
        return;
    default: put_list(out, attr, depth);
    }
}

static void
put_indent(printer *out, int depth)
{
    for (int i = 0; i < depth; i++) {
        put_text(out, "  ");
    }
}

static void
put_node(printer *out, const toffee_node *node, int depth)
{
    for (size_t i = 0; i < node->outputs.n; i++) {
        put_text(out, i != 0 ? ", " : "");
        put_value(out, node->outputs.data[i]);
        if (node->outputs.data[i] != NULL) {
            put_value_type(out, node->outputs.data[i]);
        }
    }
    put_text(out, node->outputs.n != 0 ? " = " : "");
    if (node->domain != NULL && node->domain->length != 0) {
        put_name(out, node->domain);
        put_text(out, "::");
    }
    put_name(out, node->op_type);
    if (node->overload != NULL) {
        put_text(out, ":");
        put_name(out, node->overload);
    }
    for (size_t i = 0; i < node->attrs.n; i++) {
        put_text(out, i != 0 ? ", " : "[");
        put_attr(out, &node->attrs.data[i], depth);
    }
    put_text(out, node->attrs.n != 0 ? "](" : "(");
    for (size_t i = 0; i < node->inputs.n; i++) {
        put_text(out, i != 0 ? ", " : "");
        put_value(out, node->inputs.data[i]);
    }
    put_text(out, ")");
}

static void
put_inputs(printer *out, const toffee_graph *graph, const char *separator, int depth, int column)
{
    for (size_t i = 0; i < graph->inputs.n; i++) {
        put_text(out, i != 0 ? separator : "");
        if (i != 0 && separator[1] == '\n') {
            put_indent(out, depth);
            for (int k = 0; k < column; k++) {
                put_text(out, " "); /* below the first one, after "graph(" or so */
            }
        }
        put_value(out, graph->inputs.data[i]);
        put_value_type(out, graph->inputs.data[i]);
    }
    put_text(out, ") {\n");
}

/* "function my.domain::name:overload[alpha, beta=0.5]" */
static void
put_function_name(printer *out, const toffee_graph *graph)
{
    const toffee_function *function = graph->function;
    const char *separator = "[";

    put_text(out, "function ");
    if (graph->domain != NULL && graph->domain->length != 0) {
        put_name(out, graph->domain);
        put_text(out, "::");
    }
    put_name(out, graph->name);
    if (function->overload != NULL) {
        put_text(out, ":");
        put_name(out, function->overload);
    }
    for (size_t i = 0; i < function->attr_names.n; i++) {
        put_text(out, separator);
        put_name(out, function->attr_names.data[i]);
        separator = ", ";
    }
    for (size_t i = 0; i < function->attr_defaults.n; i++) {
        put_text(out, separator);
        put_attr(out, &function->attr_defaults.data[i], 1);
        separator = ", ";
    }
    put_text(out, separator[0] == ',' ? "]" : "");
}

static void
put_header(printer *out, const toffee_graph *graph, int depth)
{
    size_t begin = out->text.n;
    size_t start = 0;
    int column = 0;

    if (graph->function != NULL) {
        put_function_name(out, graph);
    }
    put_text(out, graph->function != NULL ? "(" : "graph(");
    start = out->text.n;
    column = (int)(start - begin);
    put_inputs(out, graph, ", ", depth, column);
    if (!out->failed && out->text.n - start > (size_t)(PRINT_HEADER_WIDTH - 6)) {
        out->text.n = start;
        put_inputs(out, graph, ",\n", depth, column);
    }
}

/* What the graph starts from and its header does not show. */
static void
put_constants(printer *out, const toffee_graph *graph, int depth)
{
    for (size_t i = 0; i < graph->initializers.n; i++) {
        const toffee_tensor *tensor = graph->initializers.data[i];
        const toffee_value *value = toffee_ptrmap_get(&graph->values, tensor->name);

        if (value != NULL && value->is_input) {
            continue;
        }
        put_indent(out, depth + 1);
        put_text(out, "%");
        put_name(out, tensor->name);
        put_text(out, " : ");
        put_tensor_type(out, tensor);
        put_text(out, " = Constant[value=");
        put_elements(out, tensor);
        put_text(out, "]()\n");
    }
    for (size_t i = 0; i < graph->sparse_initializers.n; i++) {
        const toffee_sparse *sparse = graph->sparse_initializers.data[i];

        put_indent(out, depth + 1);
        put_text(out, "%");
        put_name(out, sparse->values->name);
        put_text(out, " = Constant[sparse_value=");
        put_sparse(out, sparse);
        put_text(out, "]()\n");
    }
}

static void
put_graph(printer *out, const toffee_graph *graph, int depth)
{
    if (depth > TOFFEE_MAX_DEPTH) {
        put_text(out, "graph(...)");
        return;
    }
    put_header(out, graph, depth);
    put_constants(out, graph, depth);
    for (size_t i = 0; i < graph->nodes.n; i++) {
        put_indent(out, depth + 1);
        put_node(out, graph->nodes.data[i], depth + 1);
        put_text(out, "\n");
    }
    put_indent(out, depth + 1);
    put_text(out, "return (");
    for (size_t i = 0; i < graph->outputs.n; i++) {
        put_text(out, i != 0 ? ", " : "");
        put_value(out, graph->outputs.data[i]);
    }
    put_text(out, ")\n");
    put_indent(out, depth);
    put_text(out, "}");
}

static toffee_code
printer_finish(printer *out, char **text, size_t *length, toffee_status *st)
{
    put(out, "", 0); /* makes room for the terminator */
    if (out->failed) {
        return toffee_fail_nomem(st);
    }
    out->text.data[out->text.n] = '\0';
    *text = out->text.data;
    *length = out->text.n;
    return TOFFEE_OK;
}

toffee_code
toffee_print_graph(const toffee_graph *graph, toffee_arena *scratch, char **text, size_t *length,
                   toffee_status *st)
{
    printer out = {.arena = scratch};

    put_graph(&out, graph, 0);
    put_text(&out, "\n");
    for (size_t i = 0; i < graph->functions.n; i++) {
        put_graph(&out, graph->functions.data[i], 0);
        put_text(&out, "\n");
    }
    return printer_finish(&out, text, length, st);
}

toffee_code
toffee_print_node(const toffee_node *node, toffee_arena *scratch, char **text, size_t *length,
                  toffee_status *st)
{
    printer out = {.arena = scratch};

    put_node(&out, node, 0);
    return printer_finish(&out, text, length, st);
}

toffee_code
toffee_print_type(const toffee_type *type, toffee_arena *scratch, char **text, size_t *length,
                  toffee_status *st)
{
    printer out = {.arena = scratch};

    put_type(&out, type);
    return printer_finish(&out, text, length, st);
}
