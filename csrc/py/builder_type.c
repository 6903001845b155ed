/* csrc/py/builder_type.c -- toffee._core.Builder: what lowerings in Python add nodes with. */
#include "py/graph_type.h"

#include <string.h>

#include "bridge/pyerr.h"
#include "ops/check.h"
#include "trace/custom.h"

/* Constants of fewer bytes are compared with those that are there; larger ones are kept as they
 * are. */
#define SHARED_BYTES 65536

static int
builder_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op)); /* the tracer is borrowed: it owns the builder */
    return 0;
}

static void
builder_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);

    PyObject_GC_UnTrack(op);
    type->tp_free(op);
    Py_DECREF(type);
}

/* ---- nodes ---------------------------------------------------------------------------------- */

/* Gives NODE the items of the tuple INPUTS, values or None; those at the end that are None are
 * nothing. */
static int
emit_inputs(const PyToffee_Builder *builder, toffee_node *node, PyObject *inputs)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    Py_ssize_t n = PyTuple_GET_SIZE(inputs);

    while (n > 0 && PyTuple_GET_ITEM(inputs, n - 1) == Py_None) {
        n--;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PyTuple_GET_ITEM(inputs, i); /* borrowed */
        char what[32];
        toffee_value *value = NULL;

        PyOS_snprintf(what, sizeof(what), "input %zd", i);
        if (item != Py_None) {
            value = PyToffee_TracedValue_Get(builder, item, what);
            if (value == NULL) {
                return -1;
            }
        }
        if (toffee_node_add_input(node, value, &st) != TOFFEE_OK) {
            return PyToffee_Err_Fail(builder->tracer->state, &st);
        }
    }
    return 0;
}

/* Gives NODE N outputs of unknown type. A tuple of them as objects; NULL with an exception set. */
static PyObject *
emit_outputs(PyToffee_Builder *builder, toffee_node *node, Py_ssize_t n)
{
    PyObject *outputs = PyTuple_New(n);
    toffee_status st = TOFFEE_STATUS_INIT;

    for (Py_ssize_t i = 0; outputs != NULL && i < n; i++) {
        toffee_value *value = NULL;
        PyObject *item = NULL;

        if (toffee_emit_output(&builder->tracer->lo, node, TOFFEE_DTYPE_UNDEFINED, &value, &st) ==
            TOFFEE_OK) {
            item = PyToffee_TracedValue_New(builder, value);
        }
        else {
            PyToffee_Err_Set(builder->tracer->state, &st);
        }
        if (item == NULL) {
            Py_CLEAR(outputs);
            break;
        }
        PyTuple_SET_ITEM(outputs, i, item);
    }
    return outputs;
}

PyDoc_STRVAR(emit_doc, "emit($self, node, inputs, n_outputs, /) -> tuple[TracedValue, ...]\n--\n\n"
                       "Append a copy of NODE, which has an operator and attributes, with the\n"
                       "values of the tuple INPUTS (None: left out) and new outputs.");

static PyObject *
builder_emit(PyObject *op, PyObject *args)
{
    PyToffee_Builder *self = (PyToffee_Builder *)op;
    PyToffee_State *state = PyToffee_TypeState(Py_TYPE(op));
    PyToffee_Tracer *tracer = NULL;
    toffee_status st = TOFFEE_STATUS_INIT;
    PyObject *object = NULL;
    PyObject *inputs = NULL;
    Py_ssize_t n_outputs = 0;
    toffee_node *node = NULL;
    PyObject *outputs = NULL;

    if (state == NULL || !PyArg_ParseTuple(args, "O!O!n:emit", state->NodeType, &object,
                                           &PyTuple_Type, &inputs, &n_outputs)) {
        return NULL;
    }
    tracer = PyToffee_Builder_Open(self);
    if (tracer == NULL) {
        return NULL;
    }
    if (n_outputs < 1) {
        return PyErr_Format(PyExc_ValueError, "a node has one output or more, not %zd", n_outputs);
    }
    if (toffee_node_copy(((PyToffee_Node *)object)->node, tracer->graph, true, &node, &st) !=
        TOFFEE_OK) {
        return PyToffee_Err_Set(state, &st);
    }
    toffee_node_sign(node, &tracer->lo);
    if (emit_inputs(self, node, inputs) < 0) {
        return NULL;
    }
    outputs = emit_outputs(self, node, n_outputs);
    if (outputs == NULL) {
        return NULL;
    }
    if (toffee_infer_node(node, tracer->graph->nodes.n, &st) != TOFFEE_OK ||
        toffee_graph_append_node(tracer->graph, node, &st) != TOFFEE_OK) {
        Py_DECREF(outputs);
        return PyToffee_Err_Set(state, &st);
    }
    return outputs;
}

/* ---- constants ------------------------------------------------------------------------------ */

