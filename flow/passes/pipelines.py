"""Named pipelines of passes on circuits, with the reason where an order matters."""

from __future__ import annotations

from collections.abc import Mapping

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
from flow.passes.round_first import RoundFirst
from flow.passes.share import Share
from flow.passes.simplify import Simplify
from flow.passes.solve_linear import SolveLinear

CANONICAL: tuple[Pass, ...] = (
    Simplify(),
    # Simplified operands have their final form, so equal ones are in one order at once.
    Share(),
)
"""The same function in fewer nodes; linear rows stay as they are."""

FINISH: tuple[Pass, ...] = (
    # Moves biases into comparisons and removes negations that met a sum.
    Simplify(),
    # After the adders are chosen: an inner sum may have fewer values than its operands suggest.
    Narrow(),
    # Narrower intervals decide more comparisons and clamps.
    Simplify(),
    Share(),
)
"""After any choice of adders."""

ADDERS: tuple[Pass, ...] = (
    # Drops zero coefficients and constant terms, so that equal rows look equal to the solver.
    *CANONICAL,
    # Before intervals and the solver, which see the row with its constant.
    RoundFirst(),
    # Before the solver, which sees the true intervals of its operands.
    Narrow(),
    SolveLinear(),
    *FINISH,
)
"""Linear rows as adders that are shared across rows: the fewest operations."""

PLAIN: tuple[Pass, ...] = (*CANONICAL, RoundFirst(), Narrow(), ExpandLinear(), *FINISH)
"""Linear rows as balanced trees, each on its own: the least depth in adders."""

PACKED: tuple[Pass, ...] = (
    *CANONICAL, RoundFirst(), Narrow(), Conjunctions(), PackBits(), ExpandLinear(), *FINISH
)  # fmt: skip
"""The same with single bits looked up six at a time: the least depth in look-up tables."""

BESPOKE: tuple[Pass, ...] = (*CANONICAL, ExpandLinear(split_signs=True), *FINISH)
"""Positive and negative products in two trees, as in exact bespoke printed circuits."""

HEAPS: tuple[Pass, ...] = (
    *CANONICAL,
    RoundFirst(),
    Narrow(),
    # Before the solver, which would share sums that are not needed.
    Conjunctions(),
    OffsetTables(),
    SolveLinear(method="bits"),
    # Negations and powers of two reach the sums that read them.
    Simplify(),
    # Only sums that are read again keep a word of their own.
    MergeSums(),
    # Last: words stay whole, by which the proof and the reader of the Verilog know them.
    CompressorTrees(),
)
"""Shared sums as full adders, one chain of carries for each: the smallest mapped circuit."""

SEARCHED: tuple[Pass, ...] = tuple(
    SolveLinear(method="bits", effort="high") if isinstance(step, SolveLinear) else step
    for step in HEAPS
)
"""The same from a search for sums to share: a few percent less, for a minute."""

CHAINS: tuple[Pass, ...] = (
    *CANONICAL,
    RoundFirst(),
    # Before intervals, which a difference of two sums has of its own.
    FoldComparisons(),
    Narrow(),
    FoldTables(),
    SolveLinear(method="bits"),
    Simplify(),
    MergeSums(),
    # Again, for the constants that came with the sums that were merged.
    FoldTables(),
    # Last: words stay whole, as for heaps.
    CarryChains(),
)
"""Shared sums as words without sign on carry chains: the fewest look-up tables."""

SHALLOW_CHAINS: tuple[Pass, ...] = (*CHAINS[:-1], CarryChains(shallow=True))
"""The same with no more additions behind one another than balanced trees have."""

SEARCHED_CHAINS: tuple[Pass, ...] = tuple(
    SolveLinear(method="bits", effort="high") if isinstance(step, SolveLinear) else step
    for step in CHAINS
)
"""The same from a search for sums to share."""

UNSHARED: tuple[Pass, ...] = (*CANONICAL, RoundFirst(), Narrow(), Conjunctions())
"""What comes before the compression of each linear row on its own."""

COMPRESSED: tuple[Pass, ...] = (*UNSHARED, CompressorTrees())
"""Linear rows as full adders, nothing shared."""

SHARED_TREES: tuple[Pass, ...] = (*HEAPS[:-1], CompressorTrees(final="add"))
"""Shared sums as trees of full adders and one addition: little more area, half the delay."""

TREES: tuple[Pass, ...] = (*UNSHARED, CompressorTrees(final="add"))
"""Linear rows as trees of full adders and one addition, nothing shared: the least delay."""

PIPELINES: Mapping[str, tuple[Pass, ...]] = {
    "canonical": CANONICAL,
    "adders": ADDERS,
    "plain": PLAIN,
    "packed": PACKED,
    "bespoke": BESPOKE,
    "heaps": HEAPS,
    "searched": SEARCHED,
    "chains": CHAINS,
    "shallow-chains": SHALLOW_CHAINS,
    "searched-chains": SEARCHED_CHAINS,
    "compressed": COMPRESSED,
    "shared-trees": SHARED_TREES,
    "trees": TREES,
}
"""By the name that stands for them in a pipeline text."""
