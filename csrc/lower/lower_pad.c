/* csrc/lower/lower_pad.c -- more or less of a tensor at its edges. */
#include "lower/shape.h"

#include <string.h>

/* PyTorch's names for what stands in the padding, and ONNX's. */
static const struct {
    const char *torch;
    const char *onnx;
} modes[] = {
    {"constant", "constant"},
    {"reflect", "reflect"},
    {"replicate", "edge"},
    {"circular", "wrap"},
};

/* PyTorch's list (the last dimension first, both ends of each; negative numbers cut off) as ONNX's
 * columns of what is added, and as ranges that cut the rest off. */
typedef struct {
    int64_t columns[2 * TOFFEE_MAX_RANK]; /* begins, ends */
    toffee_range ranges[TOFFEE_MAX_RANK];
    size_t n_ranges;
    bool grows;
} pad_plan;

/* DIMS are those before padding; ADDED_FIRST says that the cut comes after it. */
static void
plan_make(pad_plan *plan, const int64_t *pads, size_t n, const int64_t *dims, int32_t rank,
          bool added_first)
{
    memset(plan, 0, sizeof(*plan));
    for (size_t i = 0; 2 * i < n; i++) {
        int32_t axis = rank - 1 - (int32_t)i;
        int64_t before = pads[2 * i];
        int64_t after = pads[2 * i + 1];

        plan->columns[axis] = before > 0 ? before : 0;
        plan->columns[rank + axis] = after > 0 ? after : 0;
        plan->grows = plan->grows || before > 0 || after > 0;
        if (before < 0 || after < 0) {
            int64_t cut_before = before < 0 ? -before : 0;
            int64_t cut_after = after < 0 ? -after : 0;
            int64_t size = dims[axis];

            size += added_first ? plan->columns[axis] + plan->columns[rank + axis] : 0;
            plan->ranges[plan->n_ranges++] =
                (toffee_range){axis, cut_before, size - cut_before - cut_after, 1};
        }
    }
}

/* VALUE with COLUMNS more, in ONNX's MODE. NUMBER (may be NULL) fills in constant mode. */
static toffee_code
value_grow(toffee_lowering *lo, toffee_value *value, const int64_t *columns, const char *mode,
           toffee_value *number, toffee_value **out, toffee_status *st)
{
    toffee_dtype dtype = toffee_value_dtype(value);
    toffee_dtype compute = toffee_compute_dtype("Pad", dtype);
    int32_t rank = toffee_value_rank(value);
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_value *pads_value = NULL;
    toffee_node *node = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, value, compute, &value, st));
    if (number != NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, number, compute, &number, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_const_ints(lo, columns, 2 * (size_t)rank, &pads_value, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit(lo, "Pad", TOFFEE_INPUTS(value, pads_value, number), compute, &node, out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_string(node, "mode", mode, st));
    toffee_value_dims(value, dims);
    for (int32_t i = 0; i < rank; i++) {
        dims[i] += columns[i] + columns[rank + i];
    }
    TOFFEE_RETURN_IF_ERROR(toffee_value_set_type(*out, compute, dims, rank, st));
    return toffee_cast(lo, *out, dtype, out, st);
}

/* aten::constant_pad_nd(self, pad, value), pad(self, pad, mode, value?), reflection_pad*(self,
 * padding), replication_pad*, _pad_circular -> Slice for what is cut off, Pad for what is added.
 * The row's text is the mode where the operator's name says it. */
static toffee_code
lower_pad(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    const toffee_arg *value = toffee_call_arg(call, "value");
    const char *named = toffee_call_string(call, "mode", "constant");
    const char *mode = lo->rule->onnx;
    size_t n = 0;
    const int64_t *pads =
        toffee_call_ints(call, toffee_call_has(call, "pad") ? "pad" : "padding", &n);
    toffee_value *number = NULL;
    int64_t dims[TOFFEE_MAX_RANK];
    pad_plan plan;
    bool wraps = false;

    for (size_t i = 0; i < TOFFEE_COUNTOF(modes) && mode == NULL; i++) {
        mode = strcmp(modes[i].torch, named) == 0 ? modes[i].onnx : NULL;
    }
    if (self == NULL || mode == NULL || n % 2 != 0 || n > 2 * (size_t)toffee_value_rank(self)) {
        return TOFFEE_DECLINED;
    }
    if (strcmp(mode, "constant") == 0 && value != NULL && value->kind != TOFFEE_ARG_NONE) {
        TOFFEE_RETURN_IF_ERROR(toffee_operand(lo, value, toffee_value_dtype(self), &number, st));
    }
    toffee_value_dims(self, dims);
    for (int32_t i = 0; i < toffee_value_rank(self); i++) {
        mode = dims[i] == 0 ? "constant" : mode; /* there is nothing to repeat */
    }
    wraps = strcmp(mode, "wrap") == 0;
    plan_make(&plan, pads, n, dims, toffee_value_rank(self), !wraps);
    plan.grows = plan.grows || (lo->is_twin && n != 0 && plan.n_ranges == 0);
    if (wraps) {
        TOFFEE_RETURN_IF_ERROR(toffee_slice(lo, self, plan.ranges, plan.n_ranges, &self, st));
    }
    if (plan.grows) {
        TOFFEE_RETURN_IF_ERROR(value_grow(lo, self, plan.columns, mode, number, &self, st));
    }
    if (!wraps) {
        TOFFEE_RETURN_IF_ERROR(toffee_slice(lo, self, plan.ranges, plan.n_ranges, &self, st));
    }
    return toffee_lower_return(lo, call, 0, self, st);
}

static const toffee_rule rows[] = {
    /* sorted by name */
    {"aten::_pad_circular", lower_pad, "wrap", 0},
    {"aten::constant_pad_nd", lower_pad, "constant", 0},
    {"aten::pad", lower_pad, NULL, 0},
    {"aten::reflection_pad1d", lower_pad, "reflect", 0},
    {"aten::reflection_pad2d", lower_pad, "reflect", 0},
    {"aten::reflection_pad3d", lower_pad, "reflect", 0},
    {"aten::replication_pad1d", lower_pad, "edge", 0},
    {"aten::replication_pad2d", lower_pad, "edge", 0},
    {"aten::replication_pad3d", lower_pad, "edge", 0},
};
const toffee_rule_family toffee_rules_pad = {rows, TOFFEE_COUNTOF(rows)};
