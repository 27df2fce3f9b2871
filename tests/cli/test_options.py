"""Options, configurations and output folders that make no sense: named, with what to do."""

import os
import resource

import pytest
from cli.conftest import tree

PASSES = (
    "simplify, share, round-first, narrow, conjunctions, fold-comparisons, fold-tables, "
    "offset-tables, pack-bits, solve-linear, expand-linear, merge-sums, "
    "compressor-trees, carry-chains, balance-adders, pipeline, canonical, adders, plain, packed, "
    "bespoke, heaps, searched, chains, shallow-chains, searched-chains, compressed, "
    "shared-trees, trees"
)
STAGES = "import, lower, optimise, emit, simulate, synthesise, prove, measure, report"


def refused(said, folder, text, code=2):
    """The whole message, nothing on stdout, no output folder."""
    assert (said.err, said.out, said.code) == (text, "", code)
    assert not (folder / "out").exists()


def usage(command, text):
    """A message of the parser of the command line."""
    return f"Usage: flow {command}\nTry 'flow {command.split()[0]} --help' for help.\n\n{text}\n"


WRONG = {
    "--target printd": (
        "error: there is no target 'printd'\n"
        "  hint: the targets are: printed, asic, fpga, hls, flash, tulip, lpu; "
        "did you mean 'printed'?\n"
    ),
    "--tech egfett": (
        "error: there is no technology 'egfett'\n"
        "  hint: choose one of cnt_tft, egfet, generic_cmos, sky130, osu018, osu035, osu050, "
        "or give a Liberty file; did you mean 'egfet'?\n"
    ),
    "--tech egfet@9": (
        "error: technology egfet has no figures at 9 V\n  hint: it has them at 0.6, 0.8, 1, 1.2 V\n"
    ),
    "--voltage 9": (
        "error: technology egfet has no figures at 9 V\n  hint: it has them at 0.6, 0.8, 1, 1.2 V\n"
    ),
    "--passes simplfy": (
        f"error: there is no pass 'simplfy'\n  hint: did you mean 'simplify'? the passes are "
        f"{PASSES}\n"
    ),
    "--passes solve-linear{x=3}": (
        "error: solve-linear has no option 'x'\n"
        "  hint: the options are method, hard-dc, decompose-dc, effort\n"
    ),
    "--from optimize": (
        "error: --from: there is no stage 'optimize'\n"
        f"  hint: one of {STAGES}; did you mean 'optimise'?\n"
    ),
    "--to all": f"error: --to: there is no stage 'all'\n  hint: one of {STAGES}\n",
    "--from emit --to import": "error: --from emit comes after --to import\n",
    "--head class": "error: --head class is unknown\n  hint: one of auto, decision, logits\n",
    "--simulator ghdl": (
        "error: --simulator ghdl is unknown\n  hint: one of icarus, verilator, both, none\n"
    ),
    "--seed -1": "error: --seed -1 is not a whole number from 0 to 4294967295\n",
    "--input-bits 0": "error: --input-bits 0 is not a whole number from 1 to 32\n",
    "--voltage nan": "error: --voltage nan is not a number from 0.01 to 100\n",
    "--period 0": "error: --period 0.0 is not a number from 1e-06 to 1e+15\n",
    "--loss x": "error: a loss of 'x' is no share of the samples\n  hint: write 0.01 or 1%\n",
    "--loss nan": "error: a loss of 'nan' is no share of the samples\n  hint: write 0.01 or 1%\n",
    "--loss 101%": "error: a loss of '101%' is no share of the samples\n  hint: write 0.01 or 1%\n",
    "--loss -1%": "error: a loss of '-1%' is no share of the samples\n  hint: write 0.01 or 1%\n",
    "--tech egfet --liberty x": (
        "error: --tech and --liberty name two technologies\n  hint: give one of them\n"
    ),
    "--stages 3 --period 4": (
        "error: --stages and --period both pipeline\n  hint: give one of them\n"
    ),
    "--axis --no-handshake": (
        "error: --axis and --no-handshake contradict each other: a stream must be able to wait\n"
        "  hint: leave one of them out\n"
    ),
    "--from emit": (
        "error: this is not the output folder of a build\n"
        "  at out\n"
        "  hint: a build folder has a manifest.json\n"
    ),
    "--config gone.toml": (
        "error: the configuration cannot be read: No such file or directory\n"
        "  at gone.toml\n"
        "  hint: check the path and its rights\n"
    ),
    "--liberty gone.lib": (
        "error: cannot read the Liberty file: No such file or directory\n"
        "  at gone.lib\n"
        "  hint: give the path of a readable .lib file\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("options", WRONG)
def test_an_option_without_sense_is_named_with_what_there_is(flow, model, tmp_path, options):
    said = flow("build", model, "--data", "data.csv", "-o", "out", *options.split())
    refused(said, tmp_path, WRONG[options])


def test_an_option_that_does_not_exist_is_answered_with_those_that_do(flow, model, tmp_path):
    said = flow("build", model, "--targt", "printed")
    text = "Error: No such option '--targt'. (Did you mean one of: '--stages', '--target', "
    refused(said, tmp_path, usage("build [OPTIONS] [MODEL]", text + "'--tmr'?)"))
    said = flow("build", model, "--stages", "few")
    text = "Error: Invalid value for '--stages': 'few' is not a valid integer."
    refused(said, tmp_path, usage("build [OPTIONS] [MODEL]", text))


def test_a_command_that_does_not_exist_is_answered_with_the_nearest(flow, tmp_path):
    begin = "Usage: flow [OPTIONS] COMMAND [ARGS]...\nTry 'flow --help' for help.\n\n"
    text = f"{begin}Error: No such command 'buil'. Did you mean 'build'?\n"
    refused(flow("buil"), tmp_path, text)
    text = f"{begin}Error: No such command '\\x1b[31m'. See flow --help.\n"
    refused(flow("\x1b[31m"), tmp_path, text.replace("'\\x", "'\\\\x"))


def test_list_says_what_it_can_list(flow, tmp_path):
    kinds = "{targets|passes|approximations|technologies|stages|primitives}"
    text = (
        f"Error: Invalid value for '{kinds}': 'pases' is not one of 'targets', 'passes', "
        "'approximations', 'technologies', 'stages', 'primitives'."
    )
    shown = kinds.replace("primitives", f"\n{' ' * 17}primitives")
    refused(flow("list", "pases"), tmp_path, usage(f"list [OPTIONS] {shown}", text))


CONFIGS = {
    "model = ": "error: the configuration is not TOML: Invalid value (at end of document)\n"
    "  at c.toml\n",
    "targt = 'printed'": "error: there is no option 'targt'\n  at c.toml\n"
    "  hint: did you mean 'target'?\n",
    "[a]\nb = 1": "error: there is no option 'a'\n  at c.toml\n  hint: see flow build --help\n",
    "stages = 'x'": "error: --stages x is not a whole number from 0 to 1000\n",
    "loss = [1]": "error: a loss of '[1]' is no share of the samples\n  hint: write 0.01 or 1%\n",
    "model = 3": "error: --model 3 is not the path of a file\n",
    "data = [1]": "error: --data [1] is not the path of a file\n",
    "liberty = 1": "error: --liberty 1 is not the path of a file\n",
    "passes = 3": "error: --passes 3 is not a text\n",
    "tech = 7": "error: --tech 7 is not a text\n",
    "target = 5": "error: --target 5 is not a text\n",
    "target = [5]": "error: --target [5] is not a text\n",
    "handshake = 'yes'": "error: --handshake yes is not true or false\n",
    "seed = 1.5": "error: --seed 1.5 is not a whole number from 0 to 4294967295\n",
    "seed = true": "error: --seed True is not a whole number from 0 to 4294967295\n",
    "period = inf": "error: --period inf is not a number from 1e-06 to 1e+15\n",
    "simulator = [1]": "error: --simulator [1] is not a text\n",
    'model = "a\\u0000b"': "error: no such file\n  at a\\x00b\n  hint: check the path\n",
    'data = "a\\u001bb"': "error: no such file\n  at a\\x1bb\n  hint: check the path\n",
}


@pytest.mark.parametrize("text", CONFIGS)
def test_a_configuration_without_sense_is_named(flow, model, tmp_path, text):
    (tmp_path / "c.toml").write_text(text)
    given = [] if text.startswith("model") else ["net.h5"]
    given += [] if text.startswith("data") else ["--data", "data.csv"]
    refused(flow("build", *given, "-o", "out", "--config", "c.toml"), tmp_path, CONFIGS[text])


def test_a_configuration_that_is_not_text_is_named(flow, model, tmp_path):
    (tmp_path / "c.toml").write_bytes(b"\xff\xfe")
    text = "error: the configuration cannot be read: it is not text\n  at c.toml\n"
    refused(flow("build", "-o", "out", "--config", "c.toml"), tmp_path, text)


INVERTER = """library (x) { nom_voltage : 1; cell (INV) { area : 1; pin (A) { direction : input; }
pin (Y) { direction : output; function : "!A"; } } }"""
LIBRARIES = {
    "hello": "error: not a Liberty file: 'hello' has neither a value nor arguments\n"
    "  at cells.lib, line 1\n  hint: correct that line\n",
    "": "error: the file holds no library group, so it is no Liberty file\n"
    "  at cells.lib\n  hint: a Liberty file begins with: library (name) {\n",
    "library (x) {\n cell (A) { area : 1;": "error: not a Liberty file: the group 'cell' is never "
    "closed\n  at cells.lib, line 2\n  hint: correct that line\n",
    "library (x) {" + "a (b) {" * 200_000: "error: not a Liberty file: groups nest deeper than 64\n"
    "  at cells.lib, line 1\n  hint: correct that line\n",
    "library (x) { nom_voltage : 1; }": "error: the Liberty file holds no cell that can be used\n"
    "  at cells.lib\n  hint: give a library of standard cells\n",
    INVERTER: "error: technology x has no complete set of gates\n"
    "  hint: it needs a two-input NAND or NOR, or an inverter with a two-input AND or OR\n",
    "library\0": "error: the file is not text, so it is no Liberty file\n"
    "  at cells.lib\n  hint: unpack it first, or give the .lib file instead of a .db\n",
}


@pytest.mark.parametrize("text", LIBRARIES, ids=lambda text: ascii(text[:20]))
def test_a_library_without_sense_is_named_before_anything_is_built(flow, model, tmp_path, text):
    (tmp_path / "cells.lib").write_bytes(text.encode("utf-8", "surrogateescape"))
    said = flow("build", model, "--data", "data.csv", "-o", "out", "--liberty", "cells.lib")
    refused(said, tmp_path, LIBRARIES[text])


@pytest.mark.parametrize("share", range(0, 100, 7))
def test_a_library_that_is_cut_short_is_refused(flow, model, tmp_path, share):
    from flow.tech.registry import load
    from flow.tech.write_liberty import liberty_text

    whole = liberty_text(load("egfet"))
    (tmp_path / "cells.lib").write_text(whole[: len(whole) * share // 100])
    said = flow("build", model, "--data", "data.csv", "-o", "out", "--liberty", "cells.lib")
    assert said.code == 2
    assert said.err.splitlines()[1].startswith("  at cells.lib")
    assert "bug" not in said.err
    assert not (tmp_path / "out").exists()


BUILD = ("--data", "data.csv", "--effort", "fast", "--to", "emit")
ELSEWHERE = "  hint: name another folder with -o, or make room and rights for this one\n"


def test_an_output_that_is_a_file_is_left_alone(flow, model, tmp_path):
    before = tree(tmp_path)
    said = flow("build", model, *BUILD, "-o", "data.csv")
    text = (
        f"error: the output path is a file\n  at {tmp_path}/data.csv\n"
        "  hint: name a folder with -o\n"
    )
    refused(said, tmp_path, text)
    said = flow("build", model, *BUILD, "-o", "data.csv/out")
    text = f"error: the output folder cannot be written: File exists\n  at {tmp_path}/data.csv/out"
    refused(said, tmp_path, f"{text}\n{ELSEWHERE}")
    assert tree(tmp_path) == before


def test_an_output_folder_with_the_files_of_others_is_left_alone(flow, model, tmp_path):
    before = tree(tmp_path)
    said = flow("build", model, *BUILD, "-o", ".")
    text = (
        f"error: the output folder holds files that no build has written\n  at {tmp_path}\n"
        "  hint: name another folder with -o, or empty this one yourself\n"
    )
    refused(said, tmp_path, text)
    assert tree(tmp_path) == before


def test_an_output_folder_that_cannot_be_is_named(flow, model, tmp_path):
    said = flow("build", model, *BUILD, "-o", "/proc/flow/out")
    text = "error: the output folder cannot be written: No such file or directory\n"
    refused(said, tmp_path, f"{text}  at /proc/flow/out\n{ELSEWHERE}")
    name = "n" * 300
    said = flow("build", model, *BUILD, "-o", name)
    text = "error: the output folder cannot be written: File name too long\n"
    refused(said, tmp_path, f"{text}  at {tmp_path}/{name}\n{ELSEWHERE}")


@pytest.mark.skipif(os.geteuid() == 0, reason="not checked: root writes into every folder")
def test_a_folder_that_may_only_be_read_is_named(flow, model, tmp_path):
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o555)
    said = flow("build", model, *BUILD, "-o", "shut/out")
    text = "error: the output folder cannot be written: Permission denied\n"
    refused(said, tmp_path, f"{text}  at {shut}/out\n{ELSEWHERE}")


def test_an_output_folder_of_a_strange_name_is_built_and_swept(flow, model, tmp_path):
    for _ in range(2):
        said = flow("build", model, *BUILD, "-o", "o[u]t *?")
        assert (said.code, said.err) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.csv", "net.h5", "o[u]t *?"]


def test_a_full_disk_leaves_the_old_folder(flow, child, model, tmp_path):
    assert flow("build", model, *BUILD, "-o", "out").code == 0
    before = tree(tmp_path / "out")

    def small():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))

    said = child("build", model, *BUILD, "-o", "out", "--seed", "5", preexec_fn=small)
    text = "error: the output folder cannot be written: File too large\n"
    assert (said.err, said.out, said.code) == (f"{text}  at {tmp_path}/out\n{ELSEWHERE}", "", 2)
    assert tree(tmp_path / "out") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.csv", "net.h5", "out"]


def test_eval_writes_arrays_only(flow, model, tmp_path):
    said = flow("eval", model, "--data", "data.csv", "-o", "out.txt")
    text = (
        "error: 1 output cannot be written to out.txt\n"
        "  hint: name a .npz file, or a .npy file for one output\n"
    )
    refused(said, tmp_path, text)
    said = flow("eval", model, "--data", "data.csv", "-o", "gone/out.npy")
    text = "error: the output cannot be written: No such file or directory\n  at gone/out.npy\n"
    refused(said, tmp_path, text)


def test_opt_names_a_file_that_is_no_circuit(flow, model, tmp_path):
    (tmp_path / "folder").mkdir()
    rights = "  hint: check the path and its rights\n"
    text = "error: the file cannot be read: No such file or directory\n  at gone\n"
    refused(flow("opt", "gone"), tmp_path, text + rights)
    text = "error: the file cannot be read: Is a directory\n  at folder\n"
    refused(flow("opt", "folder"), tmp_path, text + rights)
    refused(flow("opt", "net.h5"), tmp_path, "error: the file is not text\n  at net.h5\n")
    text = (
        "error: data.csv is not the text form of a circuit\n"
        "  at data.csv, line 1\n"
        "  hint: the first line must be 'flow-ir 1'\n"
    )
    refused(flow("opt", "data.csv"), tmp_path, text)


def test_report_and_verify_name_a_folder_that_no_build_has_written(flow, model, tmp_path):
    (tmp_path / "empty").mkdir()
    text = (
        "error: this is not the output folder of a build\n"
        "  at empty\n"
        "  hint: a build folder has a manifest.json and a report.json\n"
    )
    refused(flow("report", "empty"), tmp_path, text)
    text = (
        "error: there is no such build folder\n"
        "  at gone\n"
        "  hint: name the folder that flow build was given with -o\n"
    )
    refused(flow("report", "gone"), tmp_path, text)
    for name in ("empty", "gone", "net.h5"):
        text = (
            "error: this is not the output folder of a build\n"
            f"  at {name}\n"
            "  hint: a build folder has a manifest.json\n"
        )
        refused(flow("verify", name), tmp_path, text)


def test_a_build_that_ends_early_says_where(flow, model, tmp_path):
    said = flow("build", model, "--data", "data.csv", "--to", "lower", "-o", "out", "--json")
    assert (said.code, said.out, said.err) == (
        0,
        '{\n  "stage": "lower",\n  "folder": "out"\n}\n',
        "",
    )
