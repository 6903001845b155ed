/* csrc/opt/opt.c -- the table of passes, and the run: each over each graph, until nothing changes.
 */
#include "opt/opt.h"

#include "ops/check.h"
#include "opt/pass.h"

static const struct {
    toffee_pass_info info;
    toffee_pass_fn *run;
    bool any_opset; /* else the graph must declare TOFFEE_OPT_MIN_OPSET or later */
} pass_rows[] = {
    {{"no_ops", "take out nodes that pass an input on as it is"}, toffee_pass_no_ops, false},
    {{"constants", "compute what depends on constants only"}, toffee_pass_constants, false},
    {{"pairs", "merge Transposes, and changes of shape, in a row"}, toffee_pass_pairs, false},
    {{"scalars", "merge arithmetic with constants in a row"}, toffee_pass_scalars, false},
    {{"common", "compute once what is computed twice"}, toffee_pass_common, false},
    {{"dead", "take out what no output depends on"}, toffee_pass_dead, true},
};

size_t
toffee_pass_count(void)
{
    return TOFFEE_COUNTOF(pass_rows);
}

const toffee_pass_info *
toffee_pass_at(size_t index)
{
    return index < TOFFEE_COUNTOF(pass_rows) ? &pass_rows[index].info : NULL;
}

/* What to do with a graph and with each of those inside it. */
typedef toffee_code graph_visitor(toffee_opt *opt, toffee_graph *graph, toffee_status *st);

/* Calls VISIT for the graphs inside GRAPH, and then for GRAPH. The depth is that of a graph that
 * was linted. */
static toffee_code
each_graph(toffee_opt *opt, toffee_graph *graph, graph_visitor *visit, toffee_status *st)
{
    for (size_t i = 0; i < graph->nodes.n; i++) {
        const toffee_node *node = graph->nodes.data[i];

        for (size_t k = 0; k < node->attrs.n; k++) {
            const toffee_attr *attr = &node->attrs.data[k];

            if (attr->type == TOFFEE_ATTR_GRAPH && attr->g != NULL) {
                TOFFEE_RETURN_IF_ERROR(each_graph(opt, attr->g, visit, st));
            }
            for (size_t j = 0; attr->type == TOFFEE_ATTR_GRAPHS && j < attr->n; j++) {
                TOFFEE_RETURN_IF_ERROR(each_graph(opt, attr->graphs[j], visit, st));
            }
        }
    }
    return visit(opt, graph, st);
}

/* ---- before the run ---- */

static toffee_code
note(toffee_opt *opt, toffee_ptrmap *map, const void *thing, toffee_status *st)
{
    return toffee_ptrmap_set(opt->arena, map, thing, (void *)(uintptr_t)thing)
               ? TOFFEE_OK
               : toffee_fail_nomem(st);
}

/* A parameter that no pass may drop, so that what it says of the graph stays said. */
static bool
is_parameter(const toffee_value *input)
{
    return input->tensor != NULL && !input->is_listed &&
           !toffee_dtype_is_int(input->tensor->dtype) && input->tensor->dtype != TOFFEE_DTYPE_BOOL;
}

/* Notes the names and declarations of GRAPH. A type that a value still has, but that is in no list,
 * counts no more, and goes. */
static toffee_code
take_in(toffee_opt *opt, toffee_graph *graph, toffee_status *st)
{
    toffee_ptrmap typed = {0};
    const void *name = NULL;
    void *entry = NULL;

    for (size_t i = 0; i < graph->value_infos.n; i++) {
        TOFFEE_RETURN_IF_ERROR(note(opt, &opt->listed, graph->value_infos.data[i], st));
        TOFFEE_RETURN_IF_ERROR(note(opt, &typed, graph->value_infos.data[i], st));
    }
    for (size_t i = 0; i < graph->inputs.n; i++) {
        const toffee_value *input = graph->inputs.data[i];

        TOFFEE_RETURN_IF_ERROR(note(opt, &typed, input, st));
        opt->tells_weights = opt->tells_weights || (graph == opt->root && is_parameter(input));
    }
    for (size_t i = 0; i < graph->outputs.n; i++) {
        TOFFEE_RETURN_IF_ERROR(note(opt, &typed, graph->outputs.data[i], st));
    }
    for (size_t at = 0; toffee_ptrmap_next(&graph->values, &at, &name, &entry);) {
        toffee_value *value = entry;

        TOFFEE_RETURN_IF_ERROR(note(opt, &opt->names, name, st));
        if (toffee_ptrmap_get(&typed, value) == NULL) {
            value->type = (toffee_type){.rank = -1};
        }
    }
    return TOFFEE_OK;
}

