"""The target tulip: what it refuses, and shared binary networks on it from file to verdict."""

import json

import numpy as np
import pytest
from small_build import flow

from flow.errors import UnsupportedModel, UsageError
from flow.ir.network import evaluate_network
from flow.mapping.tulip.execute import Execution, host_scores
from flow.passes.fold_layers import FoldLayers
from flow.pipeline.config import BuildConfig
from flow.pipeline.importing import import_model
from flow.pipeline.lanes import flat
from flow.pipeline.tulip import array_inputs, plan_network, schedule_json, table_text
from flow.pipeline.verifying import verify
from flow.targets.tulip import TULIP

BINARY = (
    "keras_binary_3layer/KERAS_3layer_binary_smaller.json",
    "keras_binary_3layer/KERAS_3layer_binary_smaller_weights.h5",
)
TERNARY = (
    "keras_ternary_3layer/KERAS_3layer_ternary_small.json",
    "keras_ternary_3layer/KERAS_3layer_ternary_small_weights.h5",
)
TFC = ("qonnx_tfc/TFC_1W1A.onnx", None)


def read(shared, model):
    """The network, and random inputs of it."""
    file, weights = (None if name is None else shared / "models" / name for name in model)
    config = BuildConfig(
        model=file, weights=weights, target="tulip", input_bits=8, weight_bits=8, activation_bits=8
    )
    network = FoldLayers().run(import_model(config).network)
    tensor = network.inputs[0].tensor
    lo, hi = int(tensor.lo.min()), int(tensor.hi.max())
    values = np.random.default_rng(1).integers(lo, hi, size=(100, *tensor.shape), endpoint=True)
    return network, values


@pytest.mark.parametrize("model", [BINARY, TERNARY, TFC], ids=["binary", "ternary", "tfc"])
def test_the_cycle_model_answers_what_a_trained_network_does(shared, model):
    network, values = read(shared, model)
    made = plan_network(network)
    inputs = {network.inputs[0].name: values}
    want = flat(evaluate_network(network, inputs)[network.outputs[0]])
    got = Execution(made.plan, 100).run(array_inputs(network, inputs))
    have = got.classes[:, None] if made.plan.argmax else host_scores(made.plan, got.scores)
    assert (have == want).all()


def test_the_table_says_what_each_layer_takes(shared):
    made = plan_network(read(shared, TFC)[0])
    lines = [line.split() for line in table_text(made).splitlines()]
    assert lines[0] == [
        "layer", "kind", "inputs", "neurons", "positions", "steps", "bound", "ratio", "clocks",
    ]  # fmt: skip
    assert [line[1:] for line in lines[1:4]] == [
        ["count", "784", "64", "1", "406", "403", "1.007", "1143"],
        ["count", "64", "64", "1", "42", "40", "1.050", "88"],
        ["count", "64", "64", "1", "42", "40", "1.050", "88"],
    ]
    facts = json.loads(schedule_json(made))
    assert facts["array"] == {"rows": 32, "cols": 8, "macs": 32}
    assert facts["clocks_of_a_batch"] == 1556


def test_a_network_whose_values_are_no_bits_is_refused(shared):
    network, _ = read(shared, ("hgq1_mnist_homogeneous/hgq_mnist_homogeneous.h5", None))
    with pytest.raises(UnsupportedModel) as error:
        plan_network(network)
    assert "holds no bits" in error.value.message


def test_options_of_circuits_are_refused():
    with pytest.raises(UsageError) as error:
        TULIP.choose(BuildConfig(target="tulip", stages=3))
    assert error.value.message == (
        "--stages means nothing to the array of the target tulip, which is programmed"
    )
    assert error.value.hint == "leave it out, or build for asic, fpga or printed"


@pytest.mark.slow
@pytest.mark.tool("icarus")
@pytest.mark.tool("verilator")
def test_an_array_of_another_size_is_built_and_verified(shared, tmp_path):
    model, weights = (str(shared / "models" / name) for name in BINARY)
    done = flow(
        "build", model, "--weights", weights, "--target", "tulip", "--array", "8x2", "-o", "out",
        cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads((tmp_path / "out" / "schedule.json").read_text())
    assert facts["array"] == {"rows": 8, "cols": 2, "macs": 4}
    assert {v.status for v in verify(tmp_path / "out")} == {"passed"}
    place = tmp_path / "out" / "manifest.json"
    for wrong, message in (
        ("16x2", "rtl/model.v is not what flow writes for the network"),
        (None, "the manifest does not say which array was built"),
    ):
        manifest = json.loads(place.read_text())
        manifest["choices"]["array"] = wrong
        place.write_text(json.dumps(manifest))
        assert message in [v.detail for v in verify(tmp_path / "out") if v.status == "failed"]


@pytest.mark.slow
@pytest.mark.tool("icarus")
@pytest.mark.tool("verilator")
@pytest.mark.tool("yosys")
def test_a_binary_network_is_built_with_the_model_and_the_linters_as_witnesses(shared, tmp_path):
    model, weights = (str(shared / "models" / name) for name in BINARY)
    done = flow(
        "build", model, "--weights", weights, "--target", "tulip", "--simulator", "none",
        "-o", "out", cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert {check["check"]: check["status"] for check in report["checks"]} == {
        "cycle model = network": "passed",
        "lint with Icarus Verilog": "passed",
        "lint with Verilator": "passed",
        "lint with Yosys": "passed",
    }
    assert report["latency"] == {"cycles": 655, "interval": 527}
    listing = (tmp_path / "out" / "mem" / "programs.txt").read_text()
    assert listing.startswith("count_64_7: 42 steps, at most 7 bits in the banks\n")
    # A kernel that is not the network's is found without running anything.
    kernels = tmp_path / "out" / "mem" / "kernels.hex"
    kernels.write_text(kernels.read_text().replace("0", "1", 1))
    verdicts = {v.check: (v.status, v.detail) for v in verify(tmp_path / "out")}
    assert verdicts["vectors = network"] == ("passed", "256 samples")
    assert verdicts["files = the array of the network"] == (
        "failed",
        "mem/kernels.hex is not what flow writes for the network",
    )
