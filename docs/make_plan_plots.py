"""Takes the plots of a plan's page into files of their own, for docs/lpu.md.

python docs/make_plan_plots.py FOLDER writes docs/plan_context.svg and docs/plan_grid.svg from the
plan.html of a folder that `flow plan` has written.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAMES = ("plan_context.svg", "plan_grid.svg")
FILLS = ("#4269d0", "#e08a00", "#2f9e6e", "#d6455d", "#8f63c4", "#3aa6b9")
STYLE = (
    "text { font: 13px sans-serif; fill: #333 } .name { font-weight: 600 } "
    ".grid { stroke: #e0e3e9 } .frame { stroke: #7a8392 } .curve { stroke: #4269d0; "
    "stroke-width: 2 } circle { fill: #4269d0; stroke: #4269d0; stroke-width: 2 } "
    "circle.beyond { fill: #fff } "
) + " ".join(f".f{k} {{ fill: {fill} }}" for k, fill in enumerate(FILLS))


def plots(page: str) -> list[str]:
    """The drawings of a page, each with the colours that the page has."""
    # HTML leaves out quotation marks that XML wants.
    quoted = re.sub(r" class=(\w+)", r' class="\1"', page)
    found = re.findall(r"<svg([^>]*)>(.*?)</svg>", quoted, flags=re.DOTALL)
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg"{head}>\n<style>{STYLE}</style>{body}</svg>\n'
        for head, body in found
    ]


if __name__ == "__main__":
    text = (Path(sys.argv[1]) / "plan.html").read_text(encoding="utf-8")
    for name, drawing in zip(NAMES, plots(text), strict=True):
        (HERE / name).write_text(drawing, encoding="utf-8")
