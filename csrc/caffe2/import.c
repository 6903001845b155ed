/* csrc/caffe2/import.c -- two nets as a graph: the walk over their operators. */
#include "caffe2/import.h"

#include <stdio.h>
#include <string.h>

#include "caffe2/importer.h"

static const toffee_c2i_family *const families[] = {
    &toffee_c2i_rules_fill,
    &toffee_c2i_rules_math,
    &toffee_c2i_rules_nn,
    &toffee_c2i_rules_shape,
};

/* Arguments that change nothing of what is computed, with any operator: how cuDNN searches, what
 * the trainer notes. "order" is looked at before the rule. */
static const char *const idle_args[] = {
    "algo",
    "cudnn_exhaustive_search",
    "deterministic",
    "enable_tensor_core",
    "engine",
    "exhaustive_search",
    "float16_compute",
    "is_test",
    "init_params",
    "math_type",
    "no_bias",
    "shared_buffer",
    "ws_nbytes_limit",
};

static const toffee_c2i_rule *
rule_find(const char *op)
{
    for (size_t i = 0; i < TOFFEE_COUNTOF(families); i++) {
        for (size_t k = 0; k < families[i]->n; k++) {
            if (strcmp(families[i]->rows[k].op, op) == 0) {
                return &families[i]->rows[k];
            }
        }
    }
    return NULL;
}

size_t
toffee_c2_import_count(void)
{
    size_t n = 0;

    for (size_t i = 0; i < TOFFEE_COUNTOF(families); i++) {
        n += families[i]->n;
    }
    return n;
}

void
toffee_c2_import_row(size_t index, const char **caffe2, const char **onnx, const char **limit)
{
    size_t i = 0;

    while (index >= families[i]->n) {
        index -= families[i++]->n;
    }
    *caffe2 = families[i]->rows[index].op;
    *onnx = families[i]->rows[index].onnx;
    *limit = families[i]->rows[index].limit;
}

/* ---- before the walk ------------------------------------------------------------------------- */

/* UNSUPPORTED with all operators that have no row, each once with its first place. */
static toffee_code
import_known(toffee_graph *graph, const toffee_c2_read_net *nets, size_t n_nets, toffee_status *st)
{
    toffee_ptrmap seen = {0};
    char list[640] = "";
    size_t used = 0;
    size_t n_told = 0;
    size_t n_more = 0;

    for (size_t k = 0; k < n_nets; k++) {
        for (size_t i = 0; i < nets[k].n_ops; i++) {
            const toffee_str *type = nets[k].ops[i].type;

            if (toffee_ptrmap_get(&seen, type) != NULL) {
                continue;
            }
            if (!toffee_ptrmap_set(graph->arena, &seen, type, (void *)(uintptr_t)type)) {
                return toffee_fail_nomem(st);
            }
            if (rule_find(type->text) != NULL) {
                continue;
            }
            if (used + 120 > sizeof(list)) {
                n_more++;
                continue;
            }
            used +=
                (size_t)snprintf(list + used, sizeof(list) - used, "%s%.60s (operator %zu of %s)",
                                 n_told++ != 0 ? ", " : "", type->text, i, nets[k].file);
        }
    }
    if (n_more != 0) {
        (void)snprintf(list + used, sizeof(list) - used, " and %zu more", n_more);
    }
    return n_told == 0 ? TOFFEE_OK
                       : toffee_fail(st, TOFFEE_ERR_UNSUPPORTED,
                                     "toffee has no counterpart of these operators of Caffe2: %s; "
                                     "docs/backend_c2.md has the table of those it has. Replace "
                                     "them in the net, or cut the net before them",
                                     list);
}

static bool
import_count_write(toffee_c2i *c, const toffee_str *blob)
{
    uintptr_t n = (uintptr_t)toffee_ptrmap_get(&c->writes, blob);

    /* One more than the number: an entry of 0 would be no entry. */
    return toffee_ptrmap_set(c->graph->arena, &c->writes, blob, (void *)(n != 0 ? n + 1 : 2));
}

