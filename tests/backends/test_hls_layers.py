"""The layers that hls4ml is given: each class, each type, each constant."""

from fractions import Fraction as F

import numpy as np
import pytest
from hls_networks import ONE, every_layer, given, rounded

from flow.backends.hls_layers import hls_model
from flow.backends.hls_project import BACKENDS, own_files, ports, top_name
from flow.errors import UnsupportedModel
from flow.ir import layers as ly
from flow.ir.network import Network
from flow.pipeline.hls import layers_text


def test_the_list_of_layers_is_the_golden_one(root, request):
    text = layers_text(hls_model(every_layer()))
    golden = root / "tests" / "golden" / "hls" / "everything.json"
    if request.config.getoption("--update-golden"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()


def small(*layers, outputs=("y",)):
    return Network("small", (given("x", (2,), -8, 7), *layers), outputs)


def test_a_requantisation_becomes_a_call_with_its_numbers():
    model = hls_model(small(rounded("y", "x", F(1, 3), F(0), "half_up", "saturate", -2, 2)))
    (_, layer) = model.layers
    assert layer.call.function == "requantize"
    assert layer.call.config == (
        "static const int n = 2;",
        "static const int period = 1;",
        "static const int shift = 7;",
        "static const int by_sign = 0;",
        "static const int to_even = 0;",
        "static const int overflow = 1;",
        "typedef flow::integer<4> value_t;",
        "typedef flow::integer<10> product_t;",
    )
    assert "static const flow::integer<7> y_mul[1] = {\n    43};" in model.constants


def test_what_no_project_can_hold_is_named_with_a_way_out():
    approximate = ly.Tournament("y", ("x",), "y", ((0, 1, -1),))
    three = ly.Pool("p", ("v",), "p", "max", (1, 1, 1), (1, 1, 1), ((0, 0),) * 3)
    network = Network(
        "odd",
        (given("x", (2,), -8, 7), given("v", (2, 2, 2, 1), 0, 1), approximate, three),
        ("y", "p"),
    )
    with pytest.raises(UnsupportedModel) as error:
        hls_model(network)
    assert error.value.show() == (
        "error: an HLS project cannot hold every layer of this network\n"
        "  hint: build it with --target asic, fpga or printed\n"
        "  - y: a layer of kind tournament\n"
        "  - p: windows over 3 axes"
    )


def test_a_port_that_is_too_wide_is_named():
    weights = np.array([[1 << 52], [1 << 52]])
    wide = ly.Dense("y", ("x",), "y", weights, np.zeros(1, int), ONE)
    with pytest.raises(UnsupportedModel) as error:
        hls_model(small(wide))
    assert error.value.show() == (
        "error: y has 57 bits, an HLS project at most 53 at its ports\n"
        "  hint: give inputs, weights or activations fewer bits, or take --head decision"
    )


def test_a_constant_that_is_too_wide_is_named():
    huge = rounded("y", "x", F(1 << 70), F(0), "floor", "saturate", -2, 2)
    with pytest.raises(UnsupportedModel) as error:
        hls_model(small(huge))
    assert error.value.show() == (
        "error: a constant of 72 bits is too wide for an HLS project\n"
        "  at y\n"
        "  hint: at most 63 bits; give inputs, weights or activations fewer bits"
    )


def test_an_output_that_another_layer_reads_is_copied():
    model = hls_model(small(ly.Relu("y", ("x",), "y"), outputs=("y", "x", "y")))
    assert [(layer.name, layer.inputs) for layer in model.layers] == [
        ("x", ()), ("y", ("x",)), ("x_", ("x",)), ("y_", ("y",)),
    ]  # fmt: skip
    assert model.outputs == ("y", "x_", "y_")


def test_ports_are_elements_side_by_side():
    found = [(port.name, port.direction, port.width) for port in ports(every_layer())]
    assert found[:2] == [("x0", "input", 240), ("x1", "input", 40)]
    assert [name for name, _, _ in found[2:]] == ["y0", "y1", "y2", "y3", "y4"]


def test_code_for_a_device_has_constants_of_its_compiler_and_no_bench():
    network = small(rounded("y", "x", F(1, 3), F(0), "half_up", "saturate", -2, 2))
    files = own_files(network, hls_model(network), BACKENDS["oneapi"])
    assert [str(path) for path in files] == [
        "hls/src/firmware/nnet_utils/flow_layers.h",
        "hls/src/firmware/nnet_utils/flow_constants.h",
    ]
    headers = list(files.values())
    assert "void requantize(const x_T &x, y_T &y, const M mul[]" in headers[0]
    assert "static constexpr flow::integer<7> y_mul[1]" in headers[1]


@pytest.mark.parametrize(
    ("name", "top"),
    [
        ("jets", "jets"),
        ("flow", "flow_top"),
        ("config3", "config3_top"),
        ("input_t", "input_t_top"),
    ],
)
def test_the_function_has_no_name_that_the_project_gives_to_another_thing(name, top):
    network = Network(name, (given("x", (2,), -8, 7),), ("x",))
    assert top_name(network) == top
