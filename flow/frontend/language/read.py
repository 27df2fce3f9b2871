"""Any language model file: told apart by its content, read to its weights."""

from __future__ import annotations

from pathlib import Path

from flow.errors import UnsupportedModel, UsageError
from flow.frontend.files import guards
from flow.frontend.language.byte_pairs import BytePairs
from flow.frontend.language.config import CONFIG, FAMILIES, HEADER, read_shape
from flow.frontend.language.hugging_face import read_hugging_face
from flow.frontend.language.llama2c import LlamaWeights, read_llama2c
from flow.frontend.language.tokenizer import Tokenizer, read_tokenizer
from flow.frontend.language.tokenizer_json import read_tokenizer_json

MOST_WEIGHTS = 1 << 24
"""Weights of a model that is held in memory and given its integer meaning."""
TOKENIZERS = ("tok{vocabulary}.bin", "tokenizer.bin", "tokenizer.json")
"""Names that are looked for beside a model."""


def is_language(path: Path) -> bool:
    """Whether a file or folder is a language model: a Llama or gpt-oss, or a llama2.c file."""
    if path.is_dir():
        return is_language(path / CONFIG)
    try:
        head = guards.read_head(path, HEADER.size)
        if head[:1] == b"{":
            text = guards.parse_json(guards.read_bytes(path, guards.JSON_BYTES), path.name)
            return isinstance(text, dict) and text.get("model_type") in FAMILIES
        if head[4:9] == b"\0\0\0\0{" or path.name.endswith(".safetensors.index.json"):
            return True
    except UsageError:
        return False
    return len(head) == HEADER.size and _is_header(HEADER.unpack(head))


def read_language(path: Path) -> LlamaWeights:
    """The weights of a model; UsageError for files that are damaged, UnsupportedModel for models
    that are no Llama or gpt-oss, or too large to be built."""
    if path.is_dir() or not _is_llama2c(path):
        return read_hugging_face(path, MOST_WEIGHTS)
    shape = read_shape(path)
    if shape.total > MOST_WEIGHTS:
        raise UnsupportedModel(
            f"the model has {shape.total} weights, more than {MOST_WEIGHTS}", where=path.name,
            hint="flow plan reads it; what is built is a small Llama or gpt-oss",
        )  # fmt: skip
    return read_llama2c(path)


def tokenizer_beside(
    path: Path, vocabulary: int, given: Path | None = None
) -> Tokenizer | BytePairs | None:
    """The tokenizer that is given or lies beside a model by name; None where there is none."""
    if given is not None:
        return _read(given, vocabulary)
    folder = path if path.is_dir() else path.parent
    for name in TOKENIZERS:
        if (found := folder / name.format(vocabulary=vocabulary)).is_file():
            return _read(found, vocabulary)
    return None


def _read(path: Path, vocabulary: int) -> Tokenizer | BytePairs:
    """A tokenizer of llama2.c or of Hugging Face; the latter is a JSON object."""
    if guards.read_head(path, 64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return read_tokenizer_json(path, vocabulary)
    return read_tokenizer(path, vocabulary)


def _is_header(fields: tuple[int, ...]) -> bool:
    """Whether seven numbers can be the sizes of a llama2.c model, whole or not."""
    hidden, inner, layers, heads, kv_heads, vocabulary, positions = fields
    sizes = (hidden, inner, layers, heads, kv_heads, abs(vocabulary), positions)
    return all(0 < size < 1 << 24 for size in sizes) and kv_heads <= heads <= hidden


def _is_llama2c(path: Path) -> bool:
    head = guards.read_head(path, HEADER.size)
    return not (head[:1] == b"{" or head[4:9] == b"\0\0\0\0{")
