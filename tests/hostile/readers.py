"""Readers of files that a command reads only on the way to something long."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path


def liberty(path: Path) -> None:
    """Cells of a library."""
    from flow.tech.liberty import read_liberty

    read_liberty(path)


def circuit(path: Path) -> None:
    """A design, or threshold gates."""
    from flow.frontend.circuits.read import read_circuit

    read_circuit(path)


def network(path: Path) -> None:
    """The network in a build folder."""
    from flow.ir.network_text import parse_network
    from flow.pipeline.reading import read_text

    parse_network(read_text(path), path.name)


def specification(path: Path) -> None:
    """The specification of a search, with its data."""
    from flow.pipeline.searching import open_search

    open_search(path)


def llama2c(path: Path) -> None:
    """The weights of a language model."""
    from flow.frontend.language.llama2c import read_llama2c

    read_llama2c(path)


def tokenizer(path: Path) -> None:
    """The tokens of a language model of 300 tokens."""
    from flow.frontend.language.tokenizer import read_tokenizer

    read_tokenizer(path, 300)


def shard(path: Path) -> None:
    """Every tensor of a file."""
    from flow.frontend.language.safetensors import read_shard

    for tensor in read_shard(path).values():
        tensor.read()


READERS: Mapping[str, Callable[[Path], None]] = {
    reader.__name__: reader
    for reader in (liberty, circuit, network, specification, llama2c, tokenizer, shard)
}
