"""Everything that a user can choose about a build, with its default."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args

from flow.errors import UsageError
from flow.pipeline.points import Objective

HeadChoice = Literal["auto", "decision", "logits"]
RangeRule = Literal["max", "percentile", "mse", "cross_entropy"]
WeightStep = Literal["power_of_two", "best"]
WeightRounding = Literal["nearest", "adaptive"]
Effort = Literal["fast", "normal", "high"]
Simulator = Literal["icarus", "verilator", "both", "none"]
HlsBackendName = Literal["vitis", "vivado", "catapult", "oneapi", "quartus"]
Strategy = Literal["latency", "resource"]
Tmr = Literal["none", "weights", "control", "all"]
WeightCode = Literal["fp4", "mxfp4", "ternary", "int4"]
CodeRounding = Literal["auto", "taught", "calibrated", "nearest"]


@dataclass(frozen=True)
class BuildConfig:
    """The choices of one build. Every field is an option of `flow build` and a key of flow.toml."""

    #: the trained model: a file, or None until the command line gives one
    model: Path | None = None
    #: weights of a Keras .json model; by default the one weight file beside it
    weights: Path | None = None
    #: how the circuit has its weights: constants, registers that a serial port loads, or banks=N
    weight_store: str = "constants"
    #: models of the same structure for banks=N, each with its own weights, after the first
    bank: tuple[Path, ...] = ()
    #: bits of each weight register at least; by default what the weights of its layer need
    register_bits: int | None = None
    #: registers that are held in three copies: none, weights, control or all
    tmr: Tmr = "none"
    #: a TOML file of the block that sums, normalises and arranges charges before an encoder
    readout: Path | None = None
    #: samples that the circuit is tested on, with labels for the accuracy
    data: Path | None = None
    #: samples for quantisation after training; by default the data
    calibrate: Path | None = None
    #: name of the target
    target: str = "printed"
    #: name of a technology; by default that of the target
    tech: str | None = None
    #: supply voltage of the technology in V; by default its nominal one
    voltage: float | None = None
    #: a Liberty file in place of a built-in technology
    liberty: Path | None = None
    #: what the circuit gives: a class (decision) or the numbers before it (logits)
    head: HeadChoice = "auto"
    #: bits of each input
    input_bits: int | None = None
    #: bits of each weight of a float network
    weight_bits: int | None = None
    #: bits of each hidden activation of a float network; 0 keeps the full width
    activation_bits: int | None = None
    #: widths of single layers of a float network, as "fc1=4,fc2=6:8": weights, or weights:reads
    layer_bits: str | None = None
    #: whether every output of a layer has its own step of weights, or one step serves them all
    per_channel: bool = False
    #: whether every input of a layer has its own step of weights; by default where the samples
    #: show that it saves most of the error
    per_input: bool | None = None
    #: the step of weights: a power of two, or the best of any
    weight_step: WeightStep = "power_of_two"
    #: how weights are rounded: to the nearest, or so that the layer's answers change least
    weight_rounding: WeightRounding = "nearest"
    #: whether channels of neighbouring layers are brought to ranges of one size first
    equalise: bool = False
    #: whether biases take the mean error of their layer back
    bias_correction: bool = True
    #: how data give the range of an activation; by default mse, and max for flow eval
    range: RangeRule | None = None
    #: the share in percent of all values that the range percentile covers
    percentile: float = 99.9
    #: accuracy that may be lost, such as 0.01 or 1%; the narrowest widths within it are searched
    loss: float | None = None
    #: what is to be least: the area, the delay of the longest path, or their product (balanced)
    objective: Objective = "area"
    #: how much is tried for it: fast, normal or high
    effort: Effort = "normal"
    #: of a search folder, the point: "loss<=1%", "accuracy>=0.9", "area<=1cm2" or its index
    pick: str | None = None
    #: approximations, as "skip-insignificant{kept=2},trim-gates{lost=9}"; see flow list
    approximate: str | None = None
    #: passes in place of those of the target, as for flow opt
    passes: str | None = None
    #: number of pipeline stages; 0 leaves the circuit combinational
    stages: int = 0
    #: clock period, as 6.25ns, 160MHz or a number of ns: as many stages as it needs
    period: float | None = None
    #: the longest time from input to output, as 100ns or a number of clock cycles
    latency: str | None = None
    #: clock cycles between two samples: adders and multipliers are shared over so many steps
    ii: int | None = None
    #: look-up tables at most: as many steps as they need
    max_luts: int | None = None
    #: valid/ready ports and a reset around a pipelined circuit
    handshake: bool = True
    #: an AXI4-Stream wrapper around the circuit, with a bench of its own
    axis: bool = False
    #: a project for Tiny Tapeout around a small circuit
    tiny_tapeout: bool = False
    #: time between two samples in ms, for switching power; by default that of the target
    interval: float | None = None
    #: simulator of the emitted Verilog
    simulator: Simulator = "both"
    #: of a project for HLS, the backend of hls4ml: vitis, vivado, catapult, oneapi or quartus
    hls_backend: HlsBackendName = "vitis"
    #: of a project for HLS, how often one multiplier is used for a sample
    reuse: int = 1
    #: of a project for HLS, what hls4ml saves: latency, or resource
    strategy: Strategy = "latency"
    #: inputs of a threshold gate at most, for the target flash; 0 is any number
    fan_in: int = 8
    #: cells in three copies with voters, of asic and printed: 25%, cells=20, registers or all
    harden: str | None = None
    #: a second head with the output alarm, whose fingerprints samples of --calibrate train
    fingerprint: bool = False
    #: of the target tulip, neurons by samples at a time, and rows of MACs: 32x8, or 32x8x4
    array: str = "32x8"
    #: of a language model, the file of its tokenizer; by default the one beside it
    tokenizer: Path | None = None
    #: of a language model, the values of its weights: fp4, mxfp4, ternary or int4
    code: WeightCode = "fp4"
    #: of a language model, how weights become codes: taught, calibrated, nearest; auto by its size
    rounding: CodeRounding = "auto"
    #: of a language chip, neurons that share the cells of one, one after the other
    rows: int = 1
    #: of a language chip, the share of ports that other weights may need beside its own
    slack: float = 0.0
    #: of a language chip, the folder of an earlier one: all but its wires stays as it is
    base: Path | None = None
    #: inputs beside the samples, at most, that show the benches mistakes which samples do not
    probes: int = 500
    #: seconds that all proofs together may take
    prove_limit: float = 300.0
    #: where every choice by chance starts
    seed: int = 0


FILES = ("model", "weights", "data", "calibrate", "liberty", "readout", "tokenizer", "base")
"""Choices that name a file."""
_KINDS: tuple[tuple[type, str, tuple[str, ...]], ...] = (
    (Path, "the path of a file", FILES),
    (
        str,
        "a text",
        ("target", "tech", "passes", "head", "simulator", "layer_bits", "weight_step",
         "weight_rounding", "range",
         "pick", "approximate", "harden", "objective", "effort", "latency", "weight_store", "tmr",
         "hls_backend", "strategy", "array", "code", "rounding"),
    ),
    (
        bool,
        "true or false",
        ("handshake", "axis", "tiny_tapeout", "per_channel", "per_input", "equalise",
         "bias_correction", "fingerprint"),
    ),
)  # fmt: skip


_CHOICES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("head", get_args(HeadChoice)),
    ("weight_step", get_args(WeightStep)),
    ("weight_rounding", get_args(WeightRounding)),
    ("range", get_args(RangeRule)),
    ("objective", get_args(Objective)),
    ("effort", get_args(Effort)),
    ("simulator", get_args(Simulator)),
    ("hls_backend", get_args(HlsBackendName)),
    ("strategy", get_args(Strategy)),
    ("tmr", get_args(Tmr)),
    ("code", get_args(WeightCode)),
    ("rounding", get_args(CodeRounding)),
)
_BANKS = re.compile(r"banks=([1-9][0-9]{0,3})")


def bank_count(config: BuildConfig) -> int:
    """How many banks of weights are wanted; 0 where there are none."""
    found = _BANKS.fullmatch(config.weight_store)
    return int(found[1]) if found else 0


def is_store(text: str) -> bool:
    """Whether a value of --weights says how weights are held; else it is the name of a file."""
    return text in ("constants", "registers") or text.startswith("banks=")


def read_config(path: Path) -> dict[str, Any]:
    """The keys of a flow.toml, checked. Paths are relative to the file."""
    try:
        table = tomllib.loads(path.read_text())
    except UnicodeDecodeError as error:
        raise UsageError(
            "the configuration cannot be read: it is not text", where=str(path)
        ) from error
    except OSError as error:
        raise UsageError(
            f"the configuration cannot be read: {error.strerror}",
            where=str(path),
            hint="check the path and its rights",
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the configuration is not TOML: {error}", where=str(path)) from error
    known = {f.name: f for f in fields(BuildConfig)}
    result: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise UsageError(
                f"there is no option {key!r}",
                where=str(path),
                hint=f"did you mean {near[0].replace('_', '-')!r}?"
                if near
                else "see flow build --help",
            )
        if isinstance(value, str) and name in FILES:
            value = path.parent / value
        if name == "bank" and isinstance(value, list):
            value = tuple(path.parent / str(file) for file in value)
        if name == "weights" and isinstance(table[key], str) and is_store(table[key]):
            name, value = "weight_store", table[key]
        if name == "loss":
            value = parse_loss(str(value))
        if name == "period":
            value = parse_period(str(value))
        if name == "latency":
            value = str(value)
        result[name] = value
    return result


def parse_loss(text: str) -> float:
    """A share of samples: 0.01, or 1%."""
    try:
        value = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise UsageError(f"a loss of {text!r} is no share of the samples", hint="write 0.01 or 1%")
    return value


_TIME = re.compile(r"(\d{1,15}(?:\.\d{1,12})?)\s*(ns|us|ms|s|MHz|GHz|kHz|)")
_UNITS = {"": 1.0, "ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9, "GHz": 1.0, "MHz": 1e3, "kHz": 1e6}


def parse_period(text: str) -> float:
    """A clock period in ns from 6.25ns, 160MHz or 6.25."""
    try:
        return float(text)
    except ValueError:
        found = _TIME.fullmatch(text)
    if not found or not (value := float(found[1])):
        raise UsageError(f"{text!r} is no clock", hint="write 6.25ns, 160MHz or a number of ns")
    unit = _UNITS[found[2]]
    return unit / value if found[2].endswith("Hz") else unit * value


def latency_cycles(config: BuildConfig) -> int | None:
    """The most clock cycles from input to output that the options leave, None where they set none.

    UsageError at a text that is no time or number of cycles, and at a time without a clock.
    """
    text = config.latency
    if text is None:
        return None
    if re.fullmatch(r"[1-9]\d{0,3}", text):
        return int(text)
    found = _TIME.fullmatch(text)
    if not found or found[2] == "" or found[2].endswith("Hz"):
        raise UsageError(
            f"--latency {text} is no time and no number of clock cycles",
            hint="write --latency 100ns or --latency 5",
        )
    if config.period is None:
        raise UsageError(
            f"--latency {text} says nothing without a clock",
            hint=f"give --clock 6.25ns --latency {text}, or a number of cycles",
        )
    cycles = int(float(found[1]) * _UNITS[found[2]] / config.period * (1 + 1e-12))
    if not cycles:
        raise UsageError(
            f"--latency {text} is less than one clock cycle of {config.period:g} ns",
            hint="give a longer latency or a faster clock",
        )
    return cycles


def check_config(config: BuildConfig) -> BuildConfig:
    """The configuration, if every value makes sense; else UsageError for the first without."""
    limits: dict[str, tuple[float, float]] = {
        "input_bits": (1, 32),
        "weight_bits": (1, 24),
        "activation_bits": (0, 24),
        "register_bits": (1, 16),
        "percentile": (50, 100),
        "stages": (0, 1000),
        "ii": (1, 4096),
        "max_luts": (1, 10**9),
        "reuse": (1, 1 << 20),
        "fan_in": (0, 1000),
        "rows": (1, 256),
        "slack": (0, 16),
        "period": (1e-6, 1e15),
        "interval": (1e-9, 1e9),
        "prove_limit": (0, 1e6),
        "probes": (0, 1_000_000),
        "voltage": (0.01, 100),
        "seed": (0, 2**32 - 1),
    }
    for name, (lo, hi) in limits.items():
        value = getattr(config, name)
        if value is None:
            continue
        whole = name in (
            "input_bits", "weight_bits", "activation_bits", "register_bits", "stages", "seed",
            "reuse", "ii", "max_luts", "fan_in", "rows", "probes",
        )  # fmt: skip
        kind = int if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kind) or not lo <= value <= hi:
            option = name.replace("_", "-")
            what = "a whole number" if whole else "a number"
            ends = f"{lo} to {hi}" if whole else f"{lo:g} to {hi:g}"
            raise UsageError(f"--{option} {value} is not {what} from {ends}")
    for wanted, what, names in _KINDS:
        for name in names:
            value = getattr(config, name)
            if value is not None and not isinstance(value, wanted):
                raise UsageError(f"--{name.replace('_', '-')} {value} is not {what}")
    for name, choices in _CHOICES:
        if getattr(config, name) not in (*choices, getattr(BuildConfig, name)):
            raise UsageError(
                f"--{name.replace('_', '-')} {getattr(config, name)} is unknown",
                hint=f"one of {', '.join(choices)}",
            )
    if config.loss is not None and config.layer_bits is not None:
        raise UsageError(
            "--loss searches the widths of every layer, and --layer-bits gives them",
            hint="give one of them",
        )
    if config.liberty is not None and config.tech is not None:
        raise UsageError("--tech and --liberty name two technologies", hint="give one of them")
    if config.stages and config.period is not None:
        raise UsageError("--stages and --period both pipeline", hint="give one of them")
    if latency_cycles(config) is not None and config.stages:
        raise UsageError("--stages and --latency both pipeline", hint="give one of them")
    if config.axis and not config.handshake:
        raise UsageError(
            "--axis and --no-handshake contradict each other: a stream must be able to wait",
            hint="leave one of them out",
        )
    _check_store(config)
    _check_folding(config)
    _check_hardening(config)
    _check_fingerprint(config)
    _check_base(config)
    return replace(config)


def _check_folding(config: BuildConfig) -> None:
    option = "--max-luts" if config.max_luts is not None else "--ii"
    if (config.ii or 1) == 1 and config.max_luts is None:
        return
    if config.target != "fpga":
        raise UsageError(
            f"{option} is for FPGAs, the target is {config.target}",
            hint="leave it out, or build with --target fpga",
        )
    if config.stages:
        raise UsageError(
            f"--stages and {option} contradict each other: steps take the place of stages",
            hint="give one of them",
        )
    if not config.handshake:
        raise UsageError(
            f"{option} and --no-handshake contradict each other: a sample cannot enter every clock",
            hint="leave one of them out",
        )
    if config.weight_store != "constants":
        raise UsageError(
            f"{option} needs constant weights, and they are in {config.weight_store}",
            hint="leave out --weights",
        )


def _check_fingerprint(config: BuildConfig) -> None:
    if config.fingerprint and config.target not in ("printed", "asic", "fpga"):
        raise UsageError(
            f"--fingerprint is for circuits of cells or tables, the target is {config.target}",
            hint="leave it out, or build with --target printed, asic or fpga",
        )


def _check_base(config: BuildConfig) -> None:
    option = "--slack" if config.base is None else "--base"
    if config.target != "lpu" and (config.base is not None or config.slack):
        raise UsageError(
            f"{option} is for chips of language models, the target is {config.target}",
            hint="leave it out, or build with --target lpu",
        )
    if config.base is not None and config.slack:
        raise UsageError("a base has its slack already", hint="leave out --slack")


def _check_hardening(config: BuildConfig) -> None:
    if config.harden is None:
        return
    if config.target not in ("printed", "asic"):
        raise UsageError(
            f"--harden is for circuits of cells, the target is {config.target}",
            hint="leave it out, or build with --target printed or asic",
        )
    if config.weight_store == "registers":
        raise UsageError(
            "--harden has no place for weights in registers",
            hint="--tmr all keeps three copies of every register and votes",
        )


def _check_store(config: BuildConfig) -> None:
    banks = bank_count(config)
    if not banks and config.weight_store not in ("constants", "registers"):
        raise UsageError(
            f"--weights {config.weight_store} is unknown",
            hint="one of constants, registers, banks=N with N from 2, or a file of weights",
        )
    if not isinstance(config.bank, tuple) or not all(isinstance(x, Path) for x in config.bank):
        raise UsageError("bank is not a list of paths of files")
    if (banks or config.bank) and (banks < 2 or len(config.bank) != banks - 1):
        raise UsageError(
            f"{config.weight_store} takes {max(0, banks - 1)} models beside the first, "
            f"and --bank names {len(config.bank)}",
            hint="--weights banks=3 --bank SECOND --bank THIRD",
        )
    if config.tmr != "none" and config.weight_store != "registers":
        raise UsageError(
            f"--tmr {config.tmr} needs weights in registers", hint="give --weights registers"
        )
    if config.weight_store == "registers" and config.axis:
        raise UsageError("--axis has no place for weights in registers", hint="leave it out")
