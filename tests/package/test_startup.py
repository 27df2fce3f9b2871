"""The command line starts without frameworks, and its help without any heavy library."""

import json
import subprocess
import sys

FRAMEWORKS = {"keras", "tensorflow", "tf_keras", "torch", "qkeras", "jax"}
HEAVY = {
    "numpy",
    "scipy",
    "h5py",
    "onnx",
    "sklearn",
    "skops",
    "alkaid",
    "altair",
    "cocotb",
    "pyosys",
}


def loaded_by(code: str) -> set[str]:
    program = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_help_loads_no_heavy_library():
    modules = loaded_by("from flow.cli.main import run\nassert run(['--help']) == 0")
    assert modules & (FRAMEWORKS | HEAVY) == set()


def test_checking_a_model_loads_no_framework(root):
    model = root / "examples/breast_cancer/breast_cancer.skops"
    modules = loaded_by(
        f"from flow.cli.main import run\nassert run(['check', {str(model)!r}]) == 0"
    )
    assert "numpy" in modules
    assert modules & FRAMEWORKS == set()
