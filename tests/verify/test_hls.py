"""The C++ for compilers of HLS, compiled by a plain one: it answers as the network does."""

import pytest
from hls_networks import every_layer, given, rounded, write

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
