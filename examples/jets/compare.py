"""Builds jet taggers for an FPGA, and prints accuracy, look-up tables, flip-flops and latency.

    python examples/jets/compare.py                    a toy tagger of toy data
    python examples/jets/compare.py --models FOLDER --data jets_hlf.npz [--only HGQ]

FOLDER holds the taggers that taggers.toml names, each optional. The data file has `x_train`,
`y_train`, `x_test`, `y_test` (standardised features; labels as indices) and `class_names`; all of
its jets are tried. Each build proves, for up to --prove seconds, that the circuit answers as the
integer network, which answers as the framework does. What lies in the output folder from an
earlier run is not built again.
"""

from __future__ import annotations

import argparse
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import toy

from flow.errors import FlowError
from flow.pipeline.build import build
from flow.pipeline.config import BuildConfig
from flow.pipeline.reports import REPORT, read_report
from flow.report.record import Record
from flow.targets.fpga import FPGA

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Tagger:
    """A model with the samples it is tried on."""

    name: str
    model: Path
    weights: Path | None
    data: Path
    calibrate: Path | None = None


def published(models: Path, data: Path, only: str, scratch: Path) -> Iterator[Tagger]:
    """The taggers of taggers.toml that are in the folder, with labels in their order of classes."""
    with np.load(data, allow_pickle=False) as file:
        x = np.concatenate([file["x_train"], file["x_test"]]).astype(np.float32)
        y = np.concatenate([file["y_train"], file["y_test"]])
        names = [str(name) for name in file["class_names"]]
    for entry in tomllib.loads((HERE / "taggers.toml").read_text())["tagger"]:
        path = models / entry["file"]
        if only not in entry["name"] or not path.is_file():
            continue
        place = scratch / f"{entry['classes']}.npz"
        order = np.array([entry["classes"].index(name) for name in names])
        np.savez(place, x=x, y=order[y])
        weights = models / entry["weights"] if "weights" in entry else None
        yield Tagger(entry["name"], path, weights, place)


def built(tagger: Tagger, output: Path, clock_ns: float, effort: str, seconds: float) -> Record:
    """The report of a build, one result a clock; FlowError where there is none.

    Where there is a report from an earlier run, it is read.
    """
    if (output / REPORT).is_file():
        return read_report(output)
    config = BuildConfig(
        model=tagger.model, weights=tagger.weights, data=tagger.data, head="logits",
        calibrate=tagger.calibrate, target="fpga", period=clock_ns, handshake=False,
        effort=effort, simulator="icarus", prove_limit=seconds, **FPGA.defaults,
    )  # fmt: skip
    report = build(config, FPGA, output).state.report
    assert report is not None
    return report


def line(name: str, report: Record, clock_ns: float) -> str:
    """A row of the table."""
    assert report.fpga is not None
    assert report.latency is not None
    accuracy = f"{report.accuracy.circuit:.1%}" if report.accuracy else "-"
    cycles = report.latency.cycles
    cells = [name, accuracy, report.fpga.luts, report.fpga.flipflops, report.fpga.carries, cycles,
             f"{cycles * clock_ns:g}"]  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    """Build everything; print a row each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--models", type=Path, help="folder of published taggers")
    parser.add_argument("--data", type=Path, help="a file of jets")
    parser.add_argument("--only", default="", help="taggers whose name contains this")
    parser.add_argument("--clock", type=float, default=5.0, help="period in ns")
    parser.add_argument("--effort", default="fast", help="fast, normal or high")
    parser.add_argument("--prove", type=float, default=60.0, help="seconds for the proofs of each")
    parser.add_argument("-o", "--output", type=Path, default=Path("out/jets"))
    given = parser.parse_args()
    if (given.models is None) != (given.data is None):
        parser.error("--models and --data go together")
    print("| tagger | accuracy | LUTs | flip-flops | carries | cycles | ns |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        if given.models is None:
            toy.make(scratch)
            train, test = scratch / "toy_train.npz", scratch / "toy_test.npz"
            taggers = iter([Tagger("toy, 8 bits", scratch / "toy.skops", None, test, train)])
        else:
            taggers = published(given.models, given.data, given.only, scratch)
        for tagger in taggers:
            stem = f"{tagger.model.stem}-{given.clock:g}ns-{given.effort}"
            place = given.output / stem.replace(".", "_").replace("=", "_")
            try:
                report = built(tagger, place, given.clock, given.effort, given.prove)
                print(line(tagger.name, report, given.clock), flush=True)
            except FlowError as error:
                print(f"| {tagger.name} | {error.message} |", flush=True)


if __name__ == "__main__":
    main()
