"""Names the given files that do not end with exactly one newline."""

import sys
from pathlib import Path


def wrong(path: Path) -> bool:
    """Whether a file that is not empty lacks its last newline or has several."""
    data = path.read_bytes()
    return bool(data) and (not data.endswith(b"\n") or data.endswith(b"\n\n"))


def main() -> int:
    """1 if any file is wrong."""
    bad = [name for name in sys.argv[1:] if wrong(Path(name))]
    sys.stdout.write("".join(f"{name}: must end with one newline\n" for name in bad))
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
