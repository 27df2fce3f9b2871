"""A plan on the terminal: its tables, then its cautions."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from flow.analysis.plan.cautions import cautions
from flow.analysis.plan.plan import Plan
from flow.errors import printable
from flow.report.plan import Table, line_on_paper, tables


def plan_to_terminal(plan: Plan) -> RenderableType:
    """Everything about a plan."""
    parts: list[RenderableType] = []
    for table in tables(plan):
        parts += [_rich(table), ""]
    if plan.is_reference:
        parts += [Text(line_on_paper(plan)), ""]
    for caution in cautions(plan):
        about = Text(f"caution, {caution.about}: ", style="yellow")
        parts.append(about + Text(printable(caution.text, 1000)))
    return Group(*parts)


def _rich(table: Table) -> RenderableType:
    named = any(table.head)
    found = RichTable(
        title=Text(printable(table.title), style="bold"), box=None, show_header=named,
        header_style="bold", padding=(0, 2, 0, 0), title_justify="left",
    )  # fmt: skip
    for place, name in enumerate(table.head):
        words = any(len(row[place]) > 24 or row[place][:1].isalpha() for row in table.rows)
        found.add_column(
            Text(printable(name)), overflow="fold",
            justify="left" if place == 0 or words else "right",
        )  # fmt: skip
    for row in table.rows:
        found.add_row(*(Text(printable(cell)) for cell in row))
    return found
