/* csrc/wire/message.c -- the graph's structs to protobuf-c's, field by field; functions and the
 * like are in message_more.c. */
#include "wire/message.h"

#include <string.h>

/* A scratch arena larger than this is not used for another part. */
#define SCRATCH_KEPT_BYTES ((size_t)256 << 10)

/* Graphs inside graphs, at most. Each is three messages deeper than the one around it, and what our
 * reader, which follows TOFFEE_MAX_DEPTH messages, needs besides are the envelope, the outermost
 * graph, and the five of a dimension of a type. (Google's readers follow 100 messages.) */
#define MESSAGE_MAX_GRAPHS ((TOFFEE_MAX_DEPTH - 7) / 3)

static toffee_code message_graph(toffee_scratch *scratch, const toffee_graph *graph,
                                 Toffee__GraphProto **out, toffee_status *st);

static toffee_code message_type(toffee_scratch *scratch, const toffee_type *type,
                                Toffee__TypeProto **out, toffee_status *st);

toffee_code
toffee_scratch_open(toffee_scratch *scratch, toffee_status *st)
{
    *scratch = (toffee_scratch){.arena = toffee_arena_new()};
    return scratch->arena != NULL ? TOFFEE_OK : toffee_fail_nomem(st);
}

void
toffee_scratch_close(toffee_scratch *scratch)
{
    for (size_t i = scratch->held.n; i-- > 0;) {
        toffee_tensor_let_go(scratch->held.data[i]);
    }
    toffee_arena_free(scratch->arena);
    *scratch = (toffee_scratch){0};
}

toffee_code
toffee_scratch_reset(toffee_scratch *scratch, toffee_status *st)
{
    toffee_scratch old = *scratch;

    if (old.held.n == 0 && toffee_arena_bytes(old.arena) <= SCRATCH_KEPT_BYTES) {
        return TOFFEE_OK; /* an arena cannot be emptied, and there is room for more in this one */
    }
    toffee_scratch_close(scratch);
    TOFFEE_RETURN_IF_ERROR(toffee_scratch_open(scratch, st));
    scratch->sizes_only = old.sizes_only;
    scratch->late = old.late;
    return TOFFEE_OK;
}

static toffee_code
message_no_data(const toffee_tensor *tensor, toffee_status *st)
{
    return toffee_fail(st, TOFFEE_ERR_VALUE,
                       "tensor '%s' has no data; give it some, or remove it from the graph",
                       toffee_str_text(tensor->name));
}

toffee_code
toffee_scratch_hold(toffee_scratch *scratch, const toffee_tensor *tensor, const void **data,
                    toffee_status *st)
{
    *data = tensor->data;
    if (tensor->source != NULL && tensor->n_bytes != 0 && !scratch->sizes_only) {
        TOFFEE_RETURN_IF_ERROR(toffee_tensor_hold(tensor, data, st));
        if (!TOFFEE_VEC_PUSH(scratch->arena, &scratch->held, tensor)) {
            toffee_tensor_let_go(tensor);
            return toffee_fail_nomem(st);
        }
    }
    if (*data == NULL && tensor->n_bytes != 0 && tensor->source == NULL) {
        return message_no_data(tensor, st);
    }
    return TOFFEE_OK;
}

/* protobuf-c takes terminated strings, and would write what follows a zero byte as if it were not
 * there: two names could become one. */
static toffee_code
message_terminated(const toffee_str *text, char **out, toffee_status *st)
{
    *out = (char *)text->text;
    if (strlen(text->text) != text->length) {
        return toffee_fail(st, TOFFEE_ERR_VALUE,
                           "a name or text has a zero byte after '%s'; rename it to save the graph",
                           text->text);
    }
    return TOFFEE_OK;
}

toffee_code
toffee_message_text(const toffee_str *text, char **out, toffee_status *st)
{
    *out = NULL;
    return text != NULL && text->length != 0 ? message_terminated(text, out, st) : TOFFEE_OK;
}

