/* csrc/py/graph_type.c -- toffee.Graph: owns a graph, or views one inside an attribute. */
#include "py/repeated.h"

#include <stddef.h>
#include <structmember.h>

#include "bridge/pyerr.h"
#include "ir/equal.h"
#include "ir/print.h"
#include "py/io.h"

/* --- life ------------------------------------------------------------------------------------- */

static PyToffee_Graph *
graph_alloc(PyToffee_State *state, PyToffee_Graph *root, toffee_graph *graph)
{
    PyToffee_Graph *self = (PyToffee_Graph *)state->GraphType->tp_alloc(state->GraphType, 0);

    if (self != NULL) {
        self->root = (PyToffee_Graph *)Py_XNewRef((PyObject *)root);
        self->graph = graph;
        self->edited = true;
    }
    return self;
}

/* For the module's state: see bridge/state.h. */
static PyObject *
graph_wrap_owned(PyToffee_State *state, toffee_graph *graph)
{
    PyToffee_Graph *self = graph_alloc(state, NULL, graph);

    if (self == NULL) {
        toffee_graph_free(graph);
    }
    return (PyObject *)self;
}

PyObject *
PyToffee_Graph_Wrap(PyToffee_State *state, PyToffee_Graph *root, toffee_graph *graph)
{
    if (graph == root->graph) {
        return Py_NewRef((PyObject *)root);
    }
    return (PyObject *)graph_alloc(state, root, graph);
}

PyToffee_Graph *
PyToffee_Graph_NewRoot(PyToffee_State *state)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_graph *graph = NULL;

    if (toffee_graph_new(&graph, &st) != TOFFEE_OK) {
        return (PyToffee_Graph *)PyToffee_Err_Set(state, &st);
    }
    return (PyToffee_Graph *)graph_wrap_owned(state, graph);
}

PyToffee_Graph *
PyToffee_Graph_Duplicate(PyToffee_State *state, PyToffee_Graph *root, const toffee_graph *graph)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    PyToffee_Graph *self = PyToffee_Graph_NewRoot(state);

    if (self == NULL) {
        return NULL;
    }
    if (PyToffee_Graph_Keep(self, (PyObject *)root) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    if (toffee_graph_copy_into(graph, self->graph, false, &st) != TOFFEE_OK) {
        PyToffee_Err_Set(state, &st);
        Py_CLEAR(self);
    }
    return self;
}

static PyObject *
graph_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyToffee_State *state = PyToffee_TypeState(type);
    PyToffee_Graph *self = state != NULL ? PyToffee_Graph_NewRoot(state) : NULL;
    toffee_status st = TOFFEE_STATUS_INIT;

    if (self == NULL) {
        return NULL;
    }
    self->graph->ir_version = TOFFEE_IR_VERSION;
    if (toffee_graph_set_opset(self->graph, "", TOFFEE_OPSET, &st) != TOFFEE_OK) {
        Py_DECREF(self);
        return PyToffee_Err_Set(state, &st);
    }
    return (PyObject *)self;
}

static int
graph_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((PyToffee_Graph *)self)->keep);
    return PyToffee_Part_Traverse(self, visit, arg);
}

/* Breaks cycles through the owners of borrowed bytes. Nobody can reach the graph any more. */
static int
graph_clear(PyObject *self)
{
    Py_CLEAR(((PyToffee_Graph *)self)->keep);
    return 0;
}

static void
graph_dealloc(PyObject *self)
{
    PyToffee_Graph *graph = (PyToffee_Graph *)self;

    PyObject_GC_UnTrack(self);
    /* A copy keeps what it was copied from, so these calls may nest as deep as there were copies.
     */
    Py_TRASHCAN_BEGIN(self, graph_dealloc) if (graph->weakrefs != NULL)
    {
        PyObject_ClearWeakRefs(self);
    }
    if (graph->root == NULL) {
        toffee_graph_free(graph->graph); /* before the owners of the bytes in it */
    }
    Py_CLEAR(graph->keep);
    PyToffee_Part_Dealloc(self);
    Py_TRASHCAN_END
}

