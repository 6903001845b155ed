/* csrc/wire/fields.h -- what a tag number means, a table for each message and dialect.
 *
 * The reader knows wire types only. Everything else about a message is data here, so that a dialect
 * is a table and decode.c is the same for all four. Numbers are those of docs/format.md. */
#ifndef TOFFEE_WIRE_FIELDS_H
#define TOFFEE_WIRE_FIELDS_H

#include "wire/dialect.h"

/* How a field is written. A list of numbers may come packed (one length-delimited field) or
 * unpacked (a field an element), or as any mixture of both: protobuf allows it and 2017 files do.
 */
typedef enum {
    TOFFEE_WIRE_NONE = 0, /* no such field: skipped by wire type */
    TOFFEE_WIRE_VARINT,
    TOFFEE_WIRE_FIXED32,
    TOFFEE_WIRE_BYTES, /* string, bytes or message */
    TOFFEE_WIRE_VARINTS,
    TOFFEE_WIRE_FIXED32S,
    TOFFEE_WIRE_FIXED64S,
} toffee_wire_kind;

typedef enum {
    TOFFEE_MESSAGE_MODEL,
    TOFFEE_MESSAGE_FILE, /* the GraphProto that is a file of toffee's own: it has more fields */
    TOFFEE_MESSAGE_GRAPH,
    TOFFEE_MESSAGE_FUNCTION,
    TOFFEE_MESSAGE_NODE,
    TOFFEE_MESSAGE_ATTR,
    TOFFEE_MESSAGE_TENSOR,
    TOFFEE_MESSAGE_SPARSE,
    TOFFEE_MESSAGE_VALUE_INFO,
    TOFFEE_MESSAGE_TYPE,
    TOFFEE_MESSAGE_TENSOR_TYPE,
    TOFFEE_MESSAGE_ELEM_TYPE, /* of sequences and optionals */
    TOFFEE_MESSAGE_MAP_TYPE,
    TOFFEE_MESSAGE_SHAPE,
    TOFFEE_MESSAGE_DIM,
    TOFFEE_MESSAGE_OPSET,
    TOFFEE_MESSAGE_PROP,
    TOFFEE_N_MESSAGES,
} toffee_message;

