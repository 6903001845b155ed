/* csrc/caffe2/read.c -- the bytes of a NetDef as operators. */
#include "caffe2/read.h"

#include <string.h>

#include "wire/reader.h"
#include "wire/utf8.h"

/* ---- the fields of caffe2.proto --------------------------------------------------------------
 */

enum { NET_NAME, NET_OP, NET_INPUT, NET_OUTPUT, N_NET };
enum { OP_INPUT, OP_OUTPUT, OP_NAME, OP_TYPE, OP_ARG, N_OP };
enum { ARG_NAME, ARG_F, ARG_I, ARG_S, ARG_FLOATS, ARG_INTS, ARG_STRINGS, ARG_N, ARG_T, N_ARG };

#define ONE(label, how, what) {.name = (label), .kind = TOFFEE_WIRE_##how, .meaning = (what)}
#define MANY(label, how, what)                                                                     \
    {.name = (label), .kind = TOFFEE_WIRE_##how, .meaning = (what), .repeated = true}

static const toffee_field net_rows[] = {
    [1] = ONE("name", BYTES, NET_NAME),
    [2] = MANY("op", BYTES, NET_OP),
    [7] = MANY("external_input", BYTES, NET_INPUT),
    [8] = MANY("external_output", BYTES, NET_OUTPUT),
};
static const toffee_field op_rows[] = {
    [1] = MANY("input", BYTES, OP_INPUT), [2] = MANY("output", BYTES, OP_OUTPUT),
    [3] = ONE("name", BYTES, OP_NAME),    [4] = ONE("type", BYTES, OP_TYPE),
    [5] = MANY("arg", BYTES, OP_ARG),
};
static const toffee_field arg_rows[] = {
    [1] = ONE("name", BYTES, ARG_NAME),
    [2] = ONE("f", FIXED32, ARG_F),
    [3] = ONE("i", VARINT, ARG_I),
    [4] = ONE("s", BYTES, ARG_S),
    [5] = MANY("floats", FIXED32S, ARG_FLOATS),
    [6] = MANY("ints", VARINTS, ARG_INTS),
    [7] = MANY("strings", BYTES, ARG_STRINGS),
    [8] = ONE("n", BYTES, ARG_N),
    [9] = MANY("nets", BYTES, ARG_N),
    [10] = ONE("t", BYTES, ARG_T),
    [11] = MANY("tensors", BYTES, ARG_T),
    [12] = MANY("qtensors", BYTES, ARG_T),
};
static const toffee_fields net_fields = {net_rows, TOFFEE_COUNTOF(net_rows), N_NET};
static const toffee_fields op_fields = {op_rows, TOFFEE_COUNTOF(op_rows), N_OP};
static const toffee_fields arg_fields = {arg_rows, TOFFEE_COUNTOF(arg_rows), N_ARG};

/* ---- memory ---------------------------------------------------------------------------------- */

typedef struct {
    toffee_graph *graph;
    uint64_t left; /* bytes that may still be allocated */
} net_source;

static toffee_code
source_alloc(net_source *src, toffee_reader *reader, size_t n, size_t size, void **out,
             toffee_status *st)
{
    uint64_t bytes = 0;

    if (__builtin_mul_overflow((uint64_t)n, (uint64_t)size, &bytes) || bytes > src->left) {
        return toffee_reader_fail(reader, NULL, TOFFEE_ERR_LIMIT, st,
                                  "the net takes far more memory than it has bytes");
    }
    src->left -= bytes;
    *out = toffee_arena_calloc(src->graph->arena, n != 0 ? n : 1, size);
    return *out != NULL ? TOFFEE_OK : toffee_fail_nomem(st);
}

/* ---- parts ----------------------------------------------------------------------------------- */

static toffee_code
read_name(net_source *src, toffee_reader *reader, const toffee_item *item, const toffee_str **out,
          toffee_status *st)
{
    const char *text = (const char *)item->bytes.data;

    if (item->bytes.n != 0 && (memchr(text, 0, item->bytes.n) != NULL ||
                               !toffee_utf8_valid(item->bytes.data, item->bytes.n))) {
        return toffee_reader_fail(reader, item, TOFFEE_ERR_FORMAT, st,
                                  "a name with a zero byte in it, or that is not UTF-8");
    }
    *out = toffee_strpool_intern(src->graph->pool, item->bytes.n != 0 ? text : "", item->bytes.n);
    return *out != NULL ? TOFFEE_OK : toffee_fail_nomem(st);
}

static toffee_code
read_names(net_source *src, toffee_reader *reader, const toffee_part *part, const toffee_str ***out,
           size_t *n, toffee_status *st)
{
    void *names = NULL;

    TOFFEE_RETURN_IF_ERROR(source_alloc(src, reader, part->n, sizeof(toffee_str *), &names, st));
    *out = names;
    *n = part->n;
    toffee_reader_seek(reader, part);
    for (size_t i = 0; i < part->n; i++) {
        toffee_item item = {0};

        TOFFEE_RETURN_IF_ERROR(toffee_reader_next_of(reader, part, &item, st));
        TOFFEE_RETURN_IF_ERROR(read_name(src, reader, &item, &(*out)[i], st));
    }
    return TOFFEE_OK;
}

static toffee_code
read_floats(net_source *src, toffee_reader *reader, const toffee_part *part,
            toffee_c2_read_arg *arg, toffee_status *st)
{
    void *floats = NULL;
    size_t used = 0;

    arg->n_floats = (size_t)part->n_numbers;
    if (part->n == 1) {
        arg->floats = part->last.bytes.data;
        arg->floats_borrowed = true;
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(source_alloc(src, reader, arg->n_floats, sizeof(float), &floats, st));
    toffee_reader_seek(reader, part);
    for (size_t i = 0; i < part->n; i++) {
        toffee_item item = {0};

        TOFFEE_RETURN_IF_ERROR(toffee_reader_next_of(reader, part, &item, st));
        if (item.bytes.n != 0) {
            memcpy((float *)floats + used, item.bytes.data, item.bytes.n);
        }
        used += item.bytes.n / sizeof(float);
    }
    arg->floats = floats;
    return TOFFEE_OK;
}

static toffee_code
read_ints(net_source *src, toffee_reader *reader, const toffee_part *part, toffee_c2_read_arg *arg,
          toffee_status *st)
{
    void *ints = NULL;
    size_t used = 0;

    arg->n_ints = (size_t)part->n_numbers;
    TOFFEE_RETURN_IF_ERROR(source_alloc(src, reader, arg->n_ints, sizeof(int64_t), &ints, st));
    toffee_reader_seek(reader, part);
    for (size_t i = 0; i < part->n; i++) {
        toffee_item item = {0};

        TOFFEE_RETURN_IF_ERROR(toffee_reader_next_of(reader, part, &item, st));
        while (item.bytes.n != 0 && used < arg->n_ints) {
            ((int64_t *)ints)[used++] = (int64_t)toffee_reader_take_varint(&item.bytes);
        }
    }
    arg->ints = ints;
    return TOFFEE_OK;
}

static toffee_code
read_arg(net_source *src, toffee_reader *outer, const toffee_item *item, toffee_c2_read_arg *arg,
         toffee_status *st)
{
    toffee_reader reader;
    toffee_part parts[N_ARG];

    TOFFEE_RETURN_IF_ERROR(toffee_reader_enter(&reader, outer, item, &arg_fields, st));
    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(&reader, parts, st));
    if (parts[ARG_NAME].n == 0) {
        return toffee_reader_fail(&reader, NULL, TOFFEE_ERR_FORMAT, st,
                                  "an argument without a name");
    }
    TOFFEE_RETURN_IF_ERROR(read_name(src, &reader, &parts[ARG_NAME].last, &arg->name, st));
    arg->has_f = parts[ARG_F].n != 0;
    if (arg->has_f) {
        memcpy(&arg->f, parts[ARG_F].last.bytes.data, sizeof(arg->f));
    }
    arg->has_i = parts[ARG_I].n != 0;
    arg->i = (int64_t)parts[ARG_I].last.value;
    arg->has_s = parts[ARG_S].n != 0;
    arg->s = parts[ARG_S].last.bytes;
    if (arg->has_s) {
        arg->s.data = toffee_arena_copy(src->graph->arena, arg->s.data, arg->s.n);
        if (arg->s.data == NULL && arg->s.n != 0) {
            return toffee_fail_nomem(st);
        }
    }
    arg->n_strings = parts[ARG_STRINGS].n;
    arg->has_more = parts[ARG_N].n != 0 || parts[ARG_T].n != 0;
    TOFFEE_RETURN_IF_ERROR(read_floats(src, &reader, &parts[ARG_FLOATS], arg, st));
    return read_ints(src, &reader, &parts[ARG_INTS], arg, st);
}

static toffee_code
read_op(net_source *src, toffee_reader *outer, const toffee_item *item, toffee_c2_read_op *op,
        toffee_status *st)
{
    toffee_reader reader;
    toffee_part parts[N_OP];
    void *args = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_reader_enter(&reader, outer, item, &op_fields, st));
    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(&reader, parts, st));
    if (parts[OP_TYPE].n == 0 || parts[OP_TYPE].last.bytes.n == 0) {
        return toffee_reader_fail(&reader, NULL, TOFFEE_ERR_FORMAT, st,
                                  "an operator without a type");
    }
    TOFFEE_RETURN_IF_ERROR(read_name(src, &reader, &parts[OP_TYPE].last, &op->type, st));
    if (parts[OP_NAME].n != 0) {
        TOFFEE_RETURN_IF_ERROR(read_name(src, &reader, &parts[OP_NAME].last, &op->name, st));
    }
    TOFFEE_RETURN_IF_ERROR(
        read_names(src, &reader, &parts[OP_INPUT], &op->inputs, &op->n_inputs, st));
    TOFFEE_RETURN_IF_ERROR(
        read_names(src, &reader, &parts[OP_OUTPUT], &op->outputs, &op->n_outputs, st));
    op->n_args = parts[OP_ARG].n;
    TOFFEE_RETURN_IF_ERROR(
        source_alloc(src, &reader, op->n_args, sizeof(toffee_c2_read_arg), &args, st));
    op->args = args;
    toffee_reader_seek(&reader, &parts[OP_ARG]);
    for (size_t i = 0; i < op->n_args; i++) {
        toffee_item arg = {0};

        TOFFEE_RETURN_IF_ERROR(toffee_reader_next_of(&reader, &parts[OP_ARG], &arg, st));
        TOFFEE_RETURN_IF_ERROR(read_arg(src, &reader, &arg, &op->args[i], st));
    }
    return TOFFEE_OK;
}

