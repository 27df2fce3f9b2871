"""A llama2.c model answers as its equations say, and tells the story that was published."""

import struct
from itertools import islice

import numpy as np
import pytest
from frontend.llama_files import SIZES, model_arrays, model_bytes, tokenizer_bytes

from flow.errors import UsageError
from flow.frontend.language.llama import Cache, drawn, greedy, logits
from flow.frontend.language.llama2c import read_llama2c
from flow.frontend.language.tokenizer import read_tokenizer

STORY = (
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. "
    "One day, she saw a big, red ball. She wanted to play with it, but it was too high.\n"
    "Lily's mom said, \"Lily, let's go to the park.\" Lily was sad and didn't know what to do. "
    'She said, "I want to play with your ball, but I can\'t find it."\n'
    "Lily was sad and didn't know what to do. She said, \"I'm sorry, Lily. I didn't know what to "
    "do.\"\nLily didn't want to help her mom, so she"
)
"""What llama2.c prints for stories260K at temperature 0 in 200 steps (its test_all.py)."""


@pytest.fixture
def write(tmp_path):
    def put(content, name="m.bin"):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return put


def one_by_one(seed, tokens, tied=True):
    """Logits after each token by the plain equations, head by head, without a cache."""
    arrays = [a.astype(float) for a in model_arrays(seed, tied=tied)]
    (table, norms1, wq, wk, wv, wo, norms2, w1, w2, w3, last, _), rest = arrays[:12], arrays[12:]
    hidden, _, layers, heads, kv_heads, _, _ = SIZES
    size = hidden // heads

    def norm(x, gain):
        return x / np.sqrt(np.mean(x**2) + 1e-5) * gain

    def turn(v, place):
        out = v.copy()
        for i in range(0, size, 2):
            angle = place / 10_000 ** (i / size)
            a, b = v[i], v[i + 1]
            out[i] = a * np.cos(angle) - b * np.sin(angle)
            out[i + 1] = a * np.sin(angle) + b * np.cos(angle)
        return out

    xs = [table[token].copy() for token in tokens]
    for n in range(layers):
        hs = [norm(x, norms1[n]) for x in xs]
        ks = [[turn(k, p) for k in (wk[n] @ h).reshape(kv_heads, size)] for p, h in enumerate(hs)]
        vs = [(wv[n] @ h).reshape(kv_heads, size) for h in hs]
        for p, h in enumerate(hs):
            mixed = []
            for head, q in enumerate((wq[n] @ h).reshape(heads, size)):
                at = head // (heads // kv_heads)
                scores = np.array([turn(q, p) @ ks[t][at] / size**0.5 for t in range(p + 1)])
                chances = np.exp(scores) / np.exp(scores).sum()
                mixed.append(sum(chances[t] * vs[t][at] for t in range(p + 1)))
            x = xs[p] + wo[n] @ np.concatenate(mixed)
            g = norm(x, norms2[n])
            gate = w1[n] @ g
            xs[p] = x + w2[n] @ (gate / (1 + np.exp(-gate)) * (w3[n] @ g))
    classifier = rest[0] if rest else table
    return np.array([classifier @ norm(x, last) for x in xs])


@pytest.mark.parametrize("tied", [True, False])
def test_a_model_answers_as_its_equations_say(write, tied):
    model = read_llama2c(write(model_bytes(3, tied=tied)))
    tokens = [1, 7, 299, 0, 42, 7]
    expected = one_by_one(3, tokens, tied)
    assert np.allclose(logits(model, tokens), expected, rtol=1e-10, atol=1e-10)


def test_a_cache_changes_nothing(write):
    model = read_llama2c(write(model_bytes(1)))
    tokens = [1, 5, 9, 200, 3, 8]
    whole = logits(model, tokens)
    cache = Cache()
    parts = [logits(model, tokens[:3], cache)]
    parts += [logits(model, [token], cache) for token in tokens[3:]]
    assert np.allclose(np.concatenate(parts), whole, rtol=1e-12, atol=1e-12)


def test_greedy_tokens_are_the_argmax_of_the_whole_text(write):
    model = read_llama2c(write(model_bytes(2)))
    tokens = [1, *greedy(model, [1])]
    assert len(tokens) == model.shape.positions
    assert logits(model, tokens[:-1]).argmax(axis=1).tolist() == tokens[1:]


