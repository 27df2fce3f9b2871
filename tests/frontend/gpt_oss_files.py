"""Small gpt-oss models as Hugging Face stores them, and what they answer, in plain numpy."""

import json
from math import log, pi

import numpy as np

CONFIG = {
    "model_type": "gpt_oss", "hidden_size": 64, "intermediate_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "num_local_experts": 4,
    "num_experts_per_tok": 2, "vocab_size": 96, "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5, "rope_theta": 150000.0, "sliding_window": 6, "attention_bias": True,
    "layer_types": ["sliding_attention", "full_attention"], "hidden_act": "silu",
    "swiglu_limit": 7.0, "tie_word_embeddings": False,
    "rope_scaling": {
        "rope_type": "yarn", "factor": 4.0, "beta_fast": 32.0, "beta_slow": 1.0,
        "truncate": False, "original_max_position_embeddings": 256,
    },
}  # fmt: skip
E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)


def tensors(seed=0, config=None):
    """Tensors by name; experts as bytes of codes and of scales."""
    c = CONFIG | (config or {})
    rng = np.random.default_rng(seed)
    hidden, inner, experts = c["hidden_size"], c["intermediate_size"], c["num_local_experts"]
    queries = c["num_attention_heads"] * c["head_dim"]
    keys = c["num_key_value_heads"] * c["head_dim"]

    def make(*shape, size=None):
        size = shape[-1] ** -0.5 if size is None else size
        return rng.normal(0, size, shape).astype(np.float32)

    def packed(outputs, inputs):
        codes = rng.integers(0, 256, (experts, outputs, inputs // 32, 16)).astype(np.uint8)
        scales = rng.integers(121, 125, codes.shape[:3]).astype(np.uint8)
        return codes, scales

    found = {
        "model.embed_tokens.weight": make(c["vocab_size"], hidden, size=1.0),
        "model.norm.weight": 1 + make(hidden, size=0.2),
        "lm_head.weight": make(c["vocab_size"], hidden, size=3 * hidden**-0.5),
    }
    for n in range(c["num_hidden_layers"]):
        at = f"model.layers.{n}."
        found |= {
            f"{at}input_layernorm.weight": 1 + make(hidden, size=0.2),
            f"{at}post_attention_layernorm.weight": 1 + make(hidden, size=0.2),
            f"{at}self_attn.sinks": make(c["num_attention_heads"], size=1.0),
            f"{at}mlp.router.weight": make(experts, hidden, size=2 * hidden**-0.5),
            f"{at}mlp.router.bias": make(experts, size=0.3),
            f"{at}mlp.experts.gate_up_proj_bias": make(experts, 2 * inner, size=0.5),
            f"{at}mlp.experts.down_proj_bias": make(experts, hidden, size=0.3),
        }
        for name, outputs, inputs in (
            ("q", queries, hidden), ("k", keys, hidden), ("v", keys, hidden), ("o", hidden, queries)
        ):  # fmt: skip
            found[f"{at}self_attn.{name}_proj.weight"] = make(outputs, inputs)
            found[f"{at}self_attn.{name}_proj.bias"] = make(outputs, size=0.3)
        for name, outputs, inputs in (("gate_up", 2 * inner, hidden), ("down", hidden, inner)):
            codes, scales = packed(outputs, inputs)
            found[f"{at}mlp.experts.{name}_proj_blocks"] = codes
            found[f"{at}mlp.experts.{name}_proj_scales"] = scales
    return found


def write(folder, found=None, **changes):
    """A folder with config.json and model.safetensors; floats as F32."""
    found = tensors(config=changes) if found is None else found
    (folder / "config.json").write_text(json.dumps(CONFIG | changes))
    at, table, data = 0, {}, b""
    for name, array in found.items():
        part = array.tobytes()
        table[name] = {
            "dtype": "U8" if array.dtype == np.uint8 else "F32", "shape": list(array.shape),
            "data_offsets": [at, at + len(part)],
        }  # fmt: skip
        at += len(part)
        data += part
    text = json.dumps(table).encode()
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)
    return folder


def decoded(blocks, scales):
    """Experts `[experts, outputs, inputs]` of MXFP4: two codes in a byte, the lower half first."""
    found = np.zeros((*blocks.shape[:2], blocks.shape[2] * 32))
    for place in range(32):
        code = blocks[..., place // 2] >> 4 * (place % 2) & 15
        value = np.where(code & 8, -1.0, 1.0) * E2M1[code & 7]
        found[:, :, place::32] = value * 2.0 ** (scales.astype(int) - 127)
    return found


def yarn(config):
    """Angles of the pairs at the position 1, and what cosines and sines are multiplied by."""
    rope, size, base = config["rope_scaling"], config["head_dim"], config["rope_theta"]
    bounds = [
        size * log(rope["original_max_position_embeddings"] / (turns * 2 * pi)) / (2 * log(base))
        for turns in (rope["beta_fast"], rope["beta_slow"])
    ]
    low, high = max(bounds[0], 0), min(bounds[1], size - 1)
    found = []
    for pair in range(size // 2):
        frequency = 1 / base ** (2 * pair / size)
        ramp = min(max((pair - low) / (high - low), 0), 1)
        found.append(frequency / rope["factor"] * ramp + frequency * (1 - ramp))
    return np.array(found), 0.1 * log(rope["factor"]) + 1


def reference(found, tokens, config=None, rotation=yarn):
    """Logits after each token, one token and one head at a time; of a Llama, too."""
    c = CONFIG | (config or {})
    heads, kv_heads, size = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
    angle, gain = rotation(c)
    caches = [[] for _ in range(c["num_hidden_layers"])]
    logits = []
    for position, token in enumerate(tokens):
        x = found["model.embed_tokens.weight"][token].astype(float)
        cos, sin = np.cos(position * angle) * gain, np.sin(position * angle) * gain

        def turned(v, cos=cos, sin=sin):
            a, b = v[: size // 2], v[size // 2 :]
            return np.concatenate([a * cos - b * sin, b * cos + a * sin])

        for n, cache in enumerate(caches):
            part = {k.partition(f"layers.{n}.")[2]: v for k, v in found.items()}
            h = norm(x, part["input_layernorm.weight"], c)
            q, k, v = (linear(part, f"self_attn.{name}_proj", h) for name in "qkv")
            q = [turned(one) for one in q.reshape(heads, size)]
            cache.append(([turned(one) for one in k.reshape(kv_heads, size)],
                          v.reshape(kv_heads, size)))  # fmt: skip
            sinks = part.get("self_attn.sinks", np.full(heads, -np.inf))
            slides = c.get("layer_types") and c["layer_types"][n] == "sliding_attention"
            seen = cache[-c["sliding_window"] :] if slides else cache
            mixed = []
            for head in range(heads):
                group = head // (heads // kv_heads)
                scores = [q[head] @ keys[group] / size**0.5 for keys, _ in seen]
                shares = np.exp([*scores, sinks[head]])
                shares /= shares.sum()
                mixed.append(sum(s * values[group] for s, (_, values) in
                                 zip(shares[:-1], seen, strict=True)))  # fmt: skip
            x = x + linear(part, "self_attn.o_proj", np.concatenate(mixed))
            h = norm(x, part["post_attention_layernorm.weight"], c)
            x = x + (experts if "mlp.router.weight" in part else dense)(part, h, c)
        h = norm(x, found["model.norm.weight"], c)
        logits.append(found["lm_head.weight"] @ h)
    return np.array(logits)


def experts(part, h, c):
    """The chosen experts, weighted."""
    scores = linear(part, "mlp.router", h)
    chosen = sorted(range(len(scores)), key=lambda e: -scores[e])[: c["num_experts_per_tok"]]
    shares = np.exp(scores[chosen] - scores.max())
    shares /= shares.sum()
    gate_up = decoded(part["mlp.experts.gate_up_proj_blocks"],
                      part["mlp.experts.gate_up_proj_scales"])  # fmt: skip
    down = decoded(part["mlp.experts.down_proj_blocks"], part["mlp.experts.down_proj_scales"])
    total = np.zeros(len(h))
    for share, e in zip(shares, chosen, strict=True):
        both = gate_up[e] @ h + part["mlp.experts.gate_up_proj_bias"][e]
        gate, up = np.minimum(both[::2], 7), np.clip(both[1::2], -7, 7)
        inner = (up + 1) * gate / (1 + np.exp(-1.702 * gate))
        total += share * (down[e] @ inner + part["mlp.experts.down_proj_bias"][e])
    return total


def dense(part, h, c):
    """The feed-forward network of a Llama."""
    gate = linear(part, "mlp.gate_proj", h)
    inner = gate / (1 + np.exp(-gate)) * linear(part, "mlp.up_proj", h)
    return linear(part, "mlp.down_proj", inner)


def linear(part, name, x):
    return part[f"{name}.weight"] @ x + part.get(f"{name}.bias", 0.0)


def norm(x, gain, c):
    return x / np.sqrt((x * x).mean() + c["rms_norm_eps"]) * gain


def tiny(seed=0, layers=2, experts=4, hidden=6, inner=5, positions=12, window=3):
    """Weights of a model that no file could hold: its blocks are cut short."""
    from flow.analysis.plan.shape import ModelShape
    from flow.frontend.language.llama2c import LlamaLayer, LlamaWeights
    from flow.frontend.language.rotation import Scaling

    rng = np.random.default_rng(seed)

    def make(*shape, size=0.6):
        return rng.normal(0, size, shape).astype(np.float32)

    def mxfp4(*shape):
        values = np.concatenate([E2M1, -E2M1])[rng.integers(0, 16, shape)]
        return (values * 2.0 ** rng.integers(-4, -2, (*shape[:2], 1))).astype(np.float32)

    def layer(number):
        return LlamaLayer(
            attention_norm=1 + make(hidden, size=0.2), queries=make(8, hidden),
            keys=make(4, hidden), values=make(4, hidden), output=make(hidden, 8),
            feed_norm=1 + make(hidden, size=0.2), gate=mxfp4(experts, inner, hidden),
            up=mxfp4(experts, inner, hidden), down=mxfp4(experts, hidden, inner),
            router=make(experts, hidden, size=1.0), sinks=make(4),
            window=0 if number % 2 else window,
            biases={
                "queries": make(8), "keys": make(4), "values": make(4), "output": make(hidden),
                "router": make(experts), "gate": make(experts, inner), "up": make(experts, inner),
                "down": make(experts, hidden),
            },
        )  # fmt: skip

    return LlamaWeights(
        ModelShape("tiny", hidden, layers, 4, 2, 2, inner, 16, positions, experts, 2),
        make(16, hidden, size=1.0), tuple(layer(n) for n in range(layers)),
        1 + make(hidden, size=0.2), make(16, hidden, size=1.0), base=150000.0,
        scaling=Scaling("yarn", 4.0, 64.0, 1.0, 32.0, False, 1.139),
    )  # fmt: skip