toffee_code
toffee_message_extra(toffee_scratch *scratch, const toffee_bytes *extra, ProtobufCMessage *msg,
                     toffee_status *st)
{
    ProtobufCMessageUnknownField *field = NULL;
    uint64_t tag = 0;
    size_t at = 0;

    if (extra->n == 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(MESSAGE_ARRAY(scratch, &field, 1));
    do {
        tag |= (uint64_t)(extra->data[at] & 0x7f) << (7 * at);
    } while (extra->data[at++] >= 0x80 && at < extra->n && at < 10);
    /* protobuf-c writes a tag and copies what is behind it: that may as well be several fields. */
    field->tag = (uint32_t)(tag >> 3);
    field->wire_type = (ProtobufCWireType)(tag & 7);
    field->data = (uint8_t *)extra->data + at;
    field->len = extra->n - at;
    msg->unknown_fields = field;
    msg->n_unknown_fields = 1;
    return TOFFEE_OK;
}

static toffee_code
message_value_name(const toffee_value *value, char **out, toffee_status *st)
{
    if (value == NULL) {
        *out = (char *)""; /* an optional input that is left out */
        return TOFFEE_OK;
    }
    if (value->name == NULL) {
        return toffee_fail(st, TOFFEE_ERR_VALUE, "a value has no name; give it one");
    }
    return message_terminated(value->name, out, st);
}

toffee_code
toffee_message_value_names(toffee_scratch *scratch, toffee_value *const *values, size_t n,
                           char ***out, toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(MESSAGE_ARRAY(scratch, out, n));
    for (size_t i = 0; i < n; i++) {
        TOFFEE_RETURN_IF_ERROR(message_value_name(values[i], &(*out)[i], st));
    }
    return TOFFEE_OK;
}

static toffee_code
message_bytes_list(toffee_scratch *scratch, const toffee_bytes *list, size_t n,
                   ProtobufCBinaryData **out, toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(MESSAGE_ARRAY(scratch, out, n));
    for (size_t i = 0; i < n; i++) {
        (*out)[i] = (ProtobufCBinaryData){.len = list[i].n, .data = (uint8_t *)list[i].data};
    }
    return TOFFEE_OK;
}

toffee_code
toffee_message_tensor(toffee_scratch *scratch, const toffee_tensor *tensor, bool payload,
                      Toffee__TensorProto **out, toffee_status *st)
{
    Toffee__TensorProto *msg = NULL;
    const void *data = NULL;

    TOFFEE_RETURN_IF_ERROR(MESSAGE_NEW(scratch, &msg, toffee__tensor_proto__init));
    TOFFEE_RETURN_IF_ERROR(toffee_message_text(tensor->name, &msg->name, st));
    msg->n_dims = (size_t)tensor->rank;
    msg->dims = (int64_t *)tensor->dims;
    msg->has_data_type = true;
    msg->data_type = (Toffee__TensorProto__DataType)tensor->dtype;
    TOFFEE_RETURN_IF_ERROR(toffee_message_extra(scratch, &tensor->extra, &msg->base, st));
    *out = msg;
    if (!payload) {
        return TOFFEE_OK; /* and no doc_string either: it is written where the padding is */
    }
    TOFFEE_RETURN_IF_ERROR(toffee_message_text(tensor->doc, &msg->doc_string, st));
    if (tensor->dtype == TOFFEE_DTYPE_STRING) {
        if (tensor->strings == NULL && tensor->n_elements != 0) {
            return message_no_data(tensor, st);
        }
        msg->n_string_data = tensor->n_elements;
        return message_bytes_list(scratch, tensor->strings, msg->n_string_data, &msg->string_data,
                                  st);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_scratch_hold(scratch, tensor, &data, st));
    msg->has_raw_data = true;
    msg->raw_data = (ProtobufCBinaryData){.len = tensor->n_bytes, .data = (uint8_t *)data};
    return TOFFEE_OK;
}

/* One function for each type of attribute: what counts of ATTR, into MSG. */
typedef toffee_code (*message_attr_fn)(toffee_scratch *scratch, const toffee_attr *attr,
                                       Toffee__AttributeProto *msg, toffee_status *st);

static toffee_code
message_attr_float(toffee_scratch *scratch, const toffee_attr *attr, Toffee__AttributeProto *msg,
                   toffee_status *st)
{
    (void)scratch;
    (void)st;
    msg->has_f = true;
    msg->f = attr->f;
    return TOFFEE_OK;
}

static toffee_code
message_attr_int(toffee_scratch *scratch, const toffee_attr *attr, Toffee__AttributeProto *msg,
                 toffee_status *st)
{
    (void)scratch;
    (void)st;
    msg->has_i = true;
    msg->i = attr->i;
    return TOFFEE_OK;
}

static toffee_code
message_attr_string(toffee_scratch *scratch, const toffee_attr *attr, Toffee__AttributeProto *msg,
                    toffee_status *st)
{
    (void)scratch;
    (void)st;
    msg->has_s = true;
    msg->s = (ProtobufCBinaryData){.len = attr->s.n, .data = (uint8_t *)attr->s.data};
    return TOFFEE_OK;
}

static toffee_code
message_attr_tensor(toffee_scratch *scratch, const toffee_attr *attr, Toffee__AttributeProto *msg,
                    toffee_status *st)
{
    return toffee_message_tensor(scratch, attr->t, true, &msg->t, st);
}

static toffee_code
message_attr_graph(toffee_scratch *scratch, const toffee_attr *attr, Toffee__AttributeProto *msg,
                   toffee_status *st)
{
    return message_graph(scratch, attr->g, &msg->g, st);
}

static toffee_code
message_attr_floats(toffee_scratch *scratch, const toffee_attr *attr, Toffee__AttributeProto *msg,
                    toffee_status *st)
{
    (void)scratch;
    (void)st;
    msg->n_floats = attr->n;
    msg->floats = (float *)attr->floats;
    return TOFFEE_OK;
}

static toffee_code
message_attr_ints(toffee_scratch *scratch, const toffee_attr *attr, Toffee__AttributeProto *msg,
                  toffee_status *st)
{
    (void)scratch;
    (void)st;
    msg->n_ints = attr->n;
    msg->ints = (int64_t *)attr->ints;
    return TOFFEE_OK;
}

static toffee_code
message_attr_strings(toffee_scratch *scratch, const toffee_attr *attr, Toffee__AttributeProto *msg,
                     toffee_status *st)
{
    msg->n_strings = attr->n;
    return message_bytes_list(scratch, attr->strings, attr->n, &msg->strings, st);
}

static toffee_code
message_attr_tensors(toffee_scratch *scratch, const toffee_attr *attr, Toffee__AttributeProto *msg,
                     toffee_status *st)
{
    msg->n_tensors = attr->n;
    TOFFEE_RETURN_IF_ERROR(MESSAGE_ARRAY(scratch, &msg->tensors, attr->n));
    for (size_t i = 0; i < attr->n; i++) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_message_tensor(scratch, attr->tensors[i], true, &msg->tensors[i], st));
    }
    return TOFFEE_OK;
}

