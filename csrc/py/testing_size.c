/* csrc/py/testing_size.c -- see testing_size.h. */
#include "py/testing_size.h"

#include <string.h>

#include "bridge/pyerr.h"
#include "size/fit.h"

/* Sizes are given as {name: (value at each point, …)}, those whose name begins with "_" being
 * derived; expressions as names, integers, and (operator, left, right). */
typedef struct {
    PyObject *module;
    toffee_arena *arena;
    toffee_exprs *pool;
    PyObject *symbols;                     /* borrowed: the dict */
    TOFFEE_VEC(const toffee_expr *) bases; /* in the order of the dict */
} size_session;

typedef TOFFEE_VEC(const toffee_expr *) expr_list;

static int
failed(size_session *s, toffee_code code, const toffee_status *st)
{
    if (code == TOFFEE_OK) {
        return 0;
    }
    PyToffee_Err_Set(PyToffee_ModuleState(s->module), st);
    return -1;
}

static int
no_memory(void)
{
    PyErr_NoMemory();
    return -1;
}

/* N integers of SEQUENCE into the arena; NULL with an exception set. */
static int64_t *
ints_from(size_session *s, PyObject *sequence, Py_ssize_t n)
{
    int64_t *out = toffee_arena_calloc(s->arena, (size_t)n, sizeof(*out));
    PyObject *fast = PySequence_Fast(sequence, "samples must be a sequence");

    if (out == NULL) {
        no_memory();
    }
    if (fast != NULL && PySequence_Fast_GET_SIZE(fast) != n) {
        PyErr_SetString(PyExc_ValueError, "a sample for each point");
    }
    for (Py_ssize_t i = 0; !PyErr_Occurred() && i < n; i++) {
        out[i] = PyLong_AsLongLong(PySequence_Fast_GET_ITEM(fast, i)); /* borrowed */
    }
    Py_XDECREF(fast);
    return PyErr_Occurred() ? NULL : out;
}

/* -1 with an exception set; the caller ends the session in either case. */
static int
session_begin(size_session *s, PyObject *module, PyObject *symbols)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    Py_ssize_t n_points = -1;
    Py_ssize_t at = 0;
    PyObject *name = NULL;
    PyObject *samples = NULL;

    *s = (size_session){.module = module, .symbols = symbols, .arena = toffee_arena_new()};
    if (s->arena == NULL) {
        return no_memory();
    }
    while (PyDict_Next(symbols, &at, &name, &samples)) {
        const char *text = PyUnicode_AsUTF8(name);
        int64_t *row = NULL;
        const toffee_expr *expr = NULL;
        toffee_code code = TOFFEE_OK;

        if (n_points < 0) {
            n_points = PyObject_Size(samples);
            if (n_points < 0 ||
                failed(s, toffee_exprs_new(s->arena, (size_t)n_points, &s->pool, &st), &st) < 0) {
                return -1;
            }
        }
        row = text != NULL ? ints_from(s, samples, n_points) : NULL;
        if (row == NULL) {
            return -1;
        }
        code = text[0] == '_' ? toffee_expr_derived(s->pool, text, row, NULL, &expr, &st)
                              : toffee_expr_symbol(s->pool, text, row, &expr, &st);
        if (failed(s, code, &st) < 0) {
            return -1;
        }
        if (!TOFFEE_VEC_PUSH(s->arena, &s->bases, expr)) {
            return no_memory();
        }
    }
    if (s->pool == NULL) {
        PyErr_SetString(PyExc_ValueError, "no symbols");
        return -1;
    }
    return 0;
}

static void
session_end(size_session *s)
{
    toffee_arena_free(s->arena);
}

