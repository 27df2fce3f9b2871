"""Writes docs/models.md: what became of every model file below some folders.

    python docs/make_models.py FOLDER ...

Each file goes through `flow check`, then, where a `golden*.npz` (x or x0, x1, ...; y) lies beside
it, through `flow eval` against the framework's own answers, and through `flow build --to emit` on
those samples. Files that take longer than a limit are said to.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
SUFFIXES = (".keras", ".h5", ".hdf5", ".onnx", ".skops")
LIMIT_S = 90
HEAD = """\
# Models that were tried

Made by `make docs-models MODELS=FOLDER`. Every file went through `flow check`. *Answers* compares
`flow eval` with the outputs that the framework itself gave: *exact* where no sample differs by more
than 1e-5 of the largest output (float32 frameworks print no more), else the largest difference;
float models are quantised after training to 16 bits, and compared by the class they choose.
*Circuit* says how far `flow build --to emit` came: Verilog of a circuit that gave the network's
answer to every sample after every pass, or what stood in the way.

"""


@dataclass(frozen=True)
class Row:
    """What became of one file."""

    model: str
    answers: str
    circuit: str


def main(folders: list[str]) -> None:
    """Write the page, a row at a time."""
    rows = []
    for folder in map(Path, folders):
        for path in sorted(p for p in folder.rglob("*") if p.suffix in SUFFIXES):
            rows.append(examine(path, f"{path.parent.name}/{path.name}"))
            print(rows[-1], flush=True)
            write(rows)


def write(rows: list[Row]) -> None:
    """The page with the rows so far."""
    lines = ["| model | answers | circuit |", "| --- | --- | --- |"]
    lines += [f"| {row.model} | {row.answers} | {row.circuit} |" for row in rows]
    (HERE / "models.md").write_text(HEAD + "\n".join(lines) + "\n")


def examine(path: Path, name: str) -> Row:
    """Check, evaluate and build one file."""
    model = model_arguments(path)
    checked = flow("check", *model)
    if checked.returncode:
        return Row(name, "-", "refused: " + obstacles(checked.stderr))
    golden = golden_of(path)
    if golden is None:
        return Row(name, "no recorded outputs", "`flow check` finds nothing in the way")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "x.npz"
        wanted = golden[next(k for k in golden.files if not k.startswith("x"))]
        np.savez(data, **{k: golden[k] for k in golden.files if k.startswith("x")})
        out = Path(folder) / "y.npy"
        answered = flow("eval", *model, "--data", str(data), "-o", str(out))
        if answered.returncode:
            return Row(name, obstacles(answered.stderr), "-")
        answers = compare(np.load(out), wanted)
        built = flow(
            "build", *model, "--data", str(data), "--target", "fpga", "--passes", "adders",
            "--to", "emit", "--head", "logits", "--output", str(Path(folder) / "out"),
        )  # fmt: skip
    circuit = "emitted" if built.returncode == 0 else obstacles(built.stderr)
    return Row(name, answers, circuit)


def model_arguments(path: Path) -> list[str]:
    """The file itself, or the configuration beside a file of weights alone."""
    specifications = sorted(path.parent.glob("*.json"))
    if path.suffix not in (".h5", ".hdf5") or not specifications:
        return [str(path)]
    near = [s for s in specifications if s.stem[:7] == path.stem[:7]] or specifications
    return [str(near[0]), "--weights", str(path)]


def golden_of(path: Path) -> np.lib.npyio.NpzFile | None:
    """The recorded inputs and outputs of a model, by name or the only ones beside it."""
    files = sorted(path.parent.glob("golden*.npz"))
    named = [f for f in files if f.stem.removeprefix("golden").strip("_") == path.stem]
    if not named:
        alone = [f for f in files if f.stem in ("golden", "golden_encoder_latent")]
        named = alone if "decoder" not in path.name else []
    return np.load(named[0]) if named else None


def compare(got: np.ndarray, wanted: np.ndarray) -> str:
    """How far the answers lie from the recorded ones."""
    if got.size != wanted.size:
        return f"shape {got.shape}, not {wanted.shape}"
    got, wanted = got.reshape(wanted.shape).astype(float), wanted.astype(float)
    far = np.abs(got - wanted).max() / max(1.0, np.abs(wanted).max())
    if far <= 1e-5:
        return f"exact on {len(wanted)} samples"
    if wanted.ndim < 2 or wanted.shape[1] < 2:
        return f"off by at most {far:.1e}"
    same = (got.argmax(1) == wanted.argmax(1)).mean()
    return f"same class in {same:.0%}, off by at most {far:.1e}"


def obstacles(text: str) -> str:
    """The first line of a message, fit for a table."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return (lines[0] if lines else "no message").replace("|", "\\|")[:200]


def flow(*words: str) -> subprocess.CompletedProcess[str]:
    """Run flow; exit status 124 where it takes too long."""
    program = str(Path(sys.executable).with_name("flow"))
    try:
        return subprocess.run(
            [program, *words], capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        late = f"not done after {LIMIT_S} s"
        return subprocess.CompletedProcess(words, 124, "", late)


if __name__ == "__main__":
    main(sys.argv[1:])
