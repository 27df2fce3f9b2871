"""The soak in short: a block of networks agrees on every rung, and its record tells the truth."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import soak
from soak import Found, run_block
from soak_networks import bits_of, network, perceptron

from flow.ir.layers import LAYER_TYPES
from flow.ir.network_text import parse_network, print_network
from flow.passes.fold_layers import FoldLayers


@pytest.mark.tool("icarus")
def test_a_block_of_random_networks_is_the_same_on_every_rung():
    found = run_block(2, 5, size=3, samples=64, verilator=False)
    assert found.mismatches == []
    assert found.networks == 3
    assert "Icarus Verilog" in found.counts["rungs"]


def test_equal_seeds_give_equal_networks_of_every_layer_and_width():
    assert print_network(network(7)) == print_network(network(7))
    drawn = [network(number) for number in range(150)]
    kinds = {layer.kind for one in drawn for layer in one.layers}
    assert kinds == {kind.kind for kind in LAYER_TYPES}
    assert {bits for one in drawn for bits in bits_of(one)} >= set(range(1, 17))


def test_small_perceptrons_stay_small():
    for number in range(30):
        one = perceptron(number)
        assert one.layers[0].tensor.size <= 16
        assert max(bits_of(one)) <= 4
        assert all(len(x.bias) <= 10 for x in one.layers if x.kind == "dense")


def test_a_wrong_network_is_noted_and_the_others_go_on(monkeypatch):
    class Wrong(FoldLayers):
        def run(self, one):
            right = super().run(one)
            broken = [replace(x, bias=x.bias + 1) if x.kind == "dense" else x for x in right.layers]
            return replace(right, layers=tuple(broken))

    monkeypatch.setattr(soak, "FoldLayers", Wrong)
    monkeypatch.setattr(soak, "_descend", lambda ready, options, verilator: ("all",))
    found = run_block(1, 0, size=6, samples=64)
    assert found.networks + len(found.mismatches) == 6
    assert found.mismatches
    for one in found.mismatches:
        assert one["message"].startswith("Broken: folded network differs in output ")
        assert parse_network(one["text"]).name == "net"


def fake(seed, block):
    found = Found(networks=10, refused=block)
    found.count("options", f"block {block}")
    if block == 2:
        found.mismatches.append({"block": 2, "message": "wrong"})
    return found


def test_a_run_that_was_killed_goes_on_and_leaves_the_same_record(tmp_path):
    def kill(seed, block):
        if block == 2:
            raise KeyboardInterrupt
        return fake(seed, block)

    whole, parts = tmp_path / "whole.json", tmp_path / "parts.json"
    soak.soak(whole, 1, 40, fake)
    with pytest.raises(KeyboardInterrupt):
        soak.soak(parts, 1, 40, kill)
    assert json.loads(parts.read_text())["networks"] == 20
    soak.soak(parts, 1, 40, fake)
    first, second = (json.loads(path.read_text()) | {"seconds": 0} for path in (whole, parts))
    assert first == second
    assert first["networks"] == 40
    assert first["refused"] == 0 + 1 + 2 + 3
    assert first["mismatches"] == [{"block": 2, "message": "wrong"}]
    with pytest.raises(ValueError, match=r"^whole\.json has the seed 1, not 2$"):
        soak.soak(whole, 2, 40, fake)


def test_a_block_with_a_mismatch_runs_again_and_what_is_gone_is_told_as_mended(tmp_path):
    record = tmp_path / "record.json"
    wrong = {"block": 3, "network": 7, "message": "wrong"}
    text = {"seed": 1, "networks": 49, "code": {"old": 49}, "mismatches": [wrong]}
    record.write_text(json.dumps(text))
    known = soak.again(record, lambda seed, block: Found(networks=24, mismatches=[wrong]))
    assert (known["networks"], known["mismatches"], "mended" in known) == (49, [wrong], False)
    known = soak.again(record, lambda seed, block: Found(networks=25))
    assert (known["networks"], known["mismatches"], known["mended"]) == (50, [], [wrong])
    assert json.loads(record.read_text()) == known
