/* csrc/trace/overload.c */
#include "trace/overload.h"

#include <string.h>

struct PyToffee_OverloadCache {
    toffee_arena *arena;
    toffee_ptrmap by_func; /* PyObject * -> PyToffee_Overload * */
    TOFFEE_VEC(PyToffee_Overload *) all;
    PyObject *lowerings; /* dict; strong, NULL: none */
};

PyToffee_OverloadCache *
PyToffee_OverloadCache_New(void)
{
    toffee_arena *arena = toffee_arena_new();
    PyToffee_OverloadCache *cache =
        arena != NULL ? toffee_arena_calloc(arena, 1, sizeof(*cache)) : NULL;

    if (cache == NULL) {
        toffee_arena_free(arena);
        PyErr_NoMemory();
        return NULL;
    }
    cache->arena = arena;
    return cache;
}

void
PyToffee_OverloadCache_Free(PyToffee_OverloadCache *cache)
{
    if (cache == NULL) {
        return;
    }
    for (size_t i = 0; i < cache->all.n; i++) {
        PyToffee_Overload *overload = cache->all.data[i];

        for (size_t k = 0; k < overload->n_parameters; k++) {
            Py_XDECREF(overload->parameters[k].name);
            Py_XDECREF(overload->parameters[k].fallback);
        }
        Py_XDECREF(overload->custom);
        Py_XDECREF(overload->callable);
        Py_XDECREF(overload->func);
    }
    Py_XDECREF(cache->lowerings);
    toffee_arena_free(cache->arena);
}

int
PyToffee_OverloadCache_Traverse(PyToffee_OverloadCache *cache, visitproc visit, void *arg)
{
    for (size_t i = 0; cache != NULL && i < cache->all.n; i++) {
        PyToffee_Overload *overload = cache->all.data[i];

        for (size_t k = 0; k < overload->n_parameters; k++) {
            Py_VISIT(overload->parameters[k].fallback);
        }
        Py_VISIT(overload->custom);
        Py_VISIT(overload->callable);
        Py_VISIT(overload->func);
    }
    if (cache != NULL) {
        Py_VISIT(cache->lowerings);
    }
    return 0;
}

/* The attribute NAME of OWNER as text in the arena, or NULL with an exception set. */
static const char *
text_attribute(toffee_arena *arena, PyObject *owner, const char *name)
{
    PyObject *value = PyObject_GetAttrString(owner, name);
    PyObject *text = value != NULL ? PyObject_Str(value) : NULL;
    Py_ssize_t length = 0;
    const char *utf8 = text != NULL ? PyUnicode_AsUTF8AndSize(text, &length) : NULL;
    const char *copy = NULL;

    if (utf8 != NULL) {
        copy = toffee_arena_strndup(arena, utf8, (size_t)length);
        if (copy == NULL) {
            PyErr_NoMemory();
        }
    }
    Py_XDECREF(text);
    Py_XDECREF(value);
    return copy;
}

/* Truth of the attribute NAME of OWNER: 1, 0, or -1 with an exception set. */
static int
bool_attribute(PyObject *owner, const char *name)
{
    PyObject *value = PyObject_GetAttrString(owner, name);
    int truth = value != NULL ? PyObject_IsTrue(value) : -1;

    Py_XDECREF(value);
    return truth;
}

/* Whether OWNER's alias_info says that it is written: 1, 0, or -1 with an exception set. */
static int
alias_is_write(PyObject *owner)
{
    PyObject *alias = PyObject_GetAttrString(owner, "alias_info");
    int truth = alias == NULL ? -1 : alias == Py_None ? 0 : bool_attribute(alias, "is_write");

    Py_XDECREF(alias);
    return truth;
}

static int
parse_parameter(PyToffee_OverloadCache *cache, PyObject *argument, PyToffee_Parameter *out)
{
    int rc = -1;
    const char *type = text_attribute(cache->arena, argument, "type");
    PyObject *has_default = NULL;
    int written = 0;
    int kwarg_only = 0;
    int defaulted = 0;

    if (type == NULL) {
        goto done;
    }
    out->name = PyObject_GetAttrString(argument, "name");
    if (out->name == NULL) {
        goto done;
    }
    PyUnicode_InternInPlace(&out->name);
    out->text = PyUnicode_AsUTF8(out->name);
    written = alias_is_write(argument);
    kwarg_only = bool_attribute(argument, "kwarg_only");
    has_default = PyObject_CallMethod(argument, "has_default_value", NULL);
    defaulted = has_default != NULL ? PyObject_IsTrue(has_default) : -1;
    if (out->text == NULL || written < 0 || kwarg_only < 0 || defaulted < 0) {
        goto done;
    }
    out->takes_tensors = strstr(type, "Tensor") != NULL;
    out->is_written = written != 0;
    out->is_output_only = written != 0 && kwarg_only != 0;
    out->is_keyword = kwarg_only != 0;
    if (defaulted) {
        out->fallback = PyObject_GetAttrString(argument, "default_value");
        if (out->fallback == NULL) {
            goto done;
        }
    }
    rc = 0;
done:
    Py_XDECREF(has_default);
    return rc;
}

