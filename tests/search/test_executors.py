"""Work ends the same wherever it runs, also where a worker dies on the way."""

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from search_tasks import die, die_once, refuse, square

from flow.errors import FlowError, ToolFailed, UsageError
from flow.search.executors import Cluster, Processes, Serial, executor

DASK = Path(sys.executable).parent / "dask"


def test_tasks_run_here_in_order():
    with executor() as work:
        assert isinstance(work, Serial)
        assert work.map(square, [(k,) for k in range(4)]) == [0, 1, 4, 9]


def test_a_killed_process_is_replaced_and_its_task_done_again(tmp_path):
    with executor(workers=2) as work:
        assert isinstance(work, Processes)
        marker = str(tmp_path / "killed")
        assert work.map(die_once, [(k, marker) for k in range(6)]) == [0, 1, 4, 9, 16, 25]
        assert Path(marker).exists()
        with pytest.raises(UsageError, match="3 is refused"):
            work.map(refuse, [(3,)])


def test_workers_that_always_die_are_given_up():
    with executor(workers=2) as work:
        with pytest.raises(ToolFailed) as caught:
            work.map(die, [(1,)])
        assert caught.value.message == "worker processes died 5 times in a row"
        assert work.map(square, [(3,)]) == [9]


def test_there_is_at_least_one_worker():
    with pytest.raises(UsageError, match="--workers 0 is not at least 1"), executor(workers=0):
        pass


@pytest.mark.slow
def test_a_killed_worker_of_a_dask_cluster_changes_nothing(tmp_path):
    place = tmp_path / "scheduler.json"
    with ExitStack() as running:
        _start(running, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
               "--scheduler-file", str(place))  # fmt: skip
        for _ in range(600):
            if place.is_file() and place.stat().st_size:
                break
            time.sleep(0.1)
        address = place.read_text().split('"address": "')[1].split('"')[0]
        for _ in range(2):
            _start(running, "worker", address, "--no-nanny", "--nthreads", "1", "--no-dashboard",
                   "--local-directory", str(tmp_path))  # fmt: skip
        with executor(scheduler=address) as work:
            assert isinstance(work, Cluster)
            marker = str(tmp_path / "killed")
            assert work.map(die_once, [(k, marker) for k in range(6)]) == [0, 1, 4, 9, 16, 25]
            assert Path(marker).exists()
            with pytest.raises(FlowError, match="3 is refused"):
                work.map(refuse, [(3,)])


def _start(running, *arguments):
    # Workers load the tasks of this test as they load flow.
    tests = Path(__file__).resolve().parents[1]
    path = os.pathsep.join([str(tests.parent), str(tests)])
    process = subprocess.Popen(
        [DASK, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    running.callback(process.wait)
    running.callback(process.kill)


def test_a_scheduler_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr("flow.search.executors.CONNECT_S", 0.3)
    with pytest.raises(ToolFailed) as caught, executor(scheduler="tcp://127.0.0.1:9"):
        pass
    assert caught.value.show() == (
        "error: no Dask scheduler answers at tcp://127.0.0.1:9\n"
        "  hint: start one with `dask scheduler`, and workers with `dask worker ADDRESS`"
    )
