"""Whole searches: equal for any number of workers, also where they were killed on the way."""

import json
import signal
import subprocess
import sys
import time
from threading import Timer

import numpy as np
import pytest
from dask_cluster import dask_cluster

from flow.errors import UsageError
from flow.ir.network import evaluate_network
from flow.pipeline import searching
from flow.pipeline.searching import open_search, run_search
from flow.search.front import FIT, FRONT, TEST, point_network, read_front
from flow.train.ensembles import Recipe
from flow.train.table import read_table

pytestmark = pytest.mark.tool("yosys")

SPEC = """\
data = "sklearn:iris"
hidden = [5, 4]
hidden_bits = 2
exponents = 2
population = 24
generations = 3
refine = 2
mapped = 4
refit = 2
"""


@pytest.fixture(scope="module", autouse=True)
def _one_ensemble():
    """One tree is trimmed beside the points, in place of a dozen ensembles."""
    with pytest.MonkeyPatch.context() as held:
        held.setattr(searching, "recipes_for", lambda data, start, named: (Recipe("trees", 1, 4),))
        yield


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    place = tmp_path_factory.mktemp("spec") / "iris.toml"
    place.write_text(SPEC)
    return place


@pytest.fixture(scope="module")
def folder(spec, tmp_path_factory):
    out = tmp_path_factory.mktemp("searched") / "iris"
    told = []
    run_search(open_search(spec), out, listener=lambda state: told.append(state.generation))
    assert told == [0, 1, 2, 2, 3, 3]
    return out


def test_the_front_counts_what_its_networks_answer(folder):
    front = read_front(folder)
    assert front.points[0].area < front.points[-1].area
    assert front.samples == {"train": 78, "valid": 27, "test": 45}
    seen, held = read_table(folder / FIT), read_table(folder / TEST)
    assert (len(seen.y), len(held.y)) == (105, 45)
    assert held.columns == front.columns
    assert held.classes == front.classes == ("setosa", "versicolor", "virginica")
    assert front.generations == 3
    assert len(front.hypervolume) == 4
    levels = np.floor((seen.x - front.low) * 16 / (np.array(front.high) - front.low))
    coded = {"x": np.clip(levels, 0, 15).astype(np.int64)}
    assert [p.area for p in front.points] == sorted(p.area for p in front.points)
    accuracies = [front.accuracy(p) for p in front.points]
    assert accuracies == sorted(accuracies)
    assert any(p.gates is not None for p in front.points)
    for index, point in enumerate(front.points):
        network = point_network(front, index)
        answers = evaluate_network(network, coded)["class"][:, 0]
        right = (answers == seen.y).reshape(-1)
        assert right[:78].sum() == point.train
        # What was trimmed has seen all samples in the end: its twin was counted in validation.
        assert point.gates is not None or right[78:].sum() == point.valid


def test_two_processes_find_the_same_front(spec, folder, tmp_path):
    run_search(open_search(spec), tmp_path / "two", workers=2)
    assert (tmp_path / "two" / FRONT).read_bytes() == (folder / FRONT).read_bytes()


def test_a_killed_search_goes_on_to_the_same_front(spec, folder, tmp_path):
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "flow", "search", str(spec), "-o", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    state = out / "state.json"
    try:
        while process.poll() is None and _generation(state) < 1:
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not (out / FRONT).exists()
    reached = _generation(state)
    told = []
    run_search(open_search(spec), out, listener=lambda state: told.append(state.generation))
    assert told[0] == reached
    assert (out / FRONT).read_bytes() == (folder / FRONT).read_bytes()


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_finds_the_same_front(spec, folder, tmp_path):
    with dask_cluster(tmp_path) as (address, workers):

        def listen(state):
            if state.generation == 1:
                Timer(0.1, workers[0].kill).start()

        out = tmp_path / "cluster"
        run_search(open_search(spec), out, scheduler=address, listener=listen)
        assert workers[0].wait() == -signal.SIGKILL
        assert workers[1].poll() is None
    assert (out / FRONT).read_bytes() == (folder / FRONT).read_bytes()


def _generation(place):
    return json.loads(place.read_text())["generation"] if place.is_file() else -1


def test_a_folder_of_others_is_left_alone(spec, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError) as caught:
        run_search(open_search(spec), tmp_path)
    assert caught.value.show() == (
        "error: the output folder holds files that no search has written\n"
        f"  at {tmp_path}\n"
        "  hint: name another folder with -o, or empty this one yourself"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_missing_data_are_told_with_their_source(tmp_path):
    place = tmp_path / "a.toml"
    place.write_text('data = "a.csv"\nsource = "A Book, DOI 10.1/2"\n')
    with pytest.raises(UsageError) as caught:
        open_search(place)
    assert caught.value.show() == (
        "error: the data a.csv are not here; it is A Book, DOI 10.1/2\n"
        f"  at {tmp_path / 'a.csv'}\n"
        "  hint: put the file there, label last, or name it with --data FILE"
    )
