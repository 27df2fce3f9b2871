"""Chips around circuits whose weights are loaded: their ports, their sizes, their texts."""

from dataclasses import replace
from itertools import product

import pytest
from digests import check, digest

from flow.backends.emission import Lane, Store
from flow.backends.verilog import emit_verilog
from flow.backends.weight_store import TRIPLES, chip_ports, store_layout, with_store
from flow.errors import InternalError, UsageError
from flow.ir.circuit import Circuit, Port
from flow.ir.interval import IntRange
from flow.ir.nodes import Add, Input, Mul, Register


def weighted(registers=1, weights=(4, 4), name="weighted"):
    x = Input("x", 0, -8, 7)
    w = tuple(Input("w", k, 0, (1 << bits) - 1) for k, bits in enumerate(weights))
    y = Add(Mul(x, w[0]), w[-1])
    for _ in range(registers):
        y = Register(y)
    return Circuit(name, (Port("x", (x,)), Port("w", w)), (Port("y", (y,)),))


def chip(tmr="none", registers=1, handshake=False, weights=(4, 4)):
    emission = emit_verilog(weighted(registers, weights), handshake=handshake)
    return with_store(emission, "w", tmr)


def test_a_chip_has_every_port_but_that_of_the_weights():
    made = chip(handshake=True)
    assert list(chip_ports(made, made.store)) == [
        ("input", "in_valid", 1), ("output", "in_ready", 1), ("output", "out_valid", 1),
        ("input", "out_ready", 1), ("input", "x", 4), ("output", "y", 8),
    ]  # fmt: skip
    plain = chip()
    assert list(chip_ports(plain, plain.store)) == [("input", "x", 4), ("output", "y", 8)]


@pytest.mark.parametrize(
    ("tmr", "weights", "control", "counters", "first"),
    [
        ("none", False, False, 0, 2), ("weights", True, False, 2, 0),
        ("control", False, True, 1, 2), ("all", True, True, 3, 0),
    ],
)  # fmt: skip
def test_what_has_three_copies_has_counters(tmr, weights, control, counters, first):
    store = chip(tmr, weights=(500, 13)).store
    assert (store.tmr_weights, store.tmr_control) == (weights, control)
    assert (store.bits, store.bytes, store.banks) == (513, 65, 2)
    assert (store.counters, store.first_counter) == (counters, first)
    assert store_layout(store) == {
        "top": "weighted_chip", "port": "w", "bits": 513, "tmr_weights": weights,
        "tmr_control": control, "bank": 64, "address": 0x42, "bytes": 65, "counters": counters,
        "first_counter": first,
    }  # fmt: skip


@pytest.mark.parametrize(("bits", "size", "banks"), [(1, 1, 1), (8, 1, 1), (9, 2, 1), (512, 64, 1)])
def test_bits_are_counted_in_bytes_and_banks(bits, size, banks):
    store = Store("top", "w", bits, False, False)
    assert (store.bytes, store.banks) == (size, banks)


def test_the_texts_of_chips_are_golden(request):
    found = {}
    for tmr, handshake in product(TRIPLES, (False, True)):
        made = chip(tmr, handshake=handshake)
        text = next(text for path, text in made.files.items() if path.name == "weighted_chip.v")
        found[f"{tmr}{', stalling' * handshake}"] = digest(text)
    check("texts", "chips", found, request.config.getoption("--update-golden"))


def test_the_name_of_a_chip_is_not_too_long_for_any_tool():
    made = with_store(emit_verilog(weighted(name="n" * 63)), "w")
    assert made.store.top == "n" * 58 + "_chip"


def test_a_circuit_without_such_an_input_is_refused():
    with pytest.raises(InternalError) as error:
        with_store(emit_verilog(weighted()), "v")
    assert error.value.message == "weighted has no input 'v'"


def test_more_weights_than_addresses_are_refused():
    plain = emit_verilog(weighted())

    def wide(bits):
        lanes = (Lane(0, bits, IntRange(0, 1)),)
        ports = [replace(p, lanes=lanes) if p.source == "w" else p for p in plain.ports]
        return with_store(replace(plain, ports=tuple(ports)), "w")

    assert wide(8 << 15).store.bytes == 32768
    with pytest.raises(UsageError) as error:
        wide((8 << 15) + 1)
    assert error.value.show() == (
        "error: 32769 bytes of weights are more than the I2C port can address\n"
        "  hint: at most 32768: give fewer --weight-bits, or --weights constants"
    )
