"""Parts of the benchmark of language models: writing arrays, and memory of very large models."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cases import Options
from common import ROOT, Row
from designs import SEED

from flow.frontend.language.codes import VALUES

CONFIG = ROOT / "examples" / "lpu" / "gpt_oss_120b.json"
SIZE = 2880
LIMIT_S = 120.0
LIMIT_MIB = 2048
EXPERT = "model.layers.17.mlp.experts.down_proj"


def arrays(options: Options) -> Iterable[list[Row]]:
    """Time to write a whole array, by one process and by two: equal bytes; and with quantising."""
    size = 256 if options.quick else SIZE
    rng = np.random.default_rng(SEED)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        np.save(place / "codes.npy", rng.choice(VALUES["fp4"], (size, size)).astype(np.int8))
        np.save(place / "floats.npy", rng.standard_normal((size, size)).astype(np.float32))
        found = {}
        for source, workers in (("codes", 1), ("codes", 2), ("floats", 2)):
            out = place / f"{source}{workers}"
            arguments = ("array", f"{source}.npy", "-o", out, "--workers", workers, "--json")
            said, spent = flow(place, *arguments)
            facts = json.loads(said)
            found[out.name] = hashlib.sha256((out / "wires.v").read_bytes()).hexdigest()
            note = (
                f"{spent.cpu:.0f} s of processors; wires read back; "
                f"{facts['wires_bytes'] / 1e6:.0f} MB; "
                f"{facts['ports'] / facts['weights']:.2f} ports a weight; {spent.mib:.0f} MiB"
            )
            what = f"array: Verilog of {size} x {size} from {source}, {workers} process"
            ready = source == "codes"
            yield [
                Row(f"{what}{'es' * (workers > 1)}", spent.seconds, "s",
                    reach="under 120 s" if ready else "",
                    met=spent.seconds < LIMIT_S if ready else None, note=note)
            ]  # fmt: skip
        if found["codes1"] != found["codes2"]:
            raise SystemExit("two processes write other bytes than one")


def memory(options: Options) -> Iterable[list[Row]]:
    """Peak memory of a plan and of one expert's array, from shards of 120 billion parameters."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        size = large_model(place)
        note = f"gpt-oss-120B's tensors in shards of {size / 1e9:.1f} GB, sparse but for one expert"
        for what, arguments in {
            "plan of it": ("plan", "."),
            f"array of one expert, {SIZE} x {SIZE}": (
                "array", ".", "-o", "out", "--tensor", EXPERT, "--expert", "5",
            ),
        }.items():  # fmt: skip
            _, spent = flow(place, *arguments)
            yield [
                Row(f"memory: {what}", spent.mib, "MiB", reach="below 2048 MiB",
                    met=spent.mib < LIMIT_MIB, note=f"{note}; {spent.seconds:.0f} s")
            ]  # fmt: skip


@dataclass(frozen=True)
class Spent:
    """Of a process: wall time and time of processors (s), largest resident memory (MiB)."""

    seconds: float
    cpu: float
    mib: float


WATCH = """import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
cpu = used.ru_utime + used.ru_stime
print(json.dumps([done.returncode, done.stdout.decode(), cpu, used.ru_maxrss]))
"""
"""Runs a command from a process that is small itself: a child begins with its parent's size."""


def flow(place: Path, *arguments: object) -> tuple[str, Spent]:
    """What a command prints, and what it took."""
    command = [sys.executable, "-c", WATCH, sys.executable, "-m", "flow", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=place, env=environment, stdout=subprocess.PIPE, check=True)
    seconds = time.perf_counter() - begin
    code, said, cpu, size = json.loads(done.stdout)
    if code:
        raise SystemExit(f"flow {arguments[0]} failed")
    return said, Spent(seconds, cpu, size / 1024)


def large_model(place: Path) -> int:
    """config.json, an index and sparse shards of the sizes of gpt-oss-120B; all bytes of them."""
    config = json.loads(CONFIG.read_text())
    (place / "config.json").write_text(json.dumps(config))
    hidden, inner, experts = (
        config[name] for name in ("hidden_size", "intermediate_size", "num_local_experts")
    )
    heads = config["num_attention_heads"] * config["head_dim"]
    keys = config["num_key_value_heads"] * config["head_dim"]
    layer: dict[str, tuple[str, tuple[int, ...]]] = {
        "self_attn.q_proj.weight": ("BF16", (heads, hidden)),
        "self_attn.k_proj.weight": ("BF16", (keys, hidden)),
        "self_attn.v_proj.weight": ("BF16", (keys, hidden)),
        "self_attn.o_proj.weight": ("BF16", (hidden, heads)),
        "mlp.router.weight": ("BF16", (experts, hidden)),
        "mlp.experts.gate_up_proj_blocks": ("U8", (experts, 2 * inner, hidden // 32, 16)),
        "mlp.experts.gate_up_proj_scales": ("U8", (experts, 2 * inner, hidden // 32)),
        "mlp.experts.down_proj_blocks": ("U8", (experts, hidden, inner // 32, 16)),
        "mlp.experts.down_proj_scales": ("U8", (experts, hidden, inner // 32)),
    }
    table = ("BF16", (config["vocab_size"], hidden))
    ends = dict.fromkeys(("model.embed_tokens.weight", "lm_head.weight"), table)
    shards = [
        {f"model.layers.{n}.{name}": entry for name, entry in layer.items()}
        for n in range(config["num_hidden_layers"])
    ]
    where: dict[str, str] = {}
    total = 0
    for k, shard in enumerate([ends, *shards]):
        file = f"model-{k:05d}.safetensors"
        where |= dict.fromkeys(shard, file)
        total += _shard(place / file, shard)
    (place / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    return total


def _shard(path: Path, tensors: dict[str, tuple[str, tuple[int, ...]]]) -> int:
    at, table = 0, {}
    for name, (dtype, shape) in tensors.items():
        end = at + int(np.prod(shape)) * (2 if dtype == "BF16" else 1)
        table[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(table).encode()
    rng = np.random.default_rng(SEED)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + at)
        for part, low, high in (("_blocks", 0, 256), ("_scales", 120, 124)):
            if (entry := table.get(EXPERT + part)) is not None:
                begin, end = entry["data_offsets"]
                size = (end - begin) // entry["shape"][0]
                file.seek(8 + len(text) + begin + 5 * size)
                file.write(rng.integers(low, high, size).astype(np.uint8).tobytes())
    return 8 + len(text) + at
