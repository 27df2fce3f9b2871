"""A tokenizer.json gives the tokens that its merges give by hand; what is not read is refused."""

import json
from itertools import pairwise

import pytest
from frontend.llama_files import tokenizer_bytes

from flow.errors import FlowError, UsageError
from flow.frontend.files import guards
from flow.frontend.language.byte_pairs import byte_characters
from flow.frontend.language.read import tokenizer_beside
from flow.frontend.language.text_pieces import GPT_2, GPT_OSS, LLAMA_3, PATTERNS, SINGLE, words
from flow.frontend.language.tokenizer_json import FILE_VALUES, read_tokenizer_json, tokenizer_of
from flow.frontend.language.unicode_runs import normalised

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
        (changed(byte_table, vocab={str(n): n for n in range(301)}),
         "the tokenizer does not fit the model: it has 301 pieces, the model 300 tokens"),
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
        (byte_table(added_tokens=[END | {"id": 3}]),
         "the tokenizer does not fit the model: the added token '</s>' is not 3"),
        (byte_table(added_tokens=[END | {"id": 265, "content": "<t>"}]),
         "the tokenizer does not fit the model: the added token '<t>' is not 265"),
        (byte_table(truncation={"max_length": 8}), "the tokenizer has truncation of texts"),
        (byte_table(padding={"length": 8}), "the tokenizer has padding of texts"),
        (byte_table(decoder={"type": "WordPiece"}),
         "the tokenizer has pieces that are read by ['WordPiece']"),
        (byte_table(normalizer={"type": "Sequence", "normalizers": [
            {"type": "Replace", "pattern": {"String": " "}, "content": SIGN}, {"type": "NFKC"}]}),
         "the tokenizer has the normaliser 'NFKC'"),
        (byte_table(post_processor=FRAME | {"single": []}),
         "the tokenizer has a frame with 0 texts in it"),
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


def added(token, content, **changes):
    return {"id": token, "content": content, **ADDED, "special": False, **changes}


def with_added(table, *tokens):
    table["added_tokens"] += tokens
    return table


def test_a_token_of_normalised_texts_is_normalised_itself():
    table = sign_table()
    table["added_tokens"][1] |= {"normalized": True}
    unknown = [f"<0x{byte:02X}>" for byte in b"</s>"]
    assert names(table, "ab</s>") == [SIGN, "ab", *unknown]
    assert names(table, "ab </s>b") == [SIGN, "ab", "</s>", "b"]
    table = with_added(byte_table(normalizer={"type": "NFC"}), added(264, "\xe9!", normalized=True))
    assert tokenizer_of(table, 1000, "t").encode("e\u0301!")[1:] == [264]


def test_a_token_takes_the_spaces_that_it_asks_for():
    table = with_added(
        byte_table(), added(264, "[L]", lstrip=True), added(265, "[R]", rstrip=True),
        added(266, "[LR]", lstrip=True, rstrip=True),
    )  # fmt: skip
    tokenizer = tokenizer_of(table, 1000, "t")
    assert tokenizer.encode("lo \u3000[L] lo")[1:] == [259, 264, tokenizer.encode(" ")[1], 259]
    assert tokenizer.encode("lo [R] \nlo")[1:] == [259, tokenizer.encode(" ")[1], 265, 259]
    assert tokenizer.encode(" [LR]  [LR] ")[1:] == [266, 266]
    table = with_added(byte_table(), added(264, "  ", lstrip=True, rstrip=True))
    assert tokenizer_of(table, 1000, "t").encode("lo     lo")[1:] == [259, 264, 259]


def test_a_token_that_is_a_word_is_not_found_inside_of_one():
    table = with_added(byte_table(), added(264, "wo", single_word=True))
    tokenizer = tokenizer_of(table, 1000, "t")
    for text in ("awo", "woa", "1wo", "_wo", "wo\u24d0", "wo\u0301", "wo\u200d", "\u2040wo"):
        assert 264 not in tokenizer.encode(text), text
    for text in ("wo", "'wo'", " wo ", "wo\xb2", "\u20acwo"):
        assert 264 in tokenizer.encode(text), text


def test_tokens_of_the_text_as_it_is_come_before_those_of_the_normalised_one():
    table = with_added(byte_table(), added(264, "ab", normalized=True), added(265, "bc"))
    assert tokenizer_of(table, 1000, "t").encode("abc")[1:] == [
        byte_table()["model"]["vocab"]["a"],
        265,
    ]


