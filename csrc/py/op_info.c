/* csrc/py/op_info.c -- the tables of operators and of lowerings as Python objects. */
#include "py/op_info.h"

#include "lower/lower.h"
#include "ops/optable.h"

/* Each function returns a new reference, or NULL with an exception set. */

static PyObject *
port_to_dict(const void *rows, size_t i)
{
    static const char *const arities[] = {
        [TOFFEE_SINGLE] = "single", [TOFFEE_OPTIONAL] = "optional", [TOFFEE_VARIADIC] = "variadic"};
    const toffee_port_spec *port = (const toffee_port_spec *)rows + i;

    return Py_BuildValue("{s:s,s:z,s:s,s:N,s:i}", "name", port->name, "type", port->type, "arity",
                         arities[port->arity], "mixed", PyBool_FromLong(port->mixed), "min",
                         (int)port->min);
}

static PyObject *
attr_to_dict(const void *rows, size_t i)
{
    const toffee_attr_spec *attr = (const toffee_attr_spec *)rows + i;

    return Py_BuildValue(
        "{s:s,s:s,s:N,s:s,s:z}", "name", attr->name, "type", toffee_attr_type_name(attr->type),
        "required", PyBool_FromLong(attr->required), "doc", attr->doc, "choices", attr->choices);
}

static PyObject *
dtypes_to_list(uint32_t dtypes)
{
    PyObject *list = PyList_New(0);

    for (int i = 1; list != NULL && i < TOFFEE_N_DTYPES; i++) {
        PyObject *name = NULL;

        if ((dtypes & TOFFEE_DTYPE_BIT(i)) == 0) {
            continue;
        }
        name = PyUnicode_FromString(toffee_dtype_get((toffee_dtype)i)->name);
        if (name == NULL || PyList_Append(list, name) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(name);
    }
    return list;
}

static PyObject *
typevar_to_dict(const void *rows, size_t i)
{
    const toffee_typevar_spec *typevar = (const toffee_typevar_spec *)rows + i;

    return Py_BuildValue("{s:s,s:N}", "name", typevar->name, "dtypes",
                         dtypes_to_list(typevar->dtypes));
}

/* N rows, each through TO_DICT. */
static PyObject *
rows_to_list(PyObject *(*to_dict)(const void *rows, size_t i), const void *rows, size_t n)
{
    PyObject *list = PyList_New((Py_ssize_t)n);

    for (size_t i = 0; list != NULL && i < n; i++) {
        PyObject *item = to_dict(rows, i);

        if (item == NULL) {
            Py_CLEAR(list);
        }
        else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
        }
    }
    return list;
}

static PyObject *
op_to_dict(const void *unused, size_t i)
{
    const toffee_op_spec *op = toffee_op_at(i);

    (void)unused;
    return Py_BuildValue("{s:s,s:s,s:i,s:s,s:N,s:N,s:N,s:N,s:O}", "name", op->name, "domain",
                         op->domain, "since_version", op->since_version, "doc", op->doc, "inputs",
                         rows_to_list(port_to_dict, op->inputs, op->n_inputs), "outputs",
                         rows_to_list(port_to_dict, op->outputs, op->n_outputs), "attributes",
                         rows_to_list(attr_to_dict, op->attrs, op->n_attrs), "types",
                         rows_to_list(typevar_to_dict, op->typevars, op->n_typevars), "infers",
                         op->infer != NULL ? Py_True : Py_False);
}

PyObject *
PyToffee_OpTable(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return rows_to_list(op_to_dict, NULL, toffee_op_count());
}

static PyObject *
lowering_to_tuple(const void *unused, size_t i)
{
    const toffee_rule *rule = toffee_rule_at(i);

    (void)unused;
    return Py_BuildValue("(sz)", rule->aten, rule->onnx);
}

PyObject *
PyToffee_Lowerings(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return rows_to_list(lowering_to_tuple, NULL, toffee_rule_count());
}
