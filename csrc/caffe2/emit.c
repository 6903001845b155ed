/* csrc/caffe2/emit.c -- a graph as two Caffe2 nets. */
#include "caffe2/emit.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "caffe2/rules.h"

/* What protobuf's parsers take at most. */
#define MAX_NET_BYTES ((size_t)INT32_MAX)

/* ---- nodes ----------------------------------------------------------------------------------- */

/* Operators begun for the node at hand, to forget when a way declines. */
typedef struct {
    size_t init;
    size_t predict;
} emit_mark;

static toffee_code
try_way(toffee_c2 *c, const toffee_c2_rule *rule, toffee_c2_fn way)
{
    emit_mark mark = {c->init.ops.n, c->predict.ops.n};
    toffee_code rc = way != NULL ? way(c, rule) : TOFFEE_DECLINED;

    if (c->rc != TOFFEE_OK) {
        return c->rc;
    }
    if (rc == TOFFEE_DECLINED) {
        c->into = &c->predict;
        c->init.ops.n = mark.init;
        c->predict.ops.n = mark.predict;
    }
    return rc;
}

static toffee_code
refuse_node(toffee_c2 *c, const char *why)
{
    const toffee_node *node = c->node;
    const char *place = toffee_str_text(node->doc);

    return toffee_fail(
        c->st, TOFFEE_ERR_UNSUPPORTED, "node %zu '%s' (%s%s%s)%s%s: Caffe2 cannot compute it: %s",
        c->index, toffee_str_text(node->name), toffee_str_text(node->domain),
        toffee_str_text(node->domain)[0] != '\0' ? "::" : "", toffee_str_text(node->op_type),
        place[0] != '\0' ? ", from " : "", place, why);
}

/* A Constant is a weight that has no name of its own: made by the init net, or fed. */
static toffee_code
emit_constant(toffee_c2 *c)
{
    const toffee_value *output = toffee_c2_output(c, 0);
    const toffee_tensor *tensor = toffee_c2_known(output);

    if (tensor == NULL) {
        return TOFFEE_DECLINED;
    }
    if (c->options->weights) {
        c->into = &c->init;
        toffee_c2_fill(c, tensor, toffee_c2_blob(c, output));
        c->into = &c->predict;
    }
    return c->rc;
}

static toffee_code
emit_node(toffee_c2 *c)
{
    const toffee_c2_rule *rule = NULL;
    toffee_code rc = TOFFEE_DECLINED;
    bool aten_first = c->options->prefer_aten;
    const char *first = NULL;
    const char *why = NULL;

    c->why = NULL;
    if (toffee_str_is(c->node->domain, "") && toffee_str_is(c->node->op_type, "Constant")) {
        rc = emit_constant(c);
        if (rc != TOFFEE_DECLINED) {
            return rc;
        }
    }
    rule = toffee_c2_rule_of(c->node);
    if (rule == NULL) {
        return refuse_node(c, "neither Caffe2 nor its operator ATen has it");
    }
    rc = try_way(c, rule, aten_first ? rule->aten : rule->caffe2);
    if (rc == TOFFEE_DECLINED) {
        first = c->why;
        c->why = NULL;
        rc = try_way(c, rule, aten_first ? rule->caffe2 : rule->aten);
    }
    if (rc == TOFFEE_DECLINED) {
        /* ATen's reason, for ATen can do more. */
        why = (aten_first && first != NULL) || c->why == NULL ? first : c->why;
        return refuse_node(c, why != NULL ? why : "it has no kernel for these arguments");
    }
    return rc;
}

/* ---- nets ------------------------------------------------------------------------------------ */

/* A list of names as protobuf-c wants it. */
typedef TOFFEE_VEC(char *) name_list;

static void
list_add(toffee_c2 *c, name_list *names, const char *name)
{
    if (c->rc == TOFFEE_OK && !TOFFEE_VEC_PUSH(c->arena, names, (char *)(uintptr_t)name)) {
        c->rc = toffee_fail_nomem(c->st);
    }
}

