/* csrc/py/repeated.h -- the container type behind graph.node, node.input, tensor.dims, …
 *
 * One Python type serves all lists. What differs stands in a kind: how to find the list, how an
 * element becomes a Python object and back. Every change is one splice: elements are converted
 * first, all of them, and then put in place in a step that runs no Python code, so a change that
 * fails leaves the list as it was. */
#ifndef TOFFEE_PY_REPEATED_H
#define TOFFEE_PY_REPEATED_H

#include "py/graph_type.h"

typedef struct PyToffee_RepeatedKind PyToffee_RepeatedKind;

typedef struct {
    PyObject_HEAD
    PyToffee_Graph *root;
    PyObject *holder; /* strong: the object whose field this is */
    const PyToffee_RepeatedKind *kind;
} PyToffee_Repeated;

/* The members of a TOFFEE_VEC, whatever its element. */
typedef struct {
    void *slot; /* address of the `data` member */
    size_t *n;
    size_t *capacity;
    toffee_arena *arena;
} PyToffee_VecView;

#define PYTOFFEE_VEC_VIEW(graph, vec)                                                              \
    ((PyToffee_VecView){&(vec).data, &(vec).n, &(vec).capacity, (graph)->arena})

/* How many elements a splice takes out, and which it puts there instead. */
typedef struct {
    size_t at;
    size_t n_removed;
    const void *items; /* n_items of the kind's item_size */
    size_t n_items;
} PyToffee_Splice;

struct PyToffee_RepeatedKind {
    const char *name; /* of the field, for messages */
    size_t item_size;
    /* The list, if it is a vector; then count, get and commit below may be NULL. */
    PyToffee_VecView (*view)(PyToffee_Repeated *self);
    /* Element (in place) to object: for vectors. */
    PyObject *(*wrap)(PyToffee_Repeated *self, const void *element);
    /* Object to element. May run Python code. 0, or -1 and an exception. NULL: cannot be changed.
     */
    int (*convert)(PyToffee_Repeated *self, PyObject *object, void *out);
    size_t (*count)(PyToffee_Repeated *self);
    PyObject *(*get)(PyToffee_Repeated *self, size_t index);
    /* Runs no Python code. 0, or -1 and an exception, and then nothing has changed. */
    int (*commit)(PyToffee_Repeated *self, const PyToffee_Splice *splice);
    /* Tells the object of an element that pop took out; NULL: need not know. */
    void (*popped)(PyObject *item);
    /* Offset in the module's state of the element's type, for add(); 0: elements are plain values.
     */
    size_t element_type;
};

/* As the other _Exec functions: see graph_type.h. */
TOFFEE_NODISCARD int PyToffee_Repeated_Exec(PyObject *module);
/* getset functions for a field whose closure is its kind. Assignment replaces all elements. */
PyObject *PyToffee_Repeated_Get(PyObject *holder, void *kind);
int PyToffee_Repeated_Set(PyObject *holder, PyObject *value, void *kind);

/* kinds_graph.c */
extern const PyToffee_RepeatedKind PyToffee_Kind_GraphNode;
extern const PyToffee_RepeatedKind PyToffee_Kind_GraphInput;
extern const PyToffee_RepeatedKind PyToffee_Kind_GraphOutput;
extern const PyToffee_RepeatedKind PyToffee_Kind_GraphInitializer;
extern const PyToffee_RepeatedKind PyToffee_Kind_GraphInputInfo;
extern const PyToffee_RepeatedKind PyToffee_Kind_GraphOutputInfo;
extern const PyToffee_RepeatedKind PyToffee_Kind_GraphValueInfo;
extern const PyToffee_RepeatedKind PyToffee_Kind_GraphProps;
extern const PyToffee_RepeatedKind PyToffee_Kind_GraphOpsets;
/* function_type.c */
extern const PyToffee_RepeatedKind PyToffee_Kind_GraphFunctions;
/* kinds_graph.c */
extern const PyToffee_RepeatedKind PyToffee_Kind_NodeInput;
extern const PyToffee_RepeatedKind PyToffee_Kind_NodeOutput;
/* kinds_attr.c */
extern const PyToffee_RepeatedKind PyToffee_Kind_NodeAttribute;
extern const PyToffee_RepeatedKind PyToffee_Kind_AttrFloats;
extern const PyToffee_RepeatedKind PyToffee_Kind_AttrInts;
extern const PyToffee_RepeatedKind PyToffee_Kind_AttrStrings;
extern const PyToffee_RepeatedKind PyToffee_Kind_AttrTensors;
extern const PyToffee_RepeatedKind PyToffee_Kind_AttrGraphs;
extern const PyToffee_RepeatedKind PyToffee_Kind_TensorDims;

/* Conversions that kinds and setters share. Copies go into GRAPH, whose root is ROOT; large tensor
 * bytes stay where they are and their owner is kept. NULL with an exception set. */
toffee_node *PyToffee_TakeNode(PyToffee_Graph *root, toffee_graph *graph, PyObject *object);
toffee_tensor *PyToffee_TakeTensor(PyToffee_Graph *root, toffee_graph *graph, PyObject *object);
toffee_graph *PyToffee_TakeGraph(PyToffee_Graph *root, toffee_graph *graph, PyObject *object);
/* The copy is in ROOT's graph, not yet in its list. */
toffee_graph *PyToffee_TakeFunction(PyToffee_Graph *root, PyObject *object);
/* As above, into *OUT. 0, or -1. */
TOFFEE_NODISCARD int PyToffee_TakeAttr(PyToffee_Graph *root, toffee_graph *graph, PyObject *object,
                                       toffee_attr *out);
/* The attribute that SELF stands for, fresh. Valid until its node changes. */
toffee_attr *PyToffee_Attr_Get(PyToffee_Attr *self);

#endif /* TOFFEE_PY_REPEATED_H */
