"""Language models as wires: a plan against its paper, neurons against rivals, FP4 against float.

    make bench-lpu      everything
    python benchmarks/lpu.py [PART ...] [--only TEXT]

Parts are headline, neurons, arrays, memory, models, experts, tokenizers, unit, folded, respin.
Writes benchmarks/lpu.md and results/lpu.json.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cases import Options
from common import ROOT, Row, write
from lpu_arrays import arrays, memory
from lpu_experts import experts
from lpu_models import models
from lpu_respin import respin
from lpu_tokenizers import tokenizers
from lpu_unit import folded, unit
from lpu_wires import neurons
from parts import Part, run_parts

from flow.pipeline.planning import PlanOptions, plan
from flow.report.plan import difference, pairs

CONFIG = ROOT / "examples" / "lpu" / "gpt_oss_120b.json"
BOUND = 0.01
REMARKS: tuple[str, ...] = (
    "Headline: from the configuration alone, by `flow plan`. The note names the weakest constant "
    "that a figure is made of (stated by the paper, derived, or calibrated to a figure of the "
    "paper), how far we are from the paper, and where the paper says it. A calibrated constant "
    "makes its own figure come out: that checks the arithmetic, not the machine. What is weak "
    "about the paper's figures is in docs/lpu.md.",
    "Neuron: random FP4 weights, inputs of 8 bits; all forms by one script onto one library: "
    "adders become the library's adder cells, ABC maps what is left, flip-flops are counted. Each "
    "form is checked on samples as a netlist; where the note of a synthesis says so, its cells are "
    "proved equal to it. The adder tree is the form that the paper draws: a product for each "
    "weight, then adders of two words. One compressor for all products is smaller, and one "
    "tripling for all inputs of 3, 6 and 12 smaller still. Sums shared by all neurons are our own "
    "solver's, for a whole square matrix, of which the row has one neuron's part. The MAC has its "
    "weights in logic and takes one input a clock; its address counter, the input and three times "
    "the input are the array's and not counted, and nor are complements of inputs for the others. "
    "Ports have no slack here: every region is as large as this neuron needs.",
    "Array: `flow array` as a process, from a .npy file of codes or of floats, which it quantises; "
    "equal bytes for any number of processes. Memory: the largest resident size of a process, as "
    "the system counted it.",
    "Chip: `flow build stories260K.bin --target lpu`, then `flow run` of 200 tokens; Verilator "
    "compiles anew, with nothing kept of earlier runs. Each "
    "folded chip is built, checked and run like it; arrays are counted cell by cell, clocks of a "
    "position are those of the cycle model, which the checks hold against the RTL.",
    "Re-spin: other weights over the base of the chip with taught weights, at each slack that its "
    "regions got: taught by another seed, rounded without teaching, and the first ones shuffled "
    "within each matrix. Areas are those of the arrays, cell by cell, as in the row of the chip.",
    "Tokenizers: the library trains tokenizers with options drawn by chance (patterns, prefixes, "
    "normal forms, tokens that stand in texts, frames, bytes for what is unknown), saves them, and "
    "encodes and decodes texts that it did not learn from: code, plays, words of every script, "
    "spaces, digits, marks, any code points. Ours reads the same files. Hostile files are as "
    "large as a file may be, or have as many values.",
    "Integer model: everything in integers, from the embedding to the choice, beside the float "
    "model after each token of the same text. The reach is about the model's own greedy story; "
    "drawn stories are by another seed than those that teach; tinyshakespeare is a text that the "
    "model was not made for. Taught weights follow the gradient on stories that the float model "
    "draws.",
)


def headline(options: Options) -> Iterable[list[Row]]:
    """Every headline figure of the paper."""
    yield [
        Row(
            what=f"headline: {ours.what}",
            value=ours.value,
            unit=ours.unit,
            rival="ASPLOS '26",
            rival_value=theirs.value,
            reach="within 1 %",
            met=abs(ours.value - theirs.value) <= BOUND * abs(theirs.value),
            note=f"{ours.kind}; {difference(ours.value, theirs.value)}; {theirs.where}",
        )
        for ours, theirs in pairs(plan(CONFIG, PlanOptions()))
        if options.only in ours.what
    ]


PARTS: dict[str, Part] = {
    "headline": headline, "neurons": neurons, "arrays": arrays, "memory": memory,
    "models": models, "experts": experts, "tokenizers": tokenizers, "unit": unit, "folded": folded,
    "respin": respin,
}  # fmt: skip


def finish(rows: Sequence[Row]) -> None:
    """Writes the table of all rows."""
    write("lpu", "Language models as wires", rows, REMARKS)


if __name__ == "__main__":
    run_parts("lpu", __doc__ or "", PARTS, finish, timeout_s=3600.0)
