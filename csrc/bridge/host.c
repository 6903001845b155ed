/* csrc/bridge/host.c */
#include "bridge/host.h"

#include "bridge/pyerr.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "toffee writes tensor memory as it is: the format is little-endian"
#endif

struct PyToffee_Host {
    const PyToffee_DLPack *api;
    toffee_tensor *tensor;
    PyObject *held;    /* the torch tensor; strong */
    PyObject *fetched; /* its copy on the host while the writer has it; strong or NULL */
};

static PyObject *
call_method(PyObject *tensor, const char *name)
{
    PyObject *result = tensor != NULL ? PyObject_CallMethod(tensor, name, NULL) : NULL;

    Py_XDECREF(tensor);
    return result;
}

static toffee_code
host_fetch(void *ctx, const void **data, toffee_status *st)
{
    PyToffee_Host *host = ctx;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *copy = NULL;
    PyToffee_TensorInfo info;
    toffee_code rc = TOFFEE_ERR_PYTHON;

    copy = PyObject_CallMethod(host->held, "detach", NULL);
    copy = call_method(copy, "resolve_conj");
    copy = call_method(copy, "resolve_neg");
    copy = call_method(copy, "cpu");
    copy = call_method(copy, "contiguous");
    if (copy != NULL && PyToffee_TensorInfo_Get(host->api, copy, &info) == 0) {
        host->fetched = Py_NewRef(copy);
        *data = info.data;
        rc = TOFFEE_OK;
    }
    else {
        toffee_fail(st, TOFFEE_ERR_PYTHON, "tensor '%s' could not be brought to the host",
                    toffee_str_text(host->tensor->name));
    }
    Py_XDECREF(copy);
    PyGILState_Release(gil);
    return rc;
}

static void
host_unfetch(void *ctx)
{
    PyToffee_Host *host = ctx;
    PyGILState_STATE gil = PyGILState_Ensure();

    Py_CLEAR(host->fetched);
    PyGILState_Release(gil);
}

static const toffee_tensor_source host_source = {.fetch = host_fetch, .unfetch = host_unfetch};

static void
host_release(void *ctx)
{
    PyToffee_Host *host = ctx;
    PyGILState_STATE gil = PyGILState_Ensure();

    Py_CLEAR(host->fetched);
    Py_CLEAR(host->held);
    PyGILState_Release(gil);
}

/* Whether TENSOR is to be negated yet; also where it cannot say: to be brought then, which is
 * slower and right in any case. */
static bool
is_negated(PyObject *tensor)
{
    PyObject *answer = PyObject_CallMethod(tensor, "is_neg", NULL);
    bool is_false = answer == Py_False;

    PyErr_Clear();
    Py_XDECREF(answer);
    return !is_false;
}

/* Points the toffee_tensor at TENSOR's memory or at the functions that bring it. Steals nothing. */
static void
host_point(PyToffee_Host *host, const PyToffee_TensorInfo *info)
{
    bool direct = info->on_host && PyToffee_TensorInfo_IsContiguous(info);

    /* A complex tensor may be conjugated lazily, and a real one that is part of such a tensor
     * negated: its memory is then not its value. */
    direct = direct && !toffee_dtype_is_complex(info->dtype) && !is_negated(host->held);
    host->tensor->data = direct ? info->data : NULL;
    host->tensor->source = direct ? NULL : &host_source;
    host->tensor->source_ctx = direct ? NULL : host;
}

int
PyToffee_Host_Tensor(PyToffee_State *state, const PyToffee_DLPack *api, toffee_graph *graph,
                     const toffee_str *name, PyObject *tensor, toffee_tensor **out,
                     PyToffee_Host **out_host)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    PyToffee_TensorInfo info;
    PyToffee_TensorInfo pairs;
    PyToffee_Host *host = NULL;

    if (PyToffee_TensorInfo_Get(api, tensor, &info) < 0) {
        return -1;
    }
    pairs = info;
    if (PyToffee_TensorInfo_AsPairs(api, graph->arena, &pairs) < 0) {
        return -1;
    }
    host = toffee_arena_calloc(graph->arena, 1, sizeof(*host));
    if (host == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (toffee_tensor_new(graph->arena, name, pairs.dtype, pairs.sizes, pairs.rank, NULL, out,
                          &st) != TOFFEE_OK ||
        toffee_graph_on_free(graph, host_release, host, &st) != TOFFEE_OK) {
        PyToffee_Err_Set(state, &st);
        return -1;
    }
    host->api = api;
    host->tensor = *out;
    host->held = Py_NewRef(tensor);
    host_point(host, &info);
    *out_host = host;
    return 0;
}

int
PyToffee_Host_Replace(PyToffee_Host *host, PyObject *replacement)
{
    PyToffee_TensorInfo info;

    if (PyToffee_TensorInfo_Get(host->api, replacement, &info) < 0) {
        return -1;
    }
    Py_SETREF(host->held, Py_NewRef(replacement));
    host_point(host, &info);
    return 0;
}

PyObject *
PyToffee_Host_Held(const PyToffee_Host *host)
{
    return host->held;
}