int
PyToffee_Graph_Keep(PyToffee_Graph *root, PyObject *object)
{
    PyObject *key = NULL;
    int rc = -1;

    if ((PyObject *)root == object) {
        return 0;
    }
    if (root->keep == NULL) {
        root->keep = PyDict_New();
    }
    key = root->keep != NULL ? PyLong_FromVoidPtr(object) : NULL;
    if (key != NULL) {
        rc = PyDict_SetItem(root->keep, key, object);
        Py_DECREF(key);
    }
    return rc;
}

int
PyToffee_Graph_BeginEdit(PyToffee_Graph *root)
{
    if (root->n_readers != 0) {
        PyErr_SetString(PyExc_RuntimeError,
                        "the graph is being written by another thread: edit it when that is done, "
                        "or edit a copy");
        return -1;
    }
    root->edited = true;
    return 0;
}

static void
graph_relink_all(toffee_graph *graph)
{
    toffee_graph_relink(graph);
    for (size_t i = 0; i < graph->nodes.n; i++) {
        const toffee_node *node = graph->nodes.data[i];

        for (size_t k = 0; k < node->attrs.n; k++) {
            const toffee_attr *attr = &node->attrs.data[k];

            if (attr->type == TOFFEE_ATTR_GRAPH && attr->g != NULL) {
                graph_relink_all(attr->g);
            }
            for (size_t j = 0; attr->type == TOFFEE_ATTR_GRAPHS && j < attr->n; j++) {
                graph_relink_all(attr->graphs[j]);
            }
        }
    }
    for (size_t i = 0; i < graph->functions.n; i++) {
        graph_relink_all(graph->functions.data[i]);
    }
}

void
PyToffee_Graph_Settle(PyToffee_Graph *root)
{
    if (root->edited && root->n_readers == 0) {
        graph_relink_all(root->graph);
        root->edited = false;
    }
}

int
PyToffee_Node_Depth(const toffee_node *node)
{
    int deepest = 0;

    for (size_t i = 0; i < node->attrs.n; i++) {
        const toffee_attr *attr = &node->attrs.data[i];

        for (size_t k = 0; attr->type == TOFFEE_ATTR_GRAPHS && k < attr->n; k++) {
            int depth = 1 + PyToffee_GraphDepth(attr->graphs[k]);

            deepest = depth > deepest ? depth : deepest;
        }
        if (attr->type == TOFFEE_ATTR_GRAPH && attr->g != NULL) {
            int depth = 1 + PyToffee_GraphDepth(attr->g);

            deepest = depth > deepest ? depth : deepest;
        }
    }
    return deepest;
}

int
PyToffee_GraphDepth(const toffee_graph *graph)
{
    int deepest = 0;

    for (size_t i = 0; i < graph->nodes.n; i++) {
        int depth = PyToffee_Node_Depth(graph->nodes.data[i]);

        deepest = depth > deepest ? depth : deepest;
    }
    return deepest;
}

int
PyToffee_CheckDepth(const toffee_graph *graph, int depth)
{
    for (; graph != NULL; graph = graph->parent) {
        depth++;
    }
    if (depth > PYTOFFEE_MAX_NESTING) {
        PyErr_Format(PyExc_ValueError, "graphs would nest %d deep; the limit is %d", depth,
                     PYTOFFEE_MAX_NESTING);
        return -1;
    }
    return 0;
}

/* --- fields ----------------------------------------------------------------------------------- */

PyObject *
PyToffee_Graph_GetStr(PyObject *self, void *closure)
{
    const char *base = (const char *)((PyToffee_Graph *)self)->graph;

    return PyToffee_Str_ToPython(*(const toffee_str *const *)(base + (size_t)closure));
}

