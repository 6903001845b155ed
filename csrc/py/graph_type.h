/* csrc/py/graph_type.h -- the Python objects: thin views of what lives in a graph's arena.
 *
 * The object of the outermost graph owns the C graph. Every other object holds a strong reference
 * to that one, its root, and a plain pointer into the arena; since an arena gives nothing back
 * before it dies, what was removed from a graph can still be looked at. Two objects may view the
 * same thing: == compares content, and none of the types is hashable.
 *
 * None of the types can be subclassed, so Py_TYPE(self) finds the module's state, and no cycle of
 * references goes through a view: what breaks cycles is the tp_clear of Graph. */
#ifndef TOFFEE_PY_GRAPH_TYPE_H
#define TOFFEE_PY_GRAPH_TYPE_H

#include "bridge/state.h"
#include "base/status.h"

typedef struct PyToffee_Graph {
    PyObject_HEAD
    struct PyToffee_Graph *root; /* strong; NULL: this is the root */
    toffee_graph *graph;         /* owned by the root, inside its arena otherwise */
    /* The rest counts in the root only. */
    PyObject *keep;       /* strong: dict of id -> object whose memory tensors borrow; or NULL */
    Py_ssize_t n_readers; /* threads that read the graph without the GIL: edits are refused */
    bool edited;          /* lists changed since the last relink */
    PyObject *weakrefs;
} PyToffee_Graph;

/* What every other object begins with. */
typedef struct {
    PyObject_HEAD
    PyToffee_Graph *root; /* strong */
} PyToffee_Part;

typedef struct {
    PyObject_HEAD
    PyToffee_Graph *root;
    toffee_node *node;
} PyToffee_Node;

/* Attributes are stored by value and move when their node changes, so they are found by name. */
typedef struct {
    PyObject_HEAD
    PyToffee_Graph *root;
    toffee_graph *graph;
    toffee_node *node; /* NULL: of no node, and `own` is the attribute itself */
    toffee_attr own;   /* else what it was when last looked at */
} PyToffee_Attr;

typedef struct {
    PyObject_HEAD
    PyToffee_Graph *root;
    toffee_graph *graph; /* whose pool the name is from */
    toffee_tensor *tensor;
} PyToffee_Tensor;

typedef struct {
    PyObject_HEAD
    PyToffee_Graph *root;
    toffee_value *value;
} PyToffee_Value;

/* Found by key or domain, for the same reason as attributes. */
typedef struct {
    PyObject_HEAD
    PyToffee_Graph *root;
    toffee_graph *graph;
    bool attached; /* in graph's list; else `own` is the thing itself */
    toffee_prop own;
} PyToffee_Prop;

typedef struct {
    PyObject_HEAD
    PyToffee_Graph *root;
    toffee_graph *graph;
    bool attached;
    toffee_opset own;
} PyToffee_Opset;

/* Indexes into the state's TypeViews. */
enum {
    PYTOFFEE_VIEW_TYPE,
    PYTOFFEE_VIEW_TENSOR,
    PYTOFFEE_VIEW_SHAPE,
    PYTOFFEE_VIEW_DIM,
    PYTOFFEE_VIEW_ELEM,
    PYTOFFEE_VIEW_MAP,
    PYTOFFEE_VIEW_SPARSE,
};

static inline PyToffee_State *
PyToffee_StateOf(PyObject *self)
{
    return (PyToffee_State *)PyType_GetModuleState(Py_TYPE(self));
}

/* The root behind any of the objects. Borrowed. */
static inline PyToffee_Graph *
PyToffee_RootOf(PyObject *self)
{
    PyToffee_Graph *root = ((PyToffee_Part *)self)->root;

    return root != NULL ? root : (PyToffee_Graph *)self;
}

/* Most graphs inside one another, so that what is built can be written and read back: a level takes
 * three messages of the reader's limit, and what stands in the innermost graph a few more. */
#define PYTOFFEE_MAX_NESTING ((TOFFEE_MAX_DEPTH - 7) / 3)

