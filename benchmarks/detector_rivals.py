"""Runs in the rivals' own environment: alkaid's pipelined Verilog of a network.

    python detector_rivals.py (ternary|binary) CUTOFF SPECIFICATION FOLDER

The specification is that of rivals.py; "inputs" of a Keras file is a list for each of its inputs.
The options are those of `alkaid convert`, whose latency cutoff is CUTOFF levels of adders a stage
and whose adders are of three operands or of two. No registers at the inputs: as many ranks as
stages, the last at the outputs. Writes rtl.v and layout.json as rivals.py does, with the stages.
Imports nothing of flow.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from rivals import _keras, _with_tables, layered


def main() -> None:
    """One design."""
    adders, cutoff, specification, folder = sys.argv[1:5]
    text = json.loads(Path(specification).read_text())
    loaded = _keras(text["keras"]) if "keras" in text else None
    start = time.perf_counter()
    logic = _traced(text, loaded)
    stages = _write(logic, Path(folder) / "project", adders == "ternary", float(cutoff))
    seconds = time.perf_counter() - start
    sources = Path(folder) / "project" / "src"
    files = sorted(f for f in sources.rglob("*.v") if not f.stem.endswith("_wrapper"))
    texts = {f.stem: f.read_text() for f in files}
    used = "".join(text for stem, text in texts.items() if stem != "lookup_table")
    if "lookup_table #" not in used:
        texts.pop("lookup_table", None)
    (Path(folder) / "rtl.v").write_text(_with_tables("".join(texts.values()), sources))
    kinds = {"inputs": logic.inp_kifs, "outputs": logic.out_kifs}
    layout: dict[str, Any] = {
        name: np.array(rows).T.astype(int).tolist() for name, rows in kinds.items()
    }
    layout |= {"top": "rival", "seconds": seconds, "stages": stages}
    (Path(folder) / "layout.json").write_text(json.dumps(layout))


def _traced(text: dict[str, Any], loaded: Any) -> Any:
    from alkaid.converter import trace_model
    from alkaid.trace import FVArray, HWConfig, trace

    config, solver = HWConfig(1, 1, -1), {"hard_dc": 5}
    if loaded is not None:
        _mend_reshape()
        # A batch of one: convolutions count their dimensions with it.
        inputs = tuple(
            FVArray.from_kif(*(np.array(x).reshape(1, *shape.shape[1:]) for x in kif),
                             hwconf=config, solver_options=solver)
            for kif, shape in zip(text["inputs"], loaded.inputs, strict=True)
        )  # fmt: skip
        return trace(*trace_model(loaded, inputs=inputs))
    kif = (np.array(x) for x in text["inputs"])
    inputs = FVArray.from_kif(*kif, hwconf=config, solver_options=solver)
    return trace(inputs, layered(inputs, text["layers"]))


def _mend_reshape() -> None:
    """alkaid 0.8.2 leaves the batch out where Keras reshapes, and cannot take a slice after it."""
    import keras
    from alkaid.converter.builtin.keras.layers.ops import ReplayReshape

    plain = ReplayReshape.call

    def call(self: Any, inputs: Any) -> Any:
        if isinstance(self.op, keras.layers.Reshape):
            return inputs.reshape((inputs.shape[0], *self.op.target_shape))
        return plain(self, inputs)

    ReplayReshape.call = call


def _write(logic: Any, folder: Path, ternary: bool, cutoff: float) -> int:
    """The project; how many stages it has."""
    from alkaid.codegen import RTLModel
    from alkaid.trace.passes import add_surrogate, dead_code_elimin, fuse_ternary_adders
    from alkaid.trace.pipeline import to_pipeline

    if ternary:
        logic = add_surrogate(dead_code_elimin(fuse_ternary_adders(logic)), _skip_op8_cost=True)
    machine = to_pipeline(logic, latency_cutoff=cutoff, verbose=False, reg_inp=False)
    model = RTLModel(machine, folder, "rival", print_latency=False, ternary_fuse=False)
    model.write()
    return int(model.latency) + 1


if __name__ == "__main__":
    main()
