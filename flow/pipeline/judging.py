"""Judges the answers of a faulty circuit: how many samples it still answers right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.backends.emission import VerilogPort
from flow.ir.aig import Words, pack, unpack
from flow.ir.network import Network
from flow.pipeline.accuracy import integer_decisions
from flow.pipeline.self_test import answering


@dataclass(frozen=True, eq=False)
class Judge:
    """What is right at each of so many samples.

    `wanted` are the words of all outputs that are right, `possible` the samples at which there is
    such an answer. `network` and `labels` are there where answers are numbers to choose among;
    then `wanted` has no meaning. Outputs behind the first `judged` do not answer: an alarm.
    """

    samples: int
    wanted: Words
    possible: NDArray[np.uint64]
    network: Network | None = None
    ports: tuple[VerilogPort, ...] = ()
    labels: NDArray[np.int64] | None = None
    judged: int | None = None

    @property
    def metric(self) -> str:
        """The name of the share of samples that are right."""
        return "agreement" if self.labels is None else "accuracy"

    def right(self, answers: NDArray[np.uint64]) -> NDArray[np.int64]:
        """How many samples are right, for answers of shape (faults, outputs, words)."""
        answers = answers[:, : self.judged]
        if self.network is not None:
            return np.array([self._decided(one) for one in answers], dtype=np.int64)
        wrong = np.bitwise_or.reduce(answers ^ self.wanted, axis=1)
        counts: NDArray[np.int64] = np.bitwise_count(self.possible & ~wrong).sum(
            axis=1, dtype=np.int64
        )
        return counts

    def _decided(self, answer: Words) -> int:
        assert self.network is not None
        values = _integers(unpack(answer, self.samples), self.ports)
        return int((integer_decisions(self.network, values) == self.labels).sum())


def judge_of(
    network: Network,
    ports: Sequence[VerilogPort],
    labels: NDArray[np.int64] | None,
    good: Words,
    samples: int,
) -> Judge:
    """The judge of a network's circuit, whose outputs without faults are the words `good`.

    Without labels, or with several outputs, what the circuit answers without faults is right.
    """
    valid = pack(np.ones((samples, 1), dtype=np.uint8))[0]
    names = answering(network)
    judged = None if names == network.outputs else len(good) - 1
    good = good[:judged]
    if labels is None or len(names) != 1:
        return Judge(samples, good, valid, judged=judged)
    if not network.layer(names[0]).decides:
        own = tuple(ports)[: len(names)]
        return Judge(samples, good, valid, network, own, labels, judged)
    width = len(good)
    bits = (labels[:, None] >> np.arange(width)) & 1
    fits = (labels >> width == 0).astype(np.uint8)[:, None]
    return Judge(samples, pack(bits), pack(fits)[0], labels=labels, judged=judged)


def _integers(bits: NDArray[np.uint8], ports: Sequence[VerilogPort]) -> NDArray[Any]:
    """(samples, lanes) from bits of shape (samples, bits of all ports)."""
    columns, base = [], 0
    for port in ports:
        for lane in port.lanes:
            first = base + lane.offset
            wide = np.int64 if lane.width < 63 else object
            values = np.zeros(len(bits), dtype=wide)
            for i in range(lane.width):
                last = lane.range.signed and i == lane.width - 1
                values += bits[:, first + i].astype(wide) * (-(1 << i) if last else 1 << i)
            columns.append(values)
        base += port.width
    return np.stack(columns, axis=1)
