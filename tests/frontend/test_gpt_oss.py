"""gpt-oss as Hugging Face stores it: what it answers, its integer meaning, what is refused."""

import json

import numpy as np
import pytest
from frontend.gpt_oss_files import CONFIG, decoded, reference, tensors, write, yarn

from flow.errors import FlowError, UnsupportedModel
from flow.frontend.language.coded_models import calibrated_model, coded_model, keys
from flow.frontend.language.llama import Cache, drawn, logits
from flow.frontend.language.measures import nearness
from flow.frontend.language.program import language_program, real_scores
from flow.frontend.language.read import read_language
from flow.frontend.language.rotation import frequencies
from flow.ir.language_instructions import Apply, Attend, Select, Weigh
from flow.ir.language_meaning import Machine, answers

TEXT = np.random.default_rng(1).integers(0, CONFIG["vocab_size"], 14)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return read_language(write(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def coded(model):
    return coded_model(model, "fp4")


@pytest.fixture(scope="module")
def program(model, coded):
    return language_program(coded, drawn(model, 3, 24, 0).tolist(), "small")


def test_the_float_model_answers_what_its_layers_say(model):
    assert np.allclose(logits(model, TEXT), reference(tensors(), TEXT), rtol=0, atol=1e-9)


def test_token_by_token_is_as_the_whole_text(model):
    cache = Cache()
    one = [logits(model, [token], cache)[0] for token in TEXT]
    assert np.allclose(one, logits(model, TEXT), rtol=0, atol=1e-9)


def test_rotations_are_scaled_by_parts(model):
    angle, gain = yarn(CONFIG)
    assert np.allclose(frequencies(model.base, 16, model.scaling), angle, rtol=1e-12)
    assert model.scaling.gain == pytest.approx(gain)
    # The first pairs stay, the last ones are four times slower, one is between.
    ratio = angle / 150000.0 ** (-np.arange(0, 16, 2) / 16)
    assert ratio[0] == 1
    assert ratio[-1] == pytest.approx(0.25)
    assert ((ratio > 0.26) & (ratio < 1)).any()


def test_experts_keep_their_weights_exactly(model, coded):
    found = tensors()
    at = "model.layers.1.mlp.experts."
    both = decoded(found[f"{at}gate_up_proj_blocks"], found[f"{at}gate_up_proj_scales"])
    down = decoded(found[f"{at}down_proj_blocks"], found[f"{at}down_proj_scales"])
    for layer in (model.layers[1], coded.real.layers[1]):
        assert np.array_equal(layer.gate, both[:, 0::2])
        assert np.array_equal(layer.up, both[:, 1::2])
        assert np.array_equal(layer.down, down)
    assert coded.matrices[1, "down:3"].code == "mxfp4"
    assert coded.matrices[1, "queries"].code == coded.matrices[1, "router"].code == "fp4"


def test_integers_are_near_the_float_model_of_the_same_weights(coded, program):
    same = logits(coded.real, TEXT)
    found = real_scores(program, answers(program, TEXT))
    assert nearness(same, found).divergence < 0.05
    assert np.corrcoef(same.ravel(), found.ravel())[0, 1] > 0.99


def test_a_program_has_experts_sinks_and_windows(model, program):
    attends = [one for one in program.instructions if isinstance(one, Attend)]
    assert [one.window for one in attends] == [6, 0]
    sinks = program.tables[attends[0].sinks].astype(float) * 2.0 ** attends[0].rise
    slopes = program.tables[attends[0].table] / 2.0 ** (attends[0].shift + 8) * np.log(2)
    assert np.allclose(sinks * slopes, model.layers[0].sinks, atol=1e-3)
    picked = {one.array for one in program.instructions if isinstance(one, Apply) and one.picks}
    assert picked == {f"layer{n}x0_{name}" for n in (0, 1) for name in ("gate", "up", "down")}
    assert program.experts("picks") == 4
    assert [a.name for a in program.family("layer1x0_up", "picks")] == [
        f"layer1x{expert}_up" for expert in range(4)
    ]


def test_chosen_experts_and_shares_are_those_of_the_scores(program):
    machine, chosen = Machine(program), set()
    for token in TEXT:
        for one, values in machine.trace([token]):
            routes = machine.memory.get("routes")
            if isinstance(one, Select):
                order = sorted(range(4), key=lambda e: -int(routes[0][e]))
                assert values[0].tolist() == order[:2]
                chosen.add(tuple(order[:2]))
            if isinstance(one, Weigh):
                gap = int(routes[0][order[0]] - routes[0][order[1]])
                slope = int(program.tables[one.table][0])
                share = 1 / (1 + 2 ** -(gap * slope / 2.0 ** (one.shift + 8)))
                assert abs(values[0][0] / 2**15 - share) < 2e-3
                assert abs(int(values[0].sum()) - 2**15) <= 2
    assert len(chosen) > 3


def test_calibrated_weights_are_near_and_experts_stay(model):
    texts = drawn(model, 2, 16, 3).tolist()
    found = calibrated_model(model, "fp4", texts)
    assert set(found.matrices) == set(keys(model))
    assert np.array_equal(found.real.layers[0].up, model.layers[0].up)
    assert nearness(logits(model, TEXT), logits(found.real, TEXT)).divergence < 1


def change(name, values):
    def make(found):
        found[name] = values(found[name])

    return make


def without(name):
    return lambda found: found.pop(name)


AT = "model.layers.0."


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without(f"{AT}self_attn.sinks"),
         "there is no tensor model.layers.0.self_attn.sinks of 4 values"),
        (without(f"{AT}self_attn.k_proj.bias"),
         "there is no tensor model.layers.0.self_attn.k_proj.bias of 32 values"),
        (without(f"{AT}mlp.experts.down_proj_bias"),
         "there is no tensor model.layers.0.mlp.experts.down_proj_bias of 4 x 64 values"),
        (without(f"{AT}mlp.experts.down_proj_scales"),
         "there is no tensor model.layers.0.mlp.experts.down_proj_scales"),
        (change(f"{AT}mlp.experts.down_proj_scales", lambda x: x | 255),
         "tensor model.layers.0.mlp.experts.down_proj_scales has a scale that is NaN"),
        (change(f"{AT}mlp.experts.down_proj_scales", lambda x: x * 0 + 254),
         "tensor model.layers.0.mlp.experts.down_proj_scales has a scale above all floats"),
        (change(f"{AT}mlp.experts.down_proj_scales", lambda x: x[:, :, :0]),
         "tensor model.layers.0.mlp.experts.down_proj_scales is [4, 64, 0], by the configuration "
         "[4, 64, 1]"),
        (change(f"{AT}self_attn.sinks", lambda x: x * np.float32("inf")),
         "the weight at index [0] is infinite"),
    ],
)  # fmt: skip
def test_damaged_tensors_are_one_message(tmp_path, damage, message):
    found = tensors()
    damage(found)
    with pytest.raises(FlowError) as error:
        read_language(write(tmp_path, found))
    assert error.value.message == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer_types": ["full_attention"]},
         "layer_types does not name the kind of each of 2 layers"),
        ({"layer_types": ["full_attention", "chunked"]}, "a layer is of the kind 'chunked'"),
        ({"sliding_window": 0}, "sliding_window is 0"),
        ({"swiglu_limit": "7"}, "swiglu_limit is '7'"),
        ({"rope_scaling": {"rope_type": "yarn"}}, "factor of rope_scaling is None"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 0.5}}, "factor of rope_scaling is 0.5"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 2, "beta_fast": 1}},
         "rope_scaling turns less than 1 and more than 1 times"),
        ({"rope_scaling": [3]}, "rope_scaling is [3]"),
        ({"rope_theta": 0.5}, "rope_theta is 0.5"),
        ({"attention_bias": 1}, "attention_bias is 1"),
    ],
)  # fmt: skip
def test_an_impossible_configuration_is_one_message(tmp_path, changes, message):
    with pytest.raises(FlowError) as error:
        read_language(write(tmp_path, tensors(), **changes))
    assert error.value.message == message