/* Meanings, counted from 0 in each message: they index the parts of toffee_reader_collect. */
enum {
    TOFFEE_MODEL_IR_VERSION,
    TOFFEE_MODEL_PRODUCER_NAME,
    TOFFEE_MODEL_PRODUCER_VERSION,
    TOFFEE_MODEL_DOMAIN,
    TOFFEE_MODEL_VERSION,
    TOFFEE_MODEL_DOC,
    TOFFEE_MODEL_GRAPH,
    TOFFEE_MODEL_OPSET,
    TOFFEE_MODEL_PROP,
    TOFFEE_MODEL_FUNCTION,
    TOFFEE_N_MODEL_FIELDS,
};
enum {
    TOFFEE_GRAPH_NODE,
    TOFFEE_GRAPH_NAME,
    TOFFEE_GRAPH_INPUT,
    TOFFEE_GRAPH_OUTPUT,
    TOFFEE_GRAPH_INITIALIZER,
    TOFFEE_GRAPH_IR_VERSION,
    TOFFEE_GRAPH_PRODUCER_VERSION,
    TOFFEE_GRAPH_PRODUCER_TAG,
    TOFFEE_GRAPH_DOMAIN,
    TOFFEE_GRAPH_DOC,
    TOFFEE_GRAPH_INPUT_INFO,
    TOFFEE_GRAPH_OUTPUT_INFO,
    TOFFEE_GRAPH_VALUE_INFO,
    TOFFEE_GRAPH_SPARSE,
    TOFFEE_GRAPH_PROP,
    TOFFEE_GRAPH_OPSET,
    TOFFEE_GRAPH_FUNCTION,
    TOFFEE_GRAPH_ENVELOPE,
    TOFFEE_N_GRAPH_FIELDS,
};
enum {
    TOFFEE_FUNCTION_NAME,
    TOFFEE_FUNCTION_INPUT,
    TOFFEE_FUNCTION_OUTPUT,
    TOFFEE_FUNCTION_ATTR,
    TOFFEE_FUNCTION_ATTR_DEFAULT,
    TOFFEE_FUNCTION_NODE,
    TOFFEE_FUNCTION_DOC,
    TOFFEE_FUNCTION_OPSET,
    TOFFEE_FUNCTION_DOMAIN,
    TOFFEE_FUNCTION_VALUE_INFO,
    TOFFEE_FUNCTION_OVERLOAD,
    TOFFEE_FUNCTION_PROP,
    TOFFEE_N_FUNCTION_FIELDS,
};
enum {
    TOFFEE_NODE_INPUT,
    TOFFEE_NODE_OUTPUT,
    TOFFEE_NODE_NAME,
    TOFFEE_NODE_OP_TYPE,
    TOFFEE_NODE_ATTR,
    TOFFEE_NODE_DOC,
    TOFFEE_NODE_DOMAIN,
    TOFFEE_NODE_OVERLOAD,
    TOFFEE_N_NODE_FIELDS,
};
/* The value fields are in the order of toffee_attr_type, less one. */
enum {
    TOFFEE_ATTR_FIELD_F,
    TOFFEE_ATTR_FIELD_I,
    TOFFEE_ATTR_FIELD_S,
    TOFFEE_ATTR_FIELD_T,
    TOFFEE_ATTR_FIELD_G,
    TOFFEE_ATTR_FIELD_FLOATS,
    TOFFEE_ATTR_FIELD_INTS,
    TOFFEE_ATTR_FIELD_STRINGS,
    TOFFEE_ATTR_FIELD_TENSORS,
    TOFFEE_ATTR_FIELD_GRAPHS,
    TOFFEE_ATTR_FIELD_SPARSE,
    TOFFEE_ATTR_FIELD_SPARSES,
    TOFFEE_ATTR_FIELD_TP,
    TOFFEE_ATTR_FIELD_TPS,
    TOFFEE_N_ATTR_VALUE_FIELDS,
    TOFFEE_ATTR_FIELD_NAME = TOFFEE_N_ATTR_VALUE_FIELDS,
    TOFFEE_ATTR_FIELD_DOC,
    TOFFEE_ATTR_FIELD_TYPE,
    TOFFEE_ATTR_FIELD_REF,
    TOFFEE_N_ATTR_FIELDS,
};
/* The typed lists come first: they are counted and compared as a block. */
enum {
    TOFFEE_TENSOR_FLOAT_DATA,
    TOFFEE_TENSOR_INT32_DATA,
    TOFFEE_TENSOR_STRING_DATA,
    TOFFEE_TENSOR_INT64_DATA,
    TOFFEE_TENSOR_DOUBLE_DATA,
    TOFFEE_TENSOR_UINT64_DATA,
    TOFFEE_N_TENSOR_LISTS,
    TOFFEE_TENSOR_DIMS = TOFFEE_N_TENSOR_LISTS,
    TOFFEE_TENSOR_DATA_TYPE,
    TOFFEE_TENSOR_SEGMENT,
    TOFFEE_TENSOR_NAME,
    TOFFEE_TENSOR_RAW_DATA,
    TOFFEE_TENSOR_DOC,
    TOFFEE_TENSOR_EXTERNAL_DATA,
    TOFFEE_TENSOR_DATA_LOCATION,
    TOFFEE_N_TENSOR_FIELDS,
};
enum {
    TOFFEE_VALUE_INFO_NAME,
    TOFFEE_VALUE_INFO_TYPE,
    TOFFEE_VALUE_INFO_DOC,
    TOFFEE_N_VALUE_INFO_FIELDS,
};
/* In the order of toffee_type_kind. */
enum {
    TOFFEE_TYPE_TENSOR,
    TOFFEE_TYPE_SEQUENCE,
    TOFFEE_TYPE_OPTIONAL,
    TOFFEE_TYPE_MAP,
    TOFFEE_TYPE_SPARSE,
    TOFFEE_N_TYPE_FIELDS,
};
enum { TOFFEE_ELEM_TYPE_ELEM, TOFFEE_N_ELEM_TYPE_FIELDS };
enum { TOFFEE_MAP_TYPE_KEY, TOFFEE_MAP_TYPE_VALUE, TOFFEE_N_MAP_TYPE_FIELDS };
enum { TOFFEE_SPARSE_VALUES, TOFFEE_SPARSE_INDICES, TOFFEE_SPARSE_DIMS, TOFFEE_N_SPARSE_FIELDS };
enum { TOFFEE_TENSOR_TYPE_ELEM, TOFFEE_TENSOR_TYPE_SHAPE, TOFFEE_N_TENSOR_TYPE_FIELDS };
enum { TOFFEE_SHAPE_DIM, TOFFEE_N_SHAPE_FIELDS };
enum { TOFFEE_DIM_VALUE, TOFFEE_DIM_PARAM, TOFFEE_N_DIM_FIELDS };
enum { TOFFEE_OPSET_DOMAIN, TOFFEE_OPSET_VERSION, TOFFEE_N_OPSET_FIELDS };
enum { TOFFEE_PROP_KEY, TOFFEE_PROP_VALUE, TOFFEE_N_PROP_FIELDS };

typedef struct {
    const char *name; /* as in paths: "raw_data" */
    uint8_t kind;     /* toffee_wire_kind */
    uint8_t meaning;  /* one of the enumerations above */
    bool repeated;    /* paths show an index: "node[3]" */
} toffee_field;

/* The fields of a message, indexed by tag number. */
typedef struct {
    const toffee_field *rows;
    uint32_t n_rows;
    uint32_t n_meanings;
} toffee_fields;

/* The table of MESSAGE in DIALECT. Static. */
const toffee_fields *toffee_fields_of(toffee_message message, toffee_dialect dialect);
/* The row of tag NUMBER, or NULL: an unknown field. */
const toffee_field *toffee_fields_find(const toffee_fields *fields, uint32_t number);

#endif /* TOFFEE_WIRE_FIELDS_H */
