"""A language program means what its instructions say, in integers of any machine."""

from dataclasses import replace
from itertools import islice
from math import isqrt

import numpy as np
import pytest
from frontend.gpt_oss_files import tiny
from frontend.llama_files import model_bytes

from flow.errors import IRError
from flow.frontend.language.coded_models import coded_model
from flow.frontend.language.llama2c import read_llama2c
from flow.frontend.language.program import language_program
from flow.ir.language import Array, Vector
from flow.ir.language_instructions import (
    Add,
    Apply,
    Attend,
    Choose,
    Embed,
    Lookup,
    Mix,
    Multiply,
    Normalise,
    Offset,
    Rotate,
    Scale,
    Select,
    Store,
    Weigh,
)
from flow.ir.language_meaning import Machine, advanced, answers, chosen, heat_of, told

TEXT = [1, 7, 299, 0, 42, 7, 11]


@pytest.fixture(scope="module", params=["fp4", "mxfp4"])
def program(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.bin"
    path.write_bytes(model_bytes(5, sizes=(40, 44, 2, 4, 2, 300, 16)))
    coded = coded_model(read_llama2c(path), request.param)
    return language_program(coded, [TEXT, [1, 5, 5, 9]], "small")


@pytest.fixture(scope="module")
def routed():
    """A program with experts, sinks, biases, and a layer that sees the last positions only."""
    model = coded_model(tiny(), "fp4")
    return language_program(model, [[1, 7, 3, 0, 4, 11], [1, 5, 5, 9]], "routed")


def down(x, shift):
    """x / 2**shift to the nearest, halves up, by floor alone."""
    return (2 * x + 2**shift) // 2 ** (shift + 1) if shift else x


class Plain:
    """The docstrings of the instructions, in Python's integers and loops."""

    def __init__(self, program):
        self.program, self.memory = program, {}
        self.caches = {cache.name: [] for cache in program.caches}

    def run(self, token, position):
        return [
            self.write(one, self.value(one, token, position))
            for one in self.program.instructions[:-1]
        ]

    def write(self, one, values):
        if isinstance(one, Store):
            self.caches[one.cache].append(values)
        else:
            vector = self.program.vector(one.to)
            values = [min(max(v, vector.low), vector.high) for v in values]
            self.memory[one.to] = values
        return values

    def value(self, one, token, position):
        program, memory = self.program, self.memory
        table = program.tables[one.table].tolist() if hasattr(one, "table") else None
        source = memory[one.source] if hasattr(one, "source") else None
        match one:
            case Embed():
                return program.embedding[token].tolist()
            case Apply():
                array = program.family(one.array, one.picks)[self.picked(one)]
                shifts = np.zeros((array.outputs, 2), int) if array.shifts is None else array.shifts
                return [
                    sum(int(w) * x * 2 ** int(shifts[j][i // 32]) for i, (w, x) in
                        enumerate(zip(row, source, strict=True)))
                    for j, row in enumerate(array.weights)
                ]  # fmt: skip
            case Scale() | Offset():
                begin = self.picked(one) * len(source)
                part = zip(source, table[begin : begin + len(source)], strict=True)
                if isinstance(one, Offset):
                    return [down(x + m, one.shift) for x, m in part]
                return [down(x * m, one.shift) for x, m in part]
            case Select():
                size, left, found = program.vector(one.to).size, list(source), []
                while len(found) < size:
                    found.append(left.index(max(left)))
                    left[found[-1]] = -(2**40)
                return found
            case Weigh():
                scores = [source[place] for place in memory[one.picks]]
                shares = [share(program, scores[0] - s, table[0], one.shift) for s in scores]
                return [down(s * (2**38 // sum(shares)), 23) for s in shares]
            case Mix():
                return [down(x * memory[one.weights][one.slot], one.shift) for x in source]
            case Add():
                return [a + b for a, b in zip(memory[one.one], memory[one.other], strict=True)]
            case Multiply():
                pairs = zip(memory[one.one], memory[one.other], strict=True)
                return [down(a * b, one.shift) for a, b in pairs]
            case Lookup():
                half = len(table) // 2
                return [table[min(max(down(x, one.shift), -half), half - 1) + half] for x in source]
            case Normalise():
                inverse = 2**30 // isqrt(sum(x * x for x in source) + one.epsilon)
                units = [down(x * inverse, 15) for x in source]
                return [down(u * g, one.shift) for u, g in zip(units, table, strict=True)]
            case Rotate():
                found = []
                for at in range(0, len(source), 2):
                    pair = at % program.head_size // 2
                    cos = int(program.cosines[position][pair])
                    sin = int(program.sines[position][pair])
                    a, b = source[at : at + 2]
                    found += [
                        down(a * cos - b * sin, one.shift),
                        down(a * sin + b * cos, one.shift),
                    ]
                return found
            case Store():
                return source
            case Attend():
                return self.attended(one, table)

    def picked(self, one):
        return self.memory[one.picks][one.slot] if one.picks else 0

    def attended(self, one, table):
        program, size = self.program, self.program.head_size
        found = []
        for head in range(program.heads):
            at = head // (program.heads // program.kv_heads) * size
            query = self.memory[one.queries][head * size : (head + 1) * size]
            keys, values = (
                [line[at : at + size] for line in self.caches[cache][-one.window :]]
                for cache in (one.keys, one.values)
            )
            scores = [sum(q * k for q, k in zip(query, key, strict=True)) for key in keys]
            if one.sinks:
                scores.append(int(program.tables[one.sinks][head]) * 2**one.rise)
                values.append([0] * size)
            shares = [share(program, max(scores) - s, table[head], one.shift) for s in scores]
            inverse = 2**38 // sum(shares)
            for d in range(size):
                mixed = sum(s * v[d] for s, v in zip(shares, values, strict=True))
                found.append(down(mixed * inverse, 31))
        return found


def share(program, x, slope, shift):
    power = down(x * slope, shift)
    return int(program.exponentials[power % 256]) >> power // 256


def test_a_program_means_what_its_docstrings_say(program):
    plain, machine = Plain(program), Machine(program)
    for position, token in enumerate(TEXT):
        expected = plain.run(token, position)
        found = [values[0].tolist() for _, values in machine.trace([token])]
        assert found == expected


def test_experts_sinks_and_windows_mean_what_their_docstrings_say(routed):
    plain, machine = Plain(routed), Machine(routed)
    chosen = set()
    for position, token in enumerate([1, 5, 9, 3, 15, 2, 2, 11]):
        expected = plain.run(token, position)
        found = [values[0].tolist() for _, values in machine.trace([token])]
        assert found == expected
        chosen.add(tuple(plain.memory["picks"]))
    assert len(chosen) > 2


def test_texts_with_other_experts_answer_as_each_alone(routed):
    rows = [[1, 4, 9, 2], [1, 3, 0, 7], [15, 15, 2, 6]]
    together = answers(routed, np.array(rows))
    assert [answers(routed, row).tolist() for row in rows] == together.tolist()


def test_no_instruction_of_a_real_program_is_idle(program):
    machine = Machine(program)
    for token in TEXT:
        for one, values in machine.trace([token]):
            assert np.unique(values).size > 1, one


def test_texts_side_by_side_answer_as_each_alone(program):
    rows = [[1, 4, 9, 2], [1, 299, 0, 7]]
    together = answers(program, np.array(rows))
    assert together.shape == (2, 4, 300)
    assert [answers(program, row).tolist() for row in rows] == together.tolist()


def test_greedy_tokens_are_the_first_of_the_largest(program):
    tokens = list(islice(told(program, [1, 7]), 5))
    scores = answers(program, [1, 7, *tokens])
    assert tokens == [row.tolist().index(row.max()) for row in scores[1:-1]]
    tie = np.zeros(300, np.int64)
    tie[[40, 90]] = 3
    assert chosen(program, tie, 0, 1) == 40


def test_a_story_ends_with_the_positions(program):
    assert len(list(told(program, [1, 5, 9]))) == 13
    machine = Machine(program)
    for token in range(16):
        machine.step([token])
    with pytest.raises(IRError, match=r"^the program has no position 16$"):
        machine.step([1])


def test_the_random_numbers_are_those_of_xorshift32():
    # G. Marsaglia, "Xorshift RNGs", 2003, with 13, 17, 5 after its first state.
    states = [2463534242]
    for _ in range(3):
        states.append(advanced(states[-1]))
    assert states[1:] == [723471715, 2497366906, 2064144800]


def test_draws_follow_the_chances(program):
    scores = answers(program, [1, 7])[-1]
    last = program.instructions[-1]
    exact = np.exp2(-(scores.max() - scores) * last.heat / 2.0 ** (last.shift + 8))
    state, draws = 1, []
    for _ in range(2000):
        state = advanced(state)
        draws.append(chosen(program, scores, 100, state))
    top = int(scores.argmax())
    chance = exact[top] / exact.sum()
    assert abs(draws.count(top) / 2000 - chance) < 4 * (chance / 2000) ** 0.5


def test_a_low_temperature_is_greedy_and_a_high_one_is_wild(program):
    cold = list(islice(told(program, [1], 1, 5), 8))
    assert cold == list(islice(told(program, [1]), 8))
    wild = [list(islice(told(program, [1], 1000, seed), 8)) for seed in (5, 5, 6)]
    assert wild[0] == wild[1] != wild[2]
    choose = Choose("scores", 1000, 9)
    assert [heat_of(choose, c) for c in (100, 50, 200, 3)] == [1000, 2000, 500, 33333]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: replace(p, instructions=p.instructions[:-1]),
         "the last instruction of a language program is choose"),
        (lambda p: replace(p, instructions=(Embed("wide40"), Embed("h1"), p.instructions[-1])),
         "there is no vector 'h1'"),
        (lambda p: replace(p, instructions=(Apply("h", "h", "none"), p.instructions[-1])),
         "there is no array 'none'"),
        (lambda p: replace(p, instructions=(Scale("x", "h", "none", 1), p.instructions[-1])),
         "there is no table 'none'"),
        (lambda p: replace(p, instructions=(Store("h", "h"), p.instructions[-1])),
         "there is no cache 'h'"),
        (lambda p: replace(p, instructions=(Apply("wide40", "x", "layer0_output"),
                                            p.instructions[-1])),
         "instruction 0, apply, does not fit what it reads and writes"),
        (lambda p: replace(p, instructions=(Apply("h", "h", "layer0_output"),
                                            p.instructions[-1])),
         "instruction 0, apply, does not fit what it reads and writes"),
        (lambda p: replace(p, instructions=(Rotate("x", "x", 13), p.instructions[-1])),
         "instruction 0, rotate, does not fit what it reads and writes"),
        (lambda p: replace(p, vectors=(*p.vectors, Vector("big", 1, -1, 1 << 31))),
         "vector big does not fit words of 32 bits"),
        (lambda p: replace(p, vectors=(*p.vectors, p.vectors[0])),
         "two things of a language program have the name 'x'"),
        (lambda p: replace(p, tables={**p.tables, "sigmoid": np.array([1 << 15])}),
         "table sigmoid is not INT16"),
        (lambda p: replace(p, arrays=(*p.arrays, Array("odd", "fp4", np.array([[5]], np.int8)))),
         "array odd has a weight that is no fp4"),
    ],
)  # fmt: skip
def test_a_malformed_program_is_one_message(program, change, message):
    with pytest.raises(IRError) as error:
        change(program)
    assert error.value.message == message


def place(program, op, changes):
    """The first instruction of a kind; where a slot changes, one that has slots."""
    return next(
        number for number, one in enumerate(program.instructions)
        if isinstance(one, op) and ("slot" not in changes or getattr(one, "picks", "mix"))
    )  # fmt: skip


def but(program, op, **changes):
    """The program with that instruction changed."""
    found = list(program.instructions)
    at = place(program, op, changes)
    found[at] = replace(found[at], **changes)
    return replace(program, instructions=tuple(found))


@pytest.mark.parametrize(
    ("op", "changes"),
    [
        (Attend, {"sinks": "layer0_route_slope"}), (Attend, {"rise": 16}), (Attend, {"window": -1}),
        (Select, {"to": "routes", "source": "picks"}), (Weigh, {"table": "layer0_slopes"}),
        (Weigh, {"to": "routes"}), (Mix, {"slot": 2}), (Offset, {"table": "layer0_router_bias"}),
        (Apply, {"slot": 2}), (Apply, {"picks": "picks"}), (Scale, {"picks": "picks"}),
    ],
)  # fmt: skip
def test_experts_that_do_not_fit_are_one_message(routed, op, changes):
    at = place(routed, op, changes)
    name = routed.instructions[at].op
    with pytest.raises(IRError) as error:
        but(routed, op, **changes)
    assert error.value.message == (
        f"instruction {at}, {name}, does not fit what it reads and writes"
    )


def test_picks_of_nobody_are_one_message(routed):
    with pytest.raises(IRError, match=r"^nothing selects the experts of 'gate'$"):
        but(routed, Scale, picks="gate")
