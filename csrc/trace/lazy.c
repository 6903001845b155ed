/* csrc/trace/lazy.c -- see Note [Complex] in the header. */
#include "trace/lazy.h"

#include "bridge/pyerr.h"
#include "lower/pair.h"

/* What TENSOR's method NAME answers: 1, 0, or -1 with an exception set. */
static int
ask(PyObject *tensor, const char *name)
{
    PyObject *answer = PyObject_CallMethod(tensor, name, NULL);
    int is_true = answer != NULL ? PyObject_IsTrue(answer) : -1;

    Py_XDECREF(answer);
    return is_true;
}

int
PyToffee_Eye_See(PyToffee_Eye *eye, PyObject *tensor, PyToffee_LazyInfo *out)
{
    bool is_complex = false;
    int is_conj = 0;
    int is_neg = 0;

    if (PyToffee_TensorInfo_Get(eye->api, tensor, &out->memory) < 0) {
        return -1;
    }
    out->dtype = out->memory.dtype;
    is_complex = toffee_dtype_is_complex(out->dtype);
    if (is_complex) {
        is_conj = ask(tensor, "is_conj");
        if (is_conj < 0 ||
            PyToffee_TensorInfo_AsPairs(eye->api, eye->lo->scratch, &out->memory) < 0) {
            return -1;
        }
    }
    if (is_complex || eye->has_lazy) {
        is_neg = ask(tensor, "is_neg");
    }
    out->is_conj = is_conj > 0;
    out->is_neg = is_neg > 0;
    eye->has_complex = eye->has_complex || is_complex;
    eye->has_lazy = eye->has_lazy || out->is_conj || out->is_neg;
    return is_neg < 0 ? -1 : 0;
}

int
PyToffee_Eye_SeeData(PyToffee_Eye *eye, PyObject *tensor, PyToffee_LazyInfo *out)
{
    bool had_lazy = eye->has_lazy;
    int rc = 0;

    eye->has_lazy = true;
    rc = PyToffee_Eye_See(eye, tensor, out);
    eye->has_lazy = had_lazy || (rc == 0 && (out->is_conj || out->is_neg));
    return rc;
}

toffee_value *
PyToffee_Eye_Apply(PyToffee_Eye *eye, const PyToffee_LazyInfo *info, toffee_value *value)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_chain chain = TOFFEE_CHAIN(eye->lo, &st);

    if (info->is_conj) {
        value = toffee_pair_conj(&chain, value);
    }
    if (info->is_neg) {
        value = toffee_chain_unary(&chain, "Neg", value);
    }
    if (chain.rc != TOFFEE_OK) {
        PyToffee_Err_Set(eye->state, &st);
        return NULL;
    }
    return value;
}

toffee_geometry
PyToffee_LazyInfo_Geometry(const PyToffee_LazyInfo *info, uintptr_t base)
{
    const PyToffee_TensorInfo *memory = &info->memory;
    intptr_t distance = (intptr_t)((uintptr_t)memory->data - base);
    bool has_place = base != 0 && memory->data != NULL;

    return (toffee_geometry){
        .offset = has_place ? distance / toffee_dtype_get(memory->dtype)->n_bytes : 0,
        .rank = memory->rank,
        .sizes = memory->sizes,
        .strides = memory->strides};
}

int
PyToffee_LazyInfo_CopyGeometry(toffee_arena *arena, const PyToffee_LazyInfo *info, uintptr_t base,
                               toffee_geometry *out)
{
    size_t n_bytes = (size_t)info->memory.rank * sizeof(int64_t);

    *out = PyToffee_LazyInfo_Geometry(info, base);
    out->sizes = toffee_arena_copy(arena, out->sizes, n_bytes);
    out->strides = toffee_arena_copy(arena, out->strides, n_bytes);
    return out->sizes != NULL && out->strides != NULL ? 0 : PyToffee_Err_NoMemory();
}