static toffee_code
message_attr_graphs(toffee_scratch *scratch, const toffee_attr *attr, Toffee__AttributeProto *msg,
                    toffee_status *st)
{
    msg->n_graphs = attr->n;
    TOFFEE_RETURN_IF_ERROR(MESSAGE_ARRAY(scratch, &msg->graphs, attr->n));
    for (size_t i = 0; i < attr->n; i++) {
        TOFFEE_RETURN_IF_ERROR(message_graph(scratch, attr->graphs[i], &msg->graphs[i], st));
    }
    return TOFFEE_OK;
}

static toffee_code
message_attr_sparse(toffee_scratch *scratch, const toffee_attr *attr, Toffee__AttributeProto *msg,
                    toffee_status *st)
{
    return toffee_message_sparse(scratch, attr->sparse[0], &msg->sparse_tensor, st);
}

static toffee_code
message_attr_sparses(toffee_scratch *scratch, const toffee_attr *attr, Toffee__AttributeProto *msg,
                     toffee_status *st)
{
    msg->n_sparse_tensors = attr->n;
    TOFFEE_RETURN_IF_ERROR(MESSAGE_ARRAY(scratch, &msg->sparse_tensors, attr->n));
    for (size_t i = 0; i < attr->n; i++) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_message_sparse(scratch, attr->sparse[i], &msg->sparse_tensors[i], st));
    }
    return TOFFEE_OK;
}

static toffee_code
message_attr_type(toffee_scratch *scratch, const toffee_attr *attr, Toffee__AttributeProto *msg,
                  toffee_status *st)
{
    return message_type(scratch, &attr->types[0], &msg->tp, st);
}