def test_bytes_come_before_what_is_unknown_just_before_them():
    # So does the published reader, where only some bytes are pieces.
    table = sign_table()
    del table["model"]["vocab"]["<0xBC>"]
    assert names(table, "a\xfc\xe9a") == [f"{SIGN}a", "<0xC3>", "<0xA9>", "<unk>", "a"]


def test_letters_are_those_of_unicode_16_whatever_python_has():
    assert words(GPT_2, "a\U00011f04 \u1c89.\U0001ccf01") == [
        "a\U00011f04",
        " \u1c89",
        ".",
        "\U0001ccf01",
    ]
    # \u017f is a long s.
    assert words(LLAMA_3, "It'\u017fs") == ["It", "'\u017f", "s"]


def test_normal_forms_leave_characters_after_unicode_9_alone():
    kept = "\u32ff\ua7f2\U00011935\U00011930\U00011938\U000105c9"
    assert normalised("NFKC", kept) == kept
    # The second mark would come first, were it not unknown to the published reader.
    assert normalised("NFD", "\xe9\u0898\u0323") == "e\u0301\u0898\u0323"
    assert normalised("NFC", "e\u0323\u0301") == "\u1eb9\u0301"


def decoded(table, tokens, decoder):
    found = tokenizer_of(table | {"decoder": decoder}, 1000, "t")
    vocabulary = table["model"]["vocab"]
    return found.decode([1, *(vocabulary[name] for name in tokens)])


def llama(*steps):
    return {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": SIGN}, "content": " "}, *steps]}  # fmt: skip


RAW, FUSE = {"type": "ByteFallback"}, {"type": "Fuse"}
STRIP = {"type": "Strip", "content": " ", "start": 1, "stop": 0}


def test_pieces_are_read_as_the_decoder_of_the_file_says():
    pieces = [SIGN, f"{SIGN}a", "<0x41>", "<0xC3>", "ab"]
    assert decoded(sign_table(), pieces, llama(RAW, FUSE, STRIP)) == " a\ufffd\ufffdab"
    assert decoded(sign_table(), pieces, llama(RAW)) == "  a\ufffd\ufffdab"
    assert decoded(sign_table(), pieces, llama()) == "  a<0x41><0xC3>ab"
    assert decoded(sign_table(), ["<0x20>", "a"], llama(RAW, FUSE, STRIP)) == "a"
    assert decoded(sign_table(), ["<0x20>", "<0xC3>"], llama(RAW, FUSE, STRIP)) == "\ufffd" * 2
    meta = {"type": "Metaspace", "replacement": SIGN, "prepend_scheme": "first"}
    assert decoded(sign_table(), [f"{SIGN}a", SIGN, "b"], meta) == "a b"
    assert decoded(sign_table(), [f"{SIGN}a"], meta | {"prepend_scheme": "never"}) == " a"
    level = {"type": "ByteLevel"}
    before = byte_table(pre_tokenizer={"type": "ByteLevel", "add_prefix_space": True})
    assert decoded(before, [SPACE, "low"], level) == " low"
    assert decoded(before, [SPACE, "low"], None) == "low"
    # The published reader takes each character of such a token for a byte.
    table = byte_table(decoder=level, normalizer={"type": "NFKC"})
    table = with_added(table, added(264, "\ufb01", normalized=True))
    assert tokenizer_of(table, 1000, "t").decode([1, 264]) == "fi"
    table = with_added(byte_table(decoder=level), added(264, "\xe9\xe9"))
    assert tokenizer_of(table, 1000, "t").decode([1, 264]) == "\ufffd\ufffd"


def test_frames_stand_around_frames():
    begin, end = {"SpecialToken": {"id": "<s>"}}, {"SpecialToken": {"id": "</s>"}}
    outer = FRAME | {"single": [begin, end, {"Sequence": {"id": "A"}}, end]}
    outer["special_tokens"] = FRAME["special_tokens"] | {"</s>": {"ids": [2]}}
    table = byte_table(post_processor={"type": "Sequence", "processors": [FRAME, outer]})
    assert tokenizer_of(table, 1000, "t").encode("lo") == [1, 2, 1, 259, 2]


def test_a_file_of_too_many_values_is_refused_before_it_is_parsed(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(b"[" + b"," * FILE_VALUES)
    with pytest.raises(UsageError) as error:
        read_tokenizer_json(path, 300)
    assert error.value.message == (
        "the tokenizer does not fit the model: it has more than 2500000 values"
    )


def test_a_file_larger_than_other_json_is_read(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(byte_table(version="1" * guards.JSON_BYTES)))
    assert read_tokenizer_json(path, 264).encode("lower") == [1, 262]


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
