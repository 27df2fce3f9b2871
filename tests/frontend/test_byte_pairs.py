"""A tokenizer.json gives the tokens that its merges give by hand; what is not read is refused."""

import json
from itertools import pairwise

import pytest
from frontend.llama_files import tokenizer_bytes

from flow.errors import FlowError, UsageError
from flow.frontend.language.byte_pairs import byte_characters
from flow.frontend.language.read import tokenizer_beside
from flow.frontend.language.text_pieces import GPT_2, GPT_OSS, LLAMA_3, PATTERNS, SINGLE, words
from flow.frontend.language.tokenizer_json import read_tokenizer_json, tokenizer_of

SIGN = "\N{LOWER ONE EIGHTH BLOCK}"
SPACE = byte_characters()[0x20]
ADDED = {
    "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True,
}  # fmt: skip
END = {"id": 2, "content": "</s>", **ADDED}
FRAME = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A"}}],
    "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
}


def model(pieces, merges, **changes):
    found = {name: token for token, name in enumerate(pieces)}
    return {"type": "BPE", "vocab": found, "merges": merges, **changes}


def byte_table(**changes):
    """Every byte, and merges by rank: `l o`, `lo w`, `e r`, `low er`, ` low`."""
    pieces = ["<unk>", "<s>", "</s>", *byte_characters().values()]
    merges = ["l o", "lo w", "e r", ["low", "er"], [SPACE, "low"]]
    pieces += ["lo", "low", "er", "lower", f"{SPACE}low"]
    return {
        "added_tokens": [{"id": 1, "content": "<s>", **ADDED}, END],
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": LLAMA_3}, "behavior": "Isolated"},
            {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
        ]},
        "post_processor": FRAME, "model": model(pieces, merges), **changes,
    }  # fmt: skip