/* Gives initializers, which nobody has to declare, their types. */
static toffee_code
type_initializers(toffee_opt *opt, toffee_graph *graph, toffee_status *st)
{
    (void)opt;
    for (size_t i = 0; i < graph->initializers.n; i++) {
        const toffee_tensor *tensor = graph->initializers.data[i];
        toffee_value *value = toffee_ptrmap_get(&graph->values, tensor->name);

        if (value != NULL && !value->is_listed && value->type.more == NULL) {
            TOFFEE_RETURN_IF_ERROR(
                toffee_value_set_type(value, tensor->dtype, tensor->dims, tensor->rank, st));
        }
    }
    return TOFFEE_OK;
}

/* ---- after the run ---- */

/* Takes declarations out of GRAPH that were not there before. */
static toffee_code
put_back(toffee_opt *opt, toffee_graph *graph, toffee_status *st)
{
    size_t kept = 0;

    (void)st;
    for (size_t i = 0; i < graph->value_infos.n; i++) {
        if (toffee_ptrmap_get(&opt->listed, graph->value_infos.data[i]) != NULL) {
            graph->value_infos.data[kept++] = graph->value_infos.data[i];
        }
    }
    graph->value_infos.n = kept;
    return TOFFEE_OK;
}

/* ---- the run ---- */

typedef struct {
    toffee_opt opt; /* the first member: a visitor finds the rest from it */
    toffee_pass_fn *pass;
} run;

static toffee_code
run_pass(toffee_opt *opt, toffee_graph *graph, toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(toffee_opt_begin(opt, graph, st));
    TOFFEE_RETURN_IF_ERROR(((run *)opt)->pass(opt, st));
    return toffee_opt_end(opt, st);
}

static toffee_code
run_rounds(run *r, const toffee_optimize_options *options, toffee_status *st)
{
    int64_t opset = toffee_graph_opset(r->opt.root, "");

    opset = opset != 0 ? opset : toffee_graph_opset(r->opt.root, "ai.onnx");
    r->opt.changed = true;
    for (int round = 0; r->opt.changed && round < TOFFEE_OPT_MAX_ROUNDS; round++) {
        r->opt.changed = false;
        /* Each time: of what the last round made, more may be known. */
        TOFFEE_RETURN_IF_ERROR(toffee_infer_graph(r->opt.root, st));
        TOFFEE_RETURN_IF_ERROR(each_graph(&r->opt, r->opt.root, type_initializers, st));
        for (size_t i = 0; i < TOFFEE_COUNTOF(pass_rows); i++) {
            if ((options->passes >> i & 1) == 0 ||
                (!pass_rows[i].any_opset && opset < TOFFEE_OPT_MIN_OPSET)) {
                continue;
            }
            r->pass = pass_rows[i].run;
            TOFFEE_RETURN_IF_ERROR(each_graph(&r->opt, r->opt.root, run_pass, st));
        }
    }
    return TOFFEE_OK;
}

toffee_code
toffee_optimize(toffee_graph *graph, const toffee_optimize_options *options, toffee_status *st)
{
    run r = {.opt = {.root = graph, .keep_parameters = options->keep_parameters}};
    toffee_code rc = TOFFEE_OK;

    r.opt.arena = toffee_arena_new();
    r.opt.scratch = toffee_arena_new();
    if (r.opt.arena == NULL || r.opt.scratch == NULL) {
        rc = toffee_fail_nomem(st);
        goto done;
    }
    rc = each_graph(&r.opt, graph, take_in, st);
    if (rc == TOFFEE_OK) {
        rc = run_rounds(&r, options, st);
    }
    if (rc == TOFFEE_OK) {
        rc = each_graph(&r.opt, graph, put_back, st);
    }
done:
    toffee_arena_free(r.opt.scratch);
    toffee_arena_free(r.opt.arena);
    return rc;
}
