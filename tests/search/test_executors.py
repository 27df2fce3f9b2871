"""Work ends the same wherever it runs, also where a worker dies on the way."""

from pathlib import Path

import pytest
from dask_cluster import dask_cluster
from search_tasks import die, die_once, refuse, square

from flow.errors import FlowError, ToolFailed, UsageError
from flow.search.executors import Cluster, Processes, Serial, executor


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
    with (
        dask_cluster(tmp_path) as (address, _),
        executor(scheduler=address) as work,
    ):
        assert isinstance(work, Cluster)
        marker = str(tmp_path / "killed")
        assert work.map(die_once, [(k, marker) for k in range(6)]) == [0, 1, 4, 9, 16, 25]
        assert Path(marker).exists()
        with pytest.raises(FlowError, match="3 is refused"):
            work.map(refuse, [(3,)])


def test_a_scheduler_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr("flow.search.executors.CONNECT_S", 0.3)
    with pytest.raises(ToolFailed) as caught, executor(scheduler="tcp://127.0.0.1:9"):
        pass
    assert caught.value.show() == (
        "error: no Dask scheduler answers at tcp://127.0.0.1:9\n"
        "  hint: start one with `dask scheduler`, and workers with `dask worker ADDRESS`"
    )
