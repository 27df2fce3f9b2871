"""Words of Verilog that make Yosys leave the design: calls of C functions, and other files.

Yosys calls a function that is imported by `import "DPI-C"` while it reads a constant expression
(its manual, `read_verilog`), with the rights of the user: `mkdir`, `exit`, or `system`.
"""

from __future__ import annotations

import re
from pathlib import Path

from flow.errors import UsageError

CALLS = ("DPI", "``")
"""An import of a C function, and the mark that glues such a word together."""
FILES = ("`include", "$readmem", "$fopen")
"""What reads other files."""
_READ = re.compile(r"^read_verilog\s(?:.*\s)?\"?([^\s\"]+\.s?v)\"?\s*$")


def refuse_words(text: str, where: str, words: tuple[str, ...]) -> None:
    """UsageError that names the first of the words in the text, wherever it stands."""
    found = next((word for word in words if word in text), None)
    if found is not None:
        line = text.count("\n", 0, text.index(found)) + 1
        raise UsageError(
            f"the Verilog holds {found!r}, which could run programs or read other files",
            where=f"{where}:{line}",
            hint="a circuit does not need it; take it out, also of comments",
        )


def check_script(lines: list[str], folder: Path) -> None:
    """UsageError where a file of the folder that a Yosys script reads calls C functions."""
    for line in lines:
        if (match := _READ.match(line.strip())) is None:
            continue
        file = folder / match[1]
        if file.is_file():
            refuse_words(file.read_text(encoding="utf-8", errors="replace"), file.name, CALLS)
