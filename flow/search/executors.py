"""Where the work of a search runs: here, in processes of this machine, or on a Dask cluster.

Work comes as a list of tasks that each depend on their arguments alone, so the results are the
same for any number of workers, and a task whose worker died is simply done again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from flow.errors import FlowError, ToolFailed, ToolNotFound, UsageError

T = TypeVar("T")

ATTEMPTS = 5
"""How often in a row workers may die before a task is given up."""
CONNECT_S = 30.0
"""Seconds to wait for a scheduler, and for its first worker."""


class Executor(Protocol):
    """Runs tasks; `width` is the number of workers it began with."""

    width: int

    def map(self, task: Callable[..., T], items: Sequence[tuple[Any, ...]]) -> list[T]:
        """task(*item) for every item, in order. The task is a function of a module."""
        ...


@contextmanager
def executor(workers: int = 1, scheduler: str | None = None) -> Iterator[Executor]:
    """The executor for a number of processes, or of a Dask scheduler's address; closed after."""
    if scheduler is not None:
        with _dask(scheduler) as found:
            yield found
    elif workers == 1:
        yield Serial()
    elif workers < 1:
        raise UsageError(f"--workers {workers} is not at least 1")
    else:
        processes = Processes(workers)
        try:
            yield processes
        finally:
            processes.close()


class Serial:
    """Every task in this process, one after the other."""

    width = 1

    def map(self, task: Callable[..., T], items: Sequence[tuple[Any, ...]]) -> list[T]:
        """task(*item) for every item, in order."""
        return [task(*item) for item in items]


class Processes:
    """Tasks in processes of this machine; one that was killed is replaced."""

    def __init__(self, workers: int) -> None:
        self.width = workers
        self._pool: Any = None

    def map(self, task: Callable[..., T], items: Sequence[tuple[Any, ...]]) -> list[T]:
        """task(*item) for every item, in order. ToolFailed where workers die again and again."""
        from concurrent.futures.process import BrokenProcessPool

        results: dict[int, T] = {}
        for _ in range(ATTEMPTS):
            waiting: dict[int, Any] = {}
            try:
                for place, item in enumerate(items):
                    if place not in results:
                        waiting[place] = self._ready().submit(task, *item)
            except BrokenProcessPool:
                pass
            broken = False
            for place, future in waiting.items():
                try:
                    results[place] = future.result()
                except BrokenProcessPool:
                    broken = True
            if not broken and len(results) == len(items):
                return [results[place] for place in range(len(items))]
            self.close()
        raise _given_up("worker processes", "see whether the machine has enough memory")

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def _ready(self) -> Any:
        if self._pool is None:
            from concurrent.futures import ProcessPoolExecutor
            from multiprocessing import get_context

            self._pool = ProcessPoolExecutor(
                self.width, mp_context=get_context("spawn"), initializer=_begin
            )
        return self._pool


def _begin() -> None:
    """A worker is one core's, leaves Ctrl-C to its parent, and ends when its parent does."""
    import signal
    from threading import Thread

    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(1)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    import os
    from multiprocessing import parent_process
    from multiprocessing.connection import wait

    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


class Cluster:
    """Tasks on the workers of a Dask scheduler."""

    def __init__(self, client: Any, width: int) -> None:
        self.width = width
        self._client = client

    def map(self, task: Callable[..., T], items: Sequence[tuple[Any, ...]]) -> list[T]:
        """task(*item) for every item, in order. ToolFailed where the cluster is lost."""
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        results: dict[int, T] = {}
        for _ in range(ATTEMPTS):
            waiting = {
                place: self._client.submit(task, *item, pure=False, retries=ATTEMPTS)
                for place, item in enumerate(items)
                if place not in results
            }
            for place, future in waiting.items():
                try:
                    results[place] = future.result()
                except FlowError:
                    raise
                except KilledWorker:
                    pass
                except (FutureCancelledError, OSError, TimeoutError) as error:
                    raise _lost() from error
                except RuntimeError as error:
                    if "deserialization" not in str(error):
                        raise
                    raise _foreign() from error
            if len(results) == len(items):
                return [results[place] for place in range(len(items))]
        raise _given_up("workers of the cluster", "see the logs of its workers")


@contextmanager
def _dask(address: str) -> Iterator[Cluster]:
    try:
        import distributed
    except ImportError:
        raise ToolNotFound(
            "--scheduler needs Dask, which is not installed", hint="pip install 'flow[dask]'"
        ) from None
    try:
        kind: Any = distributed.Client
        client: Any = kind(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ToolFailed(
            f"no Dask scheduler answers at {address}",
            hint="start one with `dask scheduler`, and workers with `dask worker ADDRESS`",
        ) from error
    try:
        try:
            client.wait_for_workers(1, timeout=CONNECT_S)
        except TimeoutError as error:
            raise ToolFailed(
                f"the Dask scheduler at {address} has no workers",
                hint=f"start one with `dask worker {address}`",
            ) from error
        width = sum(client.nthreads().values())
        yield Cluster(client, width)
    finally:
        client.close()


def _lost() -> ToolFailed:
    return ToolFailed(
        "the Dask cluster was lost",
        hint="start it again and repeat the command: it goes on from its last generation",
    )


def _foreign() -> ToolFailed:
    return ToolFailed(
        "the workers of the cluster cannot load what they are to run",
        hint="install the same Python, flow and libraries on every one of them",
    )


def _given_up(what: str, hint: str) -> ToolFailed:
    return ToolFailed(f"{what} died {ATTEMPTS} times in a row", hint=hint)