/* The number of a fresh blob; SIZE_MAX if BLOB is none. */
static size_t
fresh_number(const toffee_c2 *c, const char *blob)
{
    size_t prefix = sizeof(TOFFEE_C2_FRESH) - 1;
    size_t number = 0;

    if (strncmp(blob, TOFFEE_C2_FRESH, prefix) != 0 || toffee_graph_find(c->graph, blob) != NULL) {
        return SIZE_MAX;
    }
    number = (size_t)strtoull(blob + prefix, NULL, 10);
    return number < c->n_fresh ? number : SIZE_MAX;
}

/* The helper constants that operators of the predict net read, in the order in which they are made:
 * the init net may make others on the way to them, or for ways that declined. */
static void
list_helpers(toffee_c2 *c, name_list *names)
{
    bool *read = c->rc == TOFFEE_OK ? toffee_arena_calloc(c->arena, c->n_fresh + 1, 1) : NULL;

    if (read == NULL) {
        c->rc = c->rc != TOFFEE_OK ? c->rc : toffee_fail_nomem(c->st);
        return;
    }
    for (size_t i = 0; i < c->predict.ops.n; i++) {
        const toffee_c2_op_draft *op = &c->predict.ops.data[i];

        for (size_t k = 0; k < op->inputs.n; k++) {
            size_t number = fresh_number(c, op->inputs.data[k]);

            read[number != SIZE_MAX ? number : c->n_fresh] = true;
        }
    }
    for (size_t i = 0; i < c->init.ops.n; i++) {
        const toffee_c2_op_draft *op = &c->init.ops.data[i];

        for (size_t k = 0; k < op->outputs.n; k++) {
            size_t number = fresh_number(c, op->outputs.data[k]);

            if (number != SIZE_MAX && read[number]) {
                list_add(c, names, op->outputs.data[k]);
            }
        }
    }
}

/* Blobs that the predict net reads and no operator of it makes: the graph's inputs and constants,
 * and what rules put into the init net. */
static name_list
list_inputs(toffee_c2 *c)
{
    const toffee_graph *graph = c->graph;
    name_list names = {0};

    for (size_t i = 0; i < graph->inputs.n; i++) {
        list_add(c, &names, toffee_c2_blob(c, graph->inputs.data[i]));
    }
    for (size_t i = 0; i < graph->initializers.n; i++) {
        const toffee_tensor *tensor = graph->initializers.data[i];
        const toffee_value *value = toffee_graph_find(graph, toffee_str_text(tensor->name));

        if (value == NULL || !value->is_input) {
            list_add(c, &names, toffee_str_text(tensor->name));
        }
    }
    for (size_t i = 0; i < graph->nodes.n; i++) {
        const toffee_node *node = graph->nodes.data[i];
        const toffee_value *value = node->outputs.n != 0 ? node->outputs.data[0] : NULL;

        if (toffee_c2_known(value) != NULL && value->tensor == NULL) {
            list_add(c, &names, toffee_c2_blob(c, value));
        }
    }
    list_helpers(c, &names);
    return names;
}

static name_list
list_outputs(toffee_c2 *c)
{
    name_list names = {0};

    for (size_t i = 0; i < c->graph->outputs.n; i++) {
        list_add(c, &names, toffee_c2_blob(c, c->graph->outputs.data[i]));
    }
    return names;
}

