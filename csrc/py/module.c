/* csrc/py/module.c -- toffee._core: init, state, and the functions that are not about files. */
#include "bridge/pyerr.h"
#include "ops/check.h"
#include "py/caffe2.h"
#include "py/io.h"
#include "py/op_info.h"
#include "py/optimize.h"
#include "py/repeated.h"
#include "py/sizes.h"
#include "py/testing.h"
#include "trace/trace_state.h"

static PyObject *
module_check_graph(PyObject *module, PyObject *object)
{
    PyToffee_State *state = PyToffee_ModuleState(module);
    toffee_status st = TOFFEE_STATUS_INIT;

    if (Py_TYPE(object) != state->GraphType) {
        return PyErr_Format(PyExc_TypeError, "expected a toffee.Graph, not %s",
                            Py_TYPE(object)->tp_name);
    }
    PyToffee_Graph_Settle(PyToffee_RootOf(object));
    if (toffee_check_graph(((PyToffee_Graph *)object)->graph, &st) != TOFFEE_OK) {
        return PyToffee_Err_Set(state, &st);
    }
    Py_RETURN_NONE;
}

/* In place; the caller has made a copy. */
static PyObject *
module_infer_shapes(PyObject *module, PyObject *object)
{
    PyToffee_State *state = PyToffee_ModuleState(module);
    toffee_status st = TOFFEE_STATUS_INIT;

    if (Py_TYPE(object) != state->GraphType) {
        return PyErr_Format(PyExc_TypeError, "expected a toffee.Graph, not %s",
                            Py_TYPE(object)->tp_name);
    }
    if (PyToffee_Graph_BeginEdit(PyToffee_RootOf(object)) < 0) {
        return NULL;
    }
    PyToffee_Graph_Settle(PyToffee_RootOf(object));
    if (toffee_infer_graph(((PyToffee_Graph *)object)->graph, &st) != TOFFEE_OK) {
        return PyToffee_Err_Set(state, &st);
    }
    Py_RETURN_NONE;
}

static PyObject *
module_check_node(PyObject *module, PyObject *object)
{
    PyToffee_State *state = PyToffee_ModuleState(module);
    toffee_status st = TOFFEE_STATUS_INIT;
    const toffee_node *node = NULL;
    size_t index = 0;

    if (Py_TYPE(object) != state->NodeType) {
        return PyErr_Format(PyExc_TypeError, "expected a toffee.Node, not %s",
                            Py_TYPE(object)->tp_name);
    }
    node = ((PyToffee_Node *)object)->node;
    while (index < node->graph->nodes.n && node->graph->nodes.data[index] != node) {
        index++;
    }
    /* A node of no graph counts as its first. */
    if (toffee_check_node(node, index < node->graph->nodes.n ? index : 0, &st) != TOFFEE_OK) {
        return PyToffee_Err_Set(state, &st);
    }
    Py_RETURN_NONE;
}

static PyObject *
module_dtype_table(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    PyObject *table = PyTuple_New(TOFFEE_N_DTYPES - 1);

    for (int i = 1; table != NULL && i < TOFFEE_N_DTYPES; i++) {
        const toffee_dtype_info *info = toffee_dtype_get((toffee_dtype)i);
        PyObject *row = Py_BuildValue("(iszi)", i, info->name,
                                      toffee_dtype_numpy_name((toffee_dtype)i), (int)info->n_bytes);

        if (row == NULL) {
            Py_CLEAR(table);
            break;
        }
        PyTuple_SET_ITEM(table, i - 1, row);
    }
    return table;
}

static PyMethodDef module_methods[] = {
    {"check_graph", module_check_graph, METH_O,
     "check_graph(graph, /)\n--\n\nRaises CheckError for the first fault."},
    {"check_node", module_check_node, METH_O,
     "check_node(node, /)\n--\n\nRaises CheckError for the first fault of one node."},
    {"dtype_table", module_dtype_table, METH_NOARGS,
     "dtype_table()\n--\n\nA tuple of (number, name, NumPy's name or None, bytes) rows."},
    {"infer_shapes", module_infer_shapes, METH_O,
     "infer_shapes(graph, /)\n--\n\nDeclares in the graph what follows about its values."},
    {"lowerings", PyToffee_Lowerings, METH_NOARGS,
     "lowerings()\n--\n\nA list of (ATen name, ONNX operator or None), in order of name."},
    {"op_table", PyToffee_OpTable, METH_NOARGS,
     "op_table()\n--\n\nA list of dicts, one an operator, in order of name."},
    {NULL, NULL, 0, NULL},
};

