"""Upsets of what is loaded before it works: weights behind a serial port, an array by a host."""

import json

import numpy as np
import pytest
from small_build import QUICK, write_model
from tulip_networks import mlp, planned

from flow.analysis.upsets import Setting, upsets
from flow.assets import asset
from flow.backends.names import STORE_MODULES
from flow.backends.tulip import emit_tulip
from flow.cli.main import run
from flow.mapping.tulip.shape import ArrayShape
from flow.pipeline.upset_reading import read_chip
from flow.pipeline.upset_subjects import hosted_array, i2c_write

BYTES = bytes([0xA5, 0x3C])
TOP = """\
module held (
    input wire clk, input wire rst, input wire scl, input wire sda, output wire sda_low,
    output wire [15:0] weights
);
    wire write, upset;
    wire [15:0] address;
    wire [7:0] data, read;
    i2c_target #(.ADDRESS(7'd66), .TMR(COPIES)) target (
        .clk(clk), .rst(rst), .scl_in(scl), .sda_in(sda), .sda_low(sda_low), .write(write),
        .address(address), .data(data), .read(read), .wrong(upset)
    );
    weight_bank #(.BYTES(2), .BANK(2), .TMR_WEIGHTS(COPIES), .TMR_CONTROL(COPIES)) bank (
        .clk(clk), .rst(rst), .write(write), .address(address), .data(data), .read(read),
        .upset(upset), .weights(weights)
    );
endmodule
"""


def stored(copies):
    """What upsets do to two bytes that are loaded, by register; and bits of the weights."""
    texts = {name: asset("rtl", f"{name}.v").read_text() for name in STORE_MODULES}
    texts["held"] = TOP.replace("COPIES", str(copies))
    design, memories = read_chip(texts, "held")
    assert memories == ()
    setting = Setting(
        answers=lambda name: name.startswith("weights"), loading=tuple(i2c_write(66, BYTES))
    )
    found = upsets(design, {"rst": np.zeros(1, dtype=np.uint8)}, setting=setting)
    rows = {}
    for k, (flop, _) in enumerate(found.places.tolist()):
        name = found.flipflops[flop].partition("[")[0]
        row = rows.setdefault(found.flipflops[flop].rpartition("[")[0] or name, [0, 0, 0, 0])
        for i, counts in enumerate((found.wrong, found.shifted, found.lasting, found.hangs)):
            row[i] += int(counts[k])
    return found, rows


@pytest.mark.tool("yosys")
def test_a_loaded_bit_stays_wrong_where_it_has_one_copy_and_the_serial_port_spoils_none():
    found, rows = stored(0)
    # 16 bits in each of the two clocks.
    weights = [name for name, row in rows.items() if row[0]]
    assert [rows[name] for name in weights] == [[32, 0, 32, 0]]
    assert weights[0].startswith("bank.slices[0].slice.bytes")
    assert found.total == 2 * len(found.flipflops)


@pytest.mark.tool("yosys")
def test_three_copies_show_no_upset_and_none_of_them_is_merged():
    found, rows = stored(1)
    assert {tuple(row) for row in rows.values()} == {(0, 0, 0, 0)}
    copies = [name for name in found.flipflops if name.startswith("bank.slices")]
    assert len(copies) == 3 * 9 * 2


@pytest.mark.tool("yosys")
def test_an_array_with_its_host_gives_the_same_batch_over_and_over():
    rng = np.random.default_rng(2)
    plan, inputs, answers = planned(mlp(rng), ArrayShape(4, 2, 2), 2)
    files = emit_tulip(plan, "net", inputs, answers).files
    texts = {p.stem: str(t) for p, t in files.items() if p.parts[0] == "rtl"}
    subject = hosted_array(plan, inputs, texts, "net")
    found = upsets(subject.design, subject.drive, 600, 1, setting=subject.setting)
    assert all(name.startswith("array.") for name in found.flipflops)
    assert (found.clocks, found.samples) == (found.interval, 1)
    assert 0 < found.wrong.sum() < 300


@pytest.mark.tool("yosys")
def test_the_command_says_what_upsets_of_a_pipelined_circuit_do(tmp_path, capsys):
    model, data = write_model(tmp_path)
    words = ["build", str(model), "--data", str(data), *QUICK, "--target", "asic", "--stages", "2"]
    assert run([*words, "--to", "emit", "-o", str(tmp_path / "out"), "--json"]) == 0
    capsys.readouterr()
    assert run(["faults", str(tmp_path / "out"), "--upsets", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["hangs"], found["lasting"], found["samples"]) == (0, 0, 40)
    assert found["upsets"] == found["flipflops"] * found["clocks"] * 40
    assert 0 < found["wrong"] < found["upsets"]
    rows = (tmp_path / "out-upsets" / "upsets.csv").read_text().splitlines()
    assert len(rows) == 1 + found["places"]
