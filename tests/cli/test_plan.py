"""`flow plan`: a configuration in, every figure out; each bad file is one message."""

import json
import struct

import pytest

from flow.report.plan import FORMAT

LLAMA = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 172,
    "num_hidden_layers": 5,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "vocab_size": 512,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
}
HEADER = (64, 172, 5, 8, 4, 512, 512)
BYTES = 28 + 4 * (259_328 + 64 * 11 + 512 * 8)


@pytest.fixture
def config(tmp_path):
    """Writes a configuration, with changes, and gives its name."""

    def write(name="config.json", **changes):
        text = {key: value for key, value in {**LLAMA, **changes}.items() if value != "absent"}
        (tmp_path / name).write_text(json.dumps(text))
        return name

    return write


def test_the_reference_is_planned_as_its_paper_says(flow, root):
    said = flow("plan", root / "examples" / "lpu" / "gpt_oss_120b.json", "-o", "out")
    assert (said.code, said.err) == (0, "")
    assert "weights           116.8 billion" in said.out
    assert "chips                 16 (4 \N{MULTIPLICATION SIGN} 4)" in said.out
    assert "tokens/s at 2K          249 957" in said.out
    assert "116 figures of the paper: the farthest is tokens a joule, 0.62 % off" in said.out
    assert said.out.endswith("page: out/plan.html\n")


