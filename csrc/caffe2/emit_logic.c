/* csrc/caffe2/emit_logic.c -- comparisons, logic, bits, choices, and changes of dtype. */
#include <string.h>

#include "caffe2/steps.h"

/* ---- comparisons and logic ------------------------------------------------------------------- */

static toffee_code
emit_compare(toffee_c2 *c, const toffee_c2_rule *rule)
{
    return toffee_c2_same(c, rule, TOFFEE_C2_NUMBERS | TOFFEE_C2_BOOL);
}

static toffee_code
emit_logic(toffee_c2 *c, const toffee_c2_rule *rule)
{
    return toffee_c2_same(c, rule, TOFFEE_C2_BOOL);
}

static toffee_code
emit_bits(toffee_c2 *c, const toffee_c2_rule *rule)
{
    return toffee_c2_same(c, rule, TOFFEE_C2_INDEX);
}

static toffee_code
aten_of_all(toffee_c2 *c, const toffee_c2_rule *rule)
{
    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    toffee_c2_aten(c, rule->aten_name);
    toffee_c2_in_all(c);
    toffee_c2_out_at(c, 0);
    return toffee_c2_done(c);
}

/* BitShift -> aten::__lshift__ or __rshift__, by 8 at most: PyTorch shifts an int, which holds the
 * byte, and C does not say what comes out of 32 places. */
static toffee_code
aten_shift(toffee_c2 *c, const toffee_c2_rule *rule)
{
    bool left = strcmp(toffee_c2_attr_text(c, "direction", ""), "LEFT") == 0;
    const char *places = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (toffee_c2_dtype(toffee_c2_input(c, 0)) != TOFFEE_DTYPE_UINT8) {
        return toffee_c2_decline(c, "of the dtypes whose bits it shifts PyTorch 1.10 has uint8");
    }
    places = toffee_c2_aten_int(c, "clamp_max", toffee_c2_x(c, 1), "max", 8, NULL);
    toffee_c2_aten2(c, left ? "__lshift__" : rule->aten_name, toffee_c2_x(c, 0), places,
                    toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* ---- kinds of floats ------------------------------------------------------------------------- */

/* IsNaN -> IsNaN, whose result is of uint8 in Caffe2. */
static toffee_code
emit_isnan(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const char *found = NULL;

    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_FLOATS)) {
        return toffee_c2_decline(c, "Caffe2's IsNaN is for float32 and double");
    }
    found = toffee_c2_op1(c, rule->caffe2_name, toffee_c2_x(c, 0), NULL);
    toffee_c2_cast(c, found, TOFFEE_DTYPE_UINT8, TOFFEE_DTYPE_BOOL, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* IsInf -> aten::isinf, or what looks for one sign. */
static toffee_code
aten_isinf(toffee_c2 *c, const toffee_c2_rule *rule)
{
    bool above = toffee_c2_attr_int(c, "detect_positive", 1) != 0;
    bool below = toffee_c2_attr_int(c, "detect_negative", 1) != 0;
    const char *x = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    x = toffee_c2_x(c, 0);
    if (above || below) {
        const char *function = above && below ? rule->aten_name : above ? "isposinf" : "isneginf";

        toffee_c2_aten1(c, function, x, toffee_c2_y(c, 0));
        return toffee_c2_done(c);
    }
    x = toffee_c2_aten1(c, rule->aten_name, x, NULL);
    toffee_c2_aten2(c, "logical_xor", x, x, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* ---- choices --------------------------------------------------------------------------------- */

static toffee_code
emit_where(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *x = toffee_c2_input(c, 1);

    if (!toffee_c2_is(x, TOFFEE_C2_NUMBERS | TOFFEE_C2_BOOL) ||
        !toffee_c2_same_dims(c, x, toffee_c2_input(c, 0)) ||
        !toffee_c2_same_dims(c, x, toffee_c2_input(c, 2))) {
        return toffee_c2_decline(c, "Caffe2's Where does not broadcast");
    }
    toffee_c2_op(c, rule->caffe2_name);
    toffee_c2_in_all(c);
    toffee_c2_out_at(c, 0);
    return toffee_c2_done(c);
}

/* ---- dtypes ---------------------------------------------------------------------------------- */

/* Cast, CastLike -> Cast, from and to half HalfToFloat and FloatToHalf. */
static toffee_code
emit_cast(toffee_c2 *c, const toffee_c2_rule *rule)
{
    toffee_dtype from = toffee_c2_dtype(toffee_c2_input(c, 0));
    toffee_dtype to = toffee_c2_dtype(toffee_c2_output(c, 0));

    (void)rule;
    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    toffee_c2_cast(c, toffee_c2_x(c, 0), from, to, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* CastLike -> aten::type_as. */
static toffee_code
aten_cast_like(toffee_c2 *c, const toffee_c2_rule *rule)
{
    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    toffee_c2_aten2(c, rule->aten_name, toffee_c2_x(c, 0), toffee_c2_x(c, 1), toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

static const toffee_c2_rule rows[] = {
    {"And", emit_logic, "And", aten_of_all, "logical_and"},
    {"BitShift", NULL, NULL, aten_shift, "__rshift__"},
    {"BitwiseAnd", emit_bits, "BitwiseAnd", aten_of_all, "bitwise_and"},
    {"BitwiseNot", NULL, NULL, aten_of_all, "bitwise_not"},
    {"BitwiseOr", emit_bits, "BitwiseOr", aten_of_all, "bitwise_or"},
    {"BitwiseXor", emit_bits, "BitwiseXor", aten_of_all, "bitwise_xor"},
    {"Cast", emit_cast, "Cast", NULL, NULL},
    {"CastLike", emit_cast, "Cast", aten_cast_like, "type_as"},
    {"Equal", emit_compare, "EQ", aten_of_all, "eq"},
    {"Greater", emit_compare, "GT", aten_of_all, "gt"},
    {"GreaterOrEqual", emit_compare, "GE", aten_of_all, "ge"},
    {"IsInf", NULL, NULL, aten_isinf, "isinf"},
    {"IsNaN", emit_isnan, "IsNaN", aten_of_all, "isnan"},
    {"Less", emit_compare, "LT", aten_of_all, "lt"},
    {"LessOrEqual", emit_compare, "LE", aten_of_all, "le"},
    {"Not", emit_logic, "Not", aten_of_all, "logical_not"},
    {"Or", emit_logic, "Or", aten_of_all, "logical_or"},
    {"Where", emit_where, "Where", aten_of_all, "where"},
    {"Xor", emit_logic, "Xor", aten_of_all, "logical_xor"},
};

const toffee_c2_family toffee_c2_rules_logic = {rows, TOFFEE_COUNTOF(rows)};