int
PyToffee_Graph_SetStr(PyObject *self, PyObject *value, void *closure)
{
    toffee_graph *graph = ((PyToffee_Graph *)self)->graph;
    const toffee_str *text = NULL;

    if (PyToffee_CheckSet(value, "a field of a graph") < 0 ||
        PyToffee_Graph_BeginEdit(PyToffee_RootOf(self)) < 0) {
        return -1;
    }
    text = PyToffee_Str_FromPython(graph, value, "the field");
    if (text == NULL) {
        return -1;
    }
    *(const toffee_str **)((char *)graph + (size_t)closure) = text->length != 0 ? text : NULL;
    return 0;
}

static PyObject *
graph_get_int(PyObject *self, void *closure)
{
    const char *base = (const char *)((PyToffee_Graph *)self)->graph;

    return PyLong_FromLongLong(*(const int64_t *)(base + (size_t)closure));
}

static int
graph_set_int(PyObject *self, PyObject *value, void *closure)
{
    int64_t number = 0;

    if (PyToffee_CheckSet(value, "a field of a graph") < 0 ||
        PyToffee_Int_FromPython(value, &number, "the field") < 0 ||
        PyToffee_Graph_BeginEdit(PyToffee_RootOf(self)) < 0) {
        return -1;
    }
    *(int64_t *)((char *)((PyToffee_Graph *)self)->graph + (size_t)closure) = number;
    return 0;
}

#define GRAPH_STR(field, member, doc)                                                              \
    {field, PyToffee_Graph_GetStr, PyToffee_Graph_SetStr, doc,                                     \
     (void *)offsetof(toffee_graph, member)}