static bool
import_note(toffee_c2i *c, toffee_ptrmap *map, const toffee_str *name)
{
    return toffee_ptrmap_set(c->graph->arena, map, name, (void *)(uintptr_t)name);
}

/* How often each blob is written, and which are read. */
static toffee_code
import_survey(toffee_c2i *c, const toffee_c2_read_net *nets, size_t n_nets)
{
    bool ok = true;

    for (size_t k = 0; k < n_nets; k++) {
        for (size_t i = 0; i < nets[k].n_ops && ok; i++) {
            const toffee_c2_read_op *op = &nets[k].ops[i];

            for (size_t j = 0; j < op->n_inputs && ok; j++) {
                ok = import_note(c, &c->reads, op->inputs[j]);
            }
            for (size_t j = 0; j < op->n_outputs && ok; j++) {
                ok = import_count_write(c, op->outputs[j]);
            }
        }
    }
    for (size_t j = 0; j < nets[n_nets - 1].n_outputs && ok; j++) {
        ok = import_note(c, &c->reads, nets[n_nets - 1].outputs[j]);
    }
    return ok ? TOFFEE_OK : toffee_fail_nomem(c->st);
}

static toffee_code
import_input(toffee_c2i *c, const toffee_str *name, const toffee_c2_import_input *known)
{
    toffee_value *value = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_graph_value(c->graph, name, &value, c->st));
    TOFFEE_RETURN_IF_ERROR(toffee_graph_add_input(c->graph, value, c->st));
    if (known != NULL) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_value_set_type(value, known->dtype, known->dims, known->rank, c->st));
    }
    return import_note(c, &c->fixed, name) &&
                   toffee_ptrmap_set(c->graph->arena, &c->blobs, name, value)
               ? TOFFEE_OK
               : toffee_fail_nomem(c->st);
}

/* The inputs of the graph: those that the net declares and the init net does not make, in their
 * order, and those that the caller names. */
static toffee_code
import_inputs(toffee_c2i *c, const toffee_c2_read_net *nets, const toffee_c2_import_input *inputs,
              size_t n)
{
    const toffee_c2_read_net *predict = &nets[1];
    toffee_ptrmap made = {0};
    size_t next = 0; /* of inputs, among those without a name */

    for (size_t i = 0; i < nets[0].n_ops; i++) {
        for (size_t j = 0; j < nets[0].ops[i].n_outputs; j++) {
            if (!import_note(c, &made, nets[0].ops[i].outputs[j])) {
                return toffee_fail_nomem(c->st);
            }
        }
    }
    for (size_t i = 0; i < predict->n_inputs; i++) {
        const toffee_str *name = predict->inputs[i];
        const toffee_c2_import_input *known = NULL;
        bool open =
            toffee_ptrmap_get(&made, name) == NULL && toffee_ptrmap_get(&c->reads, name) != NULL;

        if (toffee_ptrmap_get(&c->fixed, name) != NULL) {
            continue;
        }
        for (size_t j = 0; j < n; j++) {
            known = toffee_str_is(name, inputs[j].name) ? &inputs[j] : known;
        }
        while (open && known == NULL && next < n) {
            known = inputs[next].name[0] == 0 ? &inputs[next] : NULL;
            next++;
        }
        if (open || known != NULL) {
            TOFFEE_RETURN_IF_ERROR(import_input(c, name, known));
        }
    }
    for (; next < n; next++) {
        if (inputs[next].name[0] == 0) {
            return toffee_fail(c->st, TOFFEE_ERR_VALUE,
                               "inputs= has more shapes than the nets have inputs, which are %zu",
                               c->graph->inputs.n);
        }
    }
    for (size_t j = 0; j < n; j++) {
        const toffee_str *name =
            toffee_strpool_find(c->graph->pool, inputs[j].name, strlen(inputs[j].name));

        if (inputs[j].name[0] == 0) {
            continue;
        }
        if (name == NULL || (toffee_ptrmap_get(&c->fixed, name) == NULL &&
                             toffee_ptrmap_get(&c->reads, name) == NULL)) {
            return toffee_fail(c->st, TOFFEE_ERR_VALUE,
                               "inputs= names '%.200s', which no operator of the nets reads",
                               inputs[j].name);
        }
        if (toffee_ptrmap_get(&c->fixed, name) == NULL) {
            TOFFEE_RETURN_IF_ERROR(import_input(c, name, &inputs[j]));
        }
    }
    return TOFFEE_OK;
}

