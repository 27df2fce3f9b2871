"""Llamas with biases and scaled rotations answer as their equations say, in floats and integers."""

from math import log, pi

import numpy as np
import pytest
from frontend import gpt_oss_files

from flow.frontend.language.coded_models import coded_model
from flow.frontend.language.distil import Teaching, taught_model
from flow.frontend.language.llama import drawn, logits
from flow.frontend.language.measures import nearness
from flow.frontend.language.program import language_program, real_scores
from flow.frontend.language.read import read_language
from flow.frontend.language.rotation import Scaling, frequencies
from flow.ir.language_instructions import Offset
from flow.ir.language_meaning import answers

SIZES = {
    "model_type": "llama", "hidden_size": 24, "intermediate_size": 20, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "vocab_size": 40,
    "max_position_embeddings": 32, "rms_norm_eps": 1e-5, "rope_theta": 1000.0,
    "attention_bias": True, "mlp_bias": True, "layer_types": None,
}  # fmt: skip
TEXT = np.random.default_rng(2).integers(0, 40, 16)
BASE = 1000.0 ** (-np.arange(0, 8, 2) / 8)


def tensors(biases=True):
    rng = np.random.default_rng(3)
    found = {}

    def make(name, *shape, size=None):
        size = shape[-1] ** -0.5 if size is None else size
        found[name] = rng.normal(0, size, shape).astype(np.float32)

    make("model.embed_tokens.weight", 40, 24, size=1.0)
    make("lm_head.weight", 40, 24, size=0.6)
    make("model.norm.weight", 24, size=1.0)
    for n in range(2):
        at = f"model.layers.{n}."
        make(f"{at}input_layernorm.weight", 24, size=1.0)
        make(f"{at}post_attention_layernorm.weight", 24, size=1.0)
        for name, outputs, inputs in (
            ("self_attn.q", 32, 24), ("self_attn.k", 16, 24), ("self_attn.v", 16, 24),
            ("self_attn.o", 24, 32), ("mlp.gate", 20, 24), ("mlp.up", 20, 24), ("mlp.down", 24, 20),
        ):  # fmt: skip
            make(f"{at}{name}_proj.weight", outputs, inputs)
            if biases:
                make(f"{at}{name}_proj.bias", outputs, size=0.4)
    return found


def llama3(config):
    """Frequencies by their wavelengths, as Llama 3.1 scales them."""
    rope, found = config["rope_scaling"], []
    for frequency in BASE:
        turns = rope["original_max_position_embeddings"] * frequency / (2 * pi)
        if turns < rope["low_freq_factor"]:
            frequency = frequency / rope["factor"]
        elif turns <= rope["high_freq_factor"]:
            smooth = (turns - rope["low_freq_factor"]) / (
                rope["high_freq_factor"] - rope["low_freq_factor"]
            )
            frequency = (1 - smooth) * frequency / rope["factor"] + smooth * frequency
        found.append(frequency)
    return np.array(found), 1.0


def linear(config):
    return BASE / config["rope_scaling"]["factor"], 1.0


def plain(config):
    return BASE, 1.0


LLAMA_3 = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}  # fmt: skip
YARN = {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 64,
        "beta_fast": 32.0, "beta_slow": 1.0}  # fmt: skip


@pytest.mark.parametrize(
    ("scaling", "rotation"),
    [
        (None, plain), ({"rope_type": "default"}, plain),
        ({"type": "linear", "factor": 2.5}, linear),
        (LLAMA_3, llama3), (YARN | {"truncate": False}, gpt_oss_files.yarn),
    ],
)  # fmt: skip
def test_the_float_model_answers_what_its_layers_say(tmp_path, scaling, rotation):
    config = SIZES | {"rope_scaling": scaling}
    model = read_language(gpt_oss_files.write(tmp_path, tensors(), **config))
    wanted = gpt_oss_files.reference(tensors(), TEXT, config, rotation)
    assert np.allclose(logits(model, TEXT), wanted, rtol=0, atol=1e-9)


def test_integers_are_near_the_float_model_of_the_same_weights(tmp_path):
    config = SIZES | {"rope_scaling": LLAMA_3}
    model = read_language(gpt_oss_files.write(tmp_path, tensors(), **config))
    coded = coded_model(model, "fp4")
    program = language_program(coded, [TEXT.tolist(), TEXT[::-1].tolist()], "biased")
    assert sum(isinstance(one, Offset) for one in program.instructions) == 2 * 7
    same = logits(coded.real, TEXT)
    found = real_scores(program, answers(program, TEXT))
    assert nearness(same, found).divergence < 0.05
    assert np.corrcoef(same.ravel(), found.ravel())[0, 1] > 0.99


def test_without_biases_nothing_is_added(tmp_path):
    config = SIZES | {"rope_scaling": None, "attention_bias": False, "mlp_bias": None}
    model = read_language(gpt_oss_files.write(tmp_path, tensors(biases=False), **config))
    assert model.plain
    program = language_program(coded_model(model, "fp4"), [TEXT.tolist()], "plain")
    assert not any(isinstance(one, Offset) for one in program.instructions)


def test_teaching_follows_scaled_angles(tmp_path):
    config = SIZES | {"rope_scaling": LLAMA_3, "attention_bias": False, "mlp_bias": False}
    model = read_language(gpt_oss_files.write(tmp_path, tensors(biases=False), **config))
    assert model.plain
    texts = drawn(model, 8, 16, 0)
    start = nearness(logits(model, texts), logits(coded_model(model, "fp4").real, texts))
    taught = taught_model(model, "fp4", texts, Teaching(rounds=20, rate=2e-3))
    assert nearness(logits(model, texts), logits(taught.real, texts)).divergence < (
        0.7 * start.divergence
    )


def test_whole_pairs_bound_what_yarn_scales():
    # The pairs that turn twice and once within 64 positions are between the first and the third.
    sharp = frequencies(1000.0, 8, Scaling("yarn", 8.0, 64.0, 1.0, 2.0, True))
    bounds = [8 * log(64 / (turns * 2 * pi)) / (2 * log(1000)) for turns in (2.0, 1.0)]
    assert [int(bounds[0]), int(bounds[1])] == [0, 1]
    kept = np.array([1, 0.5, 0, 0])
    assert np.allclose(sharp, BASE * (kept + (1 - kept) / 8))
    smooth = frequencies(1000.0, 8, Scaling("yarn", 8.0, 64.0, 1.0, 2.0, False))
    assert smooth[1] != sharp[1]
    assert np.allclose(smooth[[0, 2, 3]], sharp[[0, 2, 3]])
