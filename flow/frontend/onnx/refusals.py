"""Operators of ONNX files that are refused by name, each with a way out."""

from __future__ import annotations

from collections.abc import Mapping

_DYNAMIC = "it chooses its scale from the data while it runs; quantise statically in the QDQ format"
_INTEGER = "it computes on integers; export in the QDQ format (QuantFormat.QDQ)"
_NORM = (
    "it divides by numbers computed from each sample; train with batch normalisation instead, "
    "which folds into the weights"
)
_TREE = "trees are no network; train a perceptron on the same data, or emit the tree elsewhere"
_TEXT = "it works on text or categories; feed the network numbers"
_SHRINK = "this activation is not supported; use Relu or LeakyRelu"

REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("LSTM", "GRU", "RNN"), "recurrent layers are not supported"),
    **dict.fromkeys(("DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM",
                     "MatMulIntegerToFloat"), _DYNAMIC),
    **dict.fromkeys(("MatMulInteger", "ConvInteger", "QLinearConcat", "QLinearSigmoid",
                     "QLinearLeakyRelu", "QLinearAveragePool", "QLinearReduceMean",
                     "QLinearSoftmax"), _INTEGER),
    **dict.fromkeys(("LayerNormalization", "InstanceNormalization", "GroupNormalization",
                     "RMSNormalization", "MeanVarianceNormalization", "LRN", "LpNormalization",
                     "SkipLayerNormalization", "SimplifiedLayerNormalization"), _NORM),
    **dict.fromkeys(("TreeEnsemble", "TreeEnsembleClassifier", "TreeEnsembleRegressor"), _TREE),
    **dict.fromkeys(("SVMClassifier", "SVMRegressor"),
                    "a kernel machine keeps its samples; use a linear one or a perceptron"),
    **dict.fromkeys(("TfIdfVectorizer", "StringNormalizer", "CategoryMapper", "OneHotEncoder",
                     "LabelEncoder", "DictVectorizer", "RegexFullMatch", "StringConcat",
                     "StringSplit"), _TEXT),
    **dict.fromkeys(("ThresholdedRelu", "Hardmax"), _SHRINK),
    **dict.fromkeys(("Attention", "MultiHeadAttention", "RotaryEmbedding"),
                    "attention is not supported; use dense layers and convolutions"),
    **dict.fromkeys(("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike",
                     "Bernoulli", "Multinomial"), "random numbers have no circuit"),
    **dict.fromkeys(("NonZero", "NonMaxSuppression", "Unique", "Compress"),
                    "the shape of its result depends on the data; leave it to the host"),
    **dict.fromkeys(("LpPool", "GlobalLpPool", "MaxUnpool", "MaxRoiPool", "RoiAlign"),
                    "this pooling is not supported; use MaxPool or AveragePool"),
    "CumSum": "use a MatMul with a constant triangular matrix instead",
    "ScatterND": "write the values in place with Concat or Where",
    "ScatterElements": "write the values in place with Concat or Where",
    "GatherElements": "use Gather with constant indices",
    "Mod": "a remainder is not supported; quantise with wrapping in the training framework",
    "GridSample": "its places depend on the data; use Resize",
}  # fmt: skip
"""Why an operator is refused, and what to do."""

REFUSED_QONNX: Mapping[str, str] = {
    "FloatQuant": "FloatQuant makes minifloats, which have no integer meaning; use IntQuant",
    "XnorPopcountMatMul": "XnorPopcountMatMul counts bits; export before bipolar_to_xnor",
    "GenericPartition": "GenericPartition hides another file; export the whole model",
}