/* ---- the walk -------------------------------------------------------------------------------- */

/* What the inputs of the operator are before any output of it is bound. */
static void
import_take_inputs(toffee_c2i *c)
{
    c->in = toffee_arena_calloc(c->graph->arena, c->op->n_inputs + 1, sizeof(*c->in));
    if (c->in == NULL) {
        toffee_c2i_nomem(c);
        return;
    }
    for (size_t i = 0; i < c->op->n_inputs && c->rc == TOFFEE_OK; i++) {
        c->in[i] = toffee_ptrmap_get(&c->blobs, c->op->inputs[i]);
        if (c->in[i] == NULL) {
            toffee_c2i_fail(c, TOFFEE_ERR_CHECK,
                            "nothing before it makes its input '%.200s', and the net does not "
                            "declare it as an external input",
                            c->op->inputs[i]->text);
        }
    }
}

static void
import_check_args(toffee_c2i *c)
{
    for (size_t i = 0; i < c->op->n_args && c->rc == TOFFEE_OK; i++) {
        const toffee_c2_read_arg *arg = &c->op->args[i];
        bool idle = arg->used;

        for (size_t k = 0; k < TOFFEE_COUNTOF(idle_args) && !idle; k++) {
            idle = toffee_str_is(arg->name, idle_args[k]);
        }
        if (!idle) {
            toffee_c2i_refuse(c, "toffee does not know what its argument '%.80s' means",
                              arg->name->text);
        }
    }
}

/* Whether the operator makes nothing but places for the graph's inputs. */
static bool
import_is_place(const toffee_c2i *c)
{
    bool place = c->op->n_outputs != 0 && c->op->n_inputs == 0;

    for (size_t i = 0; i < c->op->n_outputs; i++) {
        place = place && toffee_ptrmap_get(&c->fixed, c->op->outputs[i]) != NULL;
    }
    return place;
}

static toffee_code
import_op(toffee_c2i *c)
{
    c->rule = rule_find(c->op->type->text);
    for (size_t i = 0; i < c->op->n_outputs; i++) {
        uintptr_t left = (uintptr_t)toffee_ptrmap_get(&c->writes, c->op->outputs[i]);

        if (left > 1 && !toffee_ptrmap_set(c->graph->arena, &c->writes, c->op->outputs[i],
                                           (void *)(left - 1))) {
            return toffee_fail_nomem(c->st);
        }
    }
    import_take_inputs(c);
    if (strcmp(toffee_c2i_text(c, "order"), "NHWC") == 0) {
        toffee_c2i_refuse(c, "it works in the order NHWC, ONNX in NCHW alone; make the net anew "
                             "with order NCHW");
    }
    if (c->rc == TOFFEE_OK) {
        (c->rule->fn != NULL ? c->rule->fn : toffee_c2i_same)(c);
    }
    (void)toffee_c2i_rank(c, NULL); /* the last node is put in */
    import_check_args(c);
    return c->rc;
}

static toffee_code
import_net(toffee_c2i *c, const toffee_c2_read_net *net, bool places)
{
    c->net = net;
    for (size_t i = 0; i < net->n_ops; i++) {
        c->op = &net->ops[i];
        c->index = i;
        if (places && import_is_place(c)) {
            continue;
        }
        TOFFEE_RETURN_IF_ERROR(import_op(c));
    }
    return TOFFEE_OK;
}

