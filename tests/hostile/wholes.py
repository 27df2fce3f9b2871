"""A small whole input of every kind that flow reads, made by the tests' own writers of files."""

from __future__ import annotations

import io
import json
import tempfile
import warnings
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
from frontend import keras_files as k
from frontend import llama_files
from hostile.arena import Case

DATA = Path(__file__).resolve().parents[1] / "frontend" / "data"

TABLE = b"a,b,label\n" + b"".join(
    b"%g,%g,%d\n" % row for row in ((0.5, 1.0, 2), (1.0, -2.0, 0), (0.0, 0.5, 2), (-1, 0.25, 1))
)
BLIF = b""".model tiny
.inputs a b c d
.outputs y z
.latch n1 s0 0
.latch n2 s1 2
.names a b c n1
11- 1
1-1 1
.names s0 d a n2
11- 1
.names s1 s0 y
10 1
01 1
.names s1 d z
11 1
.end
"""
THRESHOLD = b"""A threshold netlist
.model tiny
.inputs a b c
.outputs y
.latch n1 s0 0
.threshold a b c n1
1 1 -1 1
.threshold n1 s0 y
2 1 2
.end
"""
VERILOG = b"""module tiny(input clk, input [3:0] a, input [3:0] b, output reg [4:0] y);
  wire [4:0] sum = a + b;
  always @(posedge clk) y <= sum ^ {a[0], b};
endmodule
"""
CIRCUIT = b"""flow-ir 1
circuit chain
%0 = input x, 0, 0, 1 : [0, 1]
%1 = input x, 1, 0, 15 : [0, 15]
%2 = input x, 2, 0, 1 : [0, 1]
%3 = input x, 3, 0, 15 : [0, 15]
%4 = add %0, %1 : [0, 16]
%5 = sub %4, %2 : [-1, 16]
%6 = add %5, %3 : [-1, 31] @ dense_1 acc 0
in x = %0, %1, %2, %3
out y = %6
"""
LIBERTY = b"""library (small) {
  time_unit : "1ns"; leakage_power_unit : 1uW; capacitive_load_unit (1, pf);
  voltage_unit : "1V"; nom_voltage : 1.2; nom_temperature : 25;
  lu_table_template (t) {
    variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
    index_1 ("1, 2"); index_2 ("10, 30");
  }
  cell (NAND) {
    area : 4.5; cell_leakage_power : 1;
    pin (A, B) { direction : input; capacitance : 2; }
    pin (Y) {
      direction : output; function : "(A B)'";
      timing () {
        related_pin : "A B"; timing_sense : negative_unate;
        cell_rise (t) { values ("1, 2", "3, 4"); } cell_fall (t) { values ("1, 2", "3, 4"); }
      }
    }
  }
  cell (FLOP) {
    area : 20;
    ff (IQ, IQN) { next_state : "D"; clocked_on : "CK"; }
    pin (D) { direction : input; capacitance : 1; }
    pin (CK) { direction : input; clock : true; capacitance : 1; }
    pin (Q) { direction : output; function : "IQ"; }
  }
}
"""
CONFIG = b"""model = "m.h5"
data = "d.csv"
target = "printed"
weight_bits = 6
input_bits = 4
percentile = 99.5
equalise = true
"""
SPECIFICATION = b"""data = "d.csv"
source = "nobody"
hidden = [4, 3]
hidden_bits = 2
exponents = 2
population = 24
generations = 1
reference = 0.9
start = ["trees"]
"""
LLAMA = {
    "model_type": "llama", "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 300,
    "max_position_embeddings": 16, "tie_word_embeddings": True,
}  # fmt: skip
KERAS_2 = k.sequential(k.dense("fc1", 3, activation="softmax"), inputs=(2,))


def keras_3() -> dict[str, object]:
    """The configuration of a Keras 3 network."""
    first = k.dense("fc1", 3, activation="relu")
    return k.sequential(first, k.dense("fc2", 3, activation="softmax"), inputs=(2,), version=None)


def weights_3() -> bytes:
    """Its weights."""
    folders = {"dense": (None, [k.KERNEL, k.BIAS]), "dense_1": (None, [np.eye(3) * 2, k.BIAS])}
    return k.numbered(folders)