#define GRAPH_INT(field, doc)                                                                      \
    {#field, graph_get_int, graph_set_int, doc, (void *)offsetof(toffee_graph, field)}
#define GRAPH_LIST(field, kind, doc)                                                               \
    {field, PyToffee_Repeated_Get, PyToffee_Repeated_Set, doc, (void *)&PyToffee_Kind_##kind}

static PyGetSetDef graph_getset[] = {
    GRAPH_STR("doc_string", doc, "Text for people."),
    GRAPH_STR("domain", domain, "Where the model comes from, as a reversed domain name."),
    GRAPH_LIST("function", GraphFunctions,
               "Functions that nodes may call; of the outermost graph only."),
    GRAPH_LIST("initializer", GraphInitializer, "Named tensors: the parameters."),
    GRAPH_LIST("input", GraphInput, "Names of the inputs: parameters first, then real inputs."),
    GRAPH_LIST("input_info", GraphInputInfo, "Types of the inputs that have no initializer."),
    GRAPH_INT(ir_version, "Version of the format; 0 if the file did not say."),
    GRAPH_LIST("metadata_props", GraphProps, "Key and value pairs of text."),
    GRAPH_STR("name", name, "Name of the graph."),
    GRAPH_LIST("node", GraphNode, "The nodes, in the order in which they run."),
    GRAPH_LIST("opset_import", GraphOpsets, "Which version of which operators the nodes are."),
    GRAPH_LIST("output", GraphOutput, "Names of the outputs."),
    GRAPH_LIST("output_info", GraphOutputInfo, "Types of the outputs."),
    GRAPH_STR("producer_tag", producer_tag, "What made the graph."),
    GRAPH_INT(producer_version, "Version of what made the graph."),
    GRAPH_LIST("value_info", GraphValueInfo, "Types of values between the nodes."),
    {NULL, NULL, NULL, NULL, NULL},
};

/* --- behaviour -------------------------------------------------------------------------------- */

static Py_ssize_t
graph_length(PyObject *self)
{
    return (Py_ssize_t)((PyToffee_Graph *)self)->graph->nodes.n;
}

static PyObject *
graph_iter(PyObject *self)
{
    PyObject *nodes = PyToffee_Repeated_Get(self, (void *)&PyToffee_Kind_GraphNode);
    PyObject *iter = nodes != NULL ? PySeqIter_New(nodes) : NULL;

    Py_XDECREF(nodes);
    return iter;
}

static PyObject *
graph_repr(PyObject *self)
{
    const toffee_graph *graph = ((PyToffee_Graph *)self)->graph;
    PyObject *name = PyToffee_Str_ToPython(graph->name);
    PyObject *text = NULL;

    if (name != NULL) {
        text = PyUnicode_FromFormat("<toffee.Graph %R: %zu nodes, %zu inputs, %zu outputs>", name,
                                    graph->nodes.n, graph->inputs.n, graph->outputs.n);
        Py_DECREF(name);
    }
    return text;
}

static PyObject *
graph_str(PyObject *self)
{
    PyToffee_State *state = PyToffee_StateOf(self);
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_arena *scratch = toffee_arena_new();
    char *text = NULL;
    size_t length = 0;
    PyObject *result = NULL;

    if (scratch == NULL) {
        return PyErr_NoMemory();
    }
    PyToffee_Graph_Settle(PyToffee_RootOf(self));
    if (toffee_print_graph(((PyToffee_Graph *)self)->graph, scratch, &text, &length, &st) ==
        TOFFEE_OK) {
        /* Without the last newline: print() brings one. */
        result = PyUnicode_DecodeUTF8(text, (Py_ssize_t)length - 1, "backslashreplace");
    }
    else {
        PyToffee_Err_Set(state, &st);
    }
    toffee_arena_free(scratch);
    return result;
}

static PyObject *
graph_richcompare(PyObject *self, PyObject *other, int op)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    bool equal = false;

    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(other) != Py_TYPE(self)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    PyToffee_Graph_Settle(PyToffee_RootOf(self));
    PyToffee_Graph_Settle(PyToffee_RootOf(other));
    if (toffee_graph_equal(((PyToffee_Graph *)self)->graph, ((PyToffee_Graph *)other)->graph,
                           &equal, &st) != TOFFEE_OK) {
        return PyToffee_Err_Set(PyToffee_StateOf(self), &st);
    }
    return PyBool_FromLong(equal == (op == Py_EQ));
}

PyToffee_Graph *
PyToffee_Graph_SettledCopy(PyToffee_State *state, PyObject *object)
{
    PyToffee_Graph *root = PyToffee_RootOf(object);
    PyToffee_Graph *copy = NULL;

    PyToffee_Graph_Settle(root);
    copy = PyToffee_Graph_Duplicate(state, root, ((PyToffee_Graph *)object)->graph);
    if (copy != NULL) {
        PyToffee_Graph_Settle(copy);
    }
    return copy;
}

static PyObject *
graph_copy(PyObject *self, PyObject *Py_UNUSED(memo))
{
    return (PyObject *)PyToffee_Graph_Duplicate(PyToffee_StateOf(self), PyToffee_RootOf(self),
                                                ((PyToffee_Graph *)self)->graph);
}

static PyObject *
graph_copy_noargs(PyObject *self, PyObject *ignored)
{
    return graph_copy(self, ignored);
}

/* Bound to the package that users have, and not to one of our choice: it is looked up in each call.
 */
static PyObject *
graph_to_onnx(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    const toffee_save_options options = {.format = TOFFEE_FORMAT_ONNX, .with_initializers = true};
    PyObject *onnx = PyImport_ImportModule("onnx");
    PyObject *type = NULL;
    PyObject *bytes = NULL;
    PyObject *model = NULL;

    if (onnx == NULL) {
        if (PyErr_ExceptionMatches(PyExc_ModuleNotFoundError)) {
            PyErr_SetString(PyExc_ImportError,
                            "onnx is not installed: pip install onnx, or toffee[onnx]");
        }
        return NULL;
    }
    type = PyObject_GetAttrString(onnx, "ModelProto");
    bytes = type != NULL ? PyToffee_Dumps(PyToffee_StateOf(self), PyToffee_RootOf(self),
                                          ((PyToffee_Graph *)self)->graph, &options)
                         : NULL;
    if (bytes != NULL) {
        model = PyObject_CallMethod(type, "FromString", "O", bytes);
    }
    Py_XDECREF(bytes);
    Py_XDECREF(type);
    Py_DECREF(onnx);
    return model;
}

/* FUNCTION(self, *args, **kwargs) of the module MODULE: pages and pictures are made in Python,
 * which is imported when one is asked for. ARGS may be NULL. */
static PyObject *
graph_call_python(const char *module, const char *function, PyObject *self, PyObject *args,
                  PyObject *kwargs)
{
    PyObject *home = PyImport_ImportModule(module);
    PyObject *callable = home != NULL ? PyObject_GetAttrString(home, function) : NULL;
    PyObject *head = callable != NULL ? PyTuple_Pack(1, self) : NULL;
    PyObject *all = NULL;
    PyObject *result = NULL;

    if (head != NULL) {
        all = args != NULL ? PySequence_Concat(head, args) : Py_NewRef(head);
    }
    if (all != NULL) {
        result = PyObject_Call(callable, all, kwargs);
    }
    Py_XDECREF(all);
    Py_XDECREF(head);
    Py_XDECREF(callable);
    Py_XDECREF(home);
    return result;
}

static PyObject *
graph_repr_html(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return graph_call_python("toffee._html", "graph_page", self, NULL, NULL);
}

static PyObject *
graph_picture(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return graph_call_python("toffee._picture", "draw", self, args, kwargs);
}

static PyMethodDef graph_methods[] = {
    {"__copy__", graph_copy_noargs, METH_NOARGS,
     "__copy__($self, /)\n--\n\nA copy to edit apart. Tensor bytes are shared: nothing changes "
     "them."},
    {"__deepcopy__", graph_copy, METH_O,
     "__deepcopy__($self, memo, /)\n--\n\nThe same as __copy__."},
    {"__reduce__", PyToffee_Reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\nFor pickle."},
    {"_repr_html_", graph_repr_html, METH_NOARGS,
     "_repr_html_($self, /)\n--\n\nThe summary and listing that a notebook shows, as HTML."},
    {"picture", (PyCFunction)(void (*)(void))graph_picture, METH_VARARGS | METH_KEYWORDS,
     "picture($self, /, path=None, *, format=None, collapse=None, theme='auto', "
     "initializers=False, engine='auto')\n--\n\nThe graph drawn, as a Picture (svg, dot, png(), "
     "save()); written to path if one is given. See docs/pictures.md."},
    {"to_onnx", graph_to_onnx, METH_NOARGS,
     "to_onnx($self, /)\n--\n\nThe graph as an onnx.ModelProto. ImportError if onnx is not "
     "installed, LimitError over 2 GiB."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef graph_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(PyToffee_Graph, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot graph_slots[] = {
    {Py_tp_doc, "Graph(**fields)\n--\n\nA ToffeeIR graph: nodes in order, named values between "
                "them, tensors it starts from. A new one declares ir_version 2 and opset 20."},
    {Py_tp_new, graph_new},
    {Py_tp_init, PyToffee_InitFromKeywords},
    {Py_tp_dealloc, graph_dealloc},
    {Py_tp_traverse, graph_traverse},
    {Py_tp_clear, graph_clear},
    {Py_tp_getset, graph_getset},
    {Py_tp_methods, graph_methods},
    {Py_tp_members, graph_members},
    {Py_tp_repr, graph_repr},
    {Py_tp_str, graph_str},
    {Py_tp_iter, graph_iter},
    {Py_tp_richcompare, graph_richcompare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_mp_length, graph_length},
    {0, NULL},
};

static PyType_Spec graph_spec = {
    .name = "toffee.Graph",
    .basicsize = sizeof(PyToffee_Graph),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = graph_slots,
};

int
PyToffee_Graph_Exec(PyObject *module)
{
    PyToffee_State *state = PyToffee_ModuleState(module);

    state->wrap_graph = graph_wrap_owned;
    return PyToffee_AddType(module, &graph_spec, &state->GraphType);
}