/* ---- after the walk -------------------------------------------------------------------------- */

static toffee_code
import_output(toffee_c2i *c, const toffee_str *name)
{
    toffee_value *value = toffee_ptrmap_get(&c->blobs, name);

    if (value == NULL) {
        return toffee_fail(c->st, TOFFEE_ERR_CHECK,
                           "%s declares the external output '%.200s', which no operator that "
                           "toffee understands makes",
                           c->net->file, name->text);
    }
    if (toffee_ptrmap_get(&c->wanted, value) != NULL) {
        return TOFFEE_OK;
    }
    if (!toffee_ptrmap_set(c->graph->arena, &c->wanted, value, value)) {
        return toffee_fail_nomem(c->st);
    }
    return toffee_graph_add_output(c->graph, value, c->st);
}

/* What the net declares; if it declares nothing, what is made and not read. */
static toffee_code
import_outputs(toffee_c2i *c, const toffee_c2_read_net *predict)
{
    for (size_t i = 0; i < predict->n_outputs; i++) {
        TOFFEE_RETURN_IF_ERROR(import_output(c, predict->outputs[i]));
    }
    for (size_t i = 0; i < predict->n_ops && predict->n_outputs == 0; i++) {
        for (size_t j = 0; j < predict->ops[i].n_outputs; j++) {
            const toffee_str *name = predict->ops[i].outputs[j];

            if (toffee_ptrmap_get(&c->reads, name) == NULL &&
                toffee_ptrmap_get(&c->blobs, name) != NULL) {
                TOFFEE_RETURN_IF_ERROR(import_output(c, name));
            }
        }
    }
    return c->graph->outputs.n != 0
               ? TOFFEE_OK
               : toffee_fail(c->st, TOFFEE_ERR_CHECK, "%s has no outputs", predict->file);
}

static toffee_code
import_into(toffee_graph *graph, toffee_c2_bytes init, toffee_c2_bytes predict,
            const toffee_c2_import_input *inputs, size_t n, toffee_status *st)
{
    toffee_c2i c = {.graph = graph, .st = st};
    toffee_c2_read_net nets[2];

    TOFFEE_RETURN_IF_ERROR(toffee_c2_read(init.data, init.n, "init_net", graph, &nets[0], st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_c2_read(predict.data, predict.n, "predict_net", graph, &nets[1], st));
    if (nets[1].n_ops == 0 && nets[1].n_outputs == 0) {
        return toffee_fail(st, TOFFEE_ERR_FORMAT,
                           "predict_net has neither operators nor outputs: is it a NetDef?");
    }
    TOFFEE_RETURN_IF_ERROR(import_known(graph, nets, 2, st));
    graph->name = nets[1].name;
    graph->ir_version = TOFFEE_IR_VERSION;
    TOFFEE_RETURN_IF_ERROR(toffee_graph_set_opset(graph, "", TOFFEE_OPSET, st));
    TOFFEE_RETURN_IF_ERROR(import_survey(&c, nets, 2));
    TOFFEE_RETURN_IF_ERROR(import_inputs(&c, nets, inputs, n));
    TOFFEE_RETURN_IF_ERROR(import_net(&c, &nets[0], true));
    TOFFEE_RETURN_IF_ERROR(import_net(&c, &nets[1], false));
    return import_outputs(&c, &nets[1]);
}

toffee_code
toffee_c2_import(toffee_c2_bytes init, toffee_c2_bytes predict,
                 const toffee_c2_import_input *inputs, size_t n, toffee_graph **out,
                 toffee_status *st)
{
    toffee_graph *graph = NULL;
    toffee_code rc = toffee_graph_new(&graph, st);

    *out = NULL;
    if (rc == TOFFEE_OK) {
        rc = import_into(graph, init, predict, inputs, n, st);
    }
    if (rc != TOFFEE_OK) {
        toffee_graph_free(graph);
        return rc;
    }
    *out = graph;
    return TOFFEE_OK;
}
