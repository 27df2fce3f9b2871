"""Every pass on circuits, in reading order."""

from __future__ import annotations

from flow.passes.balance_adders import BalanceAdders
from flow.passes.base import Pass
from flow.passes.carry_chains import CarryChains
from flow.passes.compressor_trees import CompressorTrees
from flow.passes.conjunctions import Conjunctions
from flow.passes.expand_linear import ExpandLinear
from flow.passes.fold_comparisons import FoldComparisons
from flow.passes.fold_tables import FoldTables
from flow.passes.merge_sums import MergeSums
from flow.passes.narrow import Narrow
from flow.passes.offset_tables import OffsetTables
from flow.passes.pack_bits import PackBits
from flow.passes.pipeline import Pipeline
from flow.passes.round_first import RoundFirst
from flow.passes.share import Share
from flow.passes.simplify import Simplify
from flow.passes.solve_linear import SolveLinear

PASSES: tuple[type[Pass], ...] = (
    Simplify,
    Share,
    RoundFirst,
    Narrow,
    Conjunctions,
    FoldComparisons,
    FoldTables,
    OffsetTables,
    PackBits,
    SolveLinear,
    ExpandLinear,
    MergeSums,
    CompressorTrees,
    CarryChains,
    BalanceAdders,
    Pipeline,
)
