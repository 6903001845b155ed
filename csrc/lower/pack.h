/* csrc/lower/pack.h -- packed sequences, and the padded ones that they stand for.
 *
 * PyTorch packs N sequences, longest first, by leaving out what is past their ends: data [P, ..]
 * has the first elements of all, then the second ones, and so on; batch_sizes [T] says how many
 * there are each time. ONNX's recurrent operators take padded sequences [T, N, ..] and their
 * lengths [N] instead. Every packed value that a lowering makes is right by itself (Compress), and
 * its padded one is noted beside it, so that a pack that goes into a layer is never computed. */
#ifndef TOFFEE_LOWER_PACK_H
#define TOFFEE_LOWER_PACK_H

#include "lower/chain.h"

typedef struct {
    toffee_value *padded;      /* [T, N, ..]; T may be more than the longest has */
    toffee_value *batch_sizes; /* [longest] int64 */
    toffee_value *lengths;     /* [N] int64 */
    toffee_value *mask;        /* [T, N] bool: what is within its sequence; NULL: all of it */
    int64_t longest;           /* of the run */
    bool is_fixed;             /* the longest is as long in every run, and T is that */
    bool is_zero;              /* padded is 0 past the ends */
} toffee_pack;

/* What DATA [P, ..], packed by BATCH_SIZES, stands for; N is the number of sequences. Emits what is
 * not known yet. */
TOFFEE_NODISCARD toffee_code toffee_pack_read(toffee_lowering *lo, toffee_value *data,
                                              toffee_value *batch_sizes, int64_t n,
                                              toffee_pack *pack, toffee_status *st);
/* The lengths as ONNX's recurrent operators want them, int32; NULL where all are of length T. */
TOFFEE_NODISCARD toffee_code toffee_pack_lengths(toffee_lowering *lo, const toffee_pack *pack,
                                                 toffee_value **out, toffee_status *st);
/* The packed data of PACK as result INDEX of the call. */
TOFFEE_NODISCARD toffee_code toffee_pack_return(toffee_lowering *lo, const toffee_call *call,
                                                size_t index, const toffee_pack *pack,
                                                toffee_status *st);
/* The number of sequences, if VALUE is batch sizes that a lowering made, else -1: that is their
 * first number, whatever the lengths are. */
int64_t toffee_pack_count(const toffee_lowering *lo, const toffee_value *value);

#endif /* TOFFEE_LOWER_PACK_H */
