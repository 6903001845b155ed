/* csrc/py/caffe2.h -- Caffe2's nets, both ways, for Python. */
#ifndef TOFFEE_PY_CAFFE2_H
#define TOFFEE_PY_CAFFE2_H

#include "bridge/state.h"

/* caffe2_emit, caffe2_rules, caffe2_import, caffe2_import_rules; NULL-terminated. */
extern PyMethodDef PyToffee_Caffe2Methods[];

#endif /* TOFFEE_PY_CAFFE2_H */
