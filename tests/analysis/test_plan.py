"""The plan of a chip set, by hand for small models and against the paper for its own."""

import math
from dataclasses import replace

import pytest

from flow.analysis.plan.cautions import cautions
from flow.analysis.plan.economics import dies, masks
from flow.analysis.plan.headlines import headlines
from flow.analysis.plan.own import own_arrays
from flow.analysis.plan.partition import fitting, partition
from flow.analysis.plan.plan import REFERENCE, K, make_plan
from flow.analysis.plan.shape import ModelShape
from flow.analysis.plan.speed import cached, stage, traffic
from flow.errors import UsageError
from flow.tech.lpu import Span, edited, shipped
from flow.tech.lpu_published import published

LITTLE = ModelShape("little", 64, 5, 8, 4, 8, 172, 512, 512, tied=True)
LARGE = ModelShape("large", 8192, 80, 64, 8, 128, 28_672, 128_256, 131_072)


@pytest.fixture(scope="module")
def plan():
    return make_plan(REFERENCE, shipped())


def test_the_weights_of_the_reference_are_counted():
    assert REFERENCE.attention == 26_542_080
    assert REFERENCE.expert == 24_883_200
    assert REFERENCE.router == 368_640
    assert REFERENCE.total == 36 * (26_542_080 + 128 * 24_883_200 + 368_640) + 2 * 579_133_440
    assert REFERENCE.active == 36 * (26_542_080 + 4 * 24_883_200 + 368_640) + 579_133_440
    assert REFERENCE.hardwired(16) == REFERENCE.hardwired(1) + 15 * 36 * 368_640


def test_tied_tables_count_once_and_are_hardwired_all_the_same():
    untied = replace(LITTLE, tied=False)
    assert untied.total - LITTLE.total == 512 * 64
    assert untied.hardwired(1) == LITTLE.hardwired(1) == LITTLE.total


def test_the_reference_takes_the_grid_of_the_paper(plan):
    assert (plan.part.rows, plan.part.columns, plan.part.links) == (4, 4, 6)
    sizes = {piece.name: (piece.inputs, piece.outputs, piece.count) for piece in plan.part.slices}
    assert sizes == {
        "queries": (720, 1024, 1),
        "keys and values": (720, 128, 2),
        "attention output": (1024, 720, 1),
        "router": (2880, 128, 1),
        "up and gate": (2880, 2880, 16),
        "down": (2880, 2880, 8),
        "classifier": (2880, 12_568, 1),
    }
    # The fullest chip holds a sixteenth, to the weight.
    assert plan.part.weights * 16 == REFERENCE.hardwired(16)
    assert traffic(REFERENCE, plan.part).column == 1024 + 128 + 128 + 1024 + 720 + 2880


def test_every_figure_of_the_paper_comes_out_within_one_percent(plan):
    ours = {h.what: h.value for h in headlines(plan)}
    theirs = published().figures
    assert set(ours) == set(theirs)
    for what, figure in theirs.items():
        assert ours[what] == pytest.approx(figure.value, rel=0.01, abs=1e-9), what


def test_our_own_arrays_are_counted_cell_by_cell(plan):
    """Ten full adders, a half adder and a flip-flop for each input: 10 * 24 + 14 + 20."""
    asked = []

    def cells(inputs, outputs):
        asked.append((inputs, outputs))
        return 2 * inputs, {"fa": 10 * inputs, "ha": inputs, "dff": inputs}

    own = own_arrays(plan.part, plan.constants, cells, {"fa": 2.0, "ha": 1.0, "dff": 3.0}, "lib")
    assert asked == [(piece.inputs, piece.outputs) for piece in plan.part.slices]
    whole = own.whole
    assert whole.weights == plan.part.weights
    assert (whole.ports, whole.full_adders, whole.transistors) == (2, 10, 274)
    assert whole.area == pytest.approx(274 / 138)
    assert whole.cell_area == pytest.approx(24)
    assert own.times(plan.constants) == pytest.approx(274 / 138 / 0.07878)
    found = cautions(replace(plan, own=own))
    (text,) = (caution.text for caution in found if caution.about == "our own arrays")
    assert text.startswith("Our own RTL has 10.00 full adders and 274.0 transistors a weight, 25.2")
    assert "our own arrays" not in {caution.about for caution in cautions(plan)}


def test_a_dense_model_is_cut_over_all_chips():
    part = partition(LARGE, 3, 3)
    sizes = {piece.name: (piece.inputs, piece.outputs, piece.count) for piece in part.slices}
    assert sizes == {
        "queries": (2731, 22 * 128, 1),
        "keys and values": (2731, 3 * 128, 2),
        "attention output": (22 * 128, 2731, 1),
        "up and gate": (8192, 3186, 2),
        "down": (3186, 8192, 1),
        "classifier": (8192, 14_251, 1),
    }
    assert part.weights * 9 >= LARGE.hardwired(9)