static int
parse_parameters(PyToffee_OverloadCache *cache, PyObject *schema, PyToffee_Overload *overload)
{
    PyObject *arguments = PyObject_GetAttrString(schema, "arguments");
    PyObject *fast = arguments != NULL ? PySequence_Fast(arguments, "schema.arguments") : NULL;
    int rc = -1;

    if (fast == NULL) {
        goto done;
    }
    overload->parameters = toffee_arena_calloc(cache->arena, (size_t)PySequence_Fast_GET_SIZE(fast),
                                               sizeof(*overload->parameters));
    if (overload->parameters == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(fast); i++) {
        overload->n_parameters++; /* counted first: a half-parsed one is released too */
        if (parse_parameter(cache, PySequence_Fast_GET_ITEM(fast, i), &overload->parameters[i]) <
            0) {
            goto done;
        }
        overload->writes = overload->writes || overload->parameters[i].is_written;
    }
    overload->is_in_place = overload->n_parameters > 0 && overload->parameters[0].is_written &&
                            !overload->parameters[0].is_output_only;
    rc = 0;
done:
    Py_XDECREF(fast);
    Py_XDECREF(arguments);
    return rc;
}

/* What these return is known without a look at the elements. */
static const char *const metadata_queries[] = {
    "aten::_has_compatible_shallow_copy_type",
    "aten::_has_same_storage_numel",
    "aten::can_cast",
    "aten::dim",
    "aten::is_complex",
    "aten::is_conj",
    "aten::is_contiguous",
    "aten::is_floating_point",
    "aten::is_inference",
    "aten::is_neg",
    "aten::is_pinned",
    "aten::is_same_size",
    "aten::is_set_to",
    "aten::is_signed",
    "aten::numel",
    "aten::result_type",
    "aten::size",
    "aten::storage_offset",
    "aten::stride",
    "aten::sym_numel",
    "aten::sym_size",
    "aten::sym_storage_offset",
    "aten::sym_stride",
};

static bool
is_metadata_query(const char *op)
{
    for (size_t i = 0; i < TOFFEE_COUNTOF(metadata_queries); i++) {
        if (strcmp(op, metadata_queries[i]) == 0) {
            return true;
        }
    }
    return false;
}

static int
parse_returns(PyToffee_OverloadCache *cache, PyObject *schema, PyToffee_Overload *overload)
{
    PyObject *returns = PyObject_GetAttrString(schema, "returns");
    PyObject *fast = returns != NULL ? PySequence_Fast(returns, "schema.returns") : NULL;
    int rc = -1;

    if (fast == NULL) {
        goto done;
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(fast); i++) {
        PyObject *item = PySequence_Fast_GET_ITEM(fast, i); /* borrowed */
        const char *type = text_attribute(cache->arena, item, "type");
        PyObject *alias = type != NULL ? PyObject_GetAttrString(item, "alias_info") : NULL;

        if (alias == NULL) {
            goto done;
        }
        overload->returns_view = overload->returns_view || (alias != Py_None && !overload->writes);
        Py_DECREF(alias);
        if (strstr(type, "Tensor") != NULL) {
            overload->returns_tensor = true;
        }
        else {
            overload->returns_number = true;
        }
    }
    rc = 0;
done:
    Py_XDECREF(fast);
    Py_XDECREF(returns);
    return rc;
}

static int
parse_tags(PyToffee_OverloadCache *cache, PyObject *func, PyToffee_Overload *overload)
{
    const char *tags = text_attribute(cache->arena, func, "tags");

    if (tags == NULL) {
        return -1;
    }
    overload->is_random = strstr(tags, "nondeterministic_seeded") != NULL;
    overload->has_data_dependent_shape = strstr(tags, "dynamic_output_shape") != NULL;
    overload->is_in_place_view = strstr(tags, "inplace_view") != NULL;
    overload->returns_view = overload->returns_view || overload->is_in_place_view;
    return 0;
}

/* "aten::add" of "aten::add_", and "aten::__and__" of "aten::__iand__". */
static const char *
plain_name(toffee_arena *arena, const char *name, bool in_place)
{
    size_t length = strlen(name);
    const char *dunder = strstr(name, "::__i");

    if (in_place && dunder != NULL && length > 2 && strcmp(name + length - 2, "__") == 0) {
        return toffee_arena_printf(arena, "%.*s::__%s", (int)(dunder - name), name,
                                   dunder + strlen("::__i"));
    }
    if (in_place && length > 0 && name[length - 1] == '_') {
        length--;
    }
    return toffee_arena_strndup(arena, name, length);
}

/* The builtin behind FUNC: spares a Python frame a call. Only PyTorch's own operators are safe to
 * shortcut; others may carry Python kernels that OpOverload.__call__ looks up. */
static PyObject *
fast_callable(PyObject *func, const char *name)
{
    PyObject *callable =
        strncmp(name, "aten::", 6) == 0 ? PyObject_GetAttrString(func, "_op") : Py_NewRef(func);

    if (callable == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear(); /* a PyTorch without it: the slower way means the same */
        callable = Py_NewRef(func);
    }
    return callable;
}

