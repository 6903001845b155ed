/* csrc/wire/fields.c -- the tables. */
#include "wire/fields.h"

#define ONE(label, how, what) {.name = (label), .kind = TOFFEE_WIRE_##how, .meaning = TOFFEE_##what}
#define MANY(label, how, what)                                                                     \
    {.name = (label), .kind = TOFFEE_WIRE_##how, .meaning = TOFFEE_##what, .repeated = true}

static const toffee_field model_rows[] = {
    [2] = ONE("producer_name", BYTES, MODEL_PRODUCER_NAME),
    [4] = ONE("domain", BYTES, MODEL_DOMAIN),
    [6] = ONE("doc_string", BYTES, MODEL_DOC),
    [7] = ONE("graph", BYTES, MODEL_GRAPH),
    [8] = MANY("opset_import", BYTES, MODEL_OPSET),
    [14] = MANY("metadata_props", BYTES, MODEL_PROP),
    [25] = MANY("functions", BYTES, MODEL_FUNCTION),
};

static const toffee_field graph_rows[] = {
    [1] = MANY("node", BYTES, GRAPH_NODE),
    [2] = ONE("name", BYTES, GRAPH_NAME),
    [3] = MANY("input", BYTES, GRAPH_INPUT),
    [4] = MANY("output", BYTES, GRAPH_OUTPUT),
    [5] = MANY("initializer", BYTES, GRAPH_INITIALIZER),
    [6] = ONE("ir_version", VARINT, GRAPH_IR_VERSION),
    [7] = ONE("producer_version", VARINT, GRAPH_PRODUCER_VERSION),
    [8] = ONE("producer_tag", BYTES, GRAPH_PRODUCER_TAG),
    [9] = ONE("domain", BYTES, GRAPH_DOMAIN),
    [10] = ONE("doc_string", BYTES, GRAPH_DOC),
    [11] = MANY("input_info", BYTES, GRAPH_INPUT_INFO),
    [12] = MANY("output_info", BYTES, GRAPH_OUTPUT_INFO),
    [13] = MANY("value_info", BYTES, GRAPH_VALUE_INFO),
    [15] = MANY("sparse_initializer", BYTES, GRAPH_SPARSE),
    [16] = MANY("metadata_props", BYTES, GRAPH_PROP),
    [20] = MANY("opset_import", BYTES, GRAPH_OPSET),
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
    [7] = ONE("domain", BYTES, NODE_DOMAIN),
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
    [20] = ONE("type", VARINT, ATTR_FIELD_TYPE),
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

/* Field 12, doc_string, is missing on purpose: it is alignment padding (docs/format.md). */
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
    [TOFFEE_MESSAGE_GRAPH] = TABLE(graph_rows, TOFFEE_N_GRAPH_FIELDS),
    [TOFFEE_MESSAGE_NODE] = TABLE(node_rows, TOFFEE_N_NODE_FIELDS),
    [TOFFEE_MESSAGE_ATTR] = TABLE(attr_rows, TOFFEE_N_ATTR_FIELDS),
    [TOFFEE_MESSAGE_TENSOR] = TABLE(tensor_rows, TOFFEE_N_TENSOR_FIELDS),
    [TOFFEE_MESSAGE_VALUE_INFO] = TABLE(value_info_rows, TOFFEE_N_VALUE_INFO_FIELDS),
    [TOFFEE_MESSAGE_TYPE] = TABLE(type_rows, TOFFEE_N_TYPE_FIELDS),
    [TOFFEE_MESSAGE_TENSOR_TYPE] = TABLE(tensor_type_rows, TOFFEE_N_TENSOR_TYPE_FIELDS),
    [TOFFEE_MESSAGE_SHAPE] = TABLE(shape_rows, TOFFEE_N_SHAPE_FIELDS),
    [TOFFEE_MESSAGE_DIM] = TABLE(dim_rows, TOFFEE_N_DIM_FIELDS),
    [TOFFEE_MESSAGE_OPSET] = TABLE(opset_rows, TOFFEE_N_OPSET_FIELDS),
    [TOFFEE_MESSAGE_PROP] = TABLE(prop_rows, TOFFEE_N_PROP_FIELDS),
};

/* Only what differs: a message without rows here is read as in `newer`. */
static const toffee_fields early[TOFFEE_N_MESSAGES] = {
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