def q_keras(kernel: object = "quantized_bits(4,0,alpha=1)") -> bytes:
    """A QKeras file."""
    model = k.sequential(
        k.layer("QActivation", "in", activation="quantized_bits(4,2)"),
        k.layer(
            "QDense", "q", units=3, use_bias=True, kernel_quantizer=kernel,
            bias_quantizer={"class_name": "quantized_bits", "config": {"bits": 3, "integer": 2}},
            activation={"class_name": "quantized_relu", "config": {"bits": 2, "integer": 1}},
        ),
        inputs=(2,),
    )  # fmt: skip
    return k.h5({"q": k.SMALL_WEIGHTS["fc1"]}, model)


@cache
def onnx_bytes() -> bytes:
    """A perceptron."""
    from frontend import onnx_graphs as g

    nodes = [
        g.node("Gemm", "x w1 b1", "h"), g.node("Relu", "h", "a"), g.node("Gemm", "a w2 b2", "y")
    ]  # fmt: skip
    rng = np.random.default_rng(3)
    sizes = {"w1": (4, 3), "b1": (3,), "w2": (3, 2), "b2": (2,)}
    arrays = {name: rng.normal(size=size).astype(np.float32) for name, size in sizes.items()}
    return bytes(g.model(nodes, arrays).SerializeToString())


@cache
def qonnx_bytes() -> bytes:
    """A quantised one."""
    from frontend import onnx_graphs as g

    nodes = [
        g.quantiser("W s z b4", "Wq", signed=1, narrow=1, rounding_mode="ROUND"),
        g.node("MatMul", "x Wq", "h"),
        g.quantiser("h s z b8", "y", signed=1, narrow=0, rounding_mode="ROUND"),
    ]
    rng = np.random.default_rng(3)
    constants = {
        "W": rng.normal(size=(4, 3)).astype(np.float32), "s": np.float32(0.25),
        "z": np.float32(0), "b4": np.float32(4), "b8": np.float32(8),
    }  # fmt: skip
    return bytes(g.model(nodes, constants).SerializeToString())


