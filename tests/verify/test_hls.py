"""The C++ for compilers of HLS, compiled by a plain one: it answers as the network does."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hls_networks import ONE, every_layer, given, rounded, write

from flow.backends import hls_native
from flow.backends.hls_layers import hls_model
from flow.backends.hls_project import BACKENDS, BENCH, own_files, ports
from flow.ir import layers as ly
from flow.ir.network import Network
from flow.tools import compiler
from flow.verify.hls import CHECK, simulate_hls


@pytest.mark.slow
@pytest.mark.tool("compiler")
@pytest.mark.parametrize(
    ("word", "choices"),
    [
        ("vitis", {}),
        ("catapult", {}),
        ("quartus", {"strategy": "resource", "reuse": 2}),
    ],
)
def test_every_kind_of_layer_is_exact(word, choices, tmp_path):
    arguments = write(every_layer(), tmp_path, word, **choices)
    verdict = simulate_hls(tmp_path, arguments, 40)
    assert (verdict.status, verdict.detail) == ("passed", "40 samples")


@pytest.mark.tool("compiler")
def test_a_constant_that_is_wrong_is_found(tmp_path):
    halves = Network(
        "halves",
        (given("x", (2,), -8, 7), rounded("y", "x", 1, 0, "floor", "saturate", -4, 3)),
        ("y",),
    )
    arguments = write(halves, tmp_path, "quartus", count=20)
    header = tmp_path / "hls/firmware/nnet_utils/flow_constants.h"
    text = header.read_text()
    assert text.count("y_most[1] = {\n    3};") == 1
    header.write_text(text.replace("y_most[1] = {\n    3};", "y_most[1] = {\n    2};"))
    verdict = simulate_hls(tmp_path, arguments, 20)
    assert (verdict.check, verdict.status) == (CHECK, "failed")
    assert verdict.detail == "FAIL sample 1: y[0] is 2, not 3"


def test_what_cannot_be_run_is_not_checked(tmp_path, monkeypatch):
    verdict = simulate_hls(tmp_path, (), 3, "its C++ is SYCL")
    assert (verdict.status, verdict.detail) == ("not checked", "its C++ is SYCL")
    monkeypatch.setattr(compiler, "available", lambda language: False)
    verdict = simulate_hls(tmp_path, (), 3)
    assert (verdict.status, verdict.detail) == ("not checked", "there is no C++ compiler")


PIPE = re.compile(r"using (\w+) = sycl::ext::intel::experimental::pipe<\w+, (\w+), 0, PipeProps>;")
FORWARDS = {
    "sycl.hpp": "sycl_stand_in.hpp",
    "ext/intel/fpga_extensions.hpp": "sycl_stand_in.hpp",
    "ext/intel/experimental/task_sequence.hpp": "sycl_stand_in.hpp",
    "ext/intel/ac_types/ac_int.hpp": "ac_int.h",
    "ext/intel/ac_types/ac_fixed.hpp": "ac_fixed.h",
    "ext/intel/ac_types/ac_fixed_math.hpp": "ac_fixed.h",
}


def pipes_as_a_function(network, header):
    """A function that hands arrays to the pipes of a project for oneAPI, and takes its answers."""
    found = list(zip(ports(network), PIPE.findall(header), strict=True))
    lines = [f"void {network.name}_double({', '.join(f'double *{p.name}' for p, _ in found)}) {{"]
    for port, (pipe, kind) in found:
        loop = f"for (int i = 0; i < {len(port.lanes)}; i++)"
        if port.direction == "input":
            lines.append(f"{{ {kind} v; {loop} v[i] = {port.name}[i]; {pipe}::write(v); }}")
        else:
            lines.append(
                f"{{ {kind} v = {pipe}::read(); {loop} {port.name}[i] = v[i].to_double(); }}"
            )
    run = next(i for i, (port, _) in enumerate(found) if port.direction == "output")
    lines.insert(1 + run, f"{network.name.capitalize()}{{}}();")
    return "\n".join([*lines, "}\n"])


@pytest.mark.slow
@pytest.mark.tool("compiler")
def test_code_for_sycl_is_exact_with_a_stand_in_for_its_library(tmp_path, root):
    import hls4ml

    network = every_layer()
    write(network, tmp_path, "oneapi")
    for path in (tmp_path / "hls").rglob("*.h"):  # These ac_types are no constants of a compiler.
        if path.parent.name == "weights" or path.name == "flow_constants.h":
            path.write_text(path.read_text().replace("static constexpr ", "static const "))
    for name, target in FORWARDS.items():
        place = tmp_path / "sycl" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f'#include "{target}"\n')
    header = (tmp_path / "hls/src/firmware/everything.h").read_text()
    (tmp_path / "hls/src/everything_bridge.cpp").write_text(pipes_as_a_function(network, header))
    bench = own_files(network, hls_model(network), replace(BACKENDS["oneapi"], unchecked=""))[BENCH]
    (tmp_path / "tb.cpp").write_text(bench)
    types = Path(hls4ml.__file__).parent / "templates" / "quartus" / "ac_types"
    folders = (tmp_path, root / "tests", types, tmp_path / "hls" / "src")
    arguments = ("-O1", "-std=c++17", "-w", *(f"-I{folder}" for folder in folders), "tb.cpp")
    verdict = simulate_hls(tmp_path, arguments, 40)
    assert (verdict.status, verdict.detail) == ("passed", "40 samples")


@pytest.mark.tool("compiler")
def test_a_convolution_over_many_places_is_a_function_of_ours(tmp_path, monkeypatch):
    monkeypatch.setattr(hls_native, "LARGEST", 0)
    rng = np.random.default_rng(0)
    one = ly.Conv("one", ("x",), "one", rng.integers(-8, 8, (3, 2, 6)), rng.integers(-9, 9, 6),
                  (2,), ((1, 2),), (2,), 1, ONE)  # fmt: skip
    two = ly.Conv("two", ("v",), "two", rng.integers(-300, 300, (2, 3, 2, 4)), np.zeros(4, int),
                  (1, 2), ((1, 0), (1, 1)), (1, 1), 2, ONE)  # fmt: skip
    inputs = given("x", (9, 2), -8, 7), given("v", (4, 5, 4), 0, 15)
    network = Network("convolutions", (*inputs, one, two), ("one", "two"))
    arguments = write(network, tmp_path, "quartus", count=20)
    assert (tmp_path / "hls/firmware/nnet_utils/flow_conv.h").exists()
    verdict = simulate_hls(tmp_path, arguments, 20)
    assert (verdict.status, verdict.detail) == ("passed", "20 samples")
