/* csrc/trace/lazy.h -- complex tensors, and those that PyTorch has yet to conjugate or negate.
 *
 * Note [Complex]. ONNX has no arithmetic on complex numbers, and runtimes have no such tensors. The
 * trace sees a complex tensor as what its memory is: a real one with a last axis of 2. Its value in
 * the graph is that. view_as_real, view_as_complex, real and imag are views like others then, and
 * a write through one is seen through the others (Note [Aliasing] in binding.h). What operators
 * mean is in csrc/lower: lower_complex.c, lower_pairs.c, lower_fft.c; no other lowering sees such a
 * call.
 *
 * conj() sets a bit and leaves the memory alone, and imag of that sets another. Values of tensors
 * are with these bits applied, roots of alias sets without, as the memory is. */
#ifndef TOFFEE_TRACE_LAZY_H
#define TOFFEE_TRACE_LAZY_H

#include "bridge/dltensor.h"
#include "lower/view.h"

typedef struct {
    PyToffee_TensorInfo memory; /* never complex */
    toffee_dtype dtype;         /* the tensor's own: may be */
    bool is_conj;
    bool is_neg;
} PyToffee_LazyInfo;

/* How one trace looks at tensors. Everything borrowed. */
typedef struct {
    PyToffee_State *state;
    const PyToffee_DLPack *api;
    toffee_lowering *lo;
    bool has_complex; /* a complex tensor was seen */
    bool has_lazy;    /* a tensor with a bit was: others may stem from it, real ones too */
} PyToffee_Eye;

/* Fills OUT for TENSOR; sizes and strides are valid until the tensor changes or the next call is
 * recorded. 0, or -1 with an exception set. */
TOFFEE_NODISCARD int PyToffee_Eye_See(PyToffee_Eye *eye, PyObject *tensor, PyToffee_LazyInfo *out);
/* The same for a tensor that was there before the trace, and may have a bit from then. */
TOFFEE_NODISCARD int PyToffee_Eye_SeeData(PyToffee_Eye *eye, PyObject *tensor,
                                          PyToffee_LazyInfo *out);
/* From the value of the memory to that of the tensor, and back: VALUE with the bits of INFO
 * applied, which may be VALUE itself. NULL with an exception set. */
toffee_value *PyToffee_Eye_Apply(PyToffee_Eye *eye, const PyToffee_LazyInfo *info,
                                 toffee_value *value);

/* The geometry of the tensor's memory in that which begins at BASE (0: has no elements), with
 * INFO's arrays; or with copies of them in ARENA: 0, or -1 with MemoryError. */
toffee_geometry PyToffee_LazyInfo_Geometry(const PyToffee_LazyInfo *info, uintptr_t base);
TOFFEE_NODISCARD int PyToffee_LazyInfo_CopyGeometry(toffee_arena *arena,
                                                    const PyToffee_LazyInfo *info, uintptr_t base,
                                                    toffee_geometry *out);

#endif /* TOFFEE_TRACE_LAZY_H */
