/* csrc/caffe2/net.c -- building operators of Caffe2. */
#include "caffe2/net.h"

#include <string.h>

static void
builder_nomem(toffee_c2 *c)
{
    if (c->rc == TOFFEE_OK) {
        c->rc = toffee_fail_nomem(c->st);
    }
}

/* A rule that is wrong about its own operator: found by the first test that reaches it. */
static void
builder_misused(toffee_c2 *c, const char *what)
{
    if (c->rc == TOFFEE_OK) {
        c->rc = toffee_fail(c->st, TOFFEE_ERR_VALUE, "the emission rule of %s %s",
                            toffee_str_text(c->node != NULL ? c->node->op_type : NULL), what);
    }
}

/* The operator that is being described, or NULL after an error. */
static toffee_c2_op_draft *
builder_draft(toffee_c2 *c)
{
    if (c->rc != TOFFEE_OK) {
        return NULL;
    }
    if (c->into->ops.n == 0) {
        builder_misused(c, "describes an operator that it did not start");
        return NULL;
    }
    return &c->into->ops.data[c->into->ops.n - 1];
}

static char *
builder_text(toffee_c2 *c, const char *text)
{
    char *copy = toffee_arena_strndup(c->arena, text, strlen(text));

    if (copy == NULL) {
        builder_nomem(c);
    }
    return copy;
}

/* ---- operators ------------------------------------------------------------------------------- */

void
toffee_c2_op(toffee_c2 *c, const char *type)
{
    toffee_c2_op_draft draft = {0};

    if (c->rc != TOFFEE_OK) {
        return;
    }
    draft.node = c->index;
    draft.def = toffee_arena_calloc(c->arena, 1, sizeof(*draft.def));
    if (draft.def == NULL) {
        builder_nomem(c);
        return;
    }
    caffe2__operator_def__init(draft.def);
    draft.def->type = builder_text(c, type);
    draft.def->device_option = &c->device;
    if (c->node != NULL && c->node->name != NULL) {
        draft.def->name = builder_text(c, c->node->name->text);
    }
    if (c->rc == TOFFEE_OK && !TOFFEE_VEC_PUSH(c->arena, &c->into->ops, draft)) {
        builder_nomem(c);
    }
}

void
toffee_c2_aten(toffee_c2 *c, const char *function)
{
    toffee_c2_op(c, "ATen");
    toffee_c2_string(c, "operator", function);
}

void
toffee_c2_in(toffee_c2 *c, const char *blob)
{
    toffee_c2_op_draft *op = builder_draft(c);

    if (op == NULL) {
        return;
    }
    if (blob == NULL) {
        builder_misused(c, "takes an input that is not there");
        return;
    }
    char *name = builder_text(c, blob);

    if (name != NULL && !TOFFEE_VEC_PUSH(c->arena, &op->inputs, name)) {
        builder_nomem(c);
    }
}

void
toffee_c2_out(toffee_c2 *c, const char *blob)
{
    toffee_c2_op_draft *op = builder_draft(c);

    if (op == NULL) {
        return;
    }
    if (blob == NULL) {
        builder_misused(c, "makes an output that is not there");
        return;
    }
    char *name = builder_text(c, blob);

    if (name != NULL && !TOFFEE_VEC_PUSH(c->arena, &op->outputs, name)) {
        builder_nomem(c);
    }
}

const char *
toffee_c2_fresh(toffee_c2 *c)
{
    char *name = NULL;

    do {
        name = toffee_arena_printf(c->arena, TOFFEE_C2_FRESH "%zu", c->n_fresh++);
        if (name == NULL) {
            builder_nomem(c);
            return "";
        }
    } while (toffee_graph_find(c->graph, name) != NULL);
    return name;
}

const char *
toffee_c2_out_fresh(toffee_c2 *c)
{
    const char *name = c->rc == TOFFEE_OK ? toffee_c2_fresh(c) : "";

    toffee_c2_out(c, name);
    return name;
}

void
toffee_c2_in_at(toffee_c2 *c, size_t index)
{
    toffee_c2_in(c, toffee_c2_blob(c, toffee_c2_input(c, index)));
}

void
toffee_c2_out_at(toffee_c2 *c, size_t index)
{
    const toffee_value *value = toffee_c2_output(c, index);

    if (value == NULL) {
        toffee_c2_out_fresh(c);
        return;
    }
    toffee_c2_out(c, toffee_c2_blob(c, value));
}

void
toffee_c2_in_all(toffee_c2 *c)
{
    for (size_t i = 0; i < c->node->inputs.n; i++) {
        toffee_c2_in_at(c, i);
    }
}

/* ---- arguments ------------------------------------------------------------------------------- */

/* A new argument of the operator at hand, or NULL after an error. */
static Caffe2__Argument *
builder_arg(toffee_c2 *c, const char *name)
{
    toffee_c2_op_draft *op = builder_draft(c);
    Caffe2__Argument *arg = NULL;

    if (op == NULL) {
        return NULL;
    }
    arg = toffee_arena_calloc(c->arena, 1, sizeof(*arg));
    if (arg == NULL) {
        builder_nomem(c);
        return NULL;
    }
    caffe2__argument__init(arg);
    arg->name = builder_text(c, name);
    if (arg->name == NULL || !TOFFEE_VEC_PUSH(c->arena, &op->args, arg)) {
        builder_nomem(c);
        return NULL;
    }
    return arg;
}

void
toffee_c2_int(toffee_c2 *c, const char *name, int64_t i)
{
    Caffe2__Argument *arg = builder_arg(c, name);

    if (arg != NULL) {
        arg->has_i = 1;
        arg->i = i;
    }
}

void
toffee_c2_float(toffee_c2 *c, const char *name, double f)
{
    Caffe2__Argument *arg = builder_arg(c, name);

    if (arg != NULL) {
        arg->has_f = 1;
        arg->f = (float)f;
    }
}

void
toffee_c2_string(toffee_c2 *c, const char *name, const char *text)
{
    Caffe2__Argument *arg = builder_arg(c, name);

    if (arg != NULL) {
        arg->has_s = 1;
        arg->s.len = strlen(text);
        arg->s.data = (uint8_t *)builder_text(c, text);
    }
}

void
toffee_c2_ints(toffee_c2 *c, const char *name, const int64_t *ints, size_t n)
{
    Caffe2__Argument *arg = builder_arg(c, name);

    if (arg != NULL) {
        arg->n_ints = n;
        arg->ints = toffee_arena_copy(c->arena, ints, n * sizeof(*ints));
        if (arg->ints == NULL && n != 0) {
            builder_nomem(c);
        }
    }
}

void
toffee_c2_floats(toffee_c2 *c, const char *name, const float *floats, size_t n)
{
    Caffe2__Argument *arg = builder_arg(c, name);

    if (arg != NULL) {
        arg->n_floats = n;
        arg->floats = toffee_arena_copy(c->arena, floats, n * sizeof(*floats));
        if (arg->floats == NULL && n != 0) {
            builder_nomem(c);
        }
    }
}

/* ---- steps ----------------------------------------------------------------------------------- */

void
toffee_c2_return(toffee_c2 *c, size_t index, const char *x)
{
    if (toffee_c2_output(c, index) == NULL) {
        return;
    }
    toffee_c2_op(c, "Copy");
    toffee_c2_in(c, x);
    toffee_c2_out_at(c, index);
}

toffee_code
toffee_c2_decline(toffee_c2 *c, const char *why)
{
    if (c->rc != TOFFEE_OK) {
        return c->rc;
    }
    c->why = why;
    return TOFFEE_DECLINED;
}
