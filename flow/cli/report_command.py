"""`flow report`: one build, or several side by side."""

from __future__ import annotations

from pathlib import Path

import click

from flow.cli.options import FILE


@click.command("report")
@click.argument("folders", type=FILE, nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="For machines; a list for several builds.")
def command(folders: tuple[Path, ...], as_json: bool) -> None:
    """Show the report of one build folder, or of several side by side."""
    from flow.cli.tables import show
    from flow.pipeline.reading import read_text
    from flow.report.codec import from_json, to_json
    from flow.report.terminal import one, side_by_side

    paths = [folder / "report.json" if folder.is_dir() else folder for folder in folders]
    records = [from_json(read_text(path), str(path)) for path in paths]
    if as_json:
        texts = [to_json(record).strip() for record in records]
        click.echo(texts[0] if len(texts) == 1 else "[\n" + ",\n".join(texts) + "\n]")
    elif len(records) == 1:
        show(one(records[0]))
    else:
        show(side_by_side([(folder.name, r) for folder, r in zip(folders, records, strict=True)]))
