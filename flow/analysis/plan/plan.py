"""The whole plan of a chip set, from a model's sizes and the constants."""

from __future__ import annotations

from dataclasses import dataclass

from flow.analysis.plan.economics import (
    Dies,
    Masks,
    Volume,
    chip_cost,
    design,
    dies,
    gpu_volume,
    masks,
    volume,
)
from flow.analysis.plan.energy import Power, power
from flow.analysis.plan.own import Own
from flow.analysis.plan.partition import Partition, chip_area, fitting, partition
from flow.analysis.plan.shape import ModelShape
from flow.analysis.plan.speed import Stage, Traffic, in_flight, stage, traffic
from flow.tech.lpu import Constants, Span

K = 1024
CONTEXTS = (2 * K, 8 * K, 64 * K, 128 * K, 256 * K, 512 * K)
"""Contexts of figure 14 of the ASPLOS '26 paper, tokens."""
REFERENCE = ModelShape(
    "gpt-oss-120b", 2880, 36, 64, 8, 64, 2880, 201_088, 131_072, experts=128, active_experts=4
)
"""The model that the paper plans; its rivals were measured on it."""
REFERENCE_GRID = (4, 4)


@dataclass(frozen=True, slots=True)
class Memory:
    """Caches: bytes of a token in all chips, and the longest context (tokens) of a full pipeline
    in the buffers of the chips and in their HBM."""

    token: float
    in_buffers: float
    in_hbm: float


@dataclass(frozen=True, slots=True)
class Plan:
    """Every figure; areas mm2, power W, costs M$ except of one chip ($). `own` are our arrays
    beside the paper's, where they were counted."""

    shape: ModelShape
    constants: Constants
    part: Partition
    blocks: dict[str, float]
    cell_embedding: float
    traffic: Traffic
    in_flight: int
    memory: Memory
    stage: Stage
    stages: tuple[Stage, ...]
    power: Power
    masks: Masks
    dies: Dies
    chip_cost: dict[str, Span]
    design: dict[str, Span]
    low: Volume
    high: Volume
    gpu_low: Volume | None
    gpu_high: Volume | None
    own: Own | None = None

    @property
    def chip(self) -> float:
        """Area of a chip, mm2."""
        return sum(self.blocks.values())

    @property
    def silicon(self) -> float:
        """Area of all chips, mm2."""
        return self.part.chips * self.chip

    @property
    def latency_us(self) -> float:
        """Time from a token to the next of its sequence, us."""
        return self.in_flight * self.stage.time / 1e3

    @property
    def tokens_per_kj(self) -> float:
        """Tokens of a kilojoule that the system takes."""
        return self.stage.tokens / self.power.system * 1e3

    @property
    def is_reference(self) -> bool:
        """Whether this is the machine of the paper, so that its rivals can stand beside it."""
        grid = (self.part.rows, self.part.columns)
        return same_sizes(self.shape, REFERENCE) and grid == REFERENCE_GRID


def same_sizes(one: ModelShape, other: ModelShape) -> bool:
    """Whether two models need the same arrays, whatever they are called."""
    return _sizes(one) == _sizes(other)


def _sizes(shape: ModelShape) -> tuple[int, ...]:
    return (
        shape.hidden, shape.layers, shape.heads, shape.kv_heads, shape.head_dim, shape.inner,
        shape.vocabulary, shape.experts, shape.active_experts, int(shape.tied),
    )  # fmt: skip


def make_plan(
    shape: ModelShape,
    constants: Constants,
    grid: tuple[int, int] | None = None,
    context: int | None = None,
) -> Plan:
    """The plan over `grid` (rows, columns; by default the smallest that fits), at a context.

    The context of the headline figures is 2K tokens, or the longest of the model if that is less.
    UsageError where the model fits no grid.
    """
    part = fitting(shape, constants) if grid is None else partition(shape, *grid)
    at = context or min(CONTEXTS[0], shape.positions)
    now = stage(shape, part, constants, at)
    blocks = chip_area(constants, part)
    chip = sum(blocks.values())
    drawn = power(shape, part, constants, now.tokens)

    def built(systems: str, spares: str) -> Volume:
        return volume(
            round(constants[f"running.{systems}"]), round(constants[f"running.{spares}"]),
            part.chips, chip, drawn.datacentre, constants,
        )  # fmt: skip

    compared = same_sizes(shape, REFERENCE)
    return Plan(
        shape=shape,
        constants=constants,
        part=part,
        blocks=blocks,
        cell_embedding=shape.total * constants["area.cell_embedding"]
        / (constants["area.density"] * 1e6),
        traffic=traffic(shape, part),
        in_flight=in_flight(shape, constants),
        memory=_memory(shape, part, constants),
        stage=now,
        stages=tuple(stage(shape, part, constants, c) for c in sorted({*CONTEXTS, at})),
        power=drawn,
        masks=masks(part.chips, constants),
        dies=dies(chip, constants),
        chip_cost=chip_cost(chip, constants),
        design=design(constants),
        low=built("low_systems", "low_spares"),
        high=built("high_systems", "high_spares"),
        gpu_low=gpu_volume(round(constants["h100.low_devices"]), constants) if compared else None,
        gpu_high=gpu_volume(round(constants["h100.high_devices"]), constants)
        if compared
        else None,
    )  # fmt: skip


def _memory(shape: ModelShape, part: Partition, constants: Constants) -> Memory:
    """The embedding table takes its part of the HBM."""
    token = 2 * shape.layers * part.kv_heads * part.columns * shape.head_dim
    size = token * constants["chip.kv_bytes"]
    sequences = in_flight(shape, constants) * size
    buffers = part.chips * constants["chip.buffer_mb"] * 1e6
    hbm = part.chips * constants["chip.hbm_stacks"] * constants["chip.hbm_stack_gb"] * 1e9
    table = shape.unembedding * constants["speed.element_bytes"]
    return Memory(size, buffers / sequences, max(hbm - table, 0.0) / sequences)