/* The expression that TREE says; *OUT may be NULL. */
static int
tree_build(size_session *s, PyObject *tree, const toffee_expr **out)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_code code = TOFFEE_OK;
    const toffee_expr *left = NULL;
    const toffee_expr *right = NULL;
    const char *op = NULL;
    PyObject *a = NULL;
    PyObject *b = NULL;

    *out = NULL;
    if (PyLong_Check(tree)) {
        int64_t number = PyLong_AsLongLong(tree);

        return PyErr_Occurred() ? -1
                                : failed(s, toffee_expr_number(s->pool, number, out, &st), &st);
    }
    if (PyUnicode_Check(tree)) {
        for (size_t i = 0; i < s->bases.n; i++) {
            if (PyUnicode_CompareWithASCIIString(tree, s->bases.data[i]->terms[0].atoms[0]->name) ==
                0) {
                *out = s->bases.data[i];
                return 0;
            }
        }
        PyErr_SetObject(PyExc_KeyError, tree);
        return -1;
    }
    if (!PyArg_ParseTuple(tree, "sOO", &op, &a, &b) || tree_build(s, a, &left) < 0 ||
        tree_build(s, b, &right) < 0) {
        return -1;
    }
    if (strcmp(op, "+") == 0 || strcmp(op, "-") == 0) {
        code = toffee_expr_add(s->pool, left, op[0] == '+' ? 1 : -1, right, out, &st);
    }
    else if (strcmp(op, "*") == 0) {
        code = toffee_expr_mul(s->pool, left, right, out, &st);
    }
    else if (strcmp(op, "//") == 0) {
        code = toffee_expr_quotient(s->pool, left, right, out, &st);
    }
    else if (strcmp(op, "%") == 0) {
        code = toffee_expr_remainder(s->pool, left, right, out, &st);
    }
    else if (strcmp(op, "max") == 0) {
        code = toffee_expr_max(s->pool, left, right, out, &st);
    }
    else if (strcmp(op, "min") == 0) {
        code = toffee_expr_min(s->pool, left, right, out, &st);
    }
    else {
        PyErr_Format(PyExc_ValueError, "no operator '%s'", op);
        return -1;
    }
    return failed(s, code, &st);
}

static int
trees_build(size_session *s, PyObject *trees, expr_list *out)
{
    PyObject *fast = PySequence_Fast(trees, "expressions must be a sequence");
    int rc = fast != NULL ? 0 : -1;

    for (Py_ssize_t i = 0; rc == 0 && i < PySequence_Fast_GET_SIZE(fast); i++) {
        const toffee_expr *expr = NULL;

        rc = tree_build(s, PySequence_Fast_GET_ITEM(fast, i), &expr); /* borrowed */
        if (rc == 0 && !TOFFEE_VEC_PUSH(s->arena, out, expr)) {
            rc = no_memory();
        }
    }
    Py_XDECREF(fast);
    return rc;
}

/* The text of EXPR, None for NULL. */
static PyObject *
expr_text(size_session *s, const toffee_expr *expr)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    const char *text = NULL;

    if (expr == NULL) {
        Py_RETURN_NONE;
    }
    if (failed(s, toffee_expr_print(s->pool, expr, &text, &st), &st) < 0) {
        return NULL;
    }
    return PyUnicode_FromString(text);
}

static PyObject *
size_expr(PyObject *module, PyObject *args)
{
    PyObject *symbols = NULL;
    PyObject *tree = NULL;
    PyObject *result = NULL;
    size_session s;
    const toffee_expr *expr = NULL;

    if (!PyArg_ParseTuple(args, "O!O", &PyDict_Type, &symbols, &tree)) {
        return NULL;
    }
    if (session_begin(&s, module, symbols) < 0 || tree_build(&s, tree, &expr) < 0) {
        goto done;
    }
    result = PyTuple_New(expr != NULL ? (Py_ssize_t)toffee_exprs_n_points(s.pool) + 2 : 0);
    for (Py_ssize_t i = 0; result != NULL && i < PyTuple_GET_SIZE(result); i++) {
        PyObject *item = i == 0   ? expr_text(&s, expr)
                         : i == 1 ? PyBool_FromLong(toffee_expr_has_derived(expr))
                                  : PyLong_FromLongLong(expr->samples[i - 2]);

        if (item == NULL) {
            Py_CLEAR(result);
            goto done;
        }
        PyTuple_SET_ITEM(result, i, item);
    }
done:
    session_end(&s);
    return result;
}

static PyObject *
size_eval(PyObject *module, PyObject *args)
{
    PyObject *symbols = NULL;
    PyObject *tree = NULL;
    PyObject *values = NULL;
    PyObject *result = NULL;
    size_session s;
    const toffee_expr *expr = NULL;
    const char *names[TOFFEE_MAX_RANK];
    int64_t numbers[TOFFEE_MAX_RANK];
    size_t n = 0;
    int64_t value = 0;
    Py_ssize_t at = 0;
    PyObject *key = NULL;
    PyObject *item = NULL;

    if (!PyArg_ParseTuple(args, "O!OO!", &PyDict_Type, &symbols, &tree, &PyDict_Type, &values)) {
        return NULL;
    }
    if (session_begin(&s, module, symbols) < 0 || tree_build(&s, tree, &expr) < 0) {
        goto done;
    }
    while (n < TOFFEE_MAX_RANK && PyDict_Next(values, &at, &key, &item)) {
        names[n] = PyUnicode_AsUTF8(key);
        numbers[n] = PyLong_AsLongLong(item);
        if (names[n++] == NULL || PyErr_Occurred()) {
            goto done;
        }
    }
    result = expr != NULL && toffee_expr_eval(expr, names, numbers, n, &value)
                 ? PyLong_FromLongLong(value)
                 : Py_NewRef(Py_None);
done:
    session_end(&s);
    return result;
}

