"""Taggers and the muon network as pipelined Verilog, ours and alkaid's, at the same latency."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from common import HERE
from designs import PYTHON, SHARED, _kif, read_network, specification, step_sizes
from mapped import CACHE, cached, key_of

from flow.backends.emission import Emission
from flow.errors import FlowError, ToolFailed
from flow.ir.network import Network, evaluate_network
from flow.ir.tensor import TensorType
from flow.tools.icarus import compile_verilog, simulate

_QKERAS = "qkeras_jet_3layer/qkeras_3layer"
MODELS = (
    *((f"hgq2_jsc_openml {name}", f"hgq2_jsc_openml/{name}_traced.keras", "")
      for name in ("val0.733_ebops530", "val0.758_ebops2571", "val0.768_ebops7229")),
    ("hgq2_jsc_cernbox", "hgq2_jsc_cernbox/val0.754_ebops13308_traced.keras", ""),
    ("hgq_lut_jsc_openml", "hgq_lut_jsc_openml/val0.761_ebops1439.keras", ""),
    ("hgq1_jet", "hgq1_jet/hgq_jet_classifier.h5", ""),
    *((f"da4ml_jsc_hgq1 {name}", f"da4ml_jsc_hgq1/test_{name}.h5", "")
      for name in ("acc76.47", "acc76.86")),
    ("hgq2_muon_tgc", "hgq2_muon_tgc/res2.010_ebops32445_traced.keras", ""),
    ("qkeras_jet_3layer", f"{_QKERAS}.json", f"{_QKERAS}_weights.h5"),
    ("qkeras3_jet_3layer", "qkeras3_jet_3layer/qkeras-v3_3layer.keras", ""),
)  # fmt: skip
"""Name, file and weights of what the detector community gives, below the shared models."""
RIVALS = ("ternary", "binary")
"""alkaid's adders: of three operands, its default, or of two."""
SAMPLES = 100


@dataclass(frozen=True)
class Given:
    """A model of the shared files as an integer network, or why it cannot be."""

    name: str
    path: Path
    found: Network | str

    @property
    def network(self) -> Network:
        """The network of a model that was read."""
        assert isinstance(self.found, Network)
        return self.found


@dataclass(frozen=True)
class Fields:
    """Port elements from bit 0 up: (bits, signed, binary fraction digits) of each, by port."""

    ports: tuple[tuple[str, tuple[tuple[int, int, int], ...]], ...]

    @cached_property
    def flat(self) -> tuple[tuple[int, int, int], ...]:
        """The elements of all ports."""
        return tuple(field for _, fields in self.ports for field in fields)


@dataclass(frozen=True)
class Piped:
    """Pipelined Verilog of one network, with its latency in clock cycles."""

    maker: str
    text: str
    top: str
    stages: int
    inputs: Fields
    outputs: Fields
    seconds: float = 0.0
    """What its maker took; 0 where it was not measured."""
    integers: bool = False
    """Whether its elements are the integers of the network, not their real values."""


def given(only: str = "") -> Iterator[Given]:
    """The models whose name contains a text."""
    for name, file, weights in MODELS:
        path = SHARED / file
        if only not in name:
            continue
        if not path.is_file():
            yield Given(name, path, "not measured: the shared models are not here")
            continue
        try:
            yield Given(name, path, read_network(path, SHARED / weights if weights else None))
        except FlowError as error:
            yield Given(name, path, f"not built: {error}")


