/* csrc/ops/ops_types.h -- the short words in which rows of the operator table are written: sets of
 * dtypes, ports, attributes. Private to ops/. */
#ifndef TOFFEE_OPS_OPS_TYPES_H
#define TOFFEE_OPS_OPS_TYPES_H

#include "ops/infer_rules.h"
#include "ops/ops_list.h"
#include "ops/rules.h"

/* Sets of dtypes. Operators differ in which types they learned when, hence so many. */
#define D(dtype) TOFFEE_DTYPE_BIT(TOFFEE_DTYPE_##dtype)
#define D_BYTES (D(INT8) | D(UINT8))
#define D_INDEX (D(INT32) | D(INT64))
#define D_SIGNED (D(INT8) | D(INT16) | D_INDEX)
#define D_UNSIGNED (D(UINT8) | D(UINT16) | D(UINT32) | D(UINT64))
#define D_INTS (D_SIGNED | D_UNSIGNED)
#define D_IEEE (D(FLOAT16) | D(FLOAT) | D(DOUBLE))
#define D_FLOATS (D_IEEE | D(BFLOAT16))
#define D_FLOAT8 (D(FLOAT8E4M3FN) | D(FLOAT8E4M3FNUZ) | D(FLOAT8E5M2) | D(FLOAT8E5M2FNUZ))
/* Numbers that matrix products know: floats, and whole numbers of 32 or 64 bits. */
#define D_WIDE (D_FLOATS | D_INDEX | D(UINT32) | D(UINT64))
/* Real numbers; the old set is the one from before bfloat16. */
#define D_OLD_NUMBERS (D_INTS | D_IEEE)
#define D_NUMBERS (D_INTS | D_FLOATS)
/* Every dtype that ONNX began with; the same and bfloat16; the same and float8. */
#define D_OLD_ANY (D_OLD_NUMBERS | D(BOOL) | D(STRING) | D(COMPLEX64) | D(COMPLEX128))
#define D_ANY (D_OLD_ANY | D(BFLOAT16))
#define D_ALL (D_ANY | D_FLOAT8)
/* What Cast can read and make: all but complex numbers. */
#define D_CAST (D_NUMBERS | D(BOOL) | D(STRING) | D_FLOAT8)

/* The first line of a row: its name, the opset since which it means this, its shapes. */
#define OP(op, since, text) .name = #op, .domain = "", .since_version = (since), .doc = (text)

/* The lists of a row. A compound literal outside functions lives as long as the program. */
#define OPS_LIST(T, list, count, ...)                                                              \
    .list = (const T[]){__VA_ARGS__}, .count = TOFFEE_COUNTOF(((const T[]){__VA_ARGS__}))
#define INPUTS(...) OPS_LIST(toffee_port_spec, inputs, n_inputs, __VA_ARGS__)
#define OUTPUTS(...) OPS_LIST(toffee_port_spec, outputs, n_outputs, __VA_ARGS__)
#define ATTRS(...) OPS_LIST(toffee_attr_spec, attrs, n_attrs, __VA_ARGS__)
#define TYPES(...) OPS_LIST(toffee_typevar_spec, typevars, n_typevars, __VA_ARGS__)

/* Ports. TYPE names a variable in the row's TYPES; NULL: anything, sequences included. */
#define ONE(port, type) {(port), (type), TOFFEE_SINGLE, false, 1}
#define MAYBE(port, type) {(port), (type), TOFFEE_OPTIONAL, false, 0}
#define MANY(port, type, fewest) {(port), (type), TOFFEE_VARIADIC, false, (fewest)}
#define MIXED(port, type, fewest) {(port), (type), TOFFEE_VARIADIC, true, (fewest)}

/* Type variables; the last three are of ports whose dtype is fixed, and are named after it. */
#define TYPE(variable, set) {(variable), (set)}
#define TYPE_BOOL TYPE("bool", D(BOOL))
#define TYPE_FLOAT TYPE("float", D(FLOAT))
#define TYPE_INT64 TYPE("int64", D(INT64))

/* Attributes. KIND is the end of a TOFFEE_ATTR_ name. CHOICES are the allowed texts, with | between
 * them. What follows a semicolon in the text is the default. */
#define ATTR(kind, attr, text) {(attr), TOFFEE_ATTR_##kind, false, (text), NULL}
#define REQUIRED(kind, attr, text) {(attr), TOFFEE_ATTR_##kind, true, (text), NULL}
#define CHOICE(attr, choices, text) {(attr), TOFFEE_ATTR_STRING, false, (text), (choices)}

/* Attributes that many operators share. */
#define ATTR_AUTO_PAD                                                                              \
    CHOICE("auto_pad", "NOTSET|SAME_UPPER|SAME_LOWER|VALID",                                       \
           "NOTSET: as pads says; SAME_*: e = ceil(d / stride), the odd element at that end; "     \
           "VALID: no padding; NOTSET")
#define ATTR_CEIL_MODE ATTR(INT, "ceil_mode", "1: a last window may hang over the end; 0")
#define ATTR_DILATIONS ATTR(INTS, "dilations", "tap spacing per axis, in elements; 1")
#define ATTR_GROUP ATTR(INT, "group", "number of groups that the channels fall into; 1")
#define ATTR_KERNEL_SHAPE ATTR(INTS, "kernel_shape", "window, in elements; W.shape[2:]")
#define ATTR_PADS ATTR(INTS, "pads", "padding, in elements: every begin, then every end; 0")
#define ATTR_STRIDES ATTR(INTS, "strides", "step per axis, in elements; 1")
#define ATTR_WINDOW REQUIRED(INTS, "kernel_shape", "window, in elements")

#endif /* TOFFEE_OPS_OPS_TYPES_H */
