"""Hostile circuits and libraries: BLIF, threshold gates, Verilog, Liberty."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hostile import wholes as w
from hostile.arena import Case

MANY = 1_000_000


def lines(base: Case, name: str, table: dict[str, str | bytes], loose: set[str]) -> Iterator[Case]:
    """A case for each text; those in `loose` may be whole."""
    for told, text in table.items():
        content = text.encode() if isinstance(text, str) else text
        codes = (0, 2, 3) if told in loose else (2, 3)
        yield replace(base, name=told, codes=codes, files={name: content})


def blif(base: Case) -> Iterator[Case]:
    """Tables and latches."""
    head = ".model m\n.inputs a b\n.outputs y\n"
    whole = w.BLIF.decode()
    yield from lines(base, "c.blif", {
        "nothing": "", "no model": ".end\n", "two models": whole + ".model n\n",
        "a cycle": head + ".names y a y\n11 1\n.end\n",
        "a cycle of two": head + ".names q y\n1 1\n.names y q\n1 1\n.end\n",
        "nothing drives": head + ".end\n", "driven twice": head + ".names a y\n1 1\n" * 2,
        "an input that is driven": head + ".names b a\n1 1\n.names a y\n1 1\n",
        "a cell": head + ".gate NAND a=a b=b y=y\n", "a part": head + ".subckt m a=a\n",
        "a search": ".search /etc/passwd\n" + whole, "don't cares": whole + ".exdc\n",
        "a row that is too long": head + ".names a y\n111 1\n",
        "a row of letters": head + ".names a y\nx 1\n", "a row of 0 and 1": head +
        ".names a y\n1 1\n0 0\n", "a row outside": head + "11 1\n", "a latch of 4": head +
        ".latch a y 4\n", "a latch of nothing": head + ".latch\n", "tables of nothing": head +
        ".names\n", "a million inputs": ".model m\n.inputs " + " ".join(
            f"i{k}" for k in range(MANY)) + "\n.outputs y\n.names i0 y\n1 1\n.end\n",
        "a table of a million inputs": ".model m\n.inputs a\n.outputs y\n.names " + "a " * MANY
        + "y\n" + "1" * MANY + " 1\n.end\n",
        "a million tables": ".model m\n.inputs n0\n.outputs n300000\n" + "".join(
            f".names n{k} n{k + 1}\n0 1\n" for k in range(300_000)) + ".end\n",
        "a million rows": head + ".names a b y\n" + "11 1\n" * MANY + ".end\n",
        "a line of 20 MB": ".model m\n# " + "x" * 20_000_000 + "\n",
        "a million continuations": ".model m\n.inputs \\\n" + "a \\\n" * 500_000 + "\n",
        "names of Verilog": ".model $system(\"touch\")\n.inputs `include\n.outputs y;endmodule\n"
        ".names `include y;endmodule\n1 1\n.end\n",
        "names that lead out": ".model ../../canary\n.inputs ../a\n.outputs /etc/y\n"
        ".names ../a /etc/y\n1 1\n.end\n", "no UTF-8": b".model \xff\xfe\n",
        "zeros": b"\0" * 5000, "a name of 1 MB": ".model " + "m" * 1_000_000 + "\n.inputs a\n"
        ".outputs y\n.names a y\n1 1\n.end\n", "terminal codes": head + ".\x1b[31m\n",
    }, {"a million inputs", "a million tables", "a million rows", "names of Verilog",
        "names that lead out", "a name of 1 MB", "a table of a million inputs", "two models",
        "don't cares"})  # fmt: skip


def threshold(base: Case) -> Iterator[Case]:
    """Gates with weights."""
    head = "A\n.model m\n.inputs a b\n.outputs y\n"
    yield from lines(base, "c.th", {
        "no weights": head + ".threshold a b y\n", "weights that are text": head +
        ".threshold a b y\nx y z\n", "too few weights": head + ".threshold a b y\n1 1\n",
        "huge weights": head + ".threshold a b y\n" + "9" * 100 + " 1 1\n.end\n",
        "a weight of a million digits": head + ".threshold a b y\n" + "9" * 1_000_000 + " 1 1\n",
        "weights that are NaN": head + ".threshold a b y\nnan inf 1\n",
        "a cycle": head + ".threshold a y y\n1 1 1\n.end\n", "nothing drives": head + ".end\n",
        "driven twice": head + ".threshold a b y\n1 1 1\n" * 2 + ".end\n",
        "an alias of itself": head + ".alias y y\n.end\n", "a latch of 7": head + ".latch a s 7\n",
        "a gate of 100 000 inputs": head + ".threshold " + "a " * 100_000 + "y\n"
        + "1 " * 100_000 + "5\n.end\n",
        "a chain of 100 000": "A\n.model m\n.inputs n0\n.outputs n100000\n" + "".join(
            f".threshold n{k} n{k + 1}\n1 1\n" for k in range(100_000)) + ".end\n",
        "names of Verilog": "A\n.model `include\n.inputs $system\n.outputs y;\n"
        ".threshold $system y;\n1 1\n.end\n", "no UTF-8": b"\xff\xfe", "zeros": b"\0" * 5000,
        "no model": "A\n.inputs a\n.outputs y\n", "a word of nobody": head + ".evil\n",
    }, {"a chain of 100 000", "names of Verilog", "a gate of 100 000 inputs", "no model",
        "huge weights"})  # fmt: skip


TOP = "module t(input a, output y);\n{}\nassign y = a;\nendmodule\n"
C_CALL = """module t(input a, output y);
import "DPI-C" function chandle calloc(integer n, integer m);
import "DPI-C" function chandle memset(chandle p, integer v, integer n);
import "DPI-C" function integer mkdir(chandle p, integer m);
localparam [63:0] p = calloc(16, 1);
localparam [63:0] q = memset(p, 67, 3);
localparam r = mkdir(q, 511);
assign y = a ^ r[0];
endmodule
"""


def verilog(base: Case) -> Iterator[Case]:
    """What has Yosys run programs, read files, or never end."""
    macros = (
        "`define a0 1"
        + "+1" * 9
        + "\n"
        + "".join(f"`define a{k + 1} `a{k}" + f"+`a{k}" * 9 + "\n" for k in range(8))
    )
    yield from lines(base, "c.v", {
        "a call of C": C_CALL, "an end by C": C_CALL.replace("mkdir(q, 511)", "exit(77)").replace(
            "integer mkdir(chandle p, integer m)", "integer exit(integer x)"),
        "a glued call of C": C_CALL.replace("import", "imp``ort"),
        "a call of C behind texts": 'module x; wire z = "/*"; endmodule\n' + C_CALL,
        "another file": '`include "/etc/passwd"\n' + TOP.format(""),
        "a memory from a file": TOP.format(
            'reg [7:0] m [0:3]; initial $readmemh("/etc/hostname", m);'),
        "the system": TOP.format('initial $system("touch canary");'),
        "a file to write": TOP.format('integer f; initial f = $fopen("canary", "w");'),
        "macros that explode": macros + "module t(input [3:0] a, output y); assign y = `a8 > a; "
        "endmodule\n", "a macro of itself": "`define a `a\n" + TOP.format("wire z = `a;"),
        "widths of 16 M": "module t(input [16777214:0] a, output [16777214:0] y);"
        " assign y = a * a; endmodule\n",
        "a product of 4096 bits": "module t(input [4095:0] a, output [4095:0] y);"
        " assign y = a * a; endmodule\n",
        "a memory of 2^30": TOP.format("reg [63:0] m [0:1073741823]; always @(posedge a) m[y]<=1;"),
        "a loop that never ends": TOP.format("integer i; initial for (i=0; i>=0; i=i) ;"),
        "a module in itself": "module t(input a, output y); t u(a, y); endmodule\n",
        "generated without end": "module t #(parameter N=1)(input a, output y);"
        " t #(N+1) u(a, y); endmodule\n",
        "two clocks": "module t(input c, d, a, output reg y, z); always @(posedge c) y<=a;"
        " always @(posedge d) z<=a; endmodule\n",
        "a loop of gates": "module t(input a, output y); assign y = ~y & a; endmodule\n",
        "no module": "// nothing\n", "nothing": "", "half a module": "module t(input a",
        "an unknown part": TOP.format("evil e(a);"), "zeros": b"\0" * 3000,
        "no UTF-8": b"module \xff\xfe;", "deep brackets": TOP.format(
            "wire z = " + "(" * 20_000 + "a" + ")" * 20_000 + ";"),
        "an escaped name": "module t(input \\a;$system(1)// , output y);"
        " assign y = \\a;$system(1)// ; endmodule\n",
        "a name of 1 MB": f"module {'m' * 1_000_000}(input a, output y); assign y = a; endmodule\n",
    }, {"a loop of gates", "an escaped name", "a name of 1 MB", "a product of 4096 bits",
        "a memory of 2^30", "a macro of itself", "widths of 16 M", "deep brackets",
        "a loop that never ends"})  # fmt: skip


def liberty(base: Case) -> Iterator[Case]:
    """Groups, tables, functions, units."""
    text = w.LIBERTY.decode()

    def swap(old: str, new: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    yield from lines(base, "c.lib", {
        "nothing": "", "no library": "cell (x) { }\n", "half": text[: len(text) // 2],
        "deep groups": "library (a) {" * 100_000, "deep brackets": swap("(A B)'", "(" * 50_000),
        "a function of itself": swap("(A B)'", "Y"), "a function of nobody": swap("(A B)'", "Q"),
        "a function of Python": swap("(A B)'", "__import__('os').system('id')"),
        "NaN": swap("area : 4.5", "area : nan"), "infinity": swap("area : 4.5", "area : 1e999"),
        "a negative area": swap("area : 4.5", "area : -4.5"), "text as area":
        swap("area : 4.5", "area : x"), "a unit of nobody": swap('"1ns"', '"1parsec"'),
        "a unit of zero": swap('"1ns"', '"0ns"'), "a table of text":
        swap('"1, 2", "3, 4"', '"a, b", "c, d"'), "a table that is short":
        swap('"1, 2", "3, 4"', '"1"'), "a table of NaN": swap('"1, 2", "3, 4"', '"nan,1","2,3"'),
        "an axis that falls": swap('index_1 ("1, 2")', 'index_1 ("2, 1")'),
        "an axis of one value": swap('index_1 ("1, 2")', 'index_1 ("1, 1")'),
        "a cell of 60 inputs": swap("pin (A, B)", "pin (" + ", ".join(
            f"A{k}" for k in range(60)) + ", A, B)").replace("(A B)'", "A" + "".join(
                f" ^ A{k}" for k in range(60))),
        "100 000 cells": "library (x) {" + "cell (c) { area : 1; }" * 100_000 + "}",
        "names of Verilog": swap("cell (NAND)", 'cell ("N; $system(1)")'),
        "names that lead out": swap("cell (NAND)", 'cell ("../../canary")'),
        "a name with a newline": swap("cell (NAND)", 'cell ("a\\\nb")'),
        "a text without an end": swap('"1ns"', '"1ns'), "a comment without an end": text + "/*",
        "zeros": b"\0" * 9000, "no UTF-8": b"library (\xff\xfe) {}",
        "a cell twice": text.replace("cell (FLOP)", "cell (NAND)"),
        "a pin twice": swap("pin (A, B)", "pin (A, A)"), "no pins": swap("pin (A, B)", "evil (A)"),
        "an include": 'include_file ("/etc/passwd");\n' + text,
        "a number of a million digits": swap("area : 4.5", "area : " + "9" * 1_000_000),
        "a function of a megabyte": swap("(A B)'", "A " + "& B " * 200_000),
    }, {"an axis of one value", "a cell of 60 inputs", "names of Verilog", "names that lead out",
        "a name with a newline", "no pins", "a cell twice", "a pin twice", "a negative area",
        "an include", "100 000 cells", "a comment without an end", "NaN", "a function of nobody",
        "a function of itself", "a unit of zero", "no UTF-8", "a table that is short",
        "text as area", "deep brackets", "a function of Python", "a function of a megabyte",
        "a number of a million digits", "infinity", "a table of NaN", "a unit of nobody",
        "an axis that falls"})  # fmt: skip


CASES = {"blif": blif, "threshold": threshold, "verilog": verilog, "liberty": liberty}
