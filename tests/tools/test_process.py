"""Running external programs: what comes back, and that nothing stays behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flow.errors import ToolFailed, ToolNotFound, ToolTimedOut
from flow.tools.process import Command, run

PYTHON = sys.executable


def python(code: str, **options) -> Command:
    return Command((PYTHON, "-c", code), name="the script", **options)


def alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be collected does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def gone(pid: int) -> bool:
    """Whether a process ends within ten seconds."""
    for _ in range(1000):
        if not alive(pid):
            return True
        time.sleep(0.01)
    return False


def test_a_program_gives_its_log_its_time_and_its_status():
    done = run(python("import sys; print('out', flush=True); print('err', file=sys.stderr)"))
    assert (done.log, done.returncode) == ("out\nerr\n", 0)
    assert done.seconds > 0


def test_a_program_starts_in_its_folder_with_an_empty_stdin(tmp_path):
    done = run(python("import os; print(os.getcwd(), repr(open(0).read()))", cwd=tmp_path))
    assert done.log == f"{tmp_path} ''\n"


def test_the_environment_is_cleaned_and_then_added_to(monkeypatch):
    monkeypatch.setenv("LD_PRELOAD_NOT", "x")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("LC_ALL", "de_DE")
    code = "import os; print(sorted((k, v) for k, v in os.environ.items() if k not in %r))"
    kept = ("PATH", "HOME", "TMPDIR", "TEMP", "TMP", "LC_CTYPE")
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    done = run(python(code % (kept,), env={"MINE": "1"}))
    assert done.log == (
        "[('LC_ALL', 'C'), ('MINE', '1'), ('TZ', 'UTC'), ('YOSYS_MAX_THREADS', '1')]\n"
    )


def test_a_failure_is_told_with_the_last_lines_of_the_log():
    with pytest.raises(ToolFailed) as error:
        run(python("for i in range(100): print(i)\nraise SystemExit(3)"))
    assert error.value.message == "the script ended with status 3"
    assert error.value.log == "\n".join(map(str, range(80, 100)))


def test_a_failure_that_is_expected_is_a_result():
    assert run(python("raise SystemExit(3)"), check=False).returncode == 3


def test_death_by_a_signal_is_told_by_name():
    with pytest.raises(ToolFailed) as error:
        run(python("import os; os.kill(os.getpid(), 11)"))
    assert error.value.message == "the script was killed by signal 11 (SIGSEGV)"


def test_a_missing_program_is_told_with_how_to_get_it():
    with pytest.raises(ToolNotFound) as error:
        run(Command(("no-such-program-here",), name="Nothing", install="apt install nothing"))
    assert error.value.message == "Nothing is not installed"
    assert error.value.hint == "apt install nothing"


def test_a_folder_that_does_not_exist_is_told(tmp_path):
    with pytest.raises(ToolFailed) as error:
        run(python("", cwd=tmp_path / "none"))
    assert error.value.message == "the script cannot run in a folder that does not exist"


def test_a_program_that_cannot_be_started_is_told(tmp_path):
    (tmp_path / "tool").write_bytes(b"\x7fELF nonsense")
    (tmp_path / "tool").chmod(0o755)
    with pytest.raises(ToolFailed) as error:
        run(Command((str(tmp_path / "tool"),)))
    assert error.value.message.startswith("tool ")


def test_a_program_that_takes_too_long_is_killed_with_its_children(tmp_path):
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "open('pids', 'w').write(f'{child.pid}')\n"
        "print('started', flush=True)\n"
        "time.sleep(600)\n"
    )
    with pytest.raises(ToolTimedOut) as error:
        run(python(code, cwd=tmp_path, timeout_s=3))
    assert error.value.message == "the script took longer than 3 s and was stopped"
    assert error.value.log == "started"
    assert gone(int((tmp_path / "pids").read_text()))


def test_a_child_left_behind_by_a_finished_program_is_killed_too(tmp_path):
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid)\n"
    )
    done = run(python(code, timeout_s=60))
    assert gone(int(done.log))


def test_a_program_that_closes_its_output_is_still_waited_for():
    code = "import os, time; os.close(1); os.close(2); time.sleep(0.3); os._exit(5)"
    assert run(python(code), check=False).returncode == 5


def test_a_program_that_writes_without_end_is_stopped():
    with pytest.raises(ToolFailed) as error:
        run(python("while True: print('x' * 1000)", max_log=100_000))
    assert error.value.message == "the script wrote more than 100000 bytes and was stopped"


def test_an_interrupt_kills_the_program(tmp_path):
    code = (
        "import os, time; open('pid', 'w').write(str(os.getpid())); "
        "os.rename('pid', 'ready'); time.sleep(600)"
    )

    def interrupt():
        while not (tmp_path / "ready").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    # A shell starts what runs in its background with interrupts ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            run(python(code, cwd=tmp_path))
    finally:
        signal.signal(signal.SIGINT, before)
    thread.join()
    assert gone(int((tmp_path / "ready").read_text()))


def test_a_program_and_what_it_started_die_with_the_process_that_started_it(tmp_path, root):
    inner = "import os, time, subprocess, sys; "
    inner += "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
    inner += "open('pid', 'w').write(f'{os.getpid()} {p.pid}'); "
    inner += "os.rename('pid', 'ready'); time.sleep(600)"
    outer = (
        "import sys\n"
        "from pathlib import Path\n"
        "from flow.tools.process import Command, run\n"
        f"run(Command((sys.executable, '-c', {inner!r}), cwd=Path('.')))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(root)}
    with subprocess.Popen([PYTHON, "-c", outer], cwd=tmp_path, env=environment) as parent:
        while not (tmp_path / "ready").exists():
            assert parent.poll() is None
            time.sleep(0.01)
        parent.kill()
    for pid in (tmp_path / "ready").read_text().split():
        assert gone(int(pid))
