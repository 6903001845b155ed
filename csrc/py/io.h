/* csrc/py/io.h -- what the rest of py/ needs of reading and writing. */
#ifndef TOFFEE_PY_IO_H
#define TOFFEE_PY_IO_H

#include "py/graph_type.h"
#include "wire/wire.h"

/* load, loads, save, save_file, dumps, downgrade; NULL-terminated. */
extern PyMethodDef PyToffee_IoMethods[];

/* GRAPH, which lies in ROOT, serialized to a bytes object; NULL with an exception set. */
PyObject *PyToffee_Dumps(PyToffee_State *state, PyToffee_Graph *root, const toffee_graph *graph,
                         const toffee_save_options *options);
/* A toffee.Graph of the bytes in the buffer of DATA, which it keeps; NULL with an exception set.
 * UPGRADE: 2017 nodes are rewritten to today's. */
PyObject *PyToffee_Loads(PyToffee_State *state, PyObject *data, bool upgrade);

#endif /* TOFFEE_PY_IO_H */
