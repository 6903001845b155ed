/* csrc/trace/tracer.h -- one trace: from an empty graph to a finished one.
 *
 * The Python class is `class Tracer(_core.Tracer, TorchDispatchMode)` with an empty body: PyTorch
 * calls
 * __torch_dispatch__, which is C, for every operator while the mode is on. */
#ifndef TOFFEE_TRACE_TRACER_H
#define TOFFEE_TRACE_TRACER_H

#include "base/progress.h"
#include "trace/args.h"
#include "trace/origin.h"
#include "trace/trace_state.h"

/* What all traces of an interpreter share. In PyToffee_State.trace. */
struct PyToffee_TraceState {
    PyToffee_OverloadCache *overloads;
    PyTypeObject *builder_type; /* toffee._builder.GraphBuilder; strong, NULL: no lowering yet */
    PyTypeObject *value_type;   /* TracedValue; strong */
    PyToffee_DLPack api;        /* its members are NULL until the first trace */
    PyToffee_TorchTypes types;  /* strong references, NULL until the first trace */
};

typedef struct {
    PyObject_HEAD
    PyToffee_State *state; /* borrowed: the module outlives its types' instances */
    toffee_graph *graph;   /* owned until finish hands it on; NULL: closed */
    toffee_lowering lo;
    PyToffee_Bindings *bindings;
    PyToffee_Locator *locator;             /* owned; NULL: nodes do not say where they come from */
    TOFFEE_VEC(toffee_value *) parameters; /* in order of declaration */
    TOFFEE_VEC(toffee_value *) inputs;
    toffee_ptrmap
        holes;          /* toffee_value * -> "aten::foo": results that nothing in the graph makes */
    PyObject *hooks[4]; /* strong: see PyToffee_TracerHook */
    PyObject *unsupported; /* list of (operator, place); strong */
    bool training;
    bool fallback_to_aten;
    int depth;                        /* of decompositions that are running */
    toffee_progress progress;         /* counts calls; `tell` is NULL where nobody listens */
    PyObject *listener;               /* (operators, 0); strong, NULL: nobody */
    struct PyToffee_Builder *builder; /* what lowerings in Python build with; strong, NULL: none */
    const toffee_call *call;          /* that a lowering in Python is asked for; NULL: none */
    struct PyToffee_Twin *twin;       /* owned; NULL: the trace is not compared with others */
} PyToffee_Tracer;

/* Python functions of toffee/_tracing.py, for what is rare and easier said there. */
enum {
    PYTOFFEE_HOOK_DECOMPOSE, /* (tracer, func, args, kwargs) -> result or NotImplemented */
    PYTOFFEE_HOOK_PLACE,     /* () -> str: the user's line that is running */
    PYTOFFEE_HOOK_LEAK,      /* (operator, what): warns, or raises when strict */
    PYTOFFEE_HOOK_LOWER,     /* (builder, lowering, func, args, kwargs, results) -> a list with a
                                TracedValue or None for each result, or NotImplemented */
};

/* Runs one operator and records it: the body of Tracer.__torch_dispatch__(func, types, args,
 * kwargs). Returns what the operator returned, or NULL with an exception set: the operator's own,
 * or ours. */
PyObject *PyToffee_Tracer_Dispatch(PyToffee_Tracer *self, PyObject *func, PyObject *args,
                                   PyObject *kwargs);
/* Reports that WHAT ("a value", "a shape") made from TENSOR leaves the trace at OPERATOR, if it
 * depends on an input; what depends on parameters and constants alone is silent. 0, or -1 with an
 * exception set: the report was an error. */
TOFFEE_NODISCARD int PyToffee_Tracer_ReportLeak(PyToffee_Tracer *self, PyObject *tensor,
                                                const char *op, const char *what);
/* Sets what VALUE stands for when nothing in the graph makes it. 0, or -1 with an exception set. */
TOFFEE_NODISCARD int PyToffee_Tracer_AddHole(PyToffee_Tracer *self, toffee_value *value,
                                             const char *op);

/* Turns what was recorded into a finished graph, in place. OUTPUTS is a list of tensors, NAMES one
 * of str or None for each. *HOLE: the operator behind a value that the outputs need and that
 * nothing in the graph makes, and then the graph is good for nothing; NULL: none. 0, or -1 with an
 * exception set. */
TOFFEE_NODISCARD int PyToffee_Tracer_Finish(PyToffee_Tracer *self, PyObject *outputs,
                                            PyObject *names, const char **hole);
/* Makes the Witness type (witness.c) and adds it to MODULE. 0, or -1 with an exception set. */
TOFFEE_NODISCARD int PyToffee_Witness_Init(PyObject *module);

#endif /* TOFFEE_TRACE_TRACER_H */