/* Serializes DRAFT called NAME into a new block at *OUT. */
static void
net_pack(toffee_c2 *c, toffee_c2_net_draft *draft, char *name, const name_list *inputs,
         const name_list *outputs, uint8_t **out, size_t *n)
{
    Caffe2__NetDef net = CAFFE2__NET_DEF__INIT;
    size_t size = 0;

    if (c->rc != TOFFEE_OK) {
        return;
    }
    net.name = name;
    net.device_option = &c->device;
    net.op = toffee_arena_calloc(c->arena, draft->ops.n + 1, sizeof(*net.op));
    if (net.op == NULL) {
        c->rc = toffee_fail_nomem(c->st);
        return;
    }
    for (size_t i = 0; i < draft->ops.n; i++) {
        toffee_c2_op_draft *op = &draft->ops.data[i];

        op->def->input = op->inputs.data;
        op->def->n_input = op->inputs.n;
        op->def->output = op->outputs.data;
        op->def->n_output = op->outputs.n;
        op->def->arg = op->args.data;
        op->def->n_arg = op->args.n;
        net.op[i] = op->def;
    }
    net.n_op = draft->ops.n;
    net.external_input = inputs->data;
    net.n_external_input = inputs->n;
    net.external_output = outputs->data;
    net.n_external_output = outputs->n;
    size = caffe2__net_def__get_packed_size(&net);
    if (size > MAX_NET_BYTES) {
        c->rc = toffee_fail(c->st, TOFFEE_ERR_LIMIT,
                            "the weights take %zu bytes, and Caffe2 reads nets of at most 2 GiB: "
                            "leave them out and feed them",
                            size);
        return;
    }
    *out = toffee_malloc(size + 1);
    if (*out == NULL) {
        c->rc = toffee_fail_nomem(c->st);
        return;
    }
    *n = caffe2__net_def__pack(&net, *out);
}

/* The parameters, for a net that somebody else runs. */
static void
emit_weights(toffee_c2 *c)
{
    c->node = NULL;
    c->into = &c->init;
    for (size_t i = 0; i < c->graph->initializers.n; i++) {
        const toffee_tensor *tensor = c->graph->initializers.data[i];

        toffee_c2_fill(c, tensor, toffee_str_text(tensor->name));
    }
    c->into = &c->predict;
}

static void
note_nodes(toffee_c2 *c, toffee_c2_nets *out)
{
    if (c->rc != TOFFEE_OK) {
        return;
    }
    out->n_nodes = c->predict.ops.n;
    out->nodes = toffee_malloc((out->n_nodes + 1) * sizeof(*out->nodes));
    if (out->nodes == NULL) {
        c->rc = toffee_fail_nomem(c->st);
        return;
    }
    for (size_t i = 0; i < out->n_nodes; i++) {
        out->nodes[i] = c->predict.ops.data[i].node;
    }
}

toffee_code
toffee_c2_emit(const toffee_graph *graph, const toffee_c2_options *options, toffee_c2_nets *out,
               toffee_status *st)
{
    toffee_c2 c = {.graph = graph, .options = options, .st = st};
    name_list inputs = {0};
    name_list outputs = {0};
    name_list nothing = {0};

    *out = (toffee_c2_nets){0};
    c.arena = toffee_arena_new();
    if (c.arena == NULL) {
        return toffee_fail_nomem(st);
    }
    caffe2__device_option__init(&c.device);
    c.device.has_device_type = 1;
    c.device.device_type = options->cuda ? 1 : 0;
    c.device.has_device_id = options->cuda;
    c.device.device_id = options->device_id;
    c.into = &c.predict;
    if (graph->sparse_initializers.n != 0) {
        c.rc = toffee_fail(st, TOFFEE_ERR_UNSUPPORTED,
                           "the graph has sparse initializers, which Caffe2 does not know");
    }
    if (options->weights) {
        emit_weights(&c);
    }
    for (size_t i = 0; i < graph->nodes.n && c.rc == TOFFEE_OK; i++) {
        c.node = graph->nodes.data[i];
        c.index = i;
        c.rc = emit_node(&c);
    }
    c.node = NULL;
    inputs = list_inputs(&c);
    outputs = list_outputs(&c);
    net_pack(&c, &c.init, "init", &nothing, &nothing, &out->init, &out->n_init);
    net_pack(&c, &c.predict, "predict", &inputs, &outputs, &out->predict, &out->n_predict);
    note_nodes(&c, out);
    for (size_t i = 0; i < c.held.n; i++) {
        toffee_tensor_let_go(c.held.data[i]);
    }
    toffee_arena_free(c.arena);
    if (c.rc != TOFFEE_OK) {
        toffee_c2_nets_free(out);
    }
    return c.rc;
}

void
toffee_c2_nets_free(toffee_c2_nets *nets)
{
    toffee_free(nets->init);
    toffee_free(nets->predict);
    toffee_free(nets->nodes);
    *nets = (toffee_c2_nets){0};
}