static PyObject *
size_fit(PyObject *module, PyObject *args)
{
    PyObject *symbols = NULL;
    PyObject *samples = NULL;
    PyObject *hint_trees = NULL;
    PyObject *known_trees = NULL;
    PyObject *result = NULL;
    Py_ssize_t n_times = 1;
    size_session s;
    expr_list hints = {NULL, 0, 0};
    expr_list known = {NULL, 0, 0};
    const toffee_expr *expr = NULL;
    toffee_status st = TOFFEE_STATUS_INIT;
    const int64_t *row = NULL;

    if (!PyArg_ParseTuple(args, "O!OOO|n", &PyDict_Type, &symbols, &samples, &hint_trees,
                          &known_trees, &n_times)) {
        return NULL;
    }
    if (session_begin(&s, module, symbols) < 0 || trees_build(&s, hint_trees, &hints) < 0 ||
        trees_build(&s, known_trees, &known) < 0) {
        goto done;
    }
    for (size_t i = 0; i < known.n; i++) {
        if (failed(&s, toffee_fit_remember(s.pool, known.data[i], &st), &st) < 0) {
            goto done;
        }
    }
    row = ints_from(&s, samples, (Py_ssize_t)toffee_exprs_n_points(s.pool));
    for (Py_ssize_t i = 0; row != NULL && i < n_times; i++) {
        if (failed(&s, toffee_fit_whole(s.pool, row, hints.data, hints.n, &expr, &st), &st) < 0) {
            goto done;
        }
    }
    result = row != NULL ? expr_text(&s, expr) : NULL;
done:
    session_end(&s);
    return result;
}

static PyObject *
size_fit_real(PyObject *module, PyObject *args)
{
    PyObject *symbols = NULL;
    PyObject *samples = NULL;
    PyObject *hint_trees = NULL;
    PyObject *result = NULL;
    int dtype = 0;
    size_session s;
    expr_list hints = {NULL, 0, 0};
    toffee_real_fit found;
    toffee_status st = TOFFEE_STATUS_INIT;
    double *row = NULL;
    size_t n = 0;

    if (!PyArg_ParseTuple(args, "O!iO!O", &PyDict_Type, &symbols, &dtype, &PyTuple_Type, &samples,
                          &hint_trees)) {
        return NULL;
    }
    if (session_begin(&s, module, symbols) < 0 || trees_build(&s, hint_trees, &hints) < 0) {
        goto done;
    }
    n = toffee_exprs_n_points(s.pool);
    row = toffee_arena_calloc(s.arena, n, sizeof(*row));
    if (row == NULL) {
        no_memory();
        goto done;
    }
    for (size_t i = 0; i < n && (Py_ssize_t)i < PyTuple_GET_SIZE(samples); i++) {
        row[i] = PyFloat_AsDouble(PyTuple_GET_ITEM(samples, (Py_ssize_t)i)); /* borrowed */
    }
    if (PyErr_Occurred() ||
        failed(&s,
               toffee_fit_real(s.pool, (toffee_dtype)dtype, row, hints.data, hints.n, &found, &st),
               &st) < 0) {
        goto done;
    }
    result = Py_BuildValue("(iNdNd)", (int)found.form, expr_text(&s, found.expr), found.scale,
                           expr_text(&s, found.by), found.offset);
done:
    session_end(&s);
    return result;
}

static PyMethodDef methods[] = {
    {"size_eval", size_eval, METH_VARARGS,
     "size_eval(symbols, expression, values) -> int | None\n\nThe expression where the symbols "
     "have these values."},
    {"size_expr", size_expr, METH_VARARGS,
     "size_expr(symbols, expression) -> (text, has derived, value at each point, …)\n\nEmpty if "
     "there is no such size. SYMBOLS maps names to values at the points; an expression is a name, "
     "an integer or (operator, left, right)."},
    {"size_fit", size_fit, METH_VARARGS,
     "size_fit(symbols, samples, hints, remembered, times=1) -> str | None\n\nWhat has these "
     "samples."},
    {"size_fit_real", size_fit_real, METH_VARARGS,
     "size_fit_real(symbols, dtype, samples, hints) -> (form, text | None, scale, divisor | None, "
     "offset)"},
};

int
PyToffee_TestingSize_Add(PyObject *target, PyObject *module)
{
    for (size_t i = 0; i < TOFFEE_COUNTOF(methods); i++) {
        PyObject *function = PyCFunction_NewEx(&methods[i], module, NULL);
        int rc =
            function == NULL || PyObject_SetAttrString(target, methods[i].ml_name, function) < 0;

        Py_XDECREF(function);
        if (rc != 0) {
            return -1;
        }
    }
    return 0;
}
