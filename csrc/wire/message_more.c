/* csrc/wire/message_more.c -- what few graphs have: functions, sparse tensors, a model's envelope.
 */
#include "ir/function.h"
#include "wire/message.h"

toffee_code
toffee_message_sparse(toffee_scratch *scratch, const toffee_sparse *sparse,
                      Toffee__SparseTensorProto **out, toffee_status *st)
{
    Toffee__SparseTensorProto *msg = NULL;

    TOFFEE_RETURN_IF_ERROR(MESSAGE_NEW(scratch, &msg, toffee__sparse_tensor_proto__init));
    TOFFEE_RETURN_IF_ERROR(toffee_message_tensor(scratch, sparse->values, true, &msg->values, st));
    if (sparse->indices != NULL) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_message_tensor(scratch, sparse->indices, true, &msg->indices, st));
    }
    msg->n_dims = (size_t)sparse->rank;
    msg->dims = (int64_t *)sparse->dims;
    *out = msg;
    return toffee_message_extra(scratch, &sparse->extra, &msg->base, st);
}

/* ---- functions ---- */

static toffee_code
function_attrs(toffee_scratch *scratch, const toffee_function *function, Toffee__FunctionProto *msg,
               toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(MESSAGE_ARRAY(scratch, &msg->attribute, function->attr_names.n));
    msg->n_attribute = function->attr_names.n;
    for (size_t i = 0; i < function->attr_names.n; i++) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_message_text(function->attr_names.data[i], &msg->attribute[i], st));
        if (msg->attribute[i] == NULL) {
            msg->attribute[i] = (char *)"";
        }
    }
    TOFFEE_RETURN_IF_ERROR(
        MESSAGE_ARRAY(scratch, &msg->attribute_proto, function->attr_defaults.n));
    msg->n_attribute_proto = function->attr_defaults.n;
    for (size_t i = 0; i < function->attr_defaults.n; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_message_attr(scratch, &function->attr_defaults.data[i],
                                                   &msg->attribute_proto[i], st));
    }
    return TOFFEE_OK;
}

static toffee_code
function_lists(toffee_scratch *scratch, const toffee_graph *graph, Toffee__FunctionProto *msg,
               toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(MESSAGE_ARRAY(scratch, &msg->value_info, graph->value_infos.n));
    msg->n_value_info = graph->value_infos.n;
    for (size_t i = 0; i < graph->value_infos.n; i++) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_message_value(scratch, graph->value_infos.data[i], &msg->value_info[i], st));
    }
    TOFFEE_RETURN_IF_ERROR(MESSAGE_ARRAY(scratch, &msg->opset_import, graph->opsets.n));
    msg->n_opset_import = graph->opsets.n;
    for (size_t i = 0; i < graph->opsets.n; i++) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_message_opset(scratch, &graph->opsets.data[i], &msg->opset_import[i], st));
    }
    TOFFEE_RETURN_IF_ERROR(MESSAGE_ARRAY(scratch, &msg->metadata_props, graph->props.n));
    msg->n_metadata_props = graph->props.n;
    for (size_t i = 0; i < graph->props.n; i++) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_message_prop(scratch, &graph->props.data[i], &msg->metadata_props[i], st));
    }
    return TOFFEE_OK;
}

toffee_code
toffee_message_function(toffee_scratch *scratch, const toffee_graph *function,
                        Toffee__FunctionProto **out, toffee_status *st)
{
    Toffee__FunctionProto *msg = NULL;

    TOFFEE_RETURN_IF_ERROR(MESSAGE_NEW(scratch, &msg, toffee__function_proto__init));
    *out = msg;
    TOFFEE_RETURN_IF_ERROR(toffee_message_text(function->name, &msg->name, st));
    TOFFEE_RETURN_IF_ERROR(toffee_message_text(function->domain, &msg->domain, st));
    TOFFEE_RETURN_IF_ERROR(toffee_message_text(function->doc, &msg->doc_string, st));
    TOFFEE_RETURN_IF_ERROR(toffee_message_text(function->function->overload, &msg->overload, st));
    msg->n_input = function->inputs.n;
    TOFFEE_RETURN_IF_ERROR(toffee_message_value_names(scratch, function->inputs.data,
                                                      function->inputs.n, &msg->input, st));
    msg->n_output = function->outputs.n;
    TOFFEE_RETURN_IF_ERROR(toffee_message_value_names(scratch, function->outputs.data,
                                                      function->outputs.n, &msg->output, st));
    TOFFEE_RETURN_IF_ERROR(function_attrs(scratch, function->function, msg, st));
    TOFFEE_RETURN_IF_ERROR(MESSAGE_ARRAY(scratch, &msg->node, function->nodes.n));
    msg->n_node = function->nodes.n;
    for (size_t i = 0; i < function->nodes.n; i++) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_message_node(scratch, function->nodes.data[i], &msg->node[i], st));
    }
    TOFFEE_RETURN_IF_ERROR(function_lists(scratch, function, msg, st));
    return toffee_message_extra(scratch, &function->extra, &msg->base, st);
}

/* ---- envelopes ---- */

toffee_code
toffee_message_envelope(toffee_scratch *scratch, const toffee_envelope *envelope,
                        Toffee__ModelProto **out, toffee_status *st)
{
    Toffee__ModelProto *msg = NULL;

    TOFFEE_RETURN_IF_ERROR(MESSAGE_NEW(scratch, &msg, toffee__model_proto__init));
    *out = msg;
    msg->has_ir_version = envelope->ir_version != 0;
    msg->ir_version = envelope->ir_version;
    msg->has_model_version = envelope->has_model_version;
    msg->model_version = envelope->model_version;
    TOFFEE_RETURN_IF_ERROR(toffee_message_text(envelope->producer_name, &msg->producer_name, st));
    return toffee_message_text(envelope->producer_version, &msg->producer_version, st);
}
