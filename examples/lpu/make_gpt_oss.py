"""Writes a gpt-oss of random weights, small enough to build, as Hugging Face stores such models.

    python examples/lpu/make_gpt_oss.py out/tiny
    flow check out/tiny
    flow build out/tiny --target lpu --simulator verilator -o out/experts
    flow run out/experts --prompt "the" --tokens 8

Two layers, the first of which attends to the last four positions; four experts in MXFP4, of which a
token takes two; sinks, biases, YaRN; a tokenizer of bytes with a few merges. It tells nothing.
"""

import argparse
import json
from pathlib import Path

import numpy as np

MERGES = (("t", "h"), ("th", "e"), ("a", "n"), ("an", "d"), ("i", "n"))
HIDDEN, INNER, EXPERTS, HEADS, KV_HEADS, HEAD = 32, 32, 4, 2, 1, 8
CONFIG = {
    "model_type": "gpt_oss", "hidden_size": HIDDEN, "intermediate_size": INNER,
    "num_hidden_layers": 2, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
    "head_dim": HEAD, "num_local_experts": EXPERTS, "num_experts_per_tok": 2,
    "vocab_size": 258 + len(MERGES), "max_position_embeddings": 24, "rms_norm_eps": 1e-5,
    "rope_theta": 150000.0, "sliding_window": 4, "attention_bias": True, "hidden_act": "silu",
    "layer_types": ["sliding_attention", "full_attention"], "swiglu_limit": 7.0,
    "bos_token_id": 0, "eos_token_id": 1, "tie_word_embeddings": False,
    "rope_scaling": {
        "rope_type": "yarn", "factor": 4.0, "beta_fast": 32.0, "beta_slow": 1.0,
        "truncate": False, "original_max_position_embeddings": 256,
    },
}  # fmt: skip


def tensors(seed: int) -> dict[str, np.ndarray]:
    """Tensors by name: floats, and experts as bytes of two codes and bytes of scales."""
    rng = np.random.default_rng(seed)
    found = {}

    def add(name: str, *shape: int, size: float = 0.0, middle: float = 0.0) -> None:
        spread = size or shape[-1] ** -0.5
        found[name] = (middle + rng.normal(0, spread, shape)).astype(np.float32)

    add("model.embed_tokens.weight", CONFIG["vocab_size"], HIDDEN, size=1.0)
    add("lm_head.weight", CONFIG["vocab_size"], HIDDEN, size=0.5)
    add("model.norm.weight", HIDDEN, size=0.2, middle=1.0)
    for number in range(CONFIG["num_hidden_layers"]):
        at = f"model.layers.{number}."
        for norm in ("input_layernorm", "post_attention_layernorm"):
            add(f"{at}{norm}.weight", HIDDEN, size=0.2, middle=1.0)
        for name, outputs, inputs in (
            ("self_attn.q_proj", HEADS * HEAD, HIDDEN),
            ("self_attn.k_proj", KV_HEADS * HEAD, HIDDEN),
            ("self_attn.v_proj", KV_HEADS * HEAD, HIDDEN),
            ("self_attn.o_proj", HIDDEN, HEADS * HEAD),
            ("mlp.router", EXPERTS, HIDDEN),
        ):  # fmt: skip
            add(f"{at}{name}.weight", outputs, inputs)
            add(f"{at}{name}.bias", outputs, size=0.3)
        add(f"{at}self_attn.sinks", HEADS, size=1.0)
        for name, outputs, inputs in (("gate_up", 2 * INNER, HIDDEN), ("down", HIDDEN, INNER)):
            blocks = (EXPERTS, outputs, inputs // 32)
            codes = rng.integers(0, 256, (*blocks, 16))
            found[f"{at}mlp.experts.{name}_proj_blocks"] = codes.astype(np.uint8)
            scales = rng.integers(122, 125, blocks)
            found[f"{at}mlp.experts.{name}_proj_scales"] = scales.astype(np.uint8)
            add(f"{at}mlp.experts.{name}_proj_bias", EXPERTS, outputs, size=0.3)
    return found


def safetensors(arrays: dict[str, np.ndarray]) -> bytes:
    """A length, a table, and the bytes of all tensors."""
    table, at = {}, 0
    for name, array in arrays.items():
        dtype = "U8" if array.dtype == np.uint8 else "F32"
        offsets = [at, at + array.nbytes]
        table[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": offsets}
        at += array.nbytes
    head = json.dumps(table).encode()
    return len(head).to_bytes(8, "little") + head + b"".join(a.tobytes() for a in arrays.values())


def tokenizer() -> dict[str, object]:
    """Two tokens that frame texts, all bytes as characters, and what MERGES make of them."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [chr(256 + n) for n in range(256 - len(printable))]
    pieces = ["<s>", "</s>", *map(chr, printable), *others, *("".join(pair) for pair in MERGES)]
    frame = {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": n, "content": pieces[n], "single_word": False, "lstrip": False,
             "rstrip": False, "normalized": False, "special": True}
            for n in range(2)
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                       {"Sequence": {"id": "A", "type_id": 0}}],
            "special_tokens": frame,
        },
        "decoder": {"type": "ByteLevel"},
        "model": {
            "type": "BPE", "vocab": {piece: n for n, piece in enumerate(pieces)},
            "merges": [list(pair) for pair in MERGES],
        },
    }  # fmt: skip


def main() -> None:
    """config.json, model.safetensors and tokenizer.json in the folder that is named."""
    words = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    words.add_argument("folder", type=Path)
    words.add_argument("--seed", type=int, default=0)
    given = words.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    (given.folder / "config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")
    (given.folder / "model.safetensors").write_bytes(safetensors(tensors(given.seed)))
    (given.folder / "tokenizer.json").write_text(json.dumps(tokenizer()) + "\n")


if __name__ == "__main__":
    main()
