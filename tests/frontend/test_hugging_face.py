"""A Llama of Hugging Face is the same model as its llama2.c file; what is no Llama is refused."""

import json
import math

import numpy as np
import pytest
from frontend.llama_files import SIZES, model_arrays, model_bytes, tokenizer_bytes

from flow.errors import UnsupportedModel, UsageError
from flow.frontend.language.coded_models import coded_model
from flow.frontend.language.llama import logits
from flow.frontend.language.llama2c import read_llama2c
from flow.frontend.language.program import language_program
from flow.frontend.language.read import is_language, read_language, tokenizer_beside
from flow.ir.language_meaning import answers

TEXT = [1, 7, 299, 0, 42]
HIDDEN, INNER, LAYERS, HEADS, KV_HEADS, VOCABULARY, POSITIONS = SIZES
CONFIG = {
    "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": INNER,
    "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
    "vocab_size": VOCABULARY, "max_position_embeddings": POSITIONS, "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": True,
}  # fmt: skip


def tensors(seed, tied=True):
    """What Hugging Face stores of the model that llama2.c stores: pairs of heads lie halves apart,
    the first half of a head first."""
    arrays = model_arrays(seed, tied=tied)
    embedding, first, q, k, v, o, second, gate, down, up, norm, _ = arrays[:12]

    def apart(weights):
        heads = weights.reshape(-1, HIDDEN // HEADS // 2, 2, HIDDEN)
        return heads.swapaxes(1, 2).reshape(weights.shape)

    found = {"model.embed_tokens.weight": embedding, "model.norm.weight": norm}
    for n in range(LAYERS):
        parts = {
            "input_layernorm": first, "post_attention_layernorm": second, "self_attn.v_proj": v,
            "self_attn.o_proj": o, "mlp.gate_proj": gate, "mlp.down_proj": down, "mlp.up_proj": up,
        }  # fmt: skip
        at = f"model.layers.{n}."
        found |= {f"{at}{name}.weight": part[n] for name, part in parts.items()}
        found |= {f"{at}self_attn.q_proj.weight": apart(q[n])}
        found |= {f"{at}self_attn.k_proj.weight": apart(k[n])}
    return found if tied else found | {"lm_head.weight": arrays[12]}


def shard(path, arrays, dtype="F32"):
    at, table, data = 0, {}, b""
    for name, array in arrays.items():
        if dtype == "BF16":
            part = (array.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
        else:
            part = array.astype("<f4").tobytes()
        offsets = [at, at + len(part)]
        table[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": offsets}
        at += len(part)
        data += part
    text = json.dumps(table).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


@pytest.fixture
def folder(tmp_path):
    def write(seed=3, tied=True, dtype="F32", **changes):
        found = tensors(seed, tied)
        (tmp_path / "config.json").write_text(
            json.dumps(CONFIG | {"tie_word_embeddings": tied} | changes)
        )
        shard(tmp_path / "model.safetensors", found, dtype)
        return tmp_path

    return write


def llama2c(tmp_path, seed=3, tied=True):
    (tmp_path / "m.bin").write_bytes(model_bytes(seed, tied=tied))
    return read_llama2c(tmp_path / "m.bin")


@pytest.mark.parametrize("tied", [True, False])
def test_both_files_of_a_model_give_the_same_program(folder, tmp_path, tied):
    one = read_language(folder(tied=tied))
    other = llama2c(tmp_path, tied=tied)
    assert np.array_equal(logits(one, TEXT), logits(other, TEXT))
    programs = [language_program(coded_model(model, "fp4"), [TEXT], "m") for model in (one, other)]
    assert programs[0].instructions == programs[1].instructions
    assert np.array_equal(answers(programs[0], TEXT), answers(programs[1], TEXT))


@pytest.mark.parametrize("name", ["", "config.json", "model.safetensors"])
def test_a_folder_is_named_by_any_of_its_files(folder, tmp_path, name):
    found = folder() / name
    assert is_language(found)
    assert np.array_equal(read_language(found).norm, llama2c(tmp_path).norm)


def test_weights_of_sixteen_bits_are_read(folder, tmp_path):
    found, whole = read_language(folder(dtype="BF16")), llama2c(tmp_path)
    assert np.allclose(found.classifier, whole.classifier, rtol=1 / 128)
    assert not np.array_equal(found.classifier, whole.classifier)


def test_what_the_configuration_says_of_norms_and_rotations_counts(folder):
    found = read_language(folder(rms_norm_eps=0.5, rope_theta=500.0))
    assert (found.epsilon, found.base) == (0.5, 500.0)
    plain = read_language(folder())
    assert not np.allclose(logits(found, TEXT), logits(plain, TEXT))
    old = read_language(folder(rope_theta=None, rope_parameters={"rope_theta": 77.0}))
    assert old.base == 77.0


def test_what_no_program_is_made_of_is_named(folder):
    path = folder(rope_scaling={"rope_type": "longrope", "factor": 4}, hidden_act="gelu")
    with pytest.raises(UnsupportedModel) as error:
        read_language(path)
    assert error.value.message == "this language model is planned, not built"
    assert error.value.obstacles == (
        "rotations are scaled by 'longrope'", "the activation 'gelu'",
    )  # fmt: skip


def test_a_large_model_is_refused(folder):
    with pytest.raises(UnsupportedModel) as error:
        read_language(folder(vocab_size=1 << 22))
    (obstacle,) = error.value.obstacles
    assert obstacle.endswith("weights, more than 16777216")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_act": "gelu"}, "this language model is planned, not built"),
        ({"rms_norm_eps": "small"}, "rms_norm_eps is 'small'"),
        ({"rope_theta": -1}, "rope_theta is -1"),
        ({"num_hidden_layers": 3}, "the weights have 2 layers, the configuration 3"),
        ({"intermediate_size": 13},
         "tensor model.layers.0.mlp.gate_proj.weight is [12, 8], by the configuration [13, 8]"),
        ({"model_type": "mamba"}, "models of the type 'mamba' are not planned"),
    ],
)  # fmt: skip
def test_a_configuration_of_another_model_is_one_message(folder, change, message):
    with pytest.raises((UsageError, UnsupportedModel)) as error:
        read_language(folder(**change))
    assert error.value.message == message


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("model.norm.weight", None, "there is no tensor model.norm.weight of 8 values"),
        ("model.layers.1.input_layernorm.weight", np.ones(7),
         "there is no tensor model.layers.1.input_layernorm.weight of 8 values"),
        ("model.layers.1.mlp.up_proj.weight", np.full((12, 8), np.nan),
         "the weight at index [0, 0] is NaN"),
    ],
)  # fmt: skip
def test_damaged_weights_are_one_message(folder, name, value, message):
    path = folder()
    found = tensors(3)
    found[name] = value
    if value is None:
        del found[name]
    shard(path / "model.safetensors", found)
    with pytest.raises(UsageError) as error:
        read_language(path)
    assert error.value.message == message