static toffee_code
message_attr_types(toffee_scratch *scratch, const toffee_attr *attr, Toffee__AttributeProto *msg,
                   toffee_status *st)
{
    msg->n_type_protos = attr->n;
    TOFFEE_RETURN_IF_ERROR(MESSAGE_ARRAY(scratch, &msg->type_protos, attr->n));
    for (size_t i = 0; i < attr->n; i++) {
        TOFFEE_RETURN_IF_ERROR(message_type(scratch, &attr->types[i], &msg->type_protos[i], st));
    }
    return TOFFEE_OK;
}

static const message_attr_fn message_attr_fns[] = {
    [TOFFEE_ATTR_FLOAT] = message_attr_float,
    [TOFFEE_ATTR_INT] = message_attr_int,
    [TOFFEE_ATTR_STRING] = message_attr_string,
    [TOFFEE_ATTR_TENSOR] = message_attr_tensor,
    [TOFFEE_ATTR_GRAPH] = message_attr_graph,
    [TOFFEE_ATTR_FLOATS] = message_attr_floats,
    [TOFFEE_ATTR_INTS] = message_attr_ints,
    [TOFFEE_ATTR_STRINGS] = message_attr_strings,
    [TOFFEE_ATTR_TENSORS] = message_attr_tensors,
    [TOFFEE_ATTR_GRAPHS] = message_attr_graphs,
    [TOFFEE_ATTR_SPARSE_TENSOR] = message_attr_sparse,
    [TOFFEE_ATTR_SPARSE_TENSORS] = message_attr_sparses,
    [TOFFEE_ATTR_TYPE_PROTO] = message_attr_type,
    [TOFFEE_ATTR_TYPE_PROTOS] = message_attr_types,
};

toffee_code
toffee_message_attr(toffee_scratch *scratch, const toffee_attr *attr, Toffee__AttributeProto **out,
                    toffee_status *st)
{
    Toffee__AttributeProto *msg = NULL;

    TOFFEE_RETURN_IF_ERROR(MESSAGE_NEW(scratch, &msg, toffee__attribute_proto__init));
    TOFFEE_RETURN_IF_ERROR(toffee_message_text(attr->name, &msg->name, st));
    TOFFEE_RETURN_IF_ERROR(toffee_message_text(attr->doc, &msg->doc_string, st));
    TOFFEE_RETURN_IF_ERROR(toffee_message_text(attr->ref, &msg->ref_attr_name, st));
    TOFFEE_RETURN_IF_ERROR(toffee_message_extra(scratch, &attr->extra, &msg->base, st));
    *out = msg;
    if ((size_t)attr->type >= TOFFEE_COUNTOF(message_attr_fns) ||
        message_attr_fns[attr->type] == NULL) {
        return TOFFEE_OK; /* of no known type: its name is all there is */
    }
    msg->has_type = !scratch->late;
    msg->type = (Toffee__AttributeProto__AttributeType)attr->type;
    if (attr->ref != NULL) {
        return TOFFEE_OK; /* the value is the function's affair */
    }
    return message_attr_fns[attr->type](scratch, attr, msg, st);
}

static toffee_code
message_node_fields(toffee_scratch *scratch, const toffee_node *node, Toffee__NodeProto *msg,
                    toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(toffee_message_text(node->name, &msg->name, st));
    TOFFEE_RETURN_IF_ERROR(toffee_message_text(node->op_type, &msg->op_type, st));
    TOFFEE_RETURN_IF_ERROR(toffee_message_text(node->doc, &msg->doc_string, st));
    TOFFEE_RETURN_IF_ERROR(toffee_message_text(node->domain, &msg->domain, st));
    TOFFEE_RETURN_IF_ERROR(toffee_message_text(node->overload, &msg->overload, st));
    TOFFEE_RETURN_IF_ERROR(toffee_message_extra(scratch, &node->extra, &msg->base, st));
    msg->n_input = node->inputs.n;
    TOFFEE_RETURN_IF_ERROR(
        toffee_message_value_names(scratch, node->inputs.data, node->inputs.n, &msg->input, st));
    msg->n_output = node->outputs.n;
    TOFFEE_RETURN_IF_ERROR(
        toffee_message_value_names(scratch, node->outputs.data, node->outputs.n, &msg->output, st));
    msg->n_attribute = node->attrs.n;
    TOFFEE_RETURN_IF_ERROR(MESSAGE_ARRAY(scratch, &msg->attribute, node->attrs.n));
    for (size_t i = 0; i < node->attrs.n; i++) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_message_attr(scratch, &node->attrs.data[i], &msg->attribute[i], st));
    }
    return TOFFEE_OK;
}