/* TENSOR, which is kept, as an initializer of its own. */
static int
add_large(PyToffee_Tracer *tracer, PyObject *object, toffee_value **out)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_tensor *tensor = NULL;
    PyToffee_Host *host = NULL;
    const toffee_str *name = NULL;

    if (toffee_const_name(&tracer->lo, &name, &st) != TOFFEE_OK) {
        return PyToffee_Err_Fail(tracer->state, &st);
    }
    if (PyToffee_Host_Tensor(tracer->state, &tracer->state->trace->api, tracer->graph, name, object,
                             &tensor, &host) < 0) {
        return -1;
    }
    if (toffee_graph_add_initializer(tracer->graph, tensor, &st) != TOFFEE_OK ||
        toffee_graph_value(tracer->graph, name, out, &st) != TOFFEE_OK ||
        toffee_value_set_type(*out, tensor->dtype, tensor->dims, tensor->rank, &st) != TOFFEE_OK) {
        return PyToffee_Err_Fail(tracer->state, &st);
    }
    return 0;
}

PyDoc_STRVAR(
    initializer_doc,
    "initializer($self, tensor, /) -> TracedValue\n--\n\n"
    "The torch.Tensor TENSOR as a constant. It lies in the memory of the host, dense, and\n"
    "nobody writes to it any more.");

static PyObject *
builder_initializer(PyObject *op, PyObject *object)
{
    PyToffee_Builder *self = (PyToffee_Builder *)op;
    PyToffee_Tracer *tracer = PyToffee_Builder_Open(self);
    toffee_status st = TOFFEE_STATUS_INIT;
    PyToffee_TensorInfo info;
    uint64_t n_elements = 0;
    uint64_t n_bytes = 0;
    toffee_value *value = NULL;

    if (tracer == NULL) {
        return NULL;
    }
    if (!PyToffee_IsTensor(&tracer->state->trace->types, object)) {
        return PyErr_Format(PyExc_TypeError, "a torch.Tensor was expected, not %.200s",
                            Py_TYPE(object)->tp_name);
    }
    if (PyToffee_TensorInfo_Get(&tracer->state->trace->api, object, &info) < 0) {
        return NULL;
    }
    if (!info.on_host || !PyToffee_TensorInfo_IsContiguous(&info) ||
        !toffee_dtype_count(info.dtype, info.sizes, info.rank, &n_elements, &n_bytes)) {
        PyErr_SetString(PyExc_ValueError, "the tensor is not dense, or not in the host's memory");
        return NULL;
    }
    if (n_bytes >= SHARED_BYTES) {
        return add_large(tracer, object, &value) == 0 ? PyToffee_TracedValue_New(self, value)
                                                      : NULL;
    }
    if (toffee_const_tensor(&tracer->lo, info.dtype, info.sizes, info.rank, info.data, &value,
                            &st) != TOFFEE_OK) {
        return PyToffee_Err_Set(tracer->state, &st);
    }
    return PyToffee_TracedValue_New(self, value);
}

PyDoc_STRVAR(import_domain_doc,
             "import_domain($self, domain, version, /)\n--\n\n"
             "Declare that nodes of DOMAIN are those of its opset VERSION; the default is 1.\n\n"
             "Raises\n------\nValueError\n"
             "    DOMAIN is ONNX's own, VERSION is below 1, or another version was declared.");

static PyObject *
builder_import_domain(PyObject *op, PyObject *args)
{
    PyToffee_Tracer *tracer = NULL;
    toffee_status st = TOFFEE_STATUS_INIT;
    const char *domain = NULL;
    long long version = 0;
    int64_t declared = 0;

    if (!PyArg_ParseTuple(args, "sL:import_domain", &domain, &version)) {
        return NULL;
    }
    tracer = PyToffee_Builder_Open((PyToffee_Builder *)op);
    if (tracer == NULL) {
        return NULL;
    }
    if (domain[0] == '\0' || strcmp(domain, "ai.onnx") == 0 || version < 1) {
        return PyErr_Format(PyExc_ValueError,
                            "version %lld of domain '%s': versions begin at 1, and that of ONNX's "
                            "own domain is %d",
                            version, domain, TOFFEE_OPSET);
    }
    declared = toffee_graph_opset(tracer->graph, domain);
    if (declared != 0 && declared != version) {
        return PyErr_Format(PyExc_ValueError,
                            "domain '%s' is needed in version %lld here, and another lowering has "
                            "declared version %lld of it",
                            domain, version, (long long)declared);
    }
    if (toffee_graph_set_opset(tracer->graph, domain, version, &st) != TOFFEE_OK) {
        return PyToffee_Err_Set(tracer->state, &st);
    }
    Py_RETURN_NONE;
}

static PyMethodDef builder_methods[] = {
    {"emit", builder_emit, METH_VARARGS, emit_doc},
    {"import_domain", builder_import_domain, METH_VARARGS, import_domain_doc},
    {"initializer", builder_initializer, METH_O, initializer_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot builder_slots[] = {
    {Py_tp_doc, "Adds nodes to a trace; the C half of toffee.lowering.GraphBuilder."},
    {Py_tp_dealloc, builder_dealloc},
    {Py_tp_traverse, builder_traverse},
    {Py_tp_methods, builder_methods},
    {0, NULL},
};

static PyType_Spec builder_spec = {
    .name = "toffee._core.Builder",
    .basicsize = sizeof(PyToffee_Builder),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = builder_slots,
};

int
PyToffee_Builder_Exec(PyObject *module)
{
    return PyToffee_AddType(module, &builder_spec, &PyToffee_ModuleState(module)->BuilderType);
}
