"""`flow report`: one build, several side by side, or the front of a search."""

from __future__ import annotations

from pathlib import Path

import click

from flow.cli.options import FILE, JSON


@click.command("report")
@click.argument("folders", type=FILE, nargs=-1, required=True)
@click.option("--html", type=FILE, help="Write a page: of several builds one plot and table.")
@JSON
def command(folders: tuple[Path, ...], html: Path | None, as_json: bool) -> None:
    """Show the report of one build folder, of several side by side, or of a search folder.

    With --json the report, or a list of those of several builds, or the front of the search.
    """
    from flow.search.front import FRONT

    if len(folders) == 1 and (folders[0] / FRONT).is_file():
        from flow.cli.searching import show_front

        show_front(folders[0], html, as_json)
        return
    from flow.cli.output import print_document
    from flow.cli.tables import show
    from flow.pipeline.reports import names, read_report
    from flow.pipeline.writing import write_text
    from flow.report.codec import to_json
    from flow.report.compare import best
    from flow.report.html import compare_to_html
    from flow.report.terminal import one, side_by_side

    records = [read_report(folder) for folder in folders]
    named = list(zip(names(folders), records, strict=True))
    if html is not None:
        write_text(html, compare_to_html(named))
    if as_json:
        texts = [to_json(record).strip() for record in records]
        print_document(texts[0] if len(texts) == 1 else "[\n" + ",\n".join(texts) + "\n]")
    elif len(records) == 1:
        show(one(records[0]))
    else:
        show(side_by_side(named, best(records)))
    if html is not None and not as_json:
        click.echo(f"page: {html}")