def test_a_model_of_few_experts_shares_each_among_chips():
    shape = replace(REFERENCE, experts=4, active_experts=2)
    part = partition(shape, 4, 4)
    sizes = {piece.name: (piece.outputs, piece.count) for piece in part.slices}
    assert sizes["up and gate"] == (720, 2)


def test_one_chip_has_no_links_and_no_traffic():
    plan = make_plan(LITTLE, shipped())
    assert (plan.part.chips, plan.part.links) == (1, 0)
    assert traffic(LITTLE, plan.part).most == 0
    # 552.1 + 110 ns, and 5 layers x 4 heads x 8 elements x 512 tokens of keys.
    assert plan.stage.context == 512
    attention = 9.3715e-6 * 5 * 4 * 8 * 512
    assert plan.stage.time == pytest.approx(552.1 + 110 + attention, rel=1e-12)
    assert plan.blocks["array"] == pytest.approx(259_328 * 0.07878 / 1e6, rel=1e-12)


def test_the_grid_is_the_smallest_that_fits_the_die():
    constants = shipped()
    found = fitting(LARGE, constants)
    assert found.chips == 9
    smaller = [(1, 8), (2, 4), (1, 7), (2, 3)]
    for rows, columns in smaller:
        plan = make_plan(LARGE, constants, (rows, columns))
        assert plan.chip > constants["area.die"]
        said = [c.text for c in cautions(plan) if c.about == "area of a chip"]
        assert said == [f"{plan.chip:.0f} mm2 is more than the largest die, 858 mm2."]


def test_a_model_that_fits_no_grid_is_refused():
    with pytest.raises(UsageError) as error:
        make_plan(REFERENCE, edited("[area]\ndie = 217\n", "c"))
    assert error.value.message == "no grid of up to 64 x 64 chips of 217 mm2 holds the model"


def test_a_chip_larger_than_a_wafer_is_refused():
    with pytest.raises(UsageError) as error:
        make_plan(LARGE, edited("[area]\nhardwired = 5\n", "c"), (1, 1))
    assert error.value.message.endswith(" mm2 fits on a wafer of 300 mm")


def test_a_stage_stalls_between_two_lengths_and_not_beyond(plan):
    def share(context):
        at = stage(REFERENCE, plan.part, shipped(), context)
        return at.stall / at.time, at.beyond

    assert cached(REFERENCE, plan.part) == 1152
    assert share(256 * K) == (0.0, False)
    assert share(384 * K) == (pytest.approx(0.107 / 2), False)
    assert share(512 * K) == (pytest.approx(0.107), False)
    assert share(1024 * K) == (pytest.approx(0.107), True)


def test_masks_follow_the_number_of_chips():
    found = masks(16, shipped())
    assert found.shared.high == pytest.approx(30 * 120 / 130)
    assert found.embedded.low == pytest.approx(15 * 160 / 130)
    assert found.separate == Span(pytest.approx(240), pytest.approx(480))
    assert masks(1, shipped()).embedded.high == pytest.approx(30 * 10 / 130)


def test_dies_follow_murphy():
    found = dies(827.0, shipped())
    faults = 0.11 * 8.27
    assert found.gross == 62
    assert found.share == pytest.approx(((1 - math.exp(-faults)) / faults) ** 2)
    assert found.good == 27
    perfect = dies(827.0, edited("[build]\ndefects = 0\n", "c"))
    assert (perfect.share, perfect.good) == (1.0, 62)


def test_the_weak_points_of_the_paper_are_said(plan):
    said = {c.about: c.text for c in cautions(plan)}
    assert list(said) == [
        "all", "weights", "economics", "rivals", "area of the array", "stage time",
        "vector engine", "power", "cache", "context", "yield",
    ]  # fmt: skip
    assert "10.9 transistors, below the 24" in said["area of the array"]
    assert "2304 cycles" in said["vector engine"]
    assert "8 times its table 2" in said["rivals"]
    assert "256K, 512K" in said["cache"]


def test_a_chip_that_cannot_be_cooled_is_said():
    dense = ModelShape("8b", 4096, 32, 32, 8, 128, 14_336, 128_256, 131_072)
    said = {c.about: c.text for c in cautions(make_plan(dense, shipped()))}
    assert said["power density"].endswith("1.4 W/mm2: this speed cannot be cooled.")
    assert said["engineering"].endswith("No rival was measured on this model.")
    assert "rivals" not in said


def test_the_reference_by_another_grid_has_no_rivals():
    plan = make_plan(REFERENCE, shipped(), (5, 5))
    assert not any("H100" in h.what for h in headlines(plan))
    assert "partition" in [c.about for c in cautions(plan)]