/* Says in front of the message of ST which node it was; one without a name goes by its output. */
static void
message_blame(const toffee_node *node, toffee_status *st)
{
    const toffee_str *name = node->name;

    if (name == NULL && node->outputs.n != 0 && node->outputs.data[0] != NULL) {
        name = node->outputs.data[0]->name;
    }
    toffee_status_prefix(st, "node '%s' (%s): ", toffee_str_text(name),
                         toffee_str_text(node->op_type));
}

toffee_code
toffee_message_node(toffee_scratch *scratch, const toffee_node *node, Toffee__NodeProto **out,
                    toffee_status *st)
{
    int depth = scratch->depth;
    toffee_code rc = MESSAGE_NEW(scratch, out, toffee__node_proto__init);

    if (rc == TOFFEE_OK) {
        rc = message_node_fields(scratch, node, *out, st);
    }
    /* Of nodes inside nodes, the outermost and the innermost are enough. */
    if (rc != TOFFEE_OK && (depth == 0 || depth == scratch->depth)) {
        message_blame(node, st);
    }
    return rc;
}

static toffee_code
message_dim(toffee_scratch *scratch, const toffee_dim *dim,
            Toffee__TensorShapeProto__Dimension **out, toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(MESSAGE_NEW(scratch, out, toffee__tensor_shape_proto__dimension__init));
    if (dim->value >= 0) {
        (*out)->has_dim_value = true;
        (*out)->dim_value = dim->value;
        return TOFFEE_OK;
    }
    return toffee_message_text(dim->param, &(*out)->dim_param, st);
}

