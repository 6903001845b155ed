/* csrc/caffe2/emit_aten.c -- nodes of the domain org.pytorch.aten: calls of PyTorch's own
 * functions, which Caffe2's operator ATen makes in PyTorch 1.10. */
#include <string.h>

#include "caffe2/steps.h"

/* Parameters of ATen's functions that are lists of tensors. A node says how many they are; Caffe2
 * counts its inputs. */
static bool
names_tensor_list(const char *name)
{
    static const char *const lists[] = {"arrays", "hx",      "indices", "matrices",
                                        "params", "tensors", "weights"};

    for (size_t i = 0; i < TOFFEE_COUNTOF(lists); i++) {
        if (strcmp(lists[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* An attribute as an argument. False if Caffe2's operator has none like it. */
static bool
pass_attribute(toffee_c2 *c, const toffee_attr *attr)
{
    const char *name = toffee_str_text(attr->name);

    switch (attr->type) {
    case TOFFEE_ATTR_INT:
        if (strcmp(name, "dtype") == 0) {
            return false;
        }
        if (!names_tensor_list(name)) {
            toffee_c2_int(c, name, attr->i);
        }
        return true;
    case TOFFEE_ATTR_FLOAT: toffee_c2_float(c, name, (double)attr->f); return true;
    case TOFFEE_ATTR_INTS: toffee_c2_ints(c, name, attr->ints, attr->n); return true;
    default: return false;
    }
}

/* aten::NAME.overload -> the operator ATen with the same inputs and arguments; which of them
 * PyTorch 1.10 knows, Caffe2 says when it makes the net. */
static toffee_code
aten_call(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const char *full = toffee_str_text(c->node->op_type);
    const char *name = full;
    const char *dot = NULL;

    (void)rule;
    if (strncmp(name, "aten::", 6) == 0) {
        name += 6;
    }
    else if (strstr(name, "::") != NULL) {
        return toffee_c2_decline(c, "its operator ATen calls functions of PyTorch's own only");
    }
    dot = strchr(name, '.');
    name = toffee_arena_strndup(c->arena, name, dot != NULL ? (size_t)(dot - name) : strlen(name));
    if (name == NULL) {
        return toffee_fail_nomem(c->st);
    }
    toffee_c2_aten(c, name);
    for (size_t i = 0; i < c->node->inputs.n; i++) {
        if (c->node->inputs.data[i] == NULL) {
            return toffee_c2_decline(c, "its operator ATen takes no tensor that is left out");
        }
        toffee_c2_in_at(c, i);
    }
    for (size_t i = 0; i < c->node->outputs.n; i++) {
        toffee_c2_out_at(c, i);
    }
    for (size_t i = 0; i < c->node->attrs.n; i++) {
        if (!pass_attribute(c, &c->node->attrs.data[i])) {
            return toffee_c2_decline(c, "its operator ATen takes neither dtypes nor strings as "
                                        "arguments");
        }
    }
    return toffee_c2_done(c);
}

const toffee_c2_rule toffee_c2_rule_aten = {"", NULL, NULL, aten_call, NULL};