@pytest.mark.shared
def test_the_float_model_tells_the_published_story(shared):
    folder = shared / "models" / "stories260K"
    model = read_llama2c(folder / "stories260K.bin")
    tokenizer = read_tokenizer(folder / "tok512.bin", model.shape.vocabulary)
    tokens = [1, *islice(greedy(model, [1]), 200)]
    assert tokenizer.decode(tokens) == STORY
    assert tokenizer.encode("Once upon a time") == [1, 403, 407, 261, 378]
    text = "Lily's ball 🙂 é"
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_pairs_of_the_best_score_merge_first(write):
    tokenizer = read_tokenizer(write(tokenizer_bytes(), "t.bin"), 300)
    assert tokenizer.encode("") == [1]
    assert tokenizer.encode("ab") == [1, 263]  # a+b, then the space before it.
    assert tokenizer.encode("aba") == [1, 259, 260, 264]  # b+a scores better than a+b.
    assert tokenizer.encode("é") == [1, 259, 3 + 0xC3, 3 + 0xA9]
    for text in ("abacab", "é", "a b"):
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_heap_of_merges_finds_what_a_search_for_the_best_finds(write):
    tokenizer = read_tokenizer(write(tokenizer_bytes(), "t.bin"), 300)
    known = {piece: token for token, piece in reversed(list(enumerate(tokenizer.pieces)))}

    def searched(text):
        tokens = [known[character.encode()] for character in f" {text}"]
        while True:
            pairs = [
                (-tokenizer.scores[merged], i, merged)
                for i in range(len(tokens) - 1)
                if (merged := known.get(b"".join(tokenizer.pieces[t] for t in tokens[i : i + 2])))
            ]
            if not pairs:
                return [1, *tokens]
            _, i, merged = min(pairs)
            tokens[i : i + 2] = [merged]

    rng = np.random.default_rng(0)
    for length in rng.integers(1, 40, 60):
        text = "".join(rng.choice(list("abc "), length))
        assert tokenizer.encode(text) == searched(text), text


def test_texts_that_are_drawn_together_follow_the_model(write):
    model = read_llama2c(write(model_bytes(2)))
    texts = drawn(model, 300, 3, 4)
    assert texts.shape == (300, 3)
    assert (texts[:, 0] == 1).all()
    assert np.array_equal(texts, drawn(model, 300, 3, 4))
    found = logits(model, [1])[-1]
    chances = np.exp(found) / np.exp(found).sum()
    top = int(chances.argmax())
    share = (texts[:, 1] == top).mean()
    assert abs(share - chances[top]) < 4 * (chances[top] / 300) ** 0.5


def test_rows_of_texts_answer_as_each_alone(write):
    model = read_llama2c(write(model_bytes(1)))
    rows = np.array([[1, 5, 9, 200], [1, 7, 7, 3]])
    together = logits(model, rows)
    assert np.allclose(together, [logits(model, row) for row in rows], rtol=1e-12, atol=1e-12)


def test_a_text_ends_where_a_token_says_so(write):
    tokenizer = read_tokenizer(write(tokenizer_bytes(), "t.bin"), 300)
    assert tokenizer.decode([1, 260, 261, 2, 260]) == "ab"
    assert tokenizer.decode([1, 260, 1, 260]) == "a"
    assert tokenizer.decode([1, 3 + 0xC3]) == "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b[:20], "this is no llama2.c file"),
        (lambda b: b[:-1], "a llama2.c file of these sizes has {n} bytes, but this file has {m}"),
        (lambda b: b + b"\0",
         "a llama2.c file of these sizes has {n} bytes, but this file has {p}"),
        (lambda b: struct.pack("<i", -8) + b[4:], "the file is of no kind that is read"),
        (lambda b: b[:60] + struct.pack("<f", float("nan")) + b[64:],
         "the weight at index [8] is NaN"),
        (lambda b: b[:28] + struct.pack("<f", float("inf")) + b[32:],
         "the weight at index [0] is infinite"),
    ],
)  # fmt: skip
def test_a_damaged_model_is_one_message(write, change, message):
    whole = model_bytes()
    with pytest.raises(UsageError) as error:
        read_llama2c(write(change(whole)))
    n = len(whole)
    assert error.value.message == message.format(n=n, m=n - 1, p=n + 1)


def test_heads_of_an_odd_size_are_refused(write):
    sizes = (9, 12, 1, 3, 3, 300, 4)
    content = model_bytes(sizes=sizes)
    extra = 4 * (sizes[6] * 3 - 2 * sizes[6])
    with pytest.raises(UsageError, match=r"^heads of 3 values cannot be rotated in pairs$"):
        read_llama2c(write(content + bytes(extra)))


@pytest.mark.parametrize(
    ("content", "vocabulary", "why"),
    [
        (b"", 300, "it ends before token 0 of 300"),
        (tokenizer_bytes()[:-1], 300, "token 299 is impossible"),
        (tokenizer_bytes() + b"\0", 300, "it has more than 300 tokens"),
        (tokenizer_bytes(), 301, "it ends before token 300 of 301"),
        (tokenizer_bytes(), 299, "it has more than 299 tokens"),
        (bytes(4) + struct.pack("<fi", 0.0, -1), 1, "token 0 is impossible"),
        (bytes(4) + struct.pack("<fi", 0.0, 1 << 30), 1, "token 0 is impossible"),
        (bytes(4) + struct.pack("<fi", float("nan"), 0), 1, "token 0 is impossible"),
        (bytes(4) + struct.pack("<fi", 0.0, 0), 1, "it has no tokens of single bytes"),
    ],
)
def test_a_damaged_tokenizer_is_one_message(write, content, vocabulary, why):
    with pytest.raises(UsageError) as error:
        read_tokenizer(write(content, "t.bin"), vocabulary)
    assert error.value.message == f"the tokenizer does not fit the model: {why}"