static toffee_code
message_type(toffee_scratch *scratch, const toffee_type *type, Toffee__TypeProto **out,
             toffee_status *st)
{
    Toffee__TypeProto__Tensor *msg = NULL;
    Toffee__TensorShapeProto *shape = NULL;

    TOFFEE_RETURN_IF_ERROR(MESSAGE_NEW(scratch, out, toffee__type_proto__init));
    if (type->more != NULL) {
        return toffee_message_extra(scratch, &type->more->raw, &(*out)->base, st);
    }
    TOFFEE_RETURN_IF_ERROR(MESSAGE_NEW(scratch, &msg, toffee__type_proto__tensor__init));
    (*out)->tensor_type = msg;
    msg->has_elem_type = true;
    msg->elem_type = (Toffee__TensorProto__DataType)type->dtype;
    if (type->rank < 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(MESSAGE_NEW(scratch, &shape, toffee__tensor_shape_proto__init));
    msg->shape = shape;
    shape->n_dim = (size_t)type->rank;
    TOFFEE_RETURN_IF_ERROR(MESSAGE_ARRAY(scratch, &shape->dim, shape->n_dim));
    for (size_t i = 0; i < shape->n_dim; i++) {
        TOFFEE_RETURN_IF_ERROR(message_dim(scratch, &type->dims[i], &shape->dim[i], st));
    }
    return TOFFEE_OK;
}

/* The type that TENSOR has, with dims in the scratch. */
static toffee_code
message_tensor_type(toffee_scratch *scratch, const toffee_tensor *tensor, toffee_type *out,
                    toffee_status *st)
{
    toffee_dim *dims = NULL;

    TOFFEE_RETURN_IF_ERROR(MESSAGE_ARRAY(scratch, &dims, (size_t)tensor->rank));
    for (int32_t i = 0; i < tensor->rank; i++) {
        dims[i].value = tensor->dims[i];
    }
    *out = (toffee_type){.dtype = tensor->dtype, .rank = tensor->rank, .dims = dims};
    return TOFFEE_OK;
}

/* Whether VALUE has no type of its own, so that its tensor's is written. Of a parameter it is that
 * of the tensor in any case: what was declared may be older. */
static bool
value_goes_by_tensor(const toffee_value *value)
{
    return value->tensor != NULL &&
           ((value->is_input && !value->is_listed) ||
            (value->type.dtype == TOFFEE_DTYPE_UNDEFINED && value->type.more == NULL));
}

toffee_code
toffee_message_value(toffee_scratch *scratch, const toffee_value *value,
                     Toffee__ValueInfoProto **out, toffee_status *st)
{
    toffee_type type = value->type;

    TOFFEE_RETURN_IF_ERROR(MESSAGE_NEW(scratch, out, toffee__value_info_proto__init));
    TOFFEE_RETURN_IF_ERROR(message_value_name(value, &(*out)->name, st));
    TOFFEE_RETURN_IF_ERROR(toffee_message_text(value->doc, &(*out)->doc_string, st));
    TOFFEE_RETURN_IF_ERROR(toffee_message_extra(scratch, &value->extra, &(*out)->base, st));
    if (value_goes_by_tensor(value)) {
        TOFFEE_RETURN_IF_ERROR(message_tensor_type(scratch, value->tensor, &type, st));
    }
    return type.dtype != TOFFEE_DTYPE_UNDEFINED || type.more != NULL
               ? message_type(scratch, &type, &(*out)->type, st)
               : TOFFEE_OK;
}

toffee_code
toffee_message_opset(toffee_scratch *scratch, const toffee_opset *opset,
                     Toffee__OperatorSetId **out, toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(MESSAGE_NEW(scratch, out, toffee__operator_set_id__init));
    (*out)->has_version = true;
    (*out)->version = opset->version;
    return toffee_message_text(opset->domain, &(*out)->domain, st);
}

toffee_code
toffee_message_prop(toffee_scratch *scratch, const toffee_prop *prop,
                    Toffee__StringStringEntry **out, toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(MESSAGE_NEW(scratch, out, toffee__string_string_entry__init));
    TOFFEE_RETURN_IF_ERROR(toffee_message_text(prop->key, &(*out)->key, st));
    return toffee_message_text(prop->value, &(*out)->value, st);
}

static toffee_code
message_set_names(toffee_scratch *scratch, const toffee_graph *graph, Toffee__GraphProto *msg,
                  toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(toffee_message_text(graph->name, &msg->name, st));
    msg->n_input = graph->inputs.n;
    TOFFEE_RETURN_IF_ERROR(
        toffee_message_value_names(scratch, graph->inputs.data, graph->inputs.n, &msg->input, st));
    msg->n_output = graph->outputs.n;
    return toffee_message_value_names(scratch, graph->outputs.data, graph->outputs.n, &msg->output,
                                      st);
}

static toffee_code
message_set_about(const toffee_graph *graph, Toffee__GraphProto *msg, toffee_status *st)
{
    msg->has_ir_version = graph->ir_version != 0;
    msg->ir_version = graph->ir_version;
    msg->has_producer_version = graph->producer_version != 0;
    msg->producer_version = graph->producer_version;
    TOFFEE_RETURN_IF_ERROR(toffee_message_text(graph->producer_tag, &msg->producer_tag, st));
    TOFFEE_RETURN_IF_ERROR(toffee_message_text(graph->domain, &msg->domain, st));
    if (graph->envelope != NULL && graph->envelope->lends_doc &&
        graph->doc == graph->envelope->doc) {
        return TOFFEE_OK; /* it stands there */
    }
    return toffee_message_text(graph->doc, &msg->doc_string, st);
}

toffee_code
toffee_message_names(toffee_scratch *scratch, const toffee_graph *graph, Toffee__GraphProto **out,
                     toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(MESSAGE_NEW(scratch, out, toffee__graph_proto__init));
    return message_set_names(scratch, graph, *out, st);
}

toffee_code
toffee_message_about(toffee_scratch *scratch, const toffee_graph *graph, Toffee__GraphProto **out,
                     toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(MESSAGE_NEW(scratch, out, toffee__graph_proto__init));
    return message_set_about(graph, *out, st);
}

bool
toffee_message_lists_input(const toffee_value *value, bool with_initializers)
{
    return !with_initializers || value->tensor == NULL || value->is_listed;
}

static toffee_code
message_values(toffee_scratch *scratch, toffee_value *const *values, size_t n, bool inputs,
               size_t *n_out, Toffee__ValueInfoProto ***out, toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(MESSAGE_ARRAY(scratch, out, n));
    for (size_t i = 0; i < n; i++) {
        if (!inputs || toffee_message_lists_input(values[i], true)) {
            TOFFEE_RETURN_IF_ERROR(toffee_message_value(scratch, values[i], &(*out)[*n_out], st));
            (*n_out)++;
        }
    }
    return TOFFEE_OK;
}

/* What September 2017 did not have of a graph inside a node. */
static toffee_code
message_set_types(toffee_scratch *scratch, const toffee_graph *graph, Toffee__GraphProto *msg,
                  toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(message_values(scratch, graph->inputs.data, graph->inputs.n, true,
                                          &msg->n_input_info, &msg->input_info, st));
    TOFFEE_RETURN_IF_ERROR(message_values(scratch, graph->outputs.data, graph->outputs.n, false,
                                          &msg->n_output_info, &msg->output_info, st));
    TOFFEE_RETURN_IF_ERROR(message_values(scratch, graph->value_infos.data, graph->value_infos.n,
                                          false, &msg->n_value_info, &msg->value_info, st));
    TOFFEE_RETURN_IF_ERROR(MESSAGE_ARRAY(scratch, &msg->metadata_props, graph->props.n));
    for (size_t i = 0; i < graph->props.n; i++) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_message_prop(scratch, &graph->props.data[i], &msg->metadata_props[i], st));
    }
    msg->n_metadata_props = graph->props.n;
    TOFFEE_RETURN_IF_ERROR(MESSAGE_ARRAY(scratch, &msg->opset_import, graph->opsets.n));
    for (size_t i = 0; i < graph->opsets.n; i++) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_message_opset(scratch, &graph->opsets.data[i], &msg->opset_import[i], st));
    }
    msg->n_opset_import = graph->opsets.n;
    TOFFEE_RETURN_IF_ERROR(
        MESSAGE_ARRAY(scratch, &msg->sparse_initializer, graph->sparse_initializers.n));
    for (size_t i = 0; i < graph->sparse_initializers.n; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_message_sparse(scratch, graph->sparse_initializers.data[i],
                                                     &msg->sparse_initializer[i], st));
    }
    msg->n_sparse_initializer = graph->sparse_initializers.n;
    return toffee_message_extra(scratch, &graph->extra, &msg->base, st);
}