def sign_table(**changes):
    """Signs for spaces, raw bytes, and merges by rank: `a b`, `b a`, `sign a`, `ab ab`."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces += [SIGN, "a", "b", "ab", "ba", f"{SIGN}a", "abab"]
    merges = ["a b", "b a", f"{SIGN} a", "ab ab"]
    return {
        "added_tokens": [{"id": 1, "content": "<s>", **ADDED}, END],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": SIGN},
            {"type": "Replace", "pattern": {"String": " "}, "content": SIGN},
        ]},
        "pre_tokenizer": None, "post_processor": FRAME,
        "model": model(pieces, merges, byte_fallback=True, fuse_unk=True, unk_token="<unk>"),
        **changes,
    }  # fmt: skip


def names(table, text):
    """The pieces that a text becomes, without what frames it."""
    known = {token: piece for piece, token in table["model"]["vocab"].items()}
    return [known[token] for token in tokenizer_of(table, 1000, "t.json").encode(text)[1:]]


def test_pairs_of_the_lowest_rank_merge_first():
    table = byte_table()
    # l+o, lo+w, e+r, and only then low+er.
    assert names(table, "lower") == ["lower"]
    # The space is part of the word, but ` low` has the last rank: lower is there before it.
    assert names(table, "lower lower") == ["lower", SPACE, "lower"]
    assert names(table, "low low") == ["low", f"{SPACE}low"]
    assert names(table, "lwo") == ["l", "w", "o"]
    assert tokenizer_of(table, 1000, "t").encode("lower") == [1, 262]


def test_the_leftmost_of_equal_pairs_merges_first():
    table = sign_table()
    # a+b twice from the left, then ab+ab; the sign before them finds no a alone.
    assert names(table, "abab") == [SIGN, "abab"]
    assert names(table, "aba") == [SIGN, "ab", "a"]
    assert names(table, "baab") == [SIGN, "ba", "ab"]
    assert names(table, "a a") == [f"{SIGN}a", f"{SIGN}a"]
    assert names(table, " a") == [SIGN, f"{SIGN}a"]


def test_characters_that_are_no_piece_become_bytes():
    assert names(sign_table(), "é") == [SIGN, "<0xC3>", "<0xA9>"]
    plain = sign_table()
    plain["model"] |= {"byte_fallback": False}
    assert names(plain, "aéüa") == [f"{SIGN}a", "<unk>", "a"]
    plain["model"] |= {"fuse_unk": False}
    assert names(plain, "aéüa") == [f"{SIGN}a", "<unk>", "<unk>", "a"]
    assert names(byte_table(), "é") == [byte_characters()[0xC3], byte_characters()[0xA9]]


def test_special_tokens_of_a_text_are_found_and_each_part_has_its_sign():
    table = sign_table()
    assert names(table, "a</s>a") == [f"{SIGN}a", "</s>", f"{SIGN}a"]
    assert names(byte_table(), "low</s>low") == ["low", "</s>", "low"]
    first = sign_table(normalizer=None, pre_tokenizer={
        "type": "Metaspace", "replacement": SIGN, "prepend_scheme": "first", "split": False,
    })  # fmt: skip
    assert names(first, "a</s>a") == [f"{SIGN}a", "</s>", "a"]
    assert names(first, " a") == [f"{SIGN}a"]


def test_signs_split_words_where_the_file_says_so():
    table = sign_table(normalizer=None, pre_tokenizer={
        "type": "Metaspace", "replacement": SIGN, "prepend_scheme": "never", "split": True,
    })  # fmt: skip
    assert names(table, "ab a") == ["ab", f"{SIGN}a"]
    table["model"]["merges"].append(f"a {SIGN}")
    table["model"]["vocab"][f"a{SIGN}"] = 400
    assert names(table, "aa a") == ["a", "a", f"{SIGN}a"]


def test_a_whole_word_needs_no_merges_where_they_are_ignored():
    table = byte_table()
    table["model"]["merges"] = []
    assert len(names(table, "lower")) == 5
    table["model"]["ignore_merges"] = True
    assert names(table, "lower") == ["lower"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (GPT_2, ["It", "'s", " 12", " 345678", "!", "  ", " x", "\n", "\n", "ÉL", "'", "LL", " "]),
        (LLAMA_3, ["It", "'s", " ", "12", " ", "345", "678", "!", "  ", " x", "\n\n", "ÉL", "'LL",
                   " "]),
        (SINGLE, ["It", "'s", " ", "1", "2", " ", "3", "4", "5", "6", "7", "8", "!", "  ", " x",
                  "\n\n", "ÉL", "'LL", " "]),
        (GPT_OSS, ["It's", " ", "12", " ", "345", "678", "!", "  ", " x", "\n\n", "ÉL'LL", " "]),
    ],
)  # fmt: skip
def test_words_are_those_of_the_published_patterns(pattern, found):
    text = "It's 12 345678!   x\n\nÉL'LL "
    assert words(pattern, text) == found


@pytest.mark.parametrize("table", [byte_table, sign_table])
def test_texts_come_back(table):
    tokenizer = tokenizer_of(table(), 1000, "t")
    for text in ("lower lowest", "a  b\tc", "é日🙂", " begins", "", "\n"):
        tokens = tokenizer.encode(text)
        assert tokenizer.decode(tokens) == text
        said = b"".join(tokenizer.piece(token, before) for before, token in pairwise(tokens))
        assert said.decode() == text
    assert tokenizer.decode([1, *tokenizer.encode("ab")[1:], 2, 5]) == "ab"
    assert tokenizer.stops == {1, 2}


def test_a_file_lies_beside_its_model(tmp_path):
    (tmp_path / "tokenizer.json").write_text(json.dumps(byte_table()))
    found = tokenizer_beside(tmp_path, 264)
    assert found.encode("lower") == [1, 262]
    (tmp_path / "tok300.bin").write_bytes(tokenizer_bytes())
    assert tokenizer_beside(tmp_path, 300).encode("ab") == [1, 263]
    # What a chip keeps of it is enough.
    kept = json.loads(json.dumps(found.table))
    assert tokenizer_of(kept, 264, "t").encode("low low") == found.encode("low low")


def changed(table, **changes):
    found = table()
    found["model"] |= changes
    return found


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([], "the tokenizer does not fit the model: it is no JSON object"),
        ({}, "the tokenizer does not fit the model: it has no model"),
        (changed(byte_table, type="Unigram"), "the tokenizer has a model of the kind 'Unigram'"),
        (changed(byte_table, dropout=0.5), "the tokenizer has dropout 0.5"),
        (changed(byte_table, vocab={}),
         "the tokenizer does not fit the model: it has no vocabulary"),
        (changed(byte_table, vocab={"a": 0, "b": 0}),
         "the tokenizer does not fit the model: two pieces are one token"),
        (changed(byte_table, vocab={"a": -1}),
         "the tokenizer does not fit the model: it has the token -1 of 300"),
        (changed(byte_table, vocab={"a": 300}),
         "the tokenizer does not fit the model: it has the token 300 of 300"),
        (changed(byte_table, vocab={"a": True}),
         "the tokenizer does not fit the model: it has the token True of 300"),
        (changed(byte_table, vocab={"a" * 5000: 1}),
         "the tokenizer does not fit the model: a piece has more than 4096 characters"),
        (changed(byte_table, merges=None),
         "the tokenizer does not fit the model: it has no list of merges"),
        (changed(byte_table, merges=["lo"]),
         "the tokenizer does not fit the model: merge 0 is no pair"),
        (changed(byte_table, merges=[["l", 3]]),
         "the tokenizer does not fit the model: merge 0 is no pair"),
        (changed(byte_table, merges=["l o", "q q"]),
         "the tokenizer does not fit the model: merge 1 is of pieces that are no tokens"),
        (changed(byte_table, unk_token="none"),
         "the tokenizer does not fit the model: there is no token 'none' for what is unknown"),
        (byte_table(added_tokens=[3]),
         "the tokenizer does not fit the model: an added token has no text"),
        (byte_table(normalizer={"type": "Lowercase"}),
         "the tokenizer has the normaliser 'Lowercase'"),
        (byte_table(pre_tokenizer={"type": "Digits"}),
         "the tokenizer has words that are cut by ['Digits']"),
        (byte_table(pre_tokenizer={"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated"},
            {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}]}),
         "the tokenizer has words that are cut by a pattern which is not known"),
        (byte_table(post_processor={"type": "BertProcessing"}),
         "the tokenizer has texts that are framed by 'BertProcessing'"),
        (byte_table(post_processor=3), "the tokenizer does not fit the model: a step is 3"),
        (byte_table(post_processor=FRAME | {"special_tokens": {}}),
         "the tokenizer does not fit the model: texts are framed by '<s>', which is nothing"),
    ],
)  # fmt: skip
def test_what_is_damaged_or_not_read_exactly_is_one_message(tmp_path, table, message):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(table))
    with pytest.raises(FlowError) as error:
        read_tokenizer_json(path, 300)
    assert error.value.message == message


def test_a_token_that_is_found_only_later_is_refused_in_a_text():
    table = sign_table()
    table["added_tokens"][1] |= {"normalized": True}
    tokenizer = tokenizer_of(table, 1000, "t")
    assert tokenizer.encode("ab")[1:] == [259, 262]
    with pytest.raises(UsageError, match=r"^the text has the token </s>, which is found only"):
        tokenizer.encode("a</s>")


def test_no_pattern_of_a_file_is_run():
    assert all(words(pattern, " " * 200) == [" " * 200] for pattern in PATTERNS)
    with pytest.raises(KeyError):
        words("(a+)+$", "aaaa")


JUNK = (None, True, -1, 0, 1.5, 1 << 70, "", "x" * 9, "\ud800", [], [[]], {}, {"type": "ByteLevel"},
        ["a"], {"id": 1}, "<s>", SIGN)  # fmt: skip


def places(table, path=()):
    """Every place in a table; of long ones a few."""
    yield path
    keys = list(table) if isinstance(table, dict) else range(len(table))
    for key in list(keys)[:6]:
        if isinstance(table[key], (dict, list)):
            yield from places(table[key], (*path, key))
        else:
            yield (*path, key)


@pytest.mark.parametrize("table", [byte_table, sign_table])
def test_whatever_stands_in_a_file_it_is_read_or_refused(table):
    read, refused = 0, []
    for at, path in enumerate(places(table())):
        for junk in JUNK[at % 4 :: 4]:
            made = json.loads(json.dumps(table()))
            inner = made
            for key in path[:-1]:
                inner = inner[key]
            if path:
                inner[path[-1]] = junk
            else:
                made = junk
            try:
                found = tokenizer_of(made if isinstance(made, dict) else {}, 300, "t.json")
                found.decode(found.encode("lower </s>é\udcff low"))
            except FlowError as error:
                refused.append(error.message)
            else:
                read += 1
    assert read > 2
    assert len(refused) > 50
    assert not any("\n" in message for message in refused)
