"""Benches of one module of the language chip: what they read and what they print."""

from flow.assets import asset
from flow.tools import icarus


def ran(tmp_path, bench, *modules):
    """What the module `bench` prints, a list of integers a line; what is unknown is None."""
    (tmp_path / "bench.v").write_text(bench)
    files = [tmp_path / "bench.v", *(asset("rtl", f"{module}.v") for module in modules)]
    icarus.compile_verilog(files, "bench", tmp_path / "bench.vvp", tmp_path, 60)
    log = icarus.simulate(tmp_path / "bench.vvp", tmp_path, 60).log
    read = {"x": None, "X": None}
    return [[read.get(w, w) and int(w) for w in line.split()] for line in log.splitlines()]


def hexed(path, rows, widths):
    """A file for $readmemh: the numbers of each row side by side, the first lowest."""
    lines = []
    for row in rows:
        value = place = 0
        for number, width in zip(row, widths, strict=True):
            value |= (number & (1 << width) - 1) << place
            place += width
        lines.append(f"{value:x}\n")
    path.write_text("".join(lines))


def signed(value, bits=32):
    return (value + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)