@cache
def skops_bytes() -> bytes:
    """A fitted line behind a scaler."""
    import skops.io
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x = np.random.default_rng(7).normal(size=(40, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, x[:, 0] > 0)
    file = io.BytesIO()
    skops.io.dump(made, file)
    return file.getvalue()


def safetensors_bytes() -> bytes:
    """The shard of a language model of the sizes of LLAMA."""
    sizes = {"model.embed_tokens.weight": (300, 8), "model.norm.weight": (8,)}
    for layer in range(2):
        at = f"model.layers.{layer}."
        sizes |= {
            f"{at}self_attn.q_proj.weight": (8, 8), f"{at}self_attn.k_proj.weight": (4, 8),
            f"{at}self_attn.v_proj.weight": (4, 8), f"{at}self_attn.o_proj.weight": (8, 8),
            f"{at}mlp.gate_proj.weight": (12, 8), f"{at}mlp.up_proj.weight": (12, 8),
            f"{at}mlp.down_proj.weight": (8, 12),
        }  # fmt: skip
    at, table = 0, {}
    for name, shape in sizes.items():
        size = 4 * int(np.prod(shape))
        table[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    head = json.dumps(table).encode()
    values = np.random.default_rng(1).normal(size=at // 4).astype("<f4")
    return len(head).to_bytes(8, "little") + head + values.tobytes()


@cache
def built(last: str) -> dict[str, bytes]:
    """The files of a build that ended after a stage, below `built/`."""
    from flow.cli.main import run

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "m.h5").write_bytes(k.h5(k.SMALL_WEIGHTS, KERAS_2))
        (place / "d.csv").write_bytes(TABLE)
        words = ["build", str(place / "m.h5"), "--data", str(place / "d.csv"), "--input-bits", "3",
                 "--weight-bits", "3", "--to", last, "-o", str(place / "out")]  # fmt: skip
        if run(words) != 0:
            raise AssertionError("the small network is not built")
        files = (path for path in sorted((place / "out").rglob("*")) if path.is_file())
        return {
            f"built/{path.relative_to(place / 'out').as_posix()}": path.read_bytes()
            for path in files
        }


def npz(**arrays: object) -> bytes:
    """An archive of arrays."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def npy(array: object) -> bytes:
    """An array."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _archived(archive: str, name: str) -> bytes:
    with zipfile.ZipFile(DATA / archive) as file:
        return file.read(name)


def network_text() -> bytes:
    """A network as a build folder holds it."""
    return built("lower")["built/01-import/network.json"]


def whole(kind: str) -> Case:
    """The whole input of a kind; its first file is the one that is damaged."""
    model = {"m.h5": k.h5(k.SMALL_WEIGHTS, KERAS_2)}
    x = np.array([[0.5, 1.0], [-1.0, 0.25], [0.75, 2.0]])
    verify = ("verify", "built", "--prove-limit", "0")
    match kind:
        case "keras h5":
            return Case(kind, "whole", model, ("check", "m.h5"), (0,))
        case "keras json":
            files = {"m.json": json.dumps(KERAS_2).encode(), "w.h5": k.h5(k.SMALL_WEIGHTS)}
            return Case(kind, "whole", files, ("check", "m.json", "--weights", "w.h5"), (0,))
        case "keras zip":
            files = {"m.keras": k.keras_zip(keras_3(), weights_3())}
            return Case(kind, "whole", files, ("check", "m.keras"), (0,))
        case "qkeras":
            return Case(kind, "whole", {"q.h5": q_keras()}, ("check", "q.h5"), (0,))
        case "hgq 1":
            files = {"m.h5": _archived("hgq1.zip", "table.h5")}
            return Case(kind, "whole", files, ("check", "m.h5"), (0,))
        case "hgq 2":
            files = {"m.keras": _archived("hgq2.zip", "dense_TRN_SAT.keras")}
            return Case(kind, "whole", files, ("check", "m.keras"), (0,))
        case "onnx":
            return Case(kind, "whole", {"m.onnx": onnx_bytes()}, ("check", "m.onnx"), (0,))
        case "qonnx":
            return Case(kind, "whole", {"m.onnx": qonnx_bytes()}, ("check", "m.onnx"), (0,))
        case "skops":
            return Case(kind, "whole", {"m.skops": skops_bytes()}, ("check", "m.skops"), (0,))
        case "llama2.c":
            files = {"m.bin": llama_files.model_bytes()}
            return Case(kind, "whole", files, ("read:llama2c", "m.bin"), (0,))
        case "tokenizer":
            files = {"t.bin": llama_files.tokenizer_bytes()}
            return Case(kind, "whole", files, ("read:tokenizer", "t.bin"), (0,))
        case "safetensors":
            files = {"m.safetensors": safetensors_bytes()}
            return Case(kind, "whole", files, ("read:shard", "m.safetensors"), (0,))
        case "language config":
            files = {"config.json": json.dumps(LLAMA).encode()}
            return Case(kind, "whole", files, ("plan", "config.json"), (0,))
        case "blif":
            return Case(kind, "whole", {"c.blif": BLIF}, flash("c.blif"), (0,), tools=True)
        case "threshold":
            return Case(kind, "whole", {"c.th": THRESHOLD}, flash("c.th"), (0,), tools=True)
        case "verilog":
            return Case(kind, "whole", {"c.v": VERILOG}, flash("c.v"), (0,), tools=True)
        case "liberty":
            return Case(kind, "whole", {"c.lib": LIBERTY}, ("read:liberty", "c.lib"), (0,))
        case "circuit":
            return Case(kind, "whole", {"c.flow": CIRCUIT}, ("opt", "c.flow"), (0,))
        case "network":
            files = {"n.json": network_text()}
            return Case(kind, "whole", files, ("read:network", "n.json"), (0,))
        case "configuration":
            files = {"flow.toml": CONFIG, **model, "d.csv": TABLE}
            return Case(kind, "whole", files, ("check", "--config", "flow.toml"), (0,))
        case "specification":
            files = {"s.toml": SPECIFICATION, "d.csv": TABLE * 12}
            files["d.csv"] = b"a,b,label\n" + TABLE.split(b"\n", 1)[1] * 12
            return Case(kind, "whole", files, ("read:specification", "s.toml"), (0,))
        case "manifest":
            files = built("emit")
            first = {"built/manifest.json": files["built/manifest.json"]}
            return Case(kind, "whole", first | files, verify, (0,), tools=True)
        case "data csv":
            files = {"d.csv": TABLE, **model}
            return Case(kind, "whole", files, ("check", "m.h5", "--data", "d.csv"), (0,))
        case "data npy":
            files = {"d.npy": npy(x), **model}
            return Case(kind, "whole", files, ("check", "m.h5", "--data", "d.npy"), (0,))
        case "data npz":
            files = {"d.npz": npz(x=x, y=np.array([0, 1, 2])), **model}
            return Case(kind, "whole", files, ("check", "m.h5", "--data", "d.npz"), (0,))
        case _:
            raise AssertionError(kind)


def flash(name: str) -> tuple[str, ...]:
    """The command that reads a circuit."""
    return ("build", name, "--target", "flash", "--to", "read", "-o", "out")