def test_a_configuration_by_another_name_says_what_it_is_too_large_for(root):
    with pytest.raises(UnsupportedModel) as error:
        read_language(root / "examples" / "lpu" / "gpt_oss_120b.json")
    assert error.value.message == "this language model is planned, not built"
    assert error.value.obstacles == ("116788838400 weights, more than 16777216",)


def test_experts_that_are_not_mxfp4_are_refused(tmp_path):
    found = tensors()
    name = f"{AT}mlp.experts.down_proj_blocks"
    found[name] = found[name].astype(np.float32)
    with pytest.raises(UnsupportedModel, match="down_proj_blocks has the type F32"):
        read_language(write(tmp_path, found))


def test_a_bias_that_needs_more_than_one_table_is_whole(tmp_path):
    found = tensors()
    found[f"{AT}mlp.experts.gate_up_proj_bias"][:, 1::2] = 16.0
    model = read_language(write(tmp_path, found))
    coded = coded_model(model, "fp4")
    program = language_program(coded, [TEXT.tolist()], "biased")
    parts = [program.tables[f"layer0_up_bias{part}"] for part in ("", 1, 2)]
    assert np.allclose(sum(parts) * 7 / 2**15, 16.0, atol=1e-3)
    found = real_scores(program, answers(program, TEXT))
    assert np.corrcoef(logits(coded.real, TEXT).ravel(), found.ravel())[0, 1] > 0.98


JUNK = (None, True, 0, 1.5, 1 << 70, "yarn", [None], {"factor": 1})


def test_whatever_stands_in_a_configuration_it_is_read_or_refused(tmp_path):
    write(tmp_path, tensors())
    found = []
    for key in (*CONFIG, "swiglu_alpha", "bos_token_id"):
        for junk in JUNK:
            (tmp_path / "config.json").write_text(json.dumps(CONFIG | {key: junk}))
            found.append(answered(tmp_path))
    for key in CONFIG["rope_scaling"]:
        for junk in JUNK:
            scaling = CONFIG["rope_scaling"] | {key: junk}
            (tmp_path / "config.json").write_text(json.dumps(CONFIG | {"rope_scaling": scaling}))
            found.append(answered(tmp_path))
    assert found.count("") > 10
    assert len(set(found)) > 50
    assert not any("\n" in message for message in found)


def answered(folder):
    """Why the model of a folder is refused; empty where it answers."""
    try:
        with np.errstate(all="ignore"):
            logits(read_language(folder), TEXT[:2])
    except FlowError as error:
        return error.message
    return ""
