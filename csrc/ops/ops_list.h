/* csrc/ops/ops_list.h -- every operator of opset 20 by name, in strcmp order; each has its row in
 * one of the files ops_*.c. Private to ops/. */
#ifndef TOFFEE_OPS_OPS_LIST_H
#define TOFFEE_OPS_OPS_LIST_H

#include "ops/optable.h"

/* clang-format off */
#define TOFFEE_OPS(X)                                                                              \
    X(Abs) X(Acos) X(Acosh) X(Add) X(AffineGrid) X(And) X(ArgMax) X(ArgMin) X(Asin) X(Asinh)       \
    X(Atan) X(Atanh) X(AveragePool) X(BatchNormalization) X(Bernoulli) X(BitShift) X(BitwiseAnd)   \
    X(BitwiseNot) X(BitwiseOr) X(BitwiseXor) X(BlackmanWindow) X(Cast) X(CastLike) X(Ceil)         \
    X(Celu) X(CenterCropPad) X(Clip) X(Col2Im) X(Compress) X(Concat) X(ConcatFromSequence)         \
    X(Constant) X(ConstantOfShape) X(Conv) X(ConvInteger) X(ConvTranspose) X(Cos) X(Cosh)          \
    X(CumSum) X(DFT) X(DeformConv) X(DepthToSpace) X(DequantizeLinear) X(Det) X(Div) X(Dropout)    \
    X(DynamicQuantizeLinear) X(Einsum) X(Elu) X(Equal) X(Erf) X(Exp) X(Expand) X(EyeLike)          \
    X(Flatten) X(Floor) X(GRU) X(Gather) X(GatherElements) X(GatherND) X(Gelu) X(Gemm)             \
    X(GlobalAveragePool) X(GlobalLpPool) X(GlobalMaxPool) X(Greater) X(GreaterOrEqual)             \
    X(GridSample) X(HammingWindow) X(HannWindow) X(HardSigmoid) X(HardSwish) X(Hardmax)            \
    X(Identity) X(If) X(ImageDecoder) X(InstanceNormalization) X(IsInf) X(IsNaN) X(LRN) X(LSTM)    \
    X(LayerNormalization) X(LeakyRelu) X(Less) X(LessOrEqual) X(Log) X(LogSoftmax) X(Loop)         \
    X(LpNormalization) X(LpPool) X(MatMul) X(MatMulInteger) X(Max) X(MaxPool) X(MaxRoiPool)        \
    X(MaxUnpool) X(Mean) X(MeanVarianceNormalization) X(MelWeightMatrix) X(Min) X(Mish) X(Mod)     \
    X(Mul) X(Multinomial) X(Neg) X(NegativeLogLikelihoodLoss) X(NonMaxSuppression) X(NonZero)      \
    X(Not) X(OneHot) X(Optional) X(OptionalGetElement) X(OptionalHasElement) X(Or) X(PRelu)        \
    X(Pad) X(Pow) X(QLinearConv) X(QLinearMatMul) X(QuantizeLinear) X(RNN) X(RandomNormal)         \
    X(RandomNormalLike) X(RandomUniform) X(RandomUniformLike) X(Range) X(Reciprocal) X(ReduceL1)   \
    X(ReduceL2) X(ReduceLogSum) X(ReduceLogSumExp) X(ReduceMax) X(ReduceMean) X(ReduceMin)         \
    X(ReduceProd) X(ReduceSum) X(ReduceSumSquare) X(RegexFullMatch) X(Relu) X(Reshape) X(Resize)   \
    X(ReverseSequence) X(RoiAlign) X(Round) X(STFT) X(Scan) X(ScatterElements) X(ScatterND)        \
    X(Selu) X(SequenceAt) X(SequenceConstruct) X(SequenceEmpty) X(SequenceErase)                   \
    X(SequenceInsert) X(SequenceLength) X(SequenceMap) X(Shape) X(Shrink) X(Sigmoid) X(Sign)       \
    X(Sin) X(Sinh) X(Size) X(Slice) X(Softmax) X(SoftmaxCrossEntropyLoss) X(Softplus) X(Softsign)  \
    X(SpaceToDepth) X(Split) X(SplitToSequence) X(Sqrt) X(Squeeze) X(StringConcat)                 \
    X(StringNormalizer) X(StringSplit) X(Sub) X(Sum) X(Tan) X(Tanh) X(TfIdfVectorizer)             \
    X(ThresholdedRelu) X(Tile) X(TopK) X(Transpose) X(Trilu) X(Unique) X(Unsqueeze) X(Where)       \
    X(Xor)
/* clang-format on */

#define TOFFEE_OPS_DECLARE(op) extern const toffee_op_spec toffee_op_##op;
TOFFEE_OPS(TOFFEE_OPS_DECLARE)
#undef TOFFEE_OPS_DECLARE

#endif /* TOFFEE_OPS_OPS_LIST_H */