toffee_code
toffee_c2_read(const uint8_t *data, size_t n, const char *file, toffee_graph *graph,
               toffee_c2_read_net *out, toffee_status *st)
{
    /* A number of one byte takes eight here; an operator of two bytes is bounded by the spare. */
    net_source src = {graph, 8 * (uint64_t)n + TOFFEE_LOAD_SPARE_BYTES};
    toffee_reader reader;
    toffee_part parts[N_NET];
    void *ops = NULL;

    toffee_reader_init(&reader, data, n, &net_fields);
    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(&reader, parts, st));
    *out = (toffee_c2_read_net){.file = file};
    if (parts[NET_NAME].n != 0) {
        TOFFEE_RETURN_IF_ERROR(read_name(&src, &reader, &parts[NET_NAME].last, &out->name, st));
    }
    TOFFEE_RETURN_IF_ERROR(
        read_names(&src, &reader, &parts[NET_INPUT], &out->inputs, &out->n_inputs, st));
    TOFFEE_RETURN_IF_ERROR(
        read_names(&src, &reader, &parts[NET_OUTPUT], &out->outputs, &out->n_outputs, st));
    out->n_ops = parts[NET_OP].n;
    TOFFEE_RETURN_IF_ERROR(
        source_alloc(&src, &reader, out->n_ops, sizeof(toffee_c2_read_op), &ops, st));
    out->ops = ops;
    toffee_reader_seek(&reader, &parts[NET_OP]);
    for (size_t i = 0; i < out->n_ops; i++) {
        toffee_item op = {0};

        TOFFEE_RETURN_IF_ERROR(toffee_reader_next_of(&reader, &parts[NET_OP], &op, st));
        TOFFEE_RETURN_IF_ERROR(read_op(&src, &reader, &op, &out->ops[i], st));
    }
    return TOFFEE_OK;
}

toffee_c2_read_arg *
toffee_c2_read_find(const toffee_c2_read_op *op, const char *name)
{
    for (size_t i = 0; i < op->n_args; i++) {
        if (toffee_str_is(op->args[i].name, name)) {
            return &op->args[i];
        }
    }
    return NULL;
}