/* --- graph_type.c ----------------------------------------------------------------------------- */

/* Each makes its type, puts it in the module's state and adds it to MODULE. 0, or -1 and an
 * exception. */
TOFFEE_NODISCARD int PyToffee_Graph_Exec(PyObject *module);
TOFFEE_NODISCARD int PyToffee_Function_Exec(PyObject *module);
TOFFEE_NODISCARD int PyToffee_Node_Exec(PyObject *module);
TOFFEE_NODISCARD int PyToffee_Attr_Exec(PyObject *module);
TOFFEE_NODISCARD int PyToffee_Tensor_Exec(PyObject *module);
TOFFEE_NODISCARD int PyToffee_Value_Exec(PyObject *module);
TOFFEE_NODISCARD int PyToffee_Pairs_Exec(PyObject *module);
TOFFEE_NODISCARD int PyToffee_Builder_Exec(PyObject *module);

/* New references, or NULL with an exception set. */
PyObject *PyToffee_Graph_Wrap(PyToffee_State *state, PyToffee_Graph *root, toffee_graph *graph);
PyObject *PyToffee_Node_Wrap(PyToffee_State *state, PyToffee_Graph *root, toffee_node *node);
PyObject *PyToffee_Attr_Wrap(PyToffee_State *state, PyToffee_Graph *root, toffee_node *node,
                             const toffee_attr *attr);
/* An attribute in ROOT that belongs to no node. */
PyObject *PyToffee_Attr_WrapFree(PyToffee_State *state, PyToffee_Graph *root,
                                 const toffee_attr *attr);
/* FUNCTION is a graph that is a function. */
PyObject *PyToffee_Function_Wrap(PyToffee_State *state, PyToffee_Graph *root,
                                 toffee_graph *function);
PyObject *PyToffee_Tensor_Wrap(PyToffee_State *state, PyToffee_Graph *root, toffee_graph *graph,
                               toffee_tensor *tensor);
PyObject *PyToffee_Value_Wrap(PyToffee_State *state, PyToffee_Graph *root, toffee_value *value);
PyObject *PyToffee_Prop_Wrap(PyToffee_State *state, PyToffee_Graph *root, toffee_graph *graph,
                             const toffee_prop *prop);
PyObject *PyToffee_Opset_Wrap(PyToffee_State *state, PyToffee_Graph *root, toffee_graph *graph,
                              const toffee_opset *opset);

/* The entries that the objects stand for, fresh. Valid until their lists change. */
toffee_prop *PyToffee_Prop_Get(PyObject *prop);
toffee_opset *PyToffee_Opset_Get(PyObject *opset);

/* A root around a new, wholly empty graph: the home of parts that belong to no graph yet. */
PyToffee_Graph *PyToffee_Graph_NewRoot(PyToffee_State *state);
/* A new root with the same content as GRAPH, which ROOT owns. Tensor bytes are shared. */
PyToffee_Graph *PyToffee_Graph_Duplicate(PyToffee_State *state, PyToffee_Graph *root,
                                         const toffee_graph *graph);
/* The same of the graph of OBJECT, which is one, for a pass that changes the copy in place: both
 * are settled. */
PyToffee_Graph *PyToffee_Graph_SettledCopy(PyToffee_State *state, PyObject *object);
/* Keeps OBJECT alive for as long as ROOT lives; ROOT itself is left out. 0, or -1. */
TOFFEE_NODISCARD int PyToffee_Graph_Keep(PyToffee_Graph *root, PyObject *object);
/* 0 if ROOT may be edited now, and then notes that it was; -1 with RuntimeError while another
 * thread reads it without the GIL. */
TOFFEE_NODISCARD int PyToffee_Graph_BeginEdit(PyToffee_Graph *root);
/* Brings producers, is_input and initializers of all values up to date after edits. */
void PyToffee_Graph_Settle(PyToffee_Graph *root);
/* How deep graphs nest below NODE: 0 if none of its attributes is a graph. */
int PyToffee_Node_Depth(const toffee_node *node);
int PyToffee_GraphDepth(const toffee_graph *graph);
/* 0 if a part with DEPTH further levels may go into GRAPH; else -1 and ValueError. */
TOFFEE_NODISCARD int PyToffee_CheckDepth(const toffee_graph *graph, int depth);

