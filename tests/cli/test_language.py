"""`flow check` and `flow eval` of a language model: what it becomes, and how accurate it is."""

import json

import numpy as np
import pytest
from frontend.llama_files import model_bytes, tokenizer_bytes

SIZES = (8, 12, 1, 4, 2, 300, 16)
COMMANDS = (("check",), ("eval", "-o", "out.npy", "--data", "text.txt"))


@pytest.fixture
def model(tmp_path):
    (tmp_path / "m.bin").write_bytes(model_bytes(3, SIZES))
    (tmp_path / "tok300.bin").write_bytes(tokenizer_bytes())
    (tmp_path / "text.txt").write_text("abac ba b" * 9)
    return "m.bin"


def test_check_tells_arrays_and_accuracy(flow, model):
    said = flow("check", model, "--rounding", "nearest", "--data", "text.txt")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0].split("  ")[0] == "array"
    assert [line.split()[0] for line in lines[1:9]] == [
        "layer0_queries", "layer0_keys", "layer0_values", "layer0_output", "layer0_gate",
        "layer0_up", "layer0_down", "classifier",
    ]  # fmt: skip
    assert [line.split("  ")[0] for line in lines[10:13]] == [
        "text",
        "own greedy story",
        "text.txt",
    ]
    assert lines[13:] == [
        "note: a Llama of 1 layers, 8 wide, 4 heads on 2, 300 tokens, 16 positions",
        "note: 2880 hardwired weights in 8 arrays, 128 bytes of keys and values, "
        "32 instructions a token",
        "note: weights are rounded to the nearest code",
        "nothing stands in the way",
    ]


def test_check_is_json_for_machines(flow, model):
    said = flow("check", model, "--rounding", "nearest", "--code", "ternary", "--json")
    found = json.loads(said.out)
    assert [row["code"] for row in found["arrays"]] == ["ternary"] * 8
    near = found["accuracy"]["own greedy story"]
    assert set(near) == {"agreement", "divergence", "perplexity", "float_perplexity"}
    assert 0 <= near["agreement"] <= 1 <= near["perplexity"]


def test_eval_writes_logits_of_the_integers(flow, model, tmp_path):
    (tmp_path / "t").write_bytes(b"")
    np.save(tmp_path / "tokens.npy", np.array([1, 260, 261, 5]))
    said = flow("eval", model, "--rounding", "nearest", "--data", "tokens.npy", "-o", "out.npy")
    assert said.code == 0
    assert said.out.splitlines()[-1] == "4 tokens -> out.npy"
    scores = np.load(tmp_path / "out.npy")
    assert scores.shape == (4, 300)
    text = flow("eval", model, "--rounding", "nearest", "--data", "text.txt", "-o", "t.npy")
    assert text.out.splitlines()[-1] == "16 tokens -> t.npy"


def test_a_taught_model_says_so(flow, model):
    said = flow("check", model)
    assert "note: weights are taught on 128 texts that the model drew\n" in said.out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("check", "m.bin", "--data", "tokens.npy"),
         "error: the array does not hold tokens\n  at tokens.npy\n"
         "  hint: give integers from 0 to 299 in a row\n"),
        (("check", "m.bin", "--data", "one.npy"),
         "error: the text has fewer than two tokens\n  at one.npy\n  hint: give more text\n"),
        (("check", "m.bin", "--data", "bad.txt"),
         "error: the data is neither UTF-8 text nor an .npy\n  at bad.txt\n"
         "  hint: give one of them\n"),
        (("check", "m.bin", "--tokenizer", "bad.txt"),
         "error: the tokenizer does not fit the model: it ends before token 0 of 300\n"
         "  at bad.txt\n  hint: give the tokenizer that the model was trained with\n"),
        (("eval", "m.bin", "-o", "o.npy"),
         "error: there is no text\n  hint: give one, or tokens as an .npy, with --data\n"),
        (("check", "cut.bin"),
         "error: a llama2.c file of these sizes has 11772 bytes, but this file has 900\n"
         "  at cut.bin\n  hint: the file is cut short, or no llama2.c model\n"),
        (("check", "m.bin", "--code", "mxfp4", "--rounding", "taught"),
         "error: mxfp4 weights are not taught\n  hint: mxfp4 goes with the rounding nearest\n"),
    ],
)  # fmt: skip
def test_each_bad_file_is_one_message(flow, model, tmp_path, args, message):
    np.save(tmp_path / "tokens.npy", np.array([1, 300]))
    np.save(tmp_path / "one.npy", np.array([1]))
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "cut.bin").write_bytes(model_bytes(3, SIZES)[:900])
    said = flow(*args, *(() if "--rounding" in args else ("--rounding", "nearest")))
    assert (said.code, said.out) == (2, "")
    assert said.err == message


def test_a_text_without_a_tokenizer_is_refused(flow, model, tmp_path):
    (tmp_path / "tok300.bin").unlink()
    said = flow("check", model, "--rounding", "nearest", "--data", "text.txt")
    assert said.err == (
        "error: a text needs the tokenizer of its model\n  at text.txt\n"
        "  hint: give --tokenizer, or tokens as an .npy\n"
    )
    said = flow("check", model, "--rounding", "nearest")
    assert "note: no tokenizer lies beside the model: texts are given as tokens" in said.out


@pytest.mark.parametrize("weight", [1e30, 0.0])
def test_a_model_without_sense_is_one_message(flow, tmp_path, weight):
    whole = model_bytes(3, SIZES)
    numbers = np.full((len(whole) - 28) // 4, weight, "<f4")
    (tmp_path / "m.bin").write_bytes(whole[:28] + numbers.tobytes())
    said = flow("check", "m.bin", "--rounding", "nearest")
    if weight:
        assert said.code == 3
        assert said.err.startswith("error: ")
        assert "Traceback" not in said.err
    else:
        assert (said.code, said.err) == (0, "")
