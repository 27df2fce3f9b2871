"""`flow build`: a trained network in; a proved, measured circuit out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from flow.cli.options import FILE, JSON, Clock, configuration, model_options


@click.command("build")
@model_options
@click.option("--target", help="What to build for; see flow list targets.  [printed]")
@click.option("--tech", help="Technology, e.g. egfet or egfet@0.6; see flow list technologies.")
@click.option("--voltage", type=float, help="Supply voltage of the technology in V.")
@click.option("--liberty", type=FILE, help="A Liberty file in place of a technology.")
@click.option("--bank", type=FILE, multiple=True, help="For banks=N: a model, or its weights.")
@click.option("--register-bits", type=int, help="Bits of each weight register at least.")
@click.option("--tmr", help="Registers in three copies: none, weights, control or all.  [none]")
@click.option("--readout", type=FILE, help="A TOML file of what stands before an encoder.")
@click.option("--objective", help="What is to be least: area, delay or balanced.  [area]")
@click.option("--effort", help="How much is tried for it: fast, normal or high.  [normal]")
@click.option("--approximate", help="As trim-gates{lost=9}; see flow list approximations.")
@click.option("--passes", help="Passes in place of the target's, as for flow opt.")
@click.option("--stages", type=int, help="Pipeline stages; 0 is combinational.")
@click.option(
    "--clock", "--period", "period", type=Clock(), help="As 6.25ns or 160MHz; sets the stages."
)
@click.option("--latency", help="The longest time, as 100ns with --clock, or in clock cycles.")
@click.option("--ii", type=int, help="Clocks between two samples: arithmetic is shared. Of fpga.")
@click.option("--max-luts", type=int, help="Look-up tables at most: sets --ii. Of fpga.")
@click.option("--handshake/--no-handshake", default=None, help="valid/ready and reset when piped.")
@click.option("--axis/--no-axis", default=None, help="An AXI4-Stream wrapper, with its bench.")
@click.option("--tiny-tapeout", is_flag=True, default=None, help="A project for Tiny Tapeout.")
@click.option("--interval", type=float, help="Time between two samples in ms, for power.")
@click.option("--hls-backend", help="vitis, vivado, catapult, oneapi or quartus.  [vitis]")
@click.option("--reuse", type=int, help="For HLS: uses of a multiplier for a sample.  [1]")
@click.option("--strategy", help="For HLS: latency or resource.  [latency]")
@click.option("--fan-in", type=int, help="Inputs of a threshold gate at most; 0 is any.  [8]")
@click.option("--array", help="For tulip: elements as 32x8, or 32x8x4 with rows of MACs.  [32x8]")
@click.option("--harden", help="Cells in three copies with voters: 25%, cells=20, registers, all.")
@click.option(
    "--fingerprint", is_flag=True, default=None, help="An output that tells of faults at work."
)
@click.option("--tokenizer", type=FILE, help="Of a language model; else the one beside it.")
@click.option("--code", help="Weights of a language model: fp4, mxfp4, ternary, int4.  [fp4]")
@click.option("--rounding", help="To codes: taught, calibrated, nearest or auto.  [auto]")
@click.option("--rows", type=int, help="For lpu: neurons that share the cells of one.  [1]")
@click.option("--slack", type=float, help="For lpu: share of ports for other weights.  [0]")
@click.option("--base", type=FILE, help="For lpu: a chip's folder, of which wires alone change.")
@click.option("--simulator", help="icarus, verilator, both or none.")
@click.option("--probes", type=int, help="Inputs that show the benches more than samples.  [500]")
@click.option("--prove-limit", type=float, help="Seconds for all proofs together.")
@click.option("--seed", type=int, help="Where every choice by chance starts.")
@click.option("--from", "first", help="Begin at this stage, with the earlier ones of OUTPUT.")
@click.option("--to", "last", help="End after this stage.")
@click.option("-o", "--output", type=FILE, help="The output folder.")
@JSON
def command(
    config: Path | None,
    output: Path | None,
    first: str | None,
    last: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Build a circuit from a trained network.

    MODEL is a Keras (.h5, .keras, .json), QKeras, ONNX or skops file, or a language model for
    the target lpu (llama2.c .bin, or the folder of a Hugging Face Llama or gpt-oss). The build
    fails, and leaves no output folder, unless the circuit is shown equal to the network.
    """
    from flow.cli.building import run_build

    run_build(configuration, options, config, output, (first, last), as_json)
