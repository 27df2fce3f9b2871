"""A Dask cluster of real processes on this machine, for tests."""

import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

DASK = Path(sys.executable).parent / "dask"
TESTS = Path(__file__).resolve().parent


@contextmanager
def dask_cluster(folder, workers=2):
    """The address of a scheduler and the processes of its workers; all are killed after."""
    place = folder / "scheduler.json"
    with ExitStack() as running:
        _start(running, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
               "--scheduler-file", str(place))  # fmt: skip
        while not (place.is_file() and place.stat().st_size):
            time.sleep(0.05)
        address = place.read_text().split('"address": "')[1].split('"')[0]
        worker = ("worker", address, "--no-nanny", "--nthreads", "1", "--no-dashboard",
                  "--local-directory", str(folder))  # fmt: skip
        yield address, [_start(running, *worker) for _ in range(workers)]


def _start(running, *arguments):
    # Workers load the tasks of tests as they load flow.
    path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    process = subprocess.Popen(
        [DASK, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    running.callback(process.wait)
    running.callback(process.kill)
    return process
