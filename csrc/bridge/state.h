/* csrc/bridge/state.h -- the state of the extension module; there are no globals.
 *
 * Grouped by the file that owns it. Types hold their module (PyType_GetModuleState works), so every
 * method finds the state of the interpreter it runs in. */
#ifndef TOFFEE_BRIDGE_STATE_H
#define TOFFEE_BRIDGE_STATE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "ir/graph.h"

typedef struct PyToffee_State PyToffee_State;

struct PyToffee_State {
    /* bridge/pyerr.c: exception classes, strong references */
    PyObject *Error;
    PyObject *UnsupportedOperatorError;
    PyObject *TraceError;
    PyObject *FormatError;
    PyObject *CheckError;
    PyObject *LimitError;
    PyObject *TraceWarning;

    /* py/: heap types, strong references */
    PyTypeObject *GraphType;
    PyTypeObject *FunctionType;
    PyTypeObject *NodeType;
    PyTypeObject *AttributeType;
    PyTypeObject *TensorType;
    PyTypeObject *ValueInfoType;
    PyTypeObject *RepeatedType;
    PyTypeObject *PropType;     /* StringStringEntry: key, value */
    PyTypeObject *OpsetType;    /* OperatorSetId: domain, version */
    PyTypeObject *BytesType;    /* what tensor.raw_data is a memoryview of */
    PyTypeObject *TypeViews[7]; /* named tuples behind ValueInfo.type and the like */
    PyTypeObject *BuilderType;  /* what lowerings in Python add nodes with */
    /* A new toffee.Graph that owns GRAPH, or NULL with an exception set, and then GRAPH is freed.
     * Set by py/graph_type.c: trace/ lies left of py/ and reaches it through here. */
    PyObject *(*wrap_graph)(PyToffee_State *state, toffee_graph *graph);

    /* trace/: see trace/trace_state.h */
    PyTypeObject *TracerType;
    struct PyToffee_TraceState *trace;
    PyObject *trace_whole_storage; /* toffee._tracing.whole_storage; strong, NULL until a trace */
};

/* The module's definition, in py/module.c. */
extern struct PyModuleDef PyToffee_Module;

static inline PyToffee_State *
PyToffee_ModuleState(PyObject *module)
{
    return (PyToffee_State *)PyModule_GetState(module);
}

/* The state behind an instance of one of our heap types or of a Python subclass of it; NULL with an
 * exception set if TYPE is none. */
static inline PyToffee_State *
PyToffee_TypeState(PyTypeObject *type)
{
#if PY_VERSION_HEX >= 0x030B0000
    PyObject *module = PyType_GetModuleByDef(type, &PyToffee_Module); /* borrowed */

    return module != NULL ? PyToffee_ModuleState(module) : NULL;
#else
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(type->tp_mro); i++) {
        PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(type->tp_mro, i); /* borrowed */
        PyObject *module = NULL;

        if ((base->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0) {
            module = ((PyHeapTypeObject *)base)->ht_module; /* borrowed */
        }
        if (module != NULL && PyModule_GetDef(module) == &PyToffee_Module) {
            return PyToffee_ModuleState(module);
        }
    }
    PyErr_Format(PyExc_TypeError, "'%s' is no type of toffee", type->tp_name);
    return NULL;
#endif
}

#endif /* TOFFEE_BRIDGE_STATE_H */