/* TYPE as nested named tuples, with the fields of ONNX's TypeProto. New reference. */
PyObject *PyToffee_Type_View(PyToffee_State *state, const toffee_type *type);
/* getset functions for a text of a graph or function; the closure is its offset in toffee_graph. */
PyObject *PyToffee_Graph_GetStr(PyObject *self, void *closure);
int PyToffee_Graph_SetStr(PyObject *self, PyObject *value, void *closure);

/* The value of an attribute as a plain Python object: float, int, bytes, Tensor, Graph, a list of
 * them, or None. New reference. ATTR must be a toffee.Attribute. */
PyObject *PyToffee_Attr_Value(PyObject *attr);
/* __reduce__ of every type, in pickle.c. */
PyObject *PyToffee_Reduce(PyObject *self, PyObject *ignored);
/* The methods of the module that pickle needs; NULL-terminated. */
extern PyMethodDef PyToffee_PickleMethods[];

/* --- part.c: what all the types share --------------------------------------------------------- */

/* For views, whose one reference is to their root. */
int PyToffee_Part_Traverse(PyObject *self, visitproc visit, void *arg);
void PyToffee_Part_Dealloc(PyObject *self);
/* A view of TYPE with its root set and all else zero, not yet tracked by the collector. */
PyObject *PyToffee_Part_New(PyTypeObject *type, PyToffee_Graph *root);
/* Sets an attribute for every keyword. Positional arguments and unknown names are TypeErrors. For
 * tp_init. */
int PyToffee_InitFromKeywords(PyObject *self, PyObject *args, PyObject *kwargs);
/* Makes TYPE from SPEC, puts it in *SLOT and adds it to MODULE. 0, or -1. */
TOFFEE_NODISCARD int PyToffee_AddType(PyObject *module, PyType_Spec *spec, PyTypeObject **slot);
/* Adds the integer constants to TYPE, up to a NULL name. 0, or -1. */
typedef struct {
    const char *name;
    long value;
} PyToffee_Constant;
TOFFEE_NODISCARD int PyToffee_AddConstants(PyTypeObject *type, const PyToffee_Constant *rows);

/* Text of a graph as a str. Bytes that are no UTF-8 come as lone surrogates and go back as what
 * they were. NULL gives "". */
PyObject *PyToffee_Str_ToPython(const toffee_str *s);
/* Whether two texts say the same; NULL is "". */
bool PyToffee_Str_Equal(const toffee_str *a, const toffee_str *b);
/* str OBJECT interned in GRAPH. NULL with TypeError, MemoryError or UnicodeEncodeError; WHAT is for
 * the message. */
const toffee_str *PyToffee_Str_FromPython(toffee_graph *graph, PyObject *object, const char *what);
/* bytes-like or str OBJECT copied into GRAPH's arena. 0, or -1. */
TOFFEE_NODISCARD int PyToffee_Bytes_FromPython(toffee_graph *graph, PyObject *object,
                                               toffee_bytes *out, const char *what);
PyObject *PyToffee_Bytes_ToPython(const toffee_bytes *bytes);
/* int OBJECT (or anything with __index__). 0, or -1. */
TOFFEE_NODISCARD int PyToffee_Int_FromPython(PyObject *object, int64_t *out, const char *what);
/* VALUE cannot be deleted: TypeError and -1 if it is NULL. For setters. */
TOFFEE_NODISCARD int PyToffee_CheckSet(PyObject *value, const char *what);
/* The value of GRAPH with the name of LIKE, given its type and doc. NULL with an exception. */
toffee_value *PyToffee_DeclareValue(toffee_graph *graph, const toffee_value *like);

#endif /* TOFFEE_PY_GRAPH_TYPE_H */