/* ---- registered lowerings ------------------------------------------------------------------- */

/* What LOWERINGS has under NAME[n] with OVERLOAD ("" is "default"), or for all overloads if that is
 * NULL. Borrowed; NULL without an exception if there is none. */
static PyObject *
lowering_under(PyObject *lowerings, const char *name, size_t n, const char *overload)
{
    PyObject *key = PyUnicode_FromStringAndSize(name, (Py_ssize_t)n);
    PyObject *found = NULL; /* borrowed */

    if (key != NULL && overload != NULL) {
        Py_SETREF(key,
                  PyUnicode_FromFormat("%U.%s", key, overload[0] != '\0' ? overload : "default"));
    }
    found = key != NULL ? PyDict_GetItemWithError(lowerings, key) : NULL;
    Py_XDECREF(key);
    return found;
}

/* Sets OVERLOAD's lowering from CACHE's. An overload of its own goes before all overloads, and the
 * spelling that was called before the plain one: relu_ before relu. */
static int
find_custom(const PyToffee_OverloadCache *cache, PyToffee_Overload *overload)
{
    const struct {
        const char *name;
        size_t n;
        const char *overload;
    } keys[] = {
        {overload->full, strcspn(overload->full, "."), overload->overload},
        {overload->full, strcspn(overload->full, "."), NULL},
        {overload->op, strlen(overload->op), overload->overload},
        {overload->op, strlen(overload->op), NULL},
    };
    PyObject *found = NULL; /* borrowed */

    for (size_t i = 0; i < TOFFEE_COUNTOF(keys) && found == NULL && cache->lowerings != NULL; i++) {
        found = lowering_under(cache->lowerings, keys[i].name, keys[i].n, keys[i].overload);
        if (found == NULL && PyErr_Occurred()) {
            return -1;
        }
    }
    Py_XSETREF(overload->custom, Py_XNewRef(found));
    return 0;
}

int
PyToffee_OverloadCache_SetLowerings(PyToffee_OverloadCache *cache, PyObject *lowerings)
{
    Py_XSETREF(cache->lowerings, Py_NewRef(lowerings));
    /* Letting go of a function may run Python code that adds to the cache or comes back here: then
     * the newer dict is the one that is read. */
    for (size_t i = 0; i < cache->all.n; i++) {
        PyToffee_Overload *overload = cache->all.data[i];
        bool is_whole = overload->op != NULL && overload->full != NULL; /* it was parsed */

        if (is_whole && find_custom(cache, overload) < 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- one overload --------------------------------------------------------------------------- */

static int
parse_overload(PyToffee_OverloadCache *cache, PyObject *func, PyToffee_Overload *overload)
{
    PyObject *schema = PyObject_GetAttrString(func, "_schema");
    const char *name = schema != NULL ? text_attribute(cache->arena, schema, "name") : NULL;
    int rc = -1;

    if (name == NULL) {
        goto done;
    }
    overload->overload = text_attribute(cache->arena, schema, "overload_name");
    if (overload->overload == NULL || parse_parameters(cache, schema, overload) < 0 ||
        parse_returns(cache, schema, overload) < 0 || parse_tags(cache, func, overload) < 0) {
        goto done;
    }
    overload->callable = fast_callable(func, name);
    if (overload->callable == NULL) {
        goto done;
    }
    overload->op = plain_name(cache->arena, name, overload->is_in_place);
    overload->full = overload->overload[0] == '\0'
                         ? name
                         : toffee_arena_printf(cache->arena, "%s.%s", name, overload->overload);
    if (overload->op == NULL || overload->full == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    if (strcmp(overload->full, "aten::_pad_packed_sequence") == 0) {
        overload->has_data_dependent_shape = true; /* PyTorch has no tag on it */
    }
    overload->returns_number = overload->returns_number && !is_metadata_query(overload->op);
    overload->rule = toffee_rule_find(overload->op);
    overload->complex_rule = toffee_rule_find_complex(overload->op);
    rc = find_custom(cache, overload);
done:
    Py_XDECREF(schema);
    return rc;
}

const PyToffee_Overload *
PyToffee_OverloadCache_Get(PyToffee_OverloadCache *cache, PyObject *func)
{
    PyToffee_Overload *overload = toffee_ptrmap_get(&cache->by_func, func);

    if (overload != NULL) {
        return overload;
    }
    overload = toffee_arena_calloc(cache->arena, 1, sizeof(*overload));
    if (overload == NULL || !TOFFEE_VEC_PUSH(cache->arena, &cache->all, overload)) {
        PyErr_NoMemory();
        return NULL;
    }
    overload->func = Py_NewRef(func);
    if (parse_overload(cache, func, overload) < 0) {
        return NULL; /* what it holds so far is released with the cache */
    }
    if (!toffee_ptrmap_set(cache->arena, &cache->by_func, func, overload)) {
        PyErr_NoMemory();
        return NULL;
    }
    return overload;
}
