"""A sample of the corpus of hostile inputs in the limits of the campaign; and the watch itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hostile.corpus import KINDS

TESTS = Path(__file__).resolve().parents[1]


def child(*words):
    """Lines of JSON of a Python program in the folder of the tests."""
    path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    done = subprocess.run(
        [sys.executable, *words], cwd=TESTS, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.slow
@pytest.mark.tool("yosys")
def test_a_sample_of_hostile_inputs_does_no_harm():
    outcomes = child("-m", "hostile.arena", "--sample")
    assert {o["name"]: o["faults"] for o in outcomes if o["faults"]} == {}
    assert {o["kind"] for o in outcomes} == set(KINDS)
    assert len(outcomes) >= 4 * len(KINDS)
    assert {o["code"] for o in outcomes} == {0, 2, 3, 5}


EVIL = """
import ctypes, json, os, subprocess, sys, time
from dataclasses import asdict
from pathlib import Path
from hostile import arena, readers

def tell(path):
    sys.stderr.write("error: no\\n"); os._exit(2)

acts = {
    "write": lambda p: Path("../canary").write_text("x"),
    "read": lambda p: Path("/etc/passwd").read_text(),
    "start": lambda p: subprocess.run(["/bin/true"]),
    "system": lambda p: os.system("touch canary"),
    "import": lambda p: __import__("canary_module"),
    "connect": lambda p: __import__("socket").socket().connect(("127.0.0.1", 9)),
    "leave": lambda p: Path("out").write_text("x"),
    "memory": lambda p: bytearray(1200 << 20),
    "trace": lambda p: sys.stderr.write("Traceback\\n"),
    "two": lambda p: sys.stderr.write("error: a\\nerror: b\\n"),
    "codes": lambda p: sys.stderr.write("error: \\x1b[31m\\n"),
    "print": lambda p: sys.stdout.write("result\\n"),
    "die": lambda p: os.kill(os.getpid(), 11),
    "none": lambda p: None,
}
def act(work):
    def reader(path):
        try:
            work(path)
        except OSError:
            pass
        sys.stdout.flush()
        tell(path)
    return reader
readers.READERS = {name: act(work) for name, work in acts.items()}
cases = [arena.Case("k", name, {"f": b"x"}, ("read:" + name, "f")) for name in acts]
cases.append(arena.Case("k", "code", {"f": b"x"}, ("read:none", "f"), (3,)))
arena.run_cases(cases, lambda o: print(json.dumps(asdict(o))))
"""


def test_the_watch_sees_every_kind_of_harm(tmp_path):
    found = {o["name"]: [f.split(" /")[0] for f in o["faults"]] for o in child("-c", EVIL)}
    assert found == {
        "write": ["it opened", "it wrote canary"],
        "read": ["it opened"],
        "start": ["it started"],
        "system": ["it did os.system(b'touch canary',)", "it wrote work/canary"],
        "import": ["it imported canary_module", "it opened", "it wrote work/canary"],
        "connect": found["connect"],
        "leave": ["it failed and left an output"],
        "memory": found["memory"],
        "trace": [
            "it showed a traceback", "its message begins 'Traceback\\nerror: no\\n'",
            "it gave more than one message",
        ],
        "two": ["it gave more than one message"],
        "codes": ["it gave more than one message", "its message controls the terminal"],
        "print": ["it failed and printed a result"],
        "die": ["it was killed by signal 11"],
        "none": [],
        "code": ["it ended with 2: 'error: no\\n'"],
    }  # fmt: skip
    assert found["connect"][0].startswith("it did socket.connect(")
    assert found["memory"][0].startswith("it took 1")


def test_a_case_and_a_mutant_are_the_same_in_every_run():
    program = (
        "import hashlib, json\n"
        "from hostile.corpus import damaged\n"
        "from hostile.fuzz import made\n"
        "from itertools import islice\n"
        "text = b''.join(c.files['c.flow'] for c in islice(damaged('circuit'), 50, 200))\n"
        "text += b''.join(made('circuit', k) for k in range(50))\n"
        "print(json.dumps({'digest': hashlib.sha256(text).hexdigest()}))\n"
    )
    digests = set()
    for seed in ("1", "2"):
        os.environ["PYTHONHASHSEED"] = seed
        try:
            digests.add(child("-c", program)[0]["digest"])
        finally:
            del os.environ["PYTHONHASHSEED"]
    assert len(digests) == 1