def test_a_configuration_without_weights_is_refused(folder):
    path = folder()
    (path / "model.safetensors").unlink()
    with pytest.raises(UsageError, match=r"^there are no weights beside the configuration$"):
        read_language(path)


def test_other_files_are_no_language_models(tmp_path):
    files = {
        "keras.json": b'{"class_name": "Sequential"}', "empty": b"", "short": b"\1\0\0\0",
        "onnx": b"\x08\x07\x12\x07pytorch\x1a\x052.1.0" + bytes(40), "zip": b"PK\3\4" + bytes(60),
        "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(60), "zeros": bytes(64),
    }  # fmt: skip
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        assert not is_language(tmp_path / name), name
    assert not is_language(tmp_path)
    assert not is_language(tmp_path / "missing")


def test_a_damaged_file_is_still_told_as_a_language_model(tmp_path):
    (tmp_path / "m.bin").write_bytes(model_bytes()[:-9])
    assert is_language(tmp_path / "m.bin")
    with pytest.raises(UsageError, match=r"^a llama2.c file of these sizes has "):
        read_language(tmp_path / "m.bin")


def test_a_tokenizer_lies_beside_its_model(tmp_path):
    model = tmp_path / "m.bin"
    assert tokenizer_beside(model, 300) is None
    (tmp_path / "tok300.bin").write_bytes(tokenizer_bytes())
    assert tokenizer_beside(model, 300).encode("ab") == [1, 263]
    (tmp_path / "other").write_bytes(b"")
    with pytest.raises(UsageError, match=r"^the tokenizer does not fit the model"):
        tokenizer_beside(model, 300, tmp_path / "other")
    assert math.isclose(tokenizer_beside(tmp_path, 300).scores[260], -2.0)