def rival(model: Given, adders: str, cutoff: float, timeout_s: float) -> Piped | str:
    """alkaid's Verilog by its own cutoff of levels a stage, or why there is none."""
    try:
        text = specified(model)
    except ValueError as error:
        return f"not traced: {error}"
    sources = [(HERE / f"{name}.py").read_text() for name in ("rivals", "detector_rivals")]
    key = key_of("piped", adders, str(cutoff), text, *sources)
    folder = CACHE / key

    def work() -> dict[str, Any]:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "spec.json").write_text(text)
        try:
            done = subprocess.run(
                [PYTHON, HERE / "detector_rivals.py", adders, str(cutoff), folder / "spec.json",
                 folder], capture_output=True, text=True, timeout=timeout_s, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return {"failed": f"timed out after {timeout_s:.0f} s"}
        if done.returncode:
            return {"failed": " ".join(done.stderr.split("\n")[-3:]).strip()[-160:]}
        found: dict[str, Any] = json.loads((folder / "layout.json").read_text())
        return {"seconds": found["seconds"]}

    if not PYTHON.is_file():
        return "not measured: make bench-setup"
    found = cached(key, work)
    if "failed" in found:
        return str(found["failed"])
    layout = json.loads((folder / "layout.json").read_text())

    def fields(port: str, rows: list[list[int]]) -> Fields:
        return Fields(((port, tuple((k + i + f, k, f) for k, i, f in rows)),))

    return Piped(f"alkaid, {adders} adders", (folder / "rtl.v").read_text(), "rival",
                 layout["stages"], fields("model_inp", layout["inputs"]),
                 fields("model_out", layout["outputs"]), layout["seconds"])  # fmt: skip


def specified(model: Given) -> str:
    """What alkaid is given of a model, as JSON: its layers, else its file. ValueError where there
    is neither."""
    network = model.network
    try:
        if len(network.inputs) > 1:
            raise ValueError("several inputs")
        return json.dumps(specification(network), sort_keys=True)
    except ValueError:
        if model.path.suffix != ".keras":
            raise
    kifs = [_kif(x.tensor.lo, x.tensor.hi, x.tensor) for x in network.inputs]
    return json.dumps({"keras": str(model.path), "inputs": kifs})


def rival_seconds(model: Given, adders: str, cutoff: float, timeout_s: float) -> float:
    """Processor seconds of alkaid from layers in memory to its Verilog, now."""
    with tempfile.TemporaryDirectory(prefix="flow-rival-") as folder:
        (Path(folder) / "spec.json").write_text(specified(model))
        done = subprocess.run(
            [PYTHON, HERE / "detector_seconds.py", adders, str(cutoff), "spec.json", "."],
            capture_output=True, text=True, timeout=timeout_s, check=True, cwd=folder,
        )  # fmt: skip
    return float(done.stdout.split()[-1])


def file_seconds(model: Given, runs: int, timeout_s: float) -> float | None:
    """Processor seconds of alkaid from a Keras file to its pipelined Verilog, the median; None
    where it does not read the file."""
    if model.path.suffix != ".keras":
        return None
    with tempfile.TemporaryDirectory(prefix="flow-rival-") as folder:
        done = subprocess.run(
            [PYTHON, HERE / "rival_files.py", model.path.resolve(), folder, str(runs)],
            capture_output=True, text=True, timeout=timeout_s, check=False, cwd=folder,
        )  # fmt: skip
    return float(json.loads(done.stdout.splitlines()[-1])["cpu"]) if done.returncode == 0 else None


def mine(maker: str, emission: Emission) -> Piped:
    """Our Verilog."""

    def fields(direction: str) -> Fields:
        return Fields(tuple(
            (p.name, tuple((lane.width, int(lane.range.signed), 0) for lane in p.lanes))
            for p in emission.ports if p.direction == direction
        ))  # fmt: skip

    text = "\n".join(t for path, t in sorted(emission.files.items()) if path.suffix == ".v")
    return Piped(maker, text, emission.top, emission.latency, fields("input"), fields("output"),
                 integers=True)  # fmt: skip


def checked(design: Piped, network: Network, timeout_s: float) -> str:
    """Empty where the Verilog answers as the network, a sample a clock, after its latency."""

    def step(tensor: TensorType) -> np.ndarray:
        return np.ones(1) if design.integers else step_sizes(tensor)

    rng = np.random.default_rng(5)
    reals, feeds = [], {}
    for layer in network.inputs:
        tensor = layer.tensor
        lo, hi = (np.broadcast_to(x, tensor.shape).astype(np.int64) for x in (tensor.lo, tensor.hi))
        feeds[layer.name] = rng.integers(lo, hi + 1, size=(SAMPLES, *tensor.shape))
        reals.append(feeds[layer.name].reshape(SAMPLES, -1) * step(tensor))
    results = evaluate_network(network, feeds)
    wanted = np.concatenate(
        [results[n].reshape(SAMPLES, -1) * step(network.types[n]) for n in network.outputs], 1
    )
    folder = CACHE / key_of("checked", design.text, str(SAMPLES), str(design.integers))

    def work() -> dict[str, Any]:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "rtl.v").write_text(design.text)
        (folder / "bench.v").write_text(_bench(design))
        (folder / "x.hex").write_text(_words(design.inputs, np.concatenate(reals, 1)))
        try:
            # The rival's modules are SystemVerilog.
            compile_verilog(["rtl.v", "bench.v"], "bench", "bench.vvp", folder, timeout_s,
                            ["-g2012"])  # fmt: skip
            log = simulate("bench.vvp", folder, timeout_s).log
        except ToolFailed as error:
            return {"why": " ".join(error.log.split())[-200:]}
        found = "".join(f"{line}\n" for line in log.split() if set(line) <= set("0123456789abcdef"))
        same = found == _words(design.outputs, wanted)
        return {"why": "" if same else "differs from the integer network"}

    return str(cached(folder.name, work).get("why", "not measured yet"))


def _words(fields: Fields, real: np.ndarray) -> str:
    """A line in hexadecimal for each sample: all elements side by side, the first lowest."""
    width = sum(w for w, _, _ in fields.flat)
    lines = []
    for row in real:
        word = at = 0
        for value, (w, _, f) in zip(row, fields.flat, strict=True):
            word |= (round(value * 2.0**f) & ((1 << w) - 1)) << at
            at += w
        lines.append(f"{word:0{-(-width // 4)}x}\n")
    return "".join(lines)


def _bench(design: Piped) -> str:
    """Feeds a sample a clock and prints the outputs from the latency on."""

    def wires(fields: Fields) -> tuple[str, int]:
        sizes = [(port, sum(w for w, _, _ in own)) for port, own in fields.ports]
        places, at = [], 0
        for port, size in sizes:
            places.append(f".{port}({{}}[{at + size - 1}:{at}])")
            at += size
        return ", ".join(places), at

    into, wide = wires(design.inputs)
    out, narrow = wires(design.outputs)
    return f"""module bench;
reg clk = 0; reg [{wide - 1}:0] x [0:{SAMPLES - 1}]; reg [{wide - 1}:0] now; integer i;
wire [{narrow - 1}:0] y;
{design.top} dut (.clk(clk), {into.replace("{}", "now")}, {out.replace("{}", "y")});
initial begin
  $readmemh("x.hex", x);
  for (i = 0; i < {SAMPLES + design.stages}; i = i + 1) begin
    if (i >= {design.stages}) $display("%h", y);
    now = x[i < {SAMPLES} ? i : {SAMPLES - 1}];
    #5 clk = 1; #5 clk = 0;
  end
end
endmodule
"""
