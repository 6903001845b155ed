/* csrc/ops/other_opsets.h -- names of operators in opsets that the table of operators is not about.
 *
 * A graph of another opset is not held against rows that may not be true of it; but that its
 * operators exist can be said. */
#ifndef TOFFEE_OPS_OTHER_OPSETS_H
#define TOFFEE_OPS_OTHER_OPSETS_H

#include "ops/optable.h"

/* Whether the row SPEC (may be NULL: there is none) is true of its operator in OPSET. */
bool toffee_op_row_holds(const toffee_op_spec *spec, int64_t opset);
/* Whether the default domain has an operator NAME in OPSET, as far as toffee knows: of opsets that
 * came after the newest that it knows by name, any is taken to exist. */
bool toffee_op_exists(const char *name, int64_t opset);

#endif /* TOFFEE_OPS_OTHER_OPSETS_H */
