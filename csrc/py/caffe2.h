/* csrc/py/caffe2.h -- emission of Caffe2 nets, for Python. */
#ifndef TOFFEE_PY_CAFFE2_H
#define TOFFEE_PY_CAFFE2_H

#include "bridge/state.h"

/* caffe2_emit, caffe2_rules; NULL-terminated. */
extern PyMethodDef PyToffee_Caffe2Methods[];

#endif /* TOFFEE_PY_CAFFE2_H */
