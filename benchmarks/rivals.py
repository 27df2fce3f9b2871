"""Runs in the rivals' own environment: their Verilog of a constant network or of a Keras file.

    python rivals.py (alkaid|alkaid-ternary|da4ml) SPECIFICATION FOLDER

The specification is JSON: {"inputs": [k, i, f], "layers": [...]} with a number for each element,
and layers of {"weights", "bias"}, {"relu"} or {"quantize": [k, i, f, overflow, rounding]}; or
{"keras": path, "inputs": [k, i, f]}. Writes rtl.v, the modules without wrappers, and
layout.json with the top, (sign, integer, fraction) of each port element and the seconds it took.
Imports nothing of flow.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


def main() -> None:
    """One design by one tool."""
    name, specification, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    tool, _, ternary = name.partition("-")
    text = json.loads(Path(specification).read_text())
    loaded = _keras(text["keras"]) if "keras" in text else None
    start = time.perf_counter()
    logic = _traced(tool, text, loaded)
    _write(tool, logic, folder / "project", bool(ternary))
    seconds = time.perf_counter() - start
    sources = folder / "project" / "src"
    files = sorted(f for f in sources.rglob("*.v") if not f.stem.endswith("_wrapper"))
    texts = {f.stem: f.read_text() for f in files}
    used = "".join(text for stem, text in texts.items() if stem != "lookup_table")
    if "lookup_table #" not in used:
        texts.pop("lookup_table", None)
    (folder / "rtl.v").write_text(_with_tables("".join(texts.values()), sources))
    kinds = {"inputs": logic.inp_kifs, "outputs": logic.out_kifs}
    layout: dict[str, Any] = {
        name: np.array(rows).T.astype(int).tolist() for name, rows in kinds.items()
    }
    layout |= {"top": "rival", "seconds": seconds}
    (folder / "layout.json").write_text(json.dumps(layout))


def _keras(path: str) -> Any:
    import keras
    from hgq.layers.table import QDenseT

    # HGQ2 0.2 registers all its layers but this one.
    keras.saving.register_keras_serializable("hgq2")(QDenseT)
    return keras.models.load_model(path, compile=False)


def _traced(tool: str, text: dict[str, Any], loaded: Any) -> Any:
    k, i, f = (np.array(x) for x in text["inputs"])
    if tool == "alkaid":
        from alkaid.converter import trace_model
        from alkaid.trace import FVArray, trace

        inputs = FVArray.from_kif(k, i, f, solver_options={"method0": "mc"})
        if loaded is not None:
            return trace(*trace_model(loaded, inputs=inputs))
        return trace(inputs, layered(inputs, text["layers"]))
    from da4ml.converter import trace_model as da_trace_model
    from da4ml.trace import FixedVariableArrayInput, HWConfig, comb_trace

    whole = FixedVariableArrayInput(len(k), hwconf=HWConfig(1, -1, -1))
    if loaded is not None:
        _, outputs = da_trace_model(loaded, inputs=whole.quantize(k, i, f))
        return comb_trace(whole, outputs)
    return comb_trace(whole, layered(whole.quantize(k, i, f), text["layers"]))


def _with_tables(text: str, sources: Path) -> str:
    """The Verilog with the tables that it reads from files as modules with a case each."""
    texts = [text]
    for number, name in enumerate(dict.fromkeys(re.findall(r'"(table_[^"]*\.mem)"', text))):
        pattern = rf'lookup_table #\((\d+), (\d+), "{re.escape(name)}"\)'
        found = re.search(pattern, text)
        assert found is not None
        wide, narrow = map(int, found.groups())
        words = next(sources.rglob(name)).read_text().split()
        cases = "".join(f"{wide}'d{i}: y = {narrow}'h{word};\n" for i, word in enumerate(words))
        texts.append(
            f"module table_{number} (input [{wide - 1}:0] x, output reg [{narrow - 1}:0] y);\n"
            f"always @(*) case (x)\n{cases}default: y = {narrow}'bx;\nendcase\nendmodule\n"
        )
        texts[0] = re.sub(pattern, f"table_{number}", texts[0])
    if len(texts) > 1:
        texts[0] = re.sub(r"module lookup_table\b.*?endmodule", "", texts[0], flags=re.S)
    return "".join(texts)


_ROUNDINGS = {"half_even": "RND_CONV", "floor": "TRN", "half_up": "RND"}
_OVERFLOWS = {"wrap": "WRAP", "saturate": "SAT"}


def layered(value: Any, layers: Sequence[dict[str, Any]]) -> Any:
    """What a tracer makes of the layers of a specification."""
    for layer in layers:
        if "weights" in layer:
            value = value @ np.array(layer["weights"]) + np.array(layer["bias"])
        elif "relu" in layer:
            value = value.relu()
        elif "shape" in layer:
            value = value.reshape(*layer["shape"])
        elif "gather" in layer:
            flat = value.reshape(-1)
            flat = np.concatenate([flat, (flat * 0.0)[:1]])
            value = flat[np.array(layer["gather"])]
        elif "max" in layer:
            h, w = layer["max"]
            rows = [[np.max(value[i : i + h, j : j + w].reshape(h * w, -1), axis=0)
                     for j in range(0, value.shape[1] - w + 1, w)]
                    for i in range(0, value.shape[0] - h + 1, h)]  # fmt: skip
            value = np.stack([np.stack(row) for row in rows])
        elif "kernel" in layer:
            value = _convolved(value, np.array(layer["kernel"]), layer["strides"])
            value = value + np.array(layer["bias"])
        else:
            *kif, overflow, rounding = layer["quantize"]
            kif = [np.array(x).reshape(value.shape) for x in kif]
            value = value.quantize(*kif, _OVERFLOWS[overflow], _ROUNDINGS[rounding])
    return value


def _convolved(value: Any, kernel: np.ndarray, strides: Sequence[int]) -> Any:
    """A convolution without padding, one product of a matrix for each window."""
    h, w, _, filters = kernel.shape
    flat = kernel.reshape(-1, filters)
    rows = [[value[i : i + h, j : j + w].reshape(-1) @ flat
             for j in range(0, value.shape[1] - w + 1, strides[1])]
            for i in range(0, value.shape[0] - h + 1, strides[0])]  # fmt: skip
    return np.stack([np.stack(row) for row in rows])


def _write(tool: str, logic: Any, folder: Path, ternary: bool) -> None:
    if tool == "alkaid":
        from alkaid.codegen import RTLModel

        RTLModel(logic, folder, "rival", print_latency=False, ternary_fuse=ternary).write()
    else:
        from da4ml.codegen import VerilogModel

        VerilogModel(logic, "rival", folder, latency_cutoff=-1).write()


if __name__ == "__main__":
    main()
