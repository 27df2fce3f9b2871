"""Small llama2.c models and tokenizers, written by the tests."""

import struct

import numpy as np

SIZES = (8, 12, 2, 4, 2, 300, 16)
"""Hidden, inner, layers, heads, KV heads, vocabulary, positions."""


def model_arrays(seed=0, sizes=SIZES, tied=True):
    """The arrays of a model in the order of its file."""
    hidden, inner, layers, heads, kv_heads, vocabulary, positions = sizes
    keys = hidden // heads * kv_heads
    rng = np.random.default_rng(seed)

    def make(*shape):
        return rng.normal(0, 0.4, shape).astype(np.float32)

    arrays = [
        make(vocabulary, hidden), 1 + make(layers, hidden), make(layers, hidden, hidden),
        make(layers, keys, hidden), make(layers, keys, hidden), make(layers, hidden, hidden),
        1 + make(layers, hidden), make(layers, inner, hidden), make(layers, hidden, inner),
        make(layers, inner, hidden), 1 + make(hidden), make(2, positions, hidden // heads // 2),
    ]  # fmt: skip
    return arrays if tied else [*arrays, make(vocabulary, hidden)]


def model_bytes(seed=0, sizes=SIZES, tied=True):
    """A llama2.c file of version 0."""
    head = (*sizes[:5], sizes[5] if tied else -sizes[5], sizes[6])
    arrays = model_arrays(seed, sizes, tied)
    return struct.pack("<7i", *head) + b"".join(a.tobytes() for a in arrays)


PIECES = {259: (b" ", -1.0), 260: (b"a", -2.0), 261: (b"b", -3.0), 262: (b"ab", -4.0),
          263: (b" ab", -0.5), 264: (b"ba", -0.1), 265: (b"c", -1.0)}  # fmt: skip


def tokenizer_bytes(vocabulary=300):
    """Special tokens, 256 bytes, a few pieces, and fillers."""
    rows = [(b"<unk>", 0.0), (b"\n<s>\n", 0.0), (b"\n</s>\n", 0.0)]
    rows += [(f"<0x{byte:02X}>".encode(), 0.0) for byte in range(256)]
    rows += [PIECES.get(token, (f"#{token}".encode(), -9.0)) for token in range(259, vocabulary)]
    parts = [struct.pack("<fi", score, len(piece)) + piece for piece, score in rows]
    return struct.pack("<i", 7) + b"".join(parts)
