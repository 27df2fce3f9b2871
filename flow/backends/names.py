"""Names that every tool accepts: any text becomes `[a-z][a-z0-9_]{0,62}`, never reserved."""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_LENGTH = 63
_OTHER = re.compile(r"[^a-z0-9]+")
_PLAIN = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")

_VERILOG = """
always and assign automatic begin buf bufif0 bufif1 case casex casez cell cmos config deassign
default defparam design disable edge else end endcase endconfig endfunction endgenerate endmodule
endprimitive endspecify endtable endtask event for force forever fork function generate genvar
highz0 highz1 if ifnone incdir include initial inout input instance integer join large liblist
library localparam macromodule medium module nand negedge nmos nor noshowcancelled not notif0
notif1 or output parameter pmos posedge primitive pull0 pull1 pulldown pullup
pulsestyle_ondetect pulsestyle_onevent rcmos real realtime reg release repeat rnmos rpmos rtran
rtranif0 rtranif1 scalared showcancelled signed small specify specparam strong0 strong1 supply0
supply1 table task time tran tranif0 tranif1 tri tri0 tri1 triand trior trireg unsigned use uwire
vectored wait wand weak0 weak1 while wire wor xnor xor
"""
_SYSTEMVERILOG = """
accept_on alias always_comb always_ff always_latch assert assume before bind bins binsof bit break
byte chandle checker class clocking const constraint context continue cover covergroup coverpoint
cross dist do endchecker endclass endclocking endgroup endinterface endpackage endprogram
endproperty endsequence enum eventually expect export extends extern final first_match foreach
forkjoin global iff ignore_bins illegal_bins implements implies import inside int interconnect
interface intersect join_any join_none let local logic longint matches modport nettype new
nexttime null package packed priority program property protected pure rand randc randcase
randsequence ref reject_on restrict return s_always s_eventually s_nexttime s_until s_until_with
sequence shortint shortreal soft solve static string strong struct super sync_accept_on
sync_reject_on tagged this throughout timeprecision timeunit type typedef union unique unique0
until until_with untyped var virtual void wait_order weak wildcard with within
"""
_VHDL = """
abs access after all architecture array attribute block body buffer bus component configuration
constant disconnect downto elsif entity exit file generic group guarded impure in inertial is
label linkage literal loop map mod next of on open others out port postponed procedure process
range record register reject rem report return rol ror select severity signal shared sla sll sra
srl subtype then to transport units until variable when assume_guarantee default fairness
restrict_guarantee vmode vprop vunit view private parameter
"""
_CXX = """
alignas alignof and_eq asm auto bitand bitor bool catch char char8_t char16_t char32_t
co_await co_return co_yield compl concept const_cast consteval constexpr constinit decltype delete
double dynamic_cast explicit false float friend goto inline long main mutable namespace noexcept
not_eq nullptr operator or_eq private public register reinterpret_cast requires short sizeof
static_assert static_cast std switch template thread_local throw true try typeid typename using
volatile wchar_t xor_eq
"""
RESERVED = frozenset(f"{_VERILOG} {_SYSTEMVERILOG} {_VHDL} {_CXX}".split())
"""Words of Verilog-2005, SystemVerilog-2017, VHDL-2019 and C++20 that no name may equal."""
STREAM_MODULES = ("axis_register", "axis_skid")
"""Modules of rtl/ that a stream wrapper is made of."""
STORE_MODULES = (
    "glitch_filter", "held_register", "i2c_target", "majority", "register_copy", "weight_bank",
    "weight_slice",
)  # fmt: skip
"""Modules of rtl/ that hold weights."""
MODULES = (*STREAM_MODULES, *STORE_MODULES)
"""Modules of rtl/ that may stand beside a circuit, so that it has another name."""


def identifier(text: str) -> str:
    """A name for any text: lower case, `[a-z][a-z0-9_]{0,62}`, no reserved word; `n` if empty."""
    if len(text) <= MAX_LENGTH and _PLAIN.fullmatch(text) and text not in RESERVED:
        return text
    # Only the start can matter, so a name of a megabyte costs no more than a short one.
    name = _OTHER.sub("_", text[: 4 * MAX_LENGTH].lower()).strip("_")
    if not name:
        return "n"
    if not name[0].isalpha():
        name = f"n{name}"
    if name in RESERVED:
        name = f"{name}_x"
    return name[:MAX_LENGTH].rstrip("_")


class Namer:
    """Gives each request a name that no earlier one got."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken: set[str] = set(taken)
        self._next: dict[str, int] = {}

    def __call__(self, text: str) -> str:
        """`identifier(text)`, with `_2`, `_3`, ... behind it where that is taken."""
        base = name = identifier(text)
        count = self._next.get(base, 2)
        while name in self._taken:
            tail = f"_{count}"
            name = base[: MAX_LENGTH - len(tail)].rstrip("_") + tail
            count += 1
            self._next[base] = count
        self._taken.add(name)
        return name


def comment(text: str, limit: int = 200) -> str:
    """The text as part of a one-line comment: printable ASCII without `*/`, `` ` `` and `\\`."""
    safe = "".join(c if " " <= c <= "~" and c not in "`\\" else "?" for c in text[:limit])
    return safe.replace("*/", "* /").replace("/*", "/ *") + ("..." if len(text) > limit else "")
