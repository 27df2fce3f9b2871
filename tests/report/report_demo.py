"""A report as a real build has it: a printed classifier of wine, and what else tests need."""

from dataclasses import replace

from flow.report.record import (
    Accuracy,
    Area,
    CellCount,
    Check,
    Fact,
    Latency,
    LayerRow,
    PathStep,
    Power,
    PowerSource,
    Record,
    Summary,
    Technology,
    Timing,
    WidthCount,
)

HOSTILE = "<script>alert('x')</script>\"'&{{7*7}}[red]\x1b[31m"


def demo() -> Record:
    """A printed classifier with every section filled."""
    layers = (
        LayerRow("hidden_1", "dense", (11, 10), 110, 5, 4, 214, 2961, 868_400_000.0, 7.9108),
        LayerRow("relu_1", "requantize", (10,), 0, 0, 4, 0, 388, 102_250_000.0, 0.9312),
        LayerRow("hidden_2", "dense", (10, 8), 80, 4, 4, 131, 1747, 505_120_000.0, 4.6015),
        LayerRow("relu_2", "requantize", (8,), 0, 0, 3, 0, 241, 66_040_000.0, 0.6021),
        LayerRow("logits", "dense", (8, 4), 32, 6, 9, 63, 902, 261_300_000.0, 2.3805),
        LayerRow("argmax", "argmax", (4,), 0, 0, 2, 0, 212, 58_870_000.0, 0.5363),
        LayerRow("(shared)", "glue", (), 0, 0, 0, 0, 9, 1_020_000.0, 0.0076),
    )
    cells = (
        CellCount("NAND2", 2411, 530_420_000.0),
        CellCount("XOR2", 1302, 703_080_000.0),
        CellCount("AND2", 1198, 335_440_000.0),
        CellCount("INV", 1122, 145_860_000.0),
        CellCount("NOR2", 427, 148_200_000.0),
    )
    steps = (
        ("x_3", "input", "x", 0.0),
        ("hidden_1_n118", "XOR2", "hidden_1", 3.1),
        ("hidden_1_acc_4", "NAND2", "hidden_1", 11.85),
        ("relu_1_act_4", "AND2", "relu_1", 14.2),
        ("hidden_2_n41", "XOR2", "hidden_2", 21.9),
        ("hidden_2_acc_1", "NAND2", "hidden_2", 27.45),
        ("relu_2_act_1", "AND2", "relu_2", 29.15),
        ("logits_acc_2", "XOR2", "logits", 38.6),
        ("argmax_gt_2_3", "NOR2", "argmax", 44.05),
        ("y_1", "NAND2", "argmax", 46.32),
    )
    return Record(
        summary=Summary(
            model_name="whitewine_mlp",
            model_sha256="5b1c2f0de0f7c3a74a9b1d8a2e6c4f90b7d1358e4c60aa21f39e80d5167bc942",
            task="classification",
            target="printed",
            technology=Technology(
                "egfet", 1.0, "typical", "Bleier et al., Printed Microprocessors, ISCA 2020"
            ),
            flow_version="0.1.0",
            tools=(Fact("yosys", "0.70"), Fact("icarus", "12.0"), Fact("abc", "in yosys 0.70")),
            seed=1,
            command="flow build whitewine.h5 --target printed --data whitewine.npz -o OUT",
        ),
        accuracy=Accuracy(
            "accuracy",
            980,
            0.5489795918367347,
            0.5428571428571428,
            0.5428571428571428,
            ("4", "5", "6", "7"),
            ((3, 24, 18, 0), (2, 181, 104, 5), (0, 118, 293, 39), (0, 9, 129, 55)),
        ),
        area=Area(1_863_000_000.0, 8468.18, cells),
        power=Power(14.21, 2.76, "vectors", 50.0, "ms", 980),
        timing=Timing(
            46.32, "ms", tuple(PathStep(*step) for step in steps), "OpenSTA 2.7"
        ),
        latency=Latency(0, 1),
        sources=(
            PowerSource("Molex 90 mAh, 2 in series", 30.0, True),
            PowerSource("Zinergy", 15.0, False, "gives 15 mW, needs 16.97 mW"),
            PowerSource("Blue Spark", 3.0, False, "gives 3 mW, needs 16.97 mW"),
            PowerSource("printed solar cell, 10 cm²", 0.1, False, "gives 0.1 mW"),
        ),
        layers=layers,
        widths=tuple(
            WidthCount(bits, wires)
            for bits, wires in (
                (1, 64), (2, 22), (3, 38), (4, 118), (5, 61), (6, 84), (7, 122), (8, 141),
                (9, 96), (10, 41), (11, 12), (12, 4),
            )
        ),
        checks=(
            Check("integer network = framework", "passed", "980 of 980 answers are equal"),
            Check("circuit = integer network", "proved", "every interval of every layer"),
            Check("Verilog = circuit", "proved", "SAT over all 2^44 inputs"),
            Check("netlist = Verilog", "timed out", "9 of 12 outputs proved in 600 s"),
            Check("Icarus simulation", "passed", "980 vectors"),
            Check("Verilator simulation", "not checked", "Verilator is not installed"),
        ),
        notes=("The softmax of the model is computed on the host.",),
        provenance=(
            Fact("model file", "whitewine.h5, sha256 5b1c2f0de0f7"),
            Fact("data file", "whitewine.npz, sha256 90ab33cd1e02"),
            Fact("cell file", "egfet.toml, sha256 77e1aa0b42cd"),
        ),
    )  # fmt: skip


def bare() -> Record:
    """The least that a report may hold."""
    record = demo()
    return replace(
        record, accuracy=None, area=None, power=None, timing=None, latency=Latency(5, 2),
        sources=(), layers=(), widths=(), checks=(), notes=(), provenance=(),
    )  # fmt: skip


def hostile() -> Record:
    """Every string that a model or its data can choose is an attack."""
    record = demo()
    assert record.accuracy is not None
    assert record.timing is not None
    return replace(
        record,
        summary=replace(record.summary, model_name=HOSTILE, task=HOSTILE, command=HOSTILE),
        accuracy=replace(record.accuracy, classes=(HOSTILE, "b", "c", "d")),
        timing=replace(record.timing, path=(PathStep(HOSTILE, HOSTILE, HOSTILE, 46.32),)),
        sources=(PowerSource(HOSTILE, 99.0, True, HOSTILE),),
        layers=tuple(replace(row, layer=HOSTILE, kind=HOSTILE) for row in record.layers),
        checks=(Check(HOSTILE, "failed", HOSTILE), Check("b", "disproved", HOSTILE)),
        notes=(HOSTILE,),
        provenance=(Fact(HOSTILE, HOSTILE),),
    )
