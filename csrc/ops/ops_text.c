/* csrc/ops/ops_text.c -- rows: strings. */
#include "ops/ops_types.h"

const toffee_op_spec toffee_op_RegexFullMatch = {
    OP(RegexFullMatch, 20, "X (any shape) -> Y (the same, BOOL): whether the whole text matches"),
    INPUTS(ONE("X", "T1")),
    OUTPUTS(ONE("Y", "T2")),
    ATTRS(ATTR(STRING, "pattern", "a regular expression in RE2's syntax; none")),
    TYPES(TYPE("T1", D(STRING)), TYPE("T2", D(BOOL))),
    .infer = toffee_infer_same,
};

const toffee_op_spec toffee_op_StringConcat = {
    OP(StringConcat, 20, "X (x..), Y (y..) -> Z (x and y broadcast): x with y behind it"),
    INPUTS(ONE("X", "T"), ONE("Y", "T")),
    OUTPUTS(ONE("Z", "T")),
    TYPES(TYPE("T", D(STRING))),
    .check = toffee_rule_broadcast,
    .infer = toffee_infer_broadcasted,
};

const toffee_op_spec toffee_op_StringNormalizer = {
    OP(StringNormalizer, 10,
       "X (C) or (1, C) -> Y (D) or (1, D): stop words removed, case changed"),
    INPUTS(ONE("X", "string")),
    OUTPUTS(ONE("Y", "string")),
    ATTRS(CHOICE("case_change_action", "LOWER|UPPER|NONE", "what becomes of letters; NONE"),
          ATTR(INT, "is_case_sensitive", "1: stop words are found by case as well; 0"),
          ATTR(STRING, "locale", "whose rules for case hold; en_US or the platform's"),
          ATTR(STRINGS, "stopwords", "words to remove; none")),
    TYPES(TYPE("string", D(STRING))),
    .infer = toffee_infer_string_normalizer,
};

const toffee_op_spec toffee_op_StringSplit = {
    OP(StringSplit, 20,
       "X (x..) -> Y (x.., most parts; short rows are filled up with \"\"), Z (x.., INT64: how "
       "many "
       "parts)"),
    INPUTS(ONE("X", "T1")),
    OUTPUTS(ONE("Y", "T2"), ONE("Z", "T3")),
    ATTRS(ATTR(STRING, "delimiter", "what parts are split at; white space"),
          ATTR(INT, "maxsplit", "most splits, from the left; no limit")),
    TYPES(TYPE("T1", D(STRING)), TYPE("T2", D(STRING)), TYPE("T3", D(INT64))),
    .infer = toffee_infer_string_split,
};

const toffee_op_spec toffee_op_TfIdfVectorizer = {
    OP(TfIdfVectorizer, 9, "X (C) or (N, C) -> Y (max(ngram_indexes) + 1) or (N, the same)"),
    INPUTS(ONE("X", "T")),
    OUTPUTS(ONE("Y", "T1")),
    ATTRS(REQUIRED(INT, "max_gram_length", "longest n-gram"),
          REQUIRED(INT, "max_skip_count", "most elements left out between those of an n-gram"),
          REQUIRED(INT, "min_gram_length", "shortest n-gram"),
          {"mode", TOFFEE_ATTR_STRING, true, "count; 0 or its weight; count times its weight",
           "TF|IDF|TFIDF"},
          REQUIRED(INTS, "ngram_counts", "where in the pool the 1-grams, 2-grams, … begin"),
          REQUIRED(INTS, "ngram_indexes", "place in Y of each n-gram of the pool"),
          ATTR(INTS, "pool_int64s", "the n-grams, for numbers; none"),
          ATTR(STRINGS, "pool_strings", "the n-grams, for strings; none"),
          ATTR(FLOATS, "weights", "of each n-gram; 1")),
    TYPES(TYPE("T", D(STRING) | D_INDEX), TYPE("T1", D(FLOAT))),
    .infer = toffee_infer_tf_idf,
};
