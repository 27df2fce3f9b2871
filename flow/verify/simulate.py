"""Simulates an output folder on its own vectors: plain bench, cocotb, Verilator.

Each check starts from the files in the folder alone, so it also serves a folder built before.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from flow.errors import ToolError, ToolNotFound
from flow.tools import icarus, verilator
from flow.tools.process import Command, run
from flow.verify.layout import Layout, read_layout
from flow.verify.verdict import Verdict, tool_verdict

_RESULT = re.compile(
    r"^(PASS|FAIL) (\d+) of (\d+)(?: samples, (\d+) of (\d+) probes)?$", re.MULTILINE
)
_MISMATCH = re.compile(
    r"^MISMATCH ((?:sample|probe) \d+) expected ([0-9a-fxz]+) got ([0-9a-fxz]+)$",
    re.MULTILINE | re.I,
)
_OTHER = re.compile(r"\b((?:MISMATCH|STALL|SURPLUS|UNKNOWN) [^\n]+)")
_TESTS = re.compile(r"^(PASS|FAIL) (\d+) of (\d+) tests$", re.MULTILINE)

Log = Callable[[Layout, Path, int], str]
"""Runs a simulator on the first words in a scratch folder; what it printed."""

EVALUATIONS = 200_000_000
"""What an event-driven simulator may spend on a design; on an idle core, about 90 seconds."""
NETLIST_EVALUATIONS = 24_000_000
"""The same for a mapped netlist, whose many small cells take several times as long."""
PROBE_PART = 500
"""Part of either that may go into probes: 0.2 seconds. The bench on its own runs all of them."""
PROBE_SHARE = 10
"""Samples for each of which it runs one probe, where that is more."""
AXIS = " of the AXI4-Stream wrapper"
"""What the names of its checks say."""
CHIP = " of the chip"
"""The same for a chip with weight registers."""
CHIP_EVALUATIONS = 5_000_000
"""Evaluations of a sample, times bytes of weights, up to which Icarus is quicker than a compiler:
weights come bit by bit over I2C, some 300 clocks a byte."""
CHIP_S = 900.0
"""Seconds for the test of a chip, and one more for each byte of weights."""
FEWEST = 10
"""Samples that it runs in any case."""
FEWEST_NETLIST = 2
"""The same on a mapped netlist."""
DEEP = 100_000
"""Evaluations of a sample by words from which on the cells of a netlist settle late: their number
then grows with the square."""


def simulate_icarus(folder: Path, timeout_s: float = 600.0) -> Verdict:
    """The plain Verilog bench in Icarus Verilog, on as many samples as EVALUATIONS allows."""

    def work(layout: Layout, scratch: Path, samples: int) -> str:
        files = [f"tb/tb_{layout.top}.v", *_sources(folder)]
        program = scratch / "bench.vvp"
        icarus.compile_verilog(files, f"tb_{layout.top}", program, folder, timeout_s)
        return icarus.simulate(program, folder, timeout_s, [f"+samples={samples}"]).log

    return _checked("simulation with Icarus Verilog", folder, work, _plain, EVALUATIONS)


def simulate_netlist(folder: Path, timeout_s: float = 600.0) -> Verdict:
    """The plain Verilog bench around the mapped netlist, with behavioural cells, in Icarus."""

    def sources(scratch: Path) -> list[Path | str]:
        return [f"netlist/{read_layout(folder).top}.v", "netlist/cells.v"]

    return simulate_mapped(folder, sources, timeout_s)


def simulate_mapped(
    folder: Path, sources: Callable[[Path], Sequence[Path | str]], timeout_s: float = 600.0
) -> Verdict:
    """The plain Verilog bench around the mapped netlist, in Icarus.

    `sources` gives the files of the netlist and its cells, and may write them in a scratch folder.
    """

    def work(layout: Layout, scratch: Path, samples: int) -> str:
        files = [f"tb/tb_{layout.top}.v", *sources(scratch)]
        program = scratch / "netlist.vvp"
        icarus.compile_verilog(files, f"tb_{layout.top}", program, folder, timeout_s)
        return icarus.simulate(program, folder, timeout_s, [f"+samples={samples}"]).log

    limit = NETLIST_EVALUATIONS // max(1, read_layout(folder).work // DEEP)
    return _checked("netlist in Icarus Verilog", folder, work, _plain, limit, fewest=FEWEST_NETLIST)


def simulate_verilator(folder: Path, timeout_s: float = 600.0) -> Verdict:
    """The C++ bench in Verilator: a second simulator, of two values, compiled."""

    def work(layout: Layout, scratch: Path, samples: int) -> str:
        # make knows no path with a space, so it gets copies, by names relative to the scratch.
        if re.search(r"\s", str(scratch)):
            raise ToolNotFound(
                "Verilator's make cannot work where the path of the temporary folder has a space"
            )
        files = [*_sources(folder), f"tb/tb_{layout.top}.cpp"]
        for file in (*files, "tb/flow_bench.h"):
            (scratch / file).parent.mkdir(exist_ok=True)
            shutil.copyfile(folder / file, scratch / file)
        # Compiling costs far more than running, so nothing is optimised. One file for the
        # design: the wheel's makefile cannot use the precompiled header of several.
        arguments = [
            *("-CFLAGS", "-std=c++17 -g0 -I../tb"),
            *("-MAKEFLAGS", "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0"),
            *("--output-split", "0", "-j", "2"),
        ]
        verilator.build(files, layout.top, "made", scratch, timeout_s, arguments)
        program = str(scratch / "made" / f"V{layout.top}")
        command = Command((program,), cwd=folder, timeout_s=timeout_s, name="the Verilator bench")
        return run(command, check=False).log

    return _checked("simulation with Verilator", folder, work, _plain)


def simulate_axis(folder: Path, timeout_s: float = 600.0) -> Verdict:
    """The cocotb test of the AXI4-Stream wrapper in Icarus, with stalls on both sides."""
    return simulate_cocotb(folder, timeout_s=timeout_s, script="run_axis.py", of=AXIS)


def simulate_chip(folder: Path, size: int, chosen: str = "both") -> Verdict:
    """The cocotb test of a chip: weights by I2C, and upsets of registers in copies.

    `size` are its bytes of weights. In Verilator where that was chosen, and where of both the
    chip would keep Icarus longer than Verilator's compiler takes.
    """
    small = chosen == "icarus" or read_layout(folder).work * size <= CHIP_EVALUATIONS
    simulator = "icarus" if small and chosen != "verilator" else "verilator"
    limit = CHIP_S + size
    return simulate_cocotb(folder, simulator, limit, script="run_chip.py", of=CHIP)


def simulate_chip_netlist(folder: Path, timeout_s: float = 600.0) -> Verdict:
    """The same around the mapped netlist of the chip; `folder` has it and its circuit in rtl/.

    Upsets need registers with names, which a netlist has not: weights are loaded and used.
    """
    return simulate_cocotb(
        folder, timeout_s=timeout_s, script="run_chip.py", of=f"{CHIP}'s netlist", only="weights"
    )


def simulate_cocotb(
    folder: Path,
    simulator: str = "icarus",
    timeout_s: float = 600.0,
    script: str = "run.py",
    of: str = "",
    only: str = "",
) -> Verdict:
    """The cocotb test that `script` of tb/ runs, in "icarus" or "verilator".

    With `only`, the tests whose names begin so.
    """

    def work(layout: Layout, scratch: Path, samples: int) -> str:
        if find_spec("cocotb") is None:
            raise ToolNotFound("cocotb is not installed", hint="pip install cocotb")
        if simulator == "icarus" and not icarus.available():
            raise ToolNotFound("Icarus Verilog is not installed")
        # A hanging simulator outlives the runner that waits for it, so the whole group of a
        # child process is stopped at the end of the time.
        environment = verilator.environment() if simulator == "verilator" else {}
        command = Command(
            (sys.executable, "-B", str(folder.resolve() / "tb" / script), str(scratch)),
            cwd=scratch,
            env={
                **environment,
                "SIM": simulator,
                "FLOW_SAMPLES": str(samples),
                "PYTHONDONTWRITEBYTECODE": "1",
                **({"COCOTB_TEST_FILTER": rf"\.{only}\w*$", "FLOW_SETS": "1"} if only else {}),
            },
            timeout_s=timeout_s,
            name="cocotb",
        )
        return run(command, check=False).log

    limit = EVALUATIONS if simulator == "icarus" else None
    return _checked(f"cocotb test{of} with {simulator}", folder, work, _cocotb, limit)


def _checked(
    check: str,
    folder: Path,
    work: Log,
    judge: Callable[[str, Layout, int], tuple[str, bool]],
    limit: int | None = None,
    fewest: int = FEWEST,
) -> Verdict:
    """Run, judge the log, and turn every way to fail into a verdict."""
    layout = read_layout(folder)
    begin = time.monotonic()
    if not layout.samples:
        return Verdict(check, "not checked", "there are no samples", 0.0)
    words = _played(layout, limit, fewest)
    try:
        with tempfile.TemporaryDirectory(prefix="flow-sim-") as scratch:
            log = work(layout, Path(scratch).resolve(), words)
    except ToolError as error:
        return tool_verdict(check, error, begin)
    detail, good = judge(log, layout, words)
    return Verdict(check, "passed" if good else "failed", detail, time.monotonic() - begin)


def _played(layout: Layout, limit: int | None, fewest: int) -> int:
    """The words that a simulator runs; one without a limit runs all of them."""
    if limit is None:
        return layout.words
    samples = min(layout.samples, max(fewest, limit // layout.work))
    if samples < layout.samples:
        return samples
    most = max(samples // PROBE_SHARE, limit // PROBE_PART // layout.work)
    return samples + min(layout.probes, most)


def _plain(log: str, layout: Layout, words: int) -> tuple[str, bool]:
    result = _RESULT.search(log)
    if result and result[0] == _success(layout, words):
        return layout.extent(words), True
    if found := _MISMATCH.search(log):
        where = layout.difference(found[2], found[3])
        wrong = ""
        if result:
            more = f" and {result[4]} of {result[5]} probes" if result[4] else ""
            wrong = f"; {result[2]} of {result[3]} samples{more} are wrong"
        return f"{found[1]}, {where}{wrong}", False
    if other := _OTHER.search(log):
        return other[1], False
    return f"the bench ended without a result: {_last(log)}", False


def _success(layout: Layout, words: int) -> str:
    """The last line of a bench that has run so many words and found nothing."""
    samples = min(words, layout.samples)
    line = f"PASS {samples} of {samples}"
    probes = words - samples
    return f"{line} samples, {probes} of {probes} probes" if layout.probes else line


def _cocotb(log: str, layout: Layout, words: int) -> tuple[str, bool]:
    result = _TESTS.search(log)
    if result and result[1] == "PASS" and result[2] == result[3]:
        return f"{layout.extent(words)}, {result[3]} tests", True
    if other := _OTHER.search(log):
        return other[1].removeprefix("MISMATCH ").strip(), False
    return f"the test ended without a result: {_last(log)}", False


def _last(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1] if lines else "nothing was printed"


def _sources(folder: Path) -> list[str]:
    """Every file of rtl/, relative to the folder, in order of name."""
    return sorted(f"rtl/{path.name}" for path in (folder / "rtl").glob("*.v"))
