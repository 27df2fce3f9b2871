"""Hostile files of flow's own kinds: circuits, networks, TOML, build folders, samples."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from frontend import keras_files as k
from hostile import wholes as w
from hostile.arena import Case
from hostile.circuit_cases import lines
from hostile.keras_cases import Evil

BAD = (2, 3, 5)


def circuit(base: Case) -> Iterator[Case]:
    """The text form of a circuit."""
    text = w.CIRCUIT.decode()

    def swap(old: str, new: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    chain = "flow-ir 1\ncircuit c\n%0 = input x, 0, 0, 1 : [0, 1]\n" + "".join(
        f"%{i} = sub %0, %{i - 1} : [{-i}, {i}]\n" for i in range(1, 200_000)
    )
    yield from lines(base, "c.flow", {
        "nothing": "", "another format": swap("flow-ir 1", "flow-ir 2"),
        "a node of itself": swap("sub %4", "sub %5"), "a node of later": swap("add %0", "add %6"),
        "a node of nobody": swap("add %0", "add %99"), "an operation of nobody":
        swap("= add", "= system"), "a wrong range": swap("[0, 16]", "[0, 15]"),
        "a range upside down": swap("[0, 16]", "[16, 0]"), "a range of NaN":
        swap("[0, 16]", "[0, nan]"), "a range of a million digits":
        swap("15 : [0, 15]", "9" * 1_000_000 + " : [0, 15]"), "a name twice": swap("%1 =", "%0 ="),
        "an input twice": swap("input x, 1", "input x, 0"), "an output of nobody":
        swap("out y = %6", "out y = %9"), "no output": swap("out y = %6\n", ""),
        "an input of 10^9 lanes": swap("input x, 1", "input x, 1000000000"),
        "an input of 10^30": swap("1, 0, 15 : [0, 15]", f"1, 0, {10**30} : [0, {10**30}]"),
        "a name of Verilog": swap("circuit chain", "circuit `include"), "a name that leads out":
        swap("circuit chain", "circuit ../../x"), "a long name":
        swap("circuit chain", "circuit " + "c" * 1_000_000), "zeros": b"\0" * 3000,
        "no UTF-8": b"flow-ir 1\ncircuit \xff", "200 000 nodes": chain + "out y = %199999\n",
        "a shift of 10^9": swap("add %0, %1 : [0, 16]", "shl %0, 1000000000 : [0, 16]"),
        "a table of a gigabyte": swap("add %0, %1 : [0, 16]", "lookup %0, [1]*1000000000 : [0, 1]"),
        "a line of 20 MB": "flow-ir 1\n#" + "x" * 20_000_000,
    }, {"200 000 nodes", "a name of Verilog", "a name that leads out", "a long name",
        "an input of 10^30", "an input of 10^9 lanes", "no output"})  # fmt: skip
    for passes in ("evil", "simplify{", "simplify{max-depth=9}", "simplify," * 5000, "\n", "a{b=c}",
                   "__import__('os')",
                   "balance-adders{max-depth=99999999999999999999}"):  # fmt: skip
        codes = (0, 2, 3) if passes == "\n" else (2, 3)
        yield replace(base, name=f"passes {passes[:20]!r}", codes=codes,
                      words=("opt", "c.flow", "-p", passes))  # fmt: skip


def network(base: Case) -> Iterator[Case]:
    """The network in a build folder."""
    whole = json.loads(base.files["n.json"])

    def case(name: str, value: Any) -> Case:
        text = value if isinstance(value, bytes) else json.dumps(value).encode()
        return replace(base, name=name, codes=(0, 2, 3), files={"n.json": text})

    for key in whole:
        for value in (None, [], {}, -1, "x\n", "../../x", 1e308, [[]]):
            yield case(f"{key} is {value!r}", {**whole, key: value})
    for at, layer in enumerate(whole["layers"]):
        for key in layer:
            for value in (None, [[1 << 20, 1 << 20], [1]], [[-1], [1]], "x", 1 << 70, [[2], [1.5]]):
                layers = [*whole["layers"]]
                layers[at] = {**layer, key: value}
                told = f"layer {at}, {key} is {str(value)[:20]}"
                yield case(told, {**whole, "layers": layers})
    yield case("a layer that reads itself", {**whole, "layers": [
        {**layer, "sources": [layer["name"]]} for layer in whole["layers"]]})  # fmt: skip
    yield case("100 000 layers", {**whole, "layers": whole["layers"] * 30_000})
    for text in (b"", b"[]", b"{}", b"[" * 100_000, b'{"form": NaN}', b"\xff", b"9" * 100_000):
        yield case(f"the text {text[:9]!r}", text)


def toml(base: Case, name: str) -> Iterator[Case]:
    """Any TOML file."""
    text = base.files[name].decode()
    for told, content in {
        "nothing": b"", "no TOML": b"a = [", "a key twice": b"a = 1\na = 2\n", "zeros": b"\0" * 99,
        "no UTF-8": b"a = '\xff'", "a key of nobody": (text + "evil = 1\n").encode(),
        "deep lists": b"a = " + b"[" * 20_000 + b"]" * 20_000, "deep tables":
        b"[" + b"a." * 20_000 + b"a]\n", "a number of a million digits":
        b"seed = " + b"9" * 1_000_000, "a date": b"data = 1979-05-27\n", "a text of 20 MB":
        b"data = '" + b"x" * 20_000_000 + b"'", "100 000 keys":
        b"".join(b"k%d = 1\n" % i for i in range(100_000)), "a table": b"[data]\nx = 1\n",
        "a device": b'data = "/dev/zero"\n',
        "a page": b'data = "http://127.0.0.1:9/x"\n', "a newline": b'data = "a\\nb"\n',
        "a zero in a path": b'data = "a\\u0000b"\n',
    }.items():  # fmt: skip
        yield replace(base, name=told, codes=(0, 2, 3) if told == "nothing" else (2, 3),
                      files={**base.files, name: content})  # fmt: skip
    keys = [line.split(" = ")[0] for line in text.splitlines()]
    values = ("-1", "nan", "inf", '"x"', "[]", "true", "99999999999999999999", "1e400", '""',
              '"../../../etc/passwd"', "[[]]", "0", "'$(touch canary)'")  # fmt: skip
    for key in keys:
        rest = [line for line in text.splitlines() if not line.startswith(f"{key} =")]
        for value in values:
            content = "\n".join([*rest, f"{key} = {value}"]).encode()
            yield replace(base, name=f"{key} = {value}", codes=(0, 2, 3), files={
                **base.files, name: content})  # fmt: skip


def configuration(base: Case) -> Iterator[Case]:
    """flow.toml."""
    yield from toml(base, "flow.toml")
    for key, value in (("readout", "/etc/passwd"), ("liberty", "/dev/zero"), ("bank", "x"),
                       ("weights", "/etc/passwd"), ("model", "/dev/zero"), ("tech", "../x"),
                       ("target", "__import__"), ("tech", "a\nb"), ("target", "..")):  # fmt: skip
        text = f'{key} = "{value}"\n'.replace("\nb", "\\nb").encode()
        yield replace(base, name=f"{key} is {value!r}", files={**base.files, "flow.toml": text})


def specification(base: Case) -> Iterator[Case]:
    """The TOML file of a search, and its table."""
    yield from toml(base, "s.toml")
    table = base.files["d.csv"]
    for told, content in tables().items():
        yield replace(base, name=f"table: {told}", files={**base.files, "d.csv": content},
                      codes=(0, 2, 3))  # fmt: skip
    one = table.replace(b",0\n", b",1\n").replace(b",2\n", b",1\n")
    files = {**base.files, "d.csv": one}
    yield replace(base, name="one class", codes=(0, 2, 3), files=files)


def manifest(base: Case) -> Iterator[Case]:
    """A build folder whose manifest, or another file, was changed."""
    whole = json.loads(base.files["built/manifest.json"])

    def case(name: str, value: Any, codes: tuple[int, ...] = (0, 2, 3, 5), **more: bytes) -> Case:
        text = value if isinstance(value, bytes) else json.dumps(value).encode()
        files = {**base.files, "built/manifest.json": text}
        return replace(base, name=name, codes=codes, files={**files, **more})

    for text in (b"", b"[]", b"{}", b"[" * 100_000, b"\xff", b'{"format": "flow-manifest 9"}'):
        yield case(f"the text {text[:20]!r}", text, BAD)
    for key in whole:
        for value in (None, [], {}, -1, "x", [["emit"]], 1e308):
            yield case(f"{key} is {value!r}", {**whole, key: value})
    for name in ("../../home/secret.txt", "/etc/passwd", "/dev/zero", "a\nb", "\x1b[31m", "../m"):
        yield case(f"a file {name!r}", {**whole, "files": {**whole["files"], name: "0"}}, BAD)
    for name, content in base.files.items():
        if name.endswith(("manifest.json", ".html", ".md")) or len(content) < 9:
            continue
        for told, changed in (("empty", b""), ("garbage", b"\xff[[[" * 99), ("cut", content[:-9])):
            yield case(f"{told} {name[6:]}", whole, (5,), **{name: changed})
    evil = b"import os\nos.mkdir('canary')\n"
    for name in ("tb/run.py", "tb/test_m.py", "tb/numpy.py", "rtl/evil.v"):
        yield case(f"a program as {name}", whole, (5,), **{f"built/{name}": evil})
    call = w.built("emit")
    rtl = next(name for name in call if name.startswith("built/rtl/"))
    for told, text in (
        ("a call of C", 'import "DPI-C" function integer exit(integer x);\nlocalparam q=exit(77);'),
        ("the system", 'initial $system("mkdir canary");'),
        ("the system behind a text", 'wire z = "/*"; initial $system("mkdir canary"); // "*/"'),
        ("another file", '`include "/etc/passwd"\n'),
    ):  # fmt: skip
        changed = call[rtl].replace(b"endmodule", f"{text}\nendmodule".encode())
        yield case(f"Verilog with {told}", whole, (5,), **{rtl: changed})


def tables() -> dict[str, bytes]:
    """Tables that are none."""
    rows = w.TABLE.split(b"\n")
    return {
        "nothing": b"", "a header only": rows[0] + b"\n", "no header": b"\n".join(rows[1:]),
        "a cell too many": w.TABLE + b"1,2,3,4\n", "a cell too few": w.TABLE + b"1,2\n",
        "text": w.TABLE + b"x,2,1\n", "NaN": w.TABLE + b"nan,2,1\n", "infinity":
        w.TABLE + b"inf,2,1\n", "1e999": w.TABLE + b"1e999,2,1\n", "an underscore":
        w.TABLE + b"1_0,2,1\n", "an open quote": w.TABLE + b'"1,2,1\n', "zeros": b"\0" * 999,
        "no UTF-8": w.TABLE + b"\xff,1,1\n", "UTF-16": w.TABLE.decode().encode("utf-16"),
        "semicolons": w.TABLE.replace(b",", b";"), "a cell of 1 MB":
        w.TABLE + b"1" * 1_000_000 + b",2,1\n", "a line of 20 MB": w.TABLE + b"x" * 20_000_000,
        "a million columns": b"a," * 1_000_000 + b"b\n", "formulas": w.TABLE.replace(
            b"a,b", b"=cmd|'/c calc'!A0,@b"), "a name with a newline": w.TABLE.replace(
            b"a,b", b'"a\nassign y = 0;",b'), "a name twice": w.TABLE.replace(b"a,b", b"a,a"),
        "a label of 1 MB": w.TABLE + b"1,2," + b"x" * 100_000 + b"\n", "empty cells":
        w.TABLE + b",,\n", "digits of another script": w.TABLE + "\u0661,2,1\n".encode(),
        "the largest number": w.TABLE + b"1.7e308,2,1\n", "30 000 rows":
        w.TABLE + b"0.5,1,2\n" * 30_000, "a byte order mark": b"\xef\xbb\xbf" + w.TABLE,
    }  # fmt: skip


def data_csv(base: Case) -> Iterator[Case]:
    """Samples as a table."""
    loose = {"formulas", "a name with a newline", "a name twice", "a label of 1 MB",
             "the largest number", "30 000 rows", "a byte order mark",
             "digits of another script", "infinity"}  # fmt: skip
    for told, content in tables().items():
        yield replace(base, name=told, codes=(0, 2, 3) if told in loose else (2, 3), files={
            **base.files, "d.csv": content})  # fmt: skip


def heads() -> Iterator[tuple[str, bytes]]:
    """Heads of numpy files."""
    for told, text in {
        "terabytes": "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000), }",
        "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }",
        "a call": "{'descr': __import__('os').system('touch canary'), 'shape': ()}",
        "records": "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (2,), }",
        "a negative shape": "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
        "a shape of text": "{'descr': '<f8', 'fortran_order': False, 'shape': 'x', }",
        "dates": "{'descr': '<M8[s]', 'fortran_order': False, 'shape': (2,), }",
        "texts of 2 GB": "{'descr': '<U500000000', 'fortran_order': False, 'shape': (1,), }",
        "deep brackets": "{'descr': " + "(" * 5000 + ")" * 5000 + "}",
        "a number of many digits": "{'descr': '<f8', 'fortran_order': False, 'shape': ("
        + "9" * 8000 + ",), }", "nothing": "", "a list": "[]", "keys of nobody":
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), 'evil': 1}",
        "40 axes": "{'descr': '<f8', 'fortran_order': False, 'shape': (" + "1," * 40 + "), }",
    }.items():  # fmt: skip
        head = text.encode() + b"\n"
        yield told, b"\x93NUMPY\x02\x00" + len(head).to_bytes(4, "little") + head + b"\0" * 16
    yield "version 9", b"\x93NUMPY\x09\x00" + b"\0" * 99
    yield "a head of 4 GB", b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b"\0" * 99


def pickles() -> bytes:
    """An array of objects."""
    file = io.BytesIO()
    np.save(file, np.array([Evil(), Evil()], dtype=object), allow_pickle=True)
    return file.getvalue()


def arrays() -> Iterator[tuple[str, bytes, tuple[int, ...]]]:
    """Arrays that are whole, and not what a network takes."""
    both, any_ = (2, 3), (0, 2, 3)
    for value in (np.nan, np.inf):
        yield f"{value}", w.npy(np.full((2, 2), value)), both
    yield "pickles", pickles(), both
    yield "no rows", w.npy(np.zeros((0, 2))), both
    yield "three columns", w.npy(np.zeros((4, 3))), both
    yield "text", w.npy(np.array([["a", "b"]])), both
    yield "complex numbers", w.npy(np.zeros((2, 2), complex)), both
    yield "a number", w.npy(np.float64(3)), both
    yield "1e308", w.npy(np.full((2, 2), 1e308)), any_
    yield "1e-320", w.npy(np.full((2, 2), 1e-320)), any_
    yield "booleans", w.npy(np.ones((2, 2), bool)), any_
    yield "2^63", w.npy(np.full((2, 2), (1 << 64) - 1, np.uint64)), any_
    yield "long doubles", w.npy(np.ones((2, 2), np.longdouble)), any_


def data_npy(base: Case) -> Iterator[Case]:
    """Samples as an array."""
    for told, content in heads():
        yield replace(base, name=told, files={**base.files, "d.npy": content})
    for told, content, codes in arrays():
        yield replace(base, name=told, codes=codes, files={**base.files, "d.npy": content})


def data_npz(base: Case) -> Iterator[Case]:
    """Samples as an archive."""

    def case(name: str, content: bytes, codes: tuple[int, ...] = (2, 3)) -> Case:
        return replace(base, name=name, codes=codes, files={**base.files, "d.npz": content})

    x, y = w.npy(np.ones((3, 2))), w.npy(np.array([0, 1, 2]))
    for told, content in heads():
        yield case(f"x: {told}", k.archive({"x.npy": content, "y.npy": y}))
        yield case(f"y: {told}", k.archive({"x.npy": x, "y.npy": content}))
    for told, content, codes in arrays():
        yield case(f"x: {told}", k.archive({"x.npy": content}), codes)
    for told, array in (("too many", np.zeros(9)), ("too large", np.array([0, 1, 99])),
                        ("negative", np.array([0, -1, 2])), ("NaN", np.array([0, np.nan, 1])),
                        ("two axes", np.zeros((3, 7)))):  # fmt: skip
        codes = (0, 2, 3) if told in ("too large", "negative", "NaN", "two axes") else (2, 3)
        yield case(f"labels: {told}", k.archive({"x.npy": x, "y.npy": w.npy(array)}), codes)
    yield case("no x", k.archive({"y.npy": y}))
    yield case("a member above", k.archive({"../../canary.npy": x, "x.npy": x}))
    bomb = k.archive({"x.npy": x, "y.npy": b"\0" * (64 << 20)}, zipfile.ZIP_DEFLATED)
    yield case("a bomb", bomb)


CASES = {
    "circuit": circuit, "network": network, "configuration": configuration,
    "specification": specification, "manifest": manifest, "data csv": data_csv,
    "data npy": data_npy, "data npz": data_npz,
}  # fmt: skip
