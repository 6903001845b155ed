/* csrc/ops/ops_signal.c -- rows: spectra and their windows. */
#include "ops/ops_types.h"

const toffee_op_spec toffee_op_DFT = {
    OP(DFT, 20,
       "input (x.., 1 or 2: real or complex), dft_length? (), axis? () -> output (x.. with the "
       "length at axis, 2; 1 for a one-sided inverse)"),
    INPUTS(ONE("input", "T1"), MAYBE("dft_length", "T2"), MAYBE("axis", "int64")),
    OUTPUTS(ONE("output", "T1")),
    ATTRS(ATTR(INT, "inverse", "1: the inverse transform; 0"),
          ATTR(INT, "onesided", "1: only the half that a real signal needs; 0")),
    TYPES(TYPE("T1", D_FLOATS), TYPE("T2", D_INDEX), TYPE_INT64),
    .infer = toffee_infer_dft,
};

const toffee_op_spec toffee_op_STFT = {
    OP(STFT, 17,
       "signal (N, length, 1 or 2), frame_step (), window? (frame), frame_length? () -> output (N, "
       "frames, bins, 2)"),
    INPUTS(ONE("signal", "T1"), ONE("frame_step", "T2"), MAYBE("window", "T1"),
           MAYBE("frame_length", "T2")),
    OUTPUTS(ONE("output", "T1")),
    ATTRS(ATTR(INT, "onesided", "1: only the half of the bins that a real signal needs; 1")),
    TYPES(TYPE("T1", D_FLOATS), TYPE("T2", D_INDEX)),
    .infer = toffee_infer_stft,
};

const toffee_op_spec toffee_op_MelWeightMatrix = {
    OP(MelWeightMatrix, 17,
       "num_mel_bins, dft_length, sample_rate (samples/s), lower_edge_hertz, upper_edge_hertz, all "
       "() -> output (dft_length / 2 + 1, num_mel_bins)"),
    INPUTS(ONE("num_mel_bins", "T1"), ONE("dft_length", "T1"), ONE("sample_rate", "T1"),
           ONE("lower_edge_hertz", "T2"), ONE("upper_edge_hertz", "T2")),
    OUTPUTS(ONE("output", "T3")),
    ATTRS(ATTR(INT, "output_datatype", "dtype of the output, a number of TensorProto; 1, FLOAT")),
    TYPES(TYPE("T1", D_INDEX), TYPE("T2", D_FLOATS), TYPE("T3", D_NUMBERS)),
    .check = toffee_rule_dtype,
    .infer = toffee_infer_mel,
};

#define WINDOW(op, text)                                                                           \
    const toffee_op_spec toffee_op_##op = {                                                        \
        OP(op, 17, "size () -> output (size): " text " window"),                                   \
        INPUTS(ONE("size", "T1")),                                                                 \
        OUTPUTS(ONE("output", "T2")),                                                              \
        ATTRS(ATTR(INT, "output_datatype",                                                         \
                   "dtype of the output, a number of TensorProto; 1, FLOAT"),                      \
              ATTR(INT, "periodic", "0: symmetric, the last element is like the first; 1")),       \
        TYPES(TYPE("T1", D_INDEX), TYPE("T2", D_NUMBERS)),                                         \
        .check = toffee_rule_dtype,                                                                \
        .infer = toffee_infer_window,                                                              \
    }

WINDOW(BlackmanWindow, "the Blackman");
WINDOW(HammingWindow, "the Hamming");
WINDOW(HannWindow, "the Hann");