def test_the_folder_holds_every_figure_and_the_constants(flow, root, tmp_path):
    reference = root / "examples" / "lpu" / "gpt_oss_120b.json"
    first = flow("plan", reference, "-o", "out", "--json")
    found = json.loads(first.out)
    assert found["format"] == FORMAT
    assert (tmp_path / "out" / "plan.json").read_text() == first.out
    figures = {row["what"]: row for row in found["figures"]}
    assert figures["silicon"] == {
        "what": "silicon", "value": 13233.4, "unit": "mm2", "kind": "calibrated",
        "paper": 13232.0, "where": "abstract, table 2",
    }  # fmt: skip
    assert [row["used"] for row in found["economics"]] == [False, True]
    assert all(constant["source"] for constant in found["constants"])
    again = flow("plan", reference, "--constants", "out/constants.toml", "-o", "again", "--json")
    assert again.out == first.out
    for name in ("plan.html", "plan.json", "constants.toml"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_our_own_cells_stand_beside_the_calibrated_area(flow, root, tmp_path):
    said = flow("plan", root / "examples" / "lpu" / "gpt_oss_120b.json", "-o", "out", "--json")
    own = json.loads(said.out)["own"]
    assert own["technology"] == "sky130"
    assert [array["name"] for array in own["arrays"]][-1] == "classifier"
    # One full adder and some more for each weight: above twice what the paper was fitted to.
    assert 1.0 < own["chip"]["full_adders"] < 1.1
    assert 2.2 < own["times"] < 2.5
    page = (tmp_path / "out" / "plan.html").read_text()
    assert "A weight in our own cells, beside the calibrated area" in page
    assert "times the calibrated area at the paper&#39;s density" in page


def test_the_page_stands_alone(flow, root, tmp_path):
    flow("plan", root / "examples" / "lpu" / "gpt_oss_120b.json", "-o", "out")
    page = (tmp_path / "out" / "plan.html").read_text()
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page
    assert page.count('<use href="#chip"') == 16
    assert '<text class="name"' in page
    assert "Against the paper" in page


def test_a_changed_constant_changes_the_figures_and_is_marked(flow, config, tmp_path):
    (tmp_path / "mine.toml").write_text("[area]\nhardwired = 0.2\n")
    one = json.loads(flow("plan", config(), "--json").out)
    other = json.loads(flow("plan", config(), "--constants", "mine.toml", "--json").out)
    area = [row["value"] for found in (one, other) for row in found["figures"][:1]]
    assert area == [0.0204299, 0.0518656]
    changed = [c["name"] for c in other["constants"] if c["changed"]]
    assert changed == ["area.hardwired"]
    flow("plan", config(), "--constants", "mine.toml", "-o", "out")
    assert "<td class=changed>0.2</td>" in (tmp_path / "out" / "plan.html").read_text()


def test_grid_and_context_are_chosen(flow, config):
    found = json.loads(flow("plan", config(), "--grid", "2x3", "--context", "100", "--json").out)
    assert (found["grid"]["rows"], found["grid"]["columns"], found["grid"]["chips"]) == (2, 3, 6)
    assert found["speed"][0]["context"] == 100


LAYER = {
    "self_attn.q_proj": (64, 64), "self_attn.k_proj": (32, 64), "self_attn.v_proj": (32, 64),
    "self_attn.o_proj": (64, 64), "mlp.gate_proj": (172, 64), "mlp.up_proj": (172, 64),
    "mlp.down_proj": (64, 172),
}  # fmt: skip


@pytest.fixture
def weights(tmp_path):
    """Shards of the sizes of LLAMA, all zeros, with their index."""
    at, table = 0, {}
    sizes = {f"model.layers.{n}.{name}.weight": s for n in range(5) for name, s in LAYER.items()}
    for name, (rows, columns) in {"model.embed_tokens.weight": (512, 64), **sizes}.items():
        end = at + 4 * rows * columns
        table[name] = {"dtype": "F32", "shape": [rows, columns], "data_offsets": [at, end]}
        at = end
    text = json.dumps(table).encode()
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + at)
    names = dict.fromkeys(table, "model.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))


def test_a_folder_and_an_index_and_a_shard_lead_to_their_configuration(flow, config, weights):
    config()
    for name in (".", "model.safetensors.index.json", "model.safetensors"):
        assert json.loads(flow("plan", name, "--json").out)["model"]["weights"] == 259_328


def test_weights_of_other_sizes_are_refused(flow, config, weights):
    said = flow("plan", config(num_hidden_layers=6))
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines()[0] == ("error: the weights have 5 layers, the configuration 6")


def test_a_llama2c_file_says_its_sizes(flow, tmp_path):
    with (tmp_path / "m.bin").open("wb") as file:
        file.write(struct.pack("<7i", *HEADER))
        file.truncate(BYTES)
    found = json.loads(flow("plan", "m.bin", "--json").out)
    assert (found["model"]["name"], found["model"]["weights"]) == ("m", 259_328)
    assert found["model"]["tied"] is True


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"model_type": "deepseek_v3"}, 3,
         "models of the type 'deepseek_v3' are not planned"),
        ({"model_type": "absent"}, 3, "models of the type None are not planned"),
        ({"hidden_size": "absent"}, 2, "the configuration has no hidden_size"),
        ({"hidden_size": 0}, 2, "hidden_size is 0"),
        ({"hidden_size": -64}, 2, "hidden_size is -64"),
        ({"hidden_size": 64.0}, 2, "hidden_size is 64.0"),
        ({"hidden_size": True}, 2, "hidden_size is True"),
        ({"hidden_size": "64"}, 2, "hidden_size is '64'"),
        ({"hidden_size": 10**30}, 2, f"hidden_size is {10**30}"),
        ({"hidden_size": [64]}, 2, "hidden_size is [64]"),
        ({"hidden_size": 65}, 2, "the configuration has no head_dim"),
        ({"num_key_value_heads": 3}, 2, "8 heads cannot share 3 heads of keys and values"),
        ({"num_key_value_heads": 16}, 2, "8 heads cannot share 16 heads of keys and values"),
        ({"tie_word_embeddings": 1}, 2, "tie_word_embeddings is 1"),
        ({"num_hidden_layers": 10_000, "hidden_size": 1 << 20, "intermediate_size": 1 << 22,
          "head_dim": 1024}, 2, "the model has more than 1e15 weights"),
        ({"model_type": "gpt_oss"}, 2, "the configuration has no num_local_experts"),
        ({"model_type": "gpt_oss", "num_local_experts": 4, "experts_per_token": 5}, 2,
         "a token cannot choose 5 of 4 experts"),
    ],
)  # fmt: skip
def test_a_bad_configuration_is_one_message(flow, config, changes, code, message):
    said = flow("plan", config(**changes), "-o", "out")
    assert (said.code, said.out) == (code, "")
    assert said.err.splitlines()[0] == f"error: {message}"
    assert said.err.splitlines()[1] == "  at config.json"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"{", "the JSON text is malformed at line 1"),
        (b'{"a": 1, "a": 2}', "the JSON text has the key 'a' twice in one object"),
        (b"{" * 30, "the JSON text is malformed at line 1"),
        (b"short", "the file is of no kind that is read"),
        (b"24ka" + bytes(60), "llama2.c files of version 1 and above are not read"),
        (b"\xff" * 28, "the file is of no kind that is read"),
        (bytes(28), "the file is of no kind that is read"),
        (struct.pack("<7i", *HEADER),
         f"a llama2.c file of these sizes has {BYTES} bytes, but this file has 28"),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_message(flow, tmp_path, content, message):
    (tmp_path / "m").write_bytes(content)
    said = flow("plan", "m")
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines()[:2] == [f"error: {message}", "  at m"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--grid", "4"), "'4' is no grid"),
        (("--grid", "0x4"), "'0x4' is no grid"),
        (("--grid", "999x999"), "a grid of 998001 chips is too large"),
        (("--context", "0"), "a context of 0 tokens cannot be planned"),
        (("--constants", "absent.toml"), "no such file"),
        (
            ("--constants", "config.json"),
            "this is no TOML: Invalid statement (at line 1, column 1)",
        ),
    ],
)
def test_a_bad_option_is_one_message(flow, config, arguments, message):
    said = flow("plan", config(), *arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines()[0] == f"error: {message}"


def test_a_folder_of_others_is_not_overwritten(flow, config, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("x")
    said = flow("plan", config(), "-o", "out")
    assert said.code == 2
    assert said.err.startswith("error: the output folder holds files that no build has written")


def test_a_name_is_no_markup(flow, config, tmp_path):
    said = flow("plan", config("[bold]<b>.json"), "-o", "out")
    assert said.out.startswith("[bold]<b>, hardwired")
    assert "<h1>[bold]&lt;b&gt;</h1>" in (tmp_path / "out" / "plan.html").read_text()


def test_the_real_little_model_is_planned(flow, shared):
    said = flow("plan", shared / "models" / "stories260K" / "stories260K.bin", "--json")
    found = json.loads(said.out)
    assert (found["model"]["weights"], found["grid"]["chips"]) == (259_328, 1)
