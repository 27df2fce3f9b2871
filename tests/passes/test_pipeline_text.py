"""Pipelines as text, and what is said about a wrong one."""

import pytest

from flow.errors import UsageError
from flow.passes.balance_adders import BalanceAdders
from flow.passes.expand_linear import ExpandLinear
from flow.passes.pipeline import Pipeline
from flow.passes.pipeline_text import describe, parse_pipeline, print_pipeline
from flow.passes.pipelines import PIPELINES
from flow.passes.registry import PASSES
from flow.passes.simplify import Simplify

NAMES = (
    "simplify, share, round-first, narrow, conjunctions, fold-comparisons, fold-tables, "
    "offset-tables, pack-bits, solve-linear, expand-linear, merge-sums, "
    "compressor-trees, carry-chains, balance-adders, pipeline"
)


def test_a_text_names_passes_and_their_options():
    text = "simplify, balance-adders{max-depth=4},expand-linear{split-signs=true}"
    assert parse_pipeline(text) == (
        Simplify(),
        BalanceAdders(max_depth=4),
        ExpandLinear(split_signs=True),
    )


def test_an_option_may_be_none_a_number_or_a_fraction():
    assert parse_pipeline("balance-adders{max-depth=none}") == (BalanceAdders(),)
    assert parse_pipeline("pipeline{period=2.5}") == (Pipeline(period=2.5),)
    assert parse_pipeline("pipeline{period=20}") == (Pipeline(period=20),)


def test_the_name_of_a_pipeline_stands_for_its_passes():
    assert parse_pipeline("adders") == PIPELINES["adders"]


def test_no_text_is_no_pass():
    assert parse_pipeline(" ") == ()


@pytest.mark.parametrize(
    "text",
    [
        "simplify",
        "simplify,pipeline{stages=3}",
        "solve-linear{method=wmc,hard-dc=2},narrow,expand-linear{split-signs=true}",
        "balance-adders{max-depth=4},pipeline{period=2.5},compressor-trees{final=add}",
    ],
)
def test_printing_gives_the_text_back(text):
    assert print_pipeline(parse_pipeline(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "simplfy",
            "error: there is no pass 'simplfy'\n"
            f"  hint: did you mean 'simplify'? the passes are {NAMES}, {', '.join(PIPELINES)}",
        ),
        (
            "x",
            f"error: there is no pass 'x'\n  hint: the passes are {NAMES}, {', '.join(PIPELINES)}",
        ),
        (
            "simplify{fast=true}",
            "error: simplify has no option 'fast'\n  hint: it has no options",
        ),
        (
            "pipeline{stage=3}",
            "error: pipeline has no option 'stage'\n"
            "  hint: did you mean 'stages'? the options are stages, period, every, slack, family",
        ),
        (
            "pipeline{stages}",
            "error: pipeline: stages has no value\n  hint: write stages=value",
        ),
        (
            "pipeline{stages=two}",
            "error: pipeline: stages is 'two', not a whole number or none",
        ),
        (
            "pipeline{stages=2,stages=3}",
            "error: pipeline has the option 'stages' twice",
        ),
        (
            "expand-linear{split-signs=1}",
            "error: expand-linear: split-signs is '1', not true or false",
        ),
        (
            "simplify,,narrow",
            "error: cannot read '' in the pipeline\n"
            "  hint: write passes as name or name{option=value,option=value}, "
            "with commas between",
        ),
        (
            "Simplify()",
            "error: cannot read 'Simplify()' in the pipeline\n"
            "  hint: write passes as name or name{option=value,option=value}, "
            "with commas between",
        ),
    ],
)
def test_a_wrong_text_is_refused(text, message):
    with pytest.raises(UsageError) as caught:
        parse_pipeline(text)
    assert caught.value.show() == message


def test_a_pass_describes_itself():
    assert describe(BalanceAdders) == (
        "Reassociate sums that are read once into trees no deeper than needed.",
        (("max-depth", "none"),),
    )


def test_every_pass_has_its_own_name_and_says_that_it_is_exact():
    assert len({kind.name for kind in PASSES}) == len(PASSES)
    assert all(kind.exact for kind in PASSES)