static int
module_add_constants(PyObject *module)
{
    if (PyModule_AddIntConstant(module, "OPSET", TOFFEE_OPSET) < 0 ||
        PyModule_AddIntConstant(module, "IR_VERSION", TOFFEE_IR_VERSION) < 0) {
        return -1;
    }
    return PyModule_AddIntConstant(module, "ONNX_IR_VERSION", TOFFEE_ONNX_IR_VERSION);
}

static int
module_exec(PyObject *module)
{
    static int (*const steps[])(PyObject *) = {
        PyToffee_Err_Init,      PyToffee_Graph_Exec,  PyToffee_Function_Exec, PyToffee_Node_Exec,
        PyToffee_Attr_Exec,     PyToffee_Tensor_Exec, PyToffee_Value_Exec,    PyToffee_Pairs_Exec,
        PyToffee_Repeated_Exec, module_add_constants, PyToffee_Testing_Exec,  PyToffee_Trace_Exec,
        PyToffee_Builder_Exec,
    };

    for (size_t i = 0; i < TOFFEE_COUNTOF(steps); i++) {
        if (steps[i](module) < 0) {
            return -1;
        }
    }
    if (PyModule_AddFunctions(module, PyToffee_Caffe2Methods) < 0 ||
        PyModule_AddFunctions(module, PyToffee_IoMethods) < 0 ||
        PyModule_AddFunctions(module, PyToffee_OptimizeMethods) < 0 ||
        PyModule_AddFunctions(module, PyToffee_SizesMethods) < 0) {
        return -1;
    }
    return PyModule_AddFunctions(module, PyToffee_PickleMethods);
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    PyToffee_State *state = PyToffee_ModuleState(module);

    Py_VISIT(state->Error);
    Py_VISIT(state->UnsupportedOperatorError);
    Py_VISIT(state->TraceError);
    Py_VISIT(state->FormatError);
    Py_VISIT(state->CheckError);
    Py_VISIT(state->LimitError);
    Py_VISIT(state->TraceWarning);
    Py_VISIT(state->GraphType);
    Py_VISIT(state->FunctionType);
    Py_VISIT(state->NodeType);
    Py_VISIT(state->AttributeType);
    Py_VISIT(state->TensorType);
    Py_VISIT(state->ValueInfoType);
    Py_VISIT(state->RepeatedType);
    Py_VISIT(state->PropType);
    Py_VISIT(state->OpsetType);
    Py_VISIT(state->BytesType);
    Py_VISIT(state->BuilderType);
    for (size_t i = 0; i < TOFFEE_COUNTOF(state->TypeViews); i++) {
        Py_VISIT(state->TypeViews[i]);
    }
    return PyToffee_Trace_Traverse(state, visit, arg);
}

static int
module_clear(PyObject *module)
{
    PyToffee_State *state = PyToffee_ModuleState(module);

    Py_CLEAR(state->Error);
    Py_CLEAR(state->UnsupportedOperatorError);
    Py_CLEAR(state->TraceError);
    Py_CLEAR(state->FormatError);
    Py_CLEAR(state->CheckError);
    Py_CLEAR(state->LimitError);
    Py_CLEAR(state->TraceWarning);
    Py_CLEAR(state->GraphType);
    Py_CLEAR(state->FunctionType);
    Py_CLEAR(state->NodeType);
    Py_CLEAR(state->AttributeType);
    Py_CLEAR(state->TensorType);
    Py_CLEAR(state->ValueInfoType);
    Py_CLEAR(state->RepeatedType);
    Py_CLEAR(state->PropType);
    Py_CLEAR(state->OpsetType);
    Py_CLEAR(state->BytesType);
    Py_CLEAR(state->BuilderType);
    for (size_t i = 0; i < TOFFEE_COUNTOF(state->TypeViews); i++) {
        Py_CLEAR(state->TypeViews[i]);
    }
    PyToffee_Trace_Clear(state);
    return 0;
}

static void
module_free(void *module)
{
    (void)module_clear(module);
    PyToffee_Trace_Free(PyToffee_ModuleState(module));
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

struct PyModuleDef PyToffee_Module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "toffee._core",
    .m_doc = "The C core of toffee. Private: use the package's own names.",
    .m_size = sizeof(PyToffee_State),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&PyToffee_Module);
}
