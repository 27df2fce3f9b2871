"""The reader of ONNX and QONNX files."""
