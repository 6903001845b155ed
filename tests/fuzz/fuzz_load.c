/* tests/fuzz/fuzz_load.c -- libFuzzer's door to the reader; the core only, no Python.
 *
 *     python tests/fuzz/make_seeds.py SEEDS
 *     clang -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined -Icsrc tests/fuzz/fuzz_load.c
 *         $(find csrc/base csrc/ir -name '*.c') $(printf 'csrc/wire/%s.c ' reader fields dialect
 *         decode decode_model decode_attr decode_value decode_tensor load mapping external utf8) -o
 * fuzz_load
 *     ./fuzz_load -max_len=65536 -rss_limit_mb=1024 CORPUS SEEDS
 *
 * Besides what the sanitizers see, it checks what the reader promises: the memory it may take, that
 * an error says what and where, and that all data of a graph can be read. What it finds becomes a
 * named case in tests/test_wire_malformed.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "ir/equal.h"
#include "ir/function.h"
#include "ir/lint.h"
#include "ir/print.h"
#include "wire/wire.h"

static volatile uint8_t sink; /* keeps the reads below from being optimised away */

static void
require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "broken promise: %s\n", what);
        abort();
    }
}

static void
touch(const void *data, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        sink = (uint8_t)(sink ^ ((const uint8_t *)data)[i]);
    }
}

static void
touch_tensor(const toffee_tensor *tensor)
{
    touch(tensor->data, tensor->n_bytes);
    for (uint64_t i = 0; tensor->dtype == TOFFEE_DTYPE_STRING && i < tensor->n_elements; i++) {
        touch(tensor->strings[i].data, tensor->strings[i].n);
    }
}

static void
touch_sparse(const toffee_sparse *sparse)
{
    touch_tensor(sparse->values);
    if (sparse->indices != NULL) {
        touch_tensor(sparse->indices);
    }
    touch(sparse->dims, (uint64_t)sparse->rank * sizeof(*sparse->dims));
    touch(sparse->extra.data, sparse->extra.n);
}

static void
touch_type(const toffee_type *type)
{
    touch(type->dims, type->rank > 0 ? (uint64_t)type->rank * sizeof(*type->dims) : 0);
    if (type->more != NULL) {
        touch(type->more->raw.data, type->more->raw.n);
        if (type->more->elem != NULL) {
            touch_type(type->more->elem);
        }
    }
}

static void touch_graph(const toffee_graph *graph);

static void
touch_attr(const toffee_attr *attr)
{
    touch(attr->extra.data, attr->extra.n);
    if (attr->ref != NULL) {
        return;
    }
    switch (attr->type) {
    case TOFFEE_ATTR_STRING: touch(attr->s.data, attr->s.n); break;
    case TOFFEE_ATTR_TENSOR: touch_tensor(attr->t); break;
    case TOFFEE_ATTR_GRAPH: touch_graph(attr->g); break;
    case TOFFEE_ATTR_FLOATS: touch(attr->floats, attr->n * sizeof(*attr->floats)); break;
    case TOFFEE_ATTR_INTS: touch(attr->ints, attr->n * sizeof(*attr->ints)); break;
    case TOFFEE_ATTR_STRINGS:
        for (size_t i = 0; i < attr->n; i++) {
            touch(attr->strings[i].data, attr->strings[i].n);
        }
        break;
    case TOFFEE_ATTR_TENSORS:
        for (size_t i = 0; i < attr->n; i++) {
            touch_tensor(attr->tensors[i]);
        }
        break;
    case TOFFEE_ATTR_SPARSE_TENSOR:
    case TOFFEE_ATTR_SPARSE_TENSORS:
        for (size_t i = 0; i < attr->n; i++) {
            touch_sparse(attr->sparse[i]);
        }
        break;
    case TOFFEE_ATTR_TYPE_PROTO:
    case TOFFEE_ATTR_TYPE_PROTOS:
        for (size_t i = 0; i < attr->n; i++) {
            touch_type(&attr->types[i]);
        }
        break;
    case TOFFEE_ATTR_GRAPHS:
        for (size_t i = 0; i < attr->n; i++) {
            touch_graph(attr->graphs[i]);
        }
        break;
    default: break;
    }
}

static void
touch_graph(const toffee_graph *graph)
{
    for (size_t i = 0; i < graph->initializers.n; i++) {
        touch_tensor(graph->initializers.data[i]);
    }
    for (size_t i = 0; i < graph->sparse_initializers.n; i++) {
        touch_sparse(graph->sparse_initializers.data[i]);
    }
    for (size_t i = 0; i < graph->inputs.n; i++) {
        touch_type(&graph->inputs.data[i]->type);
        touch(graph->inputs.data[i]->extra.data, graph->inputs.data[i]->extra.n);
    }
    touch(graph->extra.data, graph->extra.n);
    if (graph->envelope != NULL) {
        touch(graph->envelope->extra.data, graph->envelope->extra.n);
    }
    for (size_t i = 0; i < graph->nodes.n; i++) {
        const toffee_node *node = graph->nodes.data[i];

        for (size_t k = 0; k < node->attrs.n; k++) {
            require(k == 0 || strcmp(node->attrs.data[k - 1].name->text,
                                     node->attrs.data[k].name->text) < 0,
                    "attributes are sorted and have different names");
            touch_attr(&node->attrs.data[k]);
        }
        touch(node->extra.data, node->extra.n);
    }
    for (size_t i = 0; i < graph->functions.n; i++) {
        const toffee_graph *function = graph->functions.data[i];

        for (size_t k = 0; k < function->function->attr_defaults.n; k++) {
            touch_attr(&function->function->attr_defaults.data[k]);
        }
        touch_graph(function);
    }
}

/* What is read must also be fit for the rest of the core. */
static void
use_graph(const toffee_graph *graph)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_arena *scratch = toffee_arena_new();
    toffee_graph *copy = NULL;
    bool equal = false;
    char *text = NULL;
    size_t length = 0;

    require(scratch != NULL, "there is memory");
    touch_graph(graph);
    (void)!toffee_lint(graph, &st);
    require(toffee_print_graph(graph, scratch, &text, &length, &st) == TOFFEE_OK,
            "a graph that was read can be printed");
    require(toffee_graph_new(&copy, &st) == TOFFEE_OK &&
                toffee_graph_copy_into(graph, copy, true, &st) == TOFFEE_OK &&
                toffee_graph_equal(graph, copy, &equal, &st) == TOFFEE_OK && equal,
            "a graph that was read can be copied, and equals its copy");
    toffee_graph_free(copy);
    toffee_arena_free(scratch);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_graph *graph = NULL;
    toffee_code rc = toffee_load_bytes(data, size, NULL, NULL, &graph, NULL, &st);

    if (rc == TOFFEE_OK) {
        require(toffee_arena_bytes(graph->arena) <= 2 * size + TOFFEE_LOAD_SPARE_BYTES,
                "memory is at most twice the file's size and the spare bytes");
        use_graph(graph);
        toffee_graph_free(graph);
        return 0;
    }
    require(graph == NULL, "a failed load leaves no graph");
    require(rc == TOFFEE_ERR_FORMAT || rc == TOFFEE_ERR_LIMIT, "a bad file is a format error");
    require(strncmp(st.message, "at ", 3) == 0, "the message says where");
    require(rc != TOFFEE_ERR_FORMAT || (st.offset >= 0 && (uint64_t)st.offset <= size),
            "the offset is in the file");
    return 0;
}
