/* csrc/wire/fields.c -- the tables. */
#include "wire/fields.h"

#define ONE(label, how, what) {.name = (label), .kind = TOFFEE_WIRE_##how, .meaning = TOFFEE_##what}
#define MANY(label, how, what)                                                                     \
    {.name = (label), .kind = TOFFEE_WIRE_##how, .meaning = TOFFEE_##what, .repeated = true}

static const toffee_field model_rows[] = {
    [1] = ONE("ir_version", VARINT, MODEL_IR_VERSION),
    [2] = ONE("producer_name", BYTES, MODEL_PRODUCER_NAME),
    [3] = ONE("producer_version", BYTES, MODEL_PRODUCER_VERSION),
    [4] = ONE("domain", BYTES, MODEL_DOMAIN),
    [5] = ONE("model_version", VARINT, MODEL_VERSION),
    [6] = ONE("doc_string", BYTES, MODEL_DOC),
    [7] = ONE("graph", BYTES, MODEL_GRAPH),
    [8] = MANY("opset_import", BYTES, MODEL_OPSET),
    [14] = MANY("metadata_props", BYTES, MODEL_PROP),
    [25] = MANY("functions", BYTES, MODEL_FUNCTION),
};

/* Of every graph but toffee's own outermost one: of an ONNX model these two are in the envelope. */
#define GRAPH_ROWS                                                                                 \
    [1] = MANY("node", BYTES, GRAPH_NODE), [2] = ONE("name", BYTES, GRAPH_NAME),                   \
    [3] = MANY("input", BYTES, GRAPH_INPUT), [4] = MANY("output", BYTES, GRAPH_OUTPUT),            \
    [5] = MANY("initializer", BYTES, GRAPH_INITIALIZER),                                           \
    [6] = ONE("ir_version", VARINT, GRAPH_IR_VERSION),                                             \
    [7] = ONE("producer_version", VARINT, GRAPH_PRODUCER_VERSION),                                 \
    [8] = ONE("producer_tag", BYTES, GRAPH_PRODUCER_TAG),                                          \
    [9] = ONE("domain", BYTES, GRAPH_DOMAIN), [10] = ONE("doc_string", BYTES, GRAPH_DOC),          \
    [11] = MANY("input_info", BYTES, GRAPH_INPUT_INFO),                                            \
    [12] = MANY("output_info", BYTES, GRAPH_OUTPUT_INFO),                                          \
    [13] = MANY("value_info", BYTES, GRAPH_VALUE_INFO),                                            \
    [15] = MANY("sparse_initializer", BYTES, GRAPH_SPARSE),                                        \
    [16] = MANY("metadata_props", BYTES, GRAPH_PROP),                                              \
    [20] = MANY("opset_import", BYTES, GRAPH_OPSET),

static const toffee_field graph_rows[] = {GRAPH_ROWS};

static const toffee_field file_rows[] = {
    GRAPH_ROWS[25] = MANY("function", BYTES, GRAPH_FUNCTION),
    [26] = ONE("onnx_model", BYTES, GRAPH_ENVELOPE),
};

static const toffee_field function_rows[] = {
    [1] = ONE("name", BYTES, FUNCTION_NAME),
    [4] = MANY("input", BYTES, FUNCTION_INPUT),
    [5] = MANY("output", BYTES, FUNCTION_OUTPUT),
    [6] = MANY("attribute", BYTES, FUNCTION_ATTR),
    [7] = MANY("node", BYTES, FUNCTION_NODE),
    [8] = ONE("doc_string", BYTES, FUNCTION_DOC),
    [9] = MANY("opset_import", BYTES, FUNCTION_OPSET),
    [10] = ONE("domain", BYTES, FUNCTION_DOMAIN),
    [11] = MANY("attribute_proto", BYTES, FUNCTION_ATTR_DEFAULT),
    [12] = MANY("value_info", BYTES, FUNCTION_VALUE_INFO),
    [13] = ONE("overload", BYTES, FUNCTION_OVERLOAD),
    [14] = MANY("metadata_props", BYTES, FUNCTION_PROP),
};

static const toffee_field early_graph_rows[] = {
    [1] = ONE("version", VARINT, GRAPH_IR_VERSION),
    [2] = MANY("node", BYTES, GRAPH_NODE),
    [3] = ONE("name", BYTES, GRAPH_NAME),
    [4] = MANY("input", BYTES, GRAPH_INPUT),
    [5] = MANY("output", BYTES, GRAPH_OUTPUT),
    [6] = MANY("initializer", BYTES, GRAPH_INITIALIZER),
};

static const toffee_field node_rows[] = {
    [1] = MANY("input", BYTES, NODE_INPUT),    [2] = MANY("output", BYTES, NODE_OUTPUT),
    [3] = ONE("name", BYTES, NODE_NAME),       [4] = ONE("op_type", BYTES, NODE_OP_TYPE),
    [5] = MANY("attribute", BYTES, NODE_ATTR), [6] = ONE("doc_string", BYTES, NODE_DOC),
    [7] = ONE("domain", BYTES, NODE_DOMAIN),   [8] = ONE("overload", BYTES, NODE_OVERLOAD),
};

static const toffee_field attr_rows[] = {
    [1] = ONE("name", BYTES, ATTR_FIELD_NAME),
    [2] = ONE("f", FIXED32, ATTR_FIELD_F),
    [3] = ONE("i", VARINT, ATTR_FIELD_I),
    [4] = ONE("s", BYTES, ATTR_FIELD_S),
    [5] = ONE("t", BYTES, ATTR_FIELD_T),
    [6] = ONE("g", BYTES, ATTR_FIELD_G),
    [7] = ONE("floats", FIXED32S, ATTR_FIELD_FLOATS),
    [8] = ONE("ints", VARINTS, ATTR_FIELD_INTS),
    [9] = MANY("strings", BYTES, ATTR_FIELD_STRINGS),
    [10] = MANY("tensors", BYTES, ATTR_FIELD_TENSORS),
    [11] = MANY("graphs", BYTES, ATTR_FIELD_GRAPHS),
    [13] = ONE("doc_string", BYTES, ATTR_FIELD_DOC),
    [14] = ONE("tp", BYTES, ATTR_FIELD_TP),
    [15] = MANY("type_protos", BYTES, ATTR_FIELD_TPS),
    [20] = ONE("type", VARINT, ATTR_FIELD_TYPE),
    [21] = ONE("ref_attr_name", BYTES, ATTR_FIELD_REF),
    [22] = ONE("sparse_tensor", BYTES, ATTR_FIELD_SPARSE),
    [23] = MANY("sparse_tensors", BYTES, ATTR_FIELD_SPARSES),
};

static const toffee_field early_attr_rows[] = {
    [1] = ONE("name", BYTES, ATTR_FIELD_NAME),
    [2] = ONE("f", FIXED32, ATTR_FIELD_F),
    [3] = ONE("i", VARINT, ATTR_FIELD_I),
    [4] = ONE("s", BYTES, ATTR_FIELD_S),
    [5] = ONE("floats", FIXED32S, ATTR_FIELD_FLOATS),
    [6] = ONE("ints", VARINTS, ATTR_FIELD_INTS),
    [7] = MANY("strings", BYTES, ATTR_FIELD_STRINGS),
    [8] = MANY("tensors", BYTES, ATTR_FIELD_TENSORS),
    [9] = MANY("graphs", BYTES, ATTR_FIELD_GRAPHS),
};

static const toffee_field tensor_rows[] = {
    [1] = ONE("dims", VARINTS, TENSOR_DIMS),
    [2] = ONE("data_type", VARINT, TENSOR_DATA_TYPE),
    [3] = ONE("segment", BYTES, TENSOR_SEGMENT),
    [4] = ONE("float_data", FIXED32S, TENSOR_FLOAT_DATA),
    [5] = ONE("int32_data", VARINTS, TENSOR_INT32_DATA),
    [6] = MANY("string_data", BYTES, TENSOR_STRING_DATA),
    [7] = ONE("int64_data", VARINTS, TENSOR_INT64_DATA),
    [8] = ONE("name", BYTES, TENSOR_NAME),
    [9] = ONE("raw_data", BYTES, TENSOR_RAW_DATA),
    [10] = ONE("double_data", FIXED64S, TENSOR_DOUBLE_DATA),
    [11] = ONE("uint64_data", VARINTS, TENSOR_UINT64_DATA),
    [12] = ONE("doc_string", BYTES, TENSOR_DOC),
    [13] = MANY("external_data", BYTES, TENSOR_EXTERNAL_DATA),
    [14] = ONE("data_location", VARINT, TENSOR_DATA_LOCATION),
};

static const toffee_field early_tensor_rows[] = {
    [1] = ONE("dims", VARINTS, TENSOR_DIMS),
    [2] = ONE("data_type", VARINT, TENSOR_DATA_TYPE),
    [3] = ONE("float_data", FIXED32S, TENSOR_FLOAT_DATA),
    [4] = ONE("double_data", FIXED64S, TENSOR_DOUBLE_DATA),
    [5] = ONE("int32_data", VARINTS, TENSOR_INT32_DATA),
    [6] = MANY("string_data", BYTES, TENSOR_STRING_DATA),
    [7] = ONE("int64_data", VARINTS, TENSOR_INT64_DATA),
    [8] = ONE("name", BYTES, TENSOR_NAME),
    [9] = ONE("segment", BYTES, TENSOR_SEGMENT),
    [10] = ONE("raw_data", BYTES, TENSOR_RAW_DATA),
};

static const toffee_field value_info_rows[] = {
    [1] = ONE("name", BYTES, VALUE_INFO_NAME),
    [2] = ONE("type", BYTES, VALUE_INFO_TYPE),
    [3] = ONE("doc_string", BYTES, VALUE_INFO_DOC),
};

static const toffee_field type_rows[] = {
    [1] = ONE("tensor_type", BYTES, TYPE_TENSOR),
    [4] = ONE("sequence_type", BYTES, TYPE_SEQUENCE),
    [5] = ONE("map_type", BYTES, TYPE_MAP),
    [8] = ONE("sparse_tensor_type", BYTES, TYPE_SPARSE),
    [9] = ONE("optional_type", BYTES, TYPE_OPTIONAL),
};

static const toffee_field elem_type_rows[] = {
    [1] = ONE("elem_type", BYTES, ELEM_TYPE_ELEM),
};

static const toffee_field map_type_rows[] = {
    [1] = ONE("key_type", VARINT, MAP_TYPE_KEY),
    [2] = ONE("value_type", BYTES, MAP_TYPE_VALUE),
};

static const toffee_field sparse_rows[] = {
    [1] = ONE("values", BYTES, SPARSE_VALUES),
    [2] = ONE("indices", BYTES, SPARSE_INDICES),
    [3] = ONE("dims", VARINTS, SPARSE_DIMS),
};

static const toffee_field tensor_type_rows[] = {
    [1] = ONE("elem_type", VARINT, TENSOR_TYPE_ELEM),
    [2] = ONE("shape", BYTES, TENSOR_TYPE_SHAPE),
};

static const toffee_field shape_rows[] = {
    [1] = MANY("dim", BYTES, SHAPE_DIM),
};

static const toffee_field dim_rows[] = {
    [1] = ONE("dim_value", VARINT, DIM_VALUE),
    [2] = ONE("dim_param", BYTES, DIM_PARAM),
};

static const toffee_field opset_rows[] = {
    [1] = ONE("domain", BYTES, OPSET_DOMAIN),
    [2] = ONE("version", VARINT, OPSET_VERSION),
};

static const toffee_field prop_rows[] = {
    [1] = ONE("key", BYTES, PROP_KEY),
    [2] = ONE("value", BYTES, PROP_VALUE),
};

#define TABLE(table, meanings)                                                                     \
    {.rows = (table), .n_rows = TOFFEE_COUNTOF(table), .n_meanings = (meanings)}

static const toffee_fields newer[TOFFEE_N_MESSAGES] = {
    [TOFFEE_MESSAGE_MODEL] = TABLE(model_rows, TOFFEE_N_MODEL_FIELDS),
    [TOFFEE_MESSAGE_FILE] = TABLE(file_rows, TOFFEE_N_GRAPH_FIELDS),
    [TOFFEE_MESSAGE_GRAPH] = TABLE(graph_rows, TOFFEE_N_GRAPH_FIELDS),
    [TOFFEE_MESSAGE_FUNCTION] = TABLE(function_rows, TOFFEE_N_FUNCTION_FIELDS),
    [TOFFEE_MESSAGE_NODE] = TABLE(node_rows, TOFFEE_N_NODE_FIELDS),
    [TOFFEE_MESSAGE_ATTR] = TABLE(attr_rows, TOFFEE_N_ATTR_FIELDS),
    [TOFFEE_MESSAGE_TENSOR] = TABLE(tensor_rows, TOFFEE_N_TENSOR_FIELDS),
    [TOFFEE_MESSAGE_SPARSE] = TABLE(sparse_rows, TOFFEE_N_SPARSE_FIELDS),
    [TOFFEE_MESSAGE_VALUE_INFO] = TABLE(value_info_rows, TOFFEE_N_VALUE_INFO_FIELDS),
    [TOFFEE_MESSAGE_TYPE] = TABLE(type_rows, TOFFEE_N_TYPE_FIELDS),
    [TOFFEE_MESSAGE_TENSOR_TYPE] = TABLE(tensor_type_rows, TOFFEE_N_TENSOR_TYPE_FIELDS),
    [TOFFEE_MESSAGE_ELEM_TYPE] = TABLE(elem_type_rows, TOFFEE_N_ELEM_TYPE_FIELDS),
    [TOFFEE_MESSAGE_MAP_TYPE] = TABLE(map_type_rows, TOFFEE_N_MAP_TYPE_FIELDS),
    [TOFFEE_MESSAGE_SHAPE] = TABLE(shape_rows, TOFFEE_N_SHAPE_FIELDS),
    [TOFFEE_MESSAGE_DIM] = TABLE(dim_rows, TOFFEE_N_DIM_FIELDS),
    [TOFFEE_MESSAGE_OPSET] = TABLE(opset_rows, TOFFEE_N_OPSET_FIELDS),
    [TOFFEE_MESSAGE_PROP] = TABLE(prop_rows, TOFFEE_N_PROP_FIELDS),
};

/* Only what differs: a message without rows here is read as in `newer`. */
static const toffee_fields early[TOFFEE_N_MESSAGES] = {
    [TOFFEE_MESSAGE_FILE] = TABLE(early_graph_rows, TOFFEE_N_GRAPH_FIELDS),
    [TOFFEE_MESSAGE_GRAPH] = TABLE(early_graph_rows, TOFFEE_N_GRAPH_FIELDS),
    [TOFFEE_MESSAGE_ATTR] = TABLE(early_attr_rows, TOFFEE_N_ATTR_FIELDS),
    [TOFFEE_MESSAGE_TENSOR] = TABLE(early_tensor_rows, TOFFEE_N_TENSOR_FIELDS),
};

const toffee_fields *
toffee_fields_of(toffee_message message, toffee_dialect dialect)
{
    if (dialect == TOFFEE_DIALECT_EARLY && early[message].rows != NULL) {
        return &early[message];
    }
    return &newer[message];
}

const toffee_field *
toffee_fields_find(const toffee_fields *fields, uint32_t number)
{
    if (number >= fields->n_rows || fields->rows[number].kind == TOFFEE_WIRE_NONE) {
        return NULL;
    }
    return &fields->rows[number];
}