/* The whole of a graph inside a node. The outermost graph is written part by part instead. */
static toffee_code
message_graph(toffee_scratch *scratch, const toffee_graph *graph, Toffee__GraphProto **out,
              toffee_status *st)
{
    Toffee__GraphProto *msg = NULL;

    if (scratch->depth >= MESSAGE_MAX_GRAPHS) {
        return toffee_fail(st, TOFFEE_ERR_LIMIT, "graphs are nested more than %d deep",
                           MESSAGE_MAX_GRAPHS);
    }
    TOFFEE_RETURN_IF_ERROR(MESSAGE_NEW(scratch, &msg, toffee__graph_proto__init));
    *out = msg;
    TOFFEE_RETURN_IF_ERROR(message_set_names(scratch, graph, msg, st));
    TOFFEE_RETURN_IF_ERROR(message_set_about(graph, msg, st));
    TOFFEE_RETURN_IF_ERROR(MESSAGE_ARRAY(scratch, &msg->node, graph->nodes.n));
    msg->n_node = graph->nodes.n;
    scratch->depth++; /* after a failure it still says how deep that was */
    for (size_t i = 0; i < graph->nodes.n; i++) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_message_node(scratch, graph->nodes.data[i], &msg->node[i], st));
    }
    scratch->depth--;
    TOFFEE_RETURN_IF_ERROR(MESSAGE_ARRAY(scratch, &msg->initializer, graph->initializers.n));
    msg->n_initializer = graph->initializers.n;
    for (size_t i = 0; i < graph->initializers.n; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_message_tensor(scratch, graph->initializers.data[i], true,
                                                     &msg->initializer[i], st));
    }
    return scratch->late ? TOFFEE_OK : message_set_types(scratch, graph, msg, st);
}
