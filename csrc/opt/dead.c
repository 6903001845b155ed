/* csrc/opt/dead.c -- takes out nodes that no output depends on, and initializers that nothing
 * reads, but for those that the graph lists as inputs: its parameters. */
#include "ir/prune.h"
#include "ops/optable.h"
#include "opt/pass.h"

/* Nodes, their outputs, and initializers, in GRAPH and in the graphs inside it. */
static size_t
graph_size(const toffee_graph *graph)
{
    size_t size = graph->nodes.n + graph->initializers.n;

    for (size_t i = 0; i < graph->nodes.n; i++) {
        const toffee_node *node = graph->nodes.data[i];

        size += node->outputs.n;
        for (size_t k = 0; k < node->attrs.n; k++) {
            const toffee_attr *attr = &node->attrs.data[k];

            if (attr->type == TOFFEE_ATTR_GRAPH && attr->g != NULL) {
                size += graph_size(attr->g);
            }
            for (size_t j = 0; attr->type == TOFFEE_ATTR_GRAPHS && j < attr->n; j++) {
                size += graph_size(attr->graphs[j]);
            }
        }
    }
    return size;
}

toffee_code
toffee_pass_dead(toffee_opt *opt, toffee_status *st)
{
    size_t before = 0;

    if (opt->graph != opt->root) {
        return TOFFEE_OK; /* pruning goes through all graphs by itself */
    }
    before = graph_size(opt->root);
    TOFFEE_RETURN_IF_ERROR(toffee_prune(opt->root, toffee_op_min_outputs, st));
    opt->changed = opt->changed || graph_size(opt->root) != before;
    return TOFFEE_OK;
}
