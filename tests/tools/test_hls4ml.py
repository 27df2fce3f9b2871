"""hls4ml as a function: equal layers give equal files, and what it refuses is said."""

from pathlib import PurePosixPath
from tempfile import gettempdir

import numpy as np
import pytest
from hls_networks import every_layer

from flow.backends.hls_layers import hls_model
from flow.errors import ToolFailed, ToolNotFound
from flow.tools import hls4ml
from flow.tools.hls4ml import HlsChoices, HlsLayer, Integer, part_name, write_project


def dense(name="y", **attributes):
    weights = {"weight_data": np.ones((2, 3)), "bias_data": np.zeros(3)}
    types = {"weight": Integer(1, False), "bias": Integer(1, False), "accum": Integer(6, True)}
    return (
        HlsLayer("x", "InputLayer", (), (2,), {"result": Integer(4, True)}, {"input_shape": [2]}),
        HlsLayer(
            name, "Dense", ("x",), (3,), {"result": Integer(5, True), **types},
            {"n_in": 2, "n_out": 3, **weights, **attributes},
        ),
    )  # fmt: skip


@pytest.mark.parametrize("backend", ["Vitis", "oneAPI"])
def test_equal_layers_give_equal_files_without_marks_of_the_run(backend):
    model = hls_model(every_layer())
    first, second = (
        write_project("net", model.layers, model.outputs, HlsChoices(backend)) for _ in range(2)
    )
    assert first == second
    texts = b"\n".join(first[0].values())
    assert gettempdir().encode() not in texts
    assert b"site-packages" not in texts
    assert b"LIB_STAMP=flow\n" in texts or b"set(LIB_STAMP flow)" in texts


def test_types_are_the_integers_that_were_given():
    files, said = write_project("net", dense(), ("y",), HlsChoices("Vitis"))
    defines = files[PurePosixPath("firmware/defines.h")].decode()
    found = [line for line in defines.splitlines() if line.startswith("typedef")]
    assert found == [
        "typedef ap_int<4> input_t;",
        "typedef ap_int<6> y_accum_t;",
        "typedef ap_int<5> result_t;",
        "typedef ap_uint<1> y_weight_t;",
        "typedef ap_uint<1> y_bias_t;",
        "typedef ap_uint<1> layer2_index;",
    ]
    assert said == ()


def test_a_backend_without_integers_has_numbers_without_a_fraction():
    assert Integer(6, True).text(fixed=True) == "ap_fixed<6,6>"
    assert Integer(6, False).text(fixed=True) == "ap_ufixed<6,6>"


def test_reuse_strategy_part_and_period_reach_the_project():
    choices = HlsChoices("Vitis", 2, "resource", "xc7a35t-cpg236-1", 10.0)
    files, _ = write_project("net", dense(), ("y",), choices)
    parameters = files[PurePosixPath("firmware/parameters.h")].decode()
    assert "static const unsigned reuse_factor = 2;" in parameters
    assert "static const unsigned strategy = nnet::resource;" in parameters
    project = files[PurePosixPath("project.tcl")].decode()
    assert 'set part "xc7a35t-cpg236-1"\n' in project
    assert "set clock_period 10.0\n" in project


def test_what_hls4ml_says_is_handed_on():
    _, said = write_project("net", dense(), ("y",), HlsChoices("Vitis", 5, "resource"))
    assert said == (
        'Invalid ReuseFactor=5 in layer "y".'
        "Using ReuseFactor=6 instead. Valid ReuseFactor(s): 1,2,6.",
    )


def test_what_hls4ml_refuses_is_an_error_of_the_tool():
    layers = (*dense()[:1], HlsLayer("y", "Nonesuch", ("x",), (3,), {"result": Integer(5, True)}))
    with pytest.raises(ToolFailed) as error:
        write_project("net", layers, ("y",), HlsChoices("Vitis"))
    assert error.value.show() == (
        "error: hls4ml refuses the network: Layer Nonesuch not found in registry.\n"
        "  hint: try another --hls-backend or --strategy, or --reuse 1"
    )


def test_where_hls4ml_is_missing_its_extra_is_named(monkeypatch):
    def missing(name):
        raise hls4ml.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(hls4ml.metadata, "version", missing)
    with pytest.raises(ToolNotFound) as error:
        write_project("net", dense(), ("y",), HlsChoices("Vitis"))
    assert error.value.show() == ("error: hls4ml is not installed\n  hint: pip install 'flow[hls]'")


def test_the_name_of_a_part_holds_no_command():
    assert part_name("xcvu13p-flga2577-2-e")
    assert not part_name('x"; exec rm')
    assert not part_name("")
