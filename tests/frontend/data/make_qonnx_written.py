"""Makes qonnx_written.json: a file that flow writes, and what the package qonnx computes of it.

    PYTHONPATH=.:tests python tests/frontend/data/make_qonnx_written.py FLOW_PYTHON QONNX_PYTHON

The two programs are a Python with flow's libraries and one with qonnx 1.0.0.
"""

import json
import subprocess
import sys
from pathlib import Path

WRITE = """
import json
import numpy as np
from frontend.test_equalise import small_cnn
from frontend.test_write_qonnx import network, network_to_qonnx, random_inputs
rng = np.random.default_rng(7)
net = network(small_cnn(rng), rng)
given = random_inputs(net, rng, 5)
(entry,) = net.inputs
reals = given[entry.name] * entry.tensor.scale.astype(float)
print(json.dumps({"model": network_to_qonnx(net).hex(), "inputs": reals.tolist()}))
"""
ANSWER = """
import json, sys
import numpy as np
import onnx
import onnx.helper
onnx.helper.IR_VERSION = onnx.IR_VERSION = 10  # The newest that onnxruntime takes.
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes
found = json.load(sys.stdin)
model = ModelWrapper(onnx.load_from_string(bytes.fromhex(found["model"])))
x = np.array(found["inputs"], dtype=np.float32)
name = model.graph.input[0].name
model.set_tensor_shape(name, list(x.shape))
model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = len(x)
model = model.transform(InferShapes())
(y,) = execute_onnx(model, {name: x}).values()
print(json.dumps({**found, "outputs": y.astype(float).tolist()}))
"""

if __name__ == "__main__":
    flow, qonnx = sys.argv[1:3]
    written = subprocess.run([flow, "-c", WRITE], check=True, capture_output=True).stdout
    answered = subprocess.run([qonnx, "-c", ANSWER], input=written, check=True, capture_output=True)
    text = json.dumps(json.loads(answered.stdout.splitlines()[-1]))
    (Path(__file__).parent / "qonnx_written.json").write_text(text + "\n")
