"""The recipes for batch systems: the jobs that dask-jobqueue would submit, of the very options."""

import ast
import re
import sys


def jobs(root, name):
    """The job script of a recipe of the page; its scheduler listens on any free port here."""
    import dask_jobqueue

    page = (root / "docs" / "clusters.md").read_text()
    (text,) = re.findall(rf'title="{name}"\n(.*?)```', page, re.DOTALL)
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    (call,) = (c for c in calls if isinstance(c.func, ast.Name) and c.func.id.endswith("Cluster"))
    options = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
    assert options["scheduler_options"] == {"port": 8786}
    options["scheduler_options"] = {"port": 0, "dashboard_address": ":0"}
    with getattr(dask_jobqueue, call.func.id)(**options) as cluster:
        script = cluster.job_script()
        return script.replace(cluster.scheduler_address, "ADDRESS").replace(
            sys.executable, "python"
        )


def test_the_recipe_for_slurm_asks_for_a_process_on_each_core(root):
    assert jobs(root, "slurm_cluster.py").strip().splitlines() == [
        "#!/usr/bin/env bash",
        "",
        "#SBATCH -J dask-worker",
        "#SBATCH -p compute",
        "#SBATCH -n 1",
        "#SBATCH --cpus-per-task=16",
        "#SBATCH --mem=30G",
        "#SBATCH -t 04:00:00",
        "source venv/bin/activate",
        "python -m distributed.cli.dask_worker ADDRESS --name dummy-name --nthreads 1 "
        "--memory-limit 1.86GiB --nworkers 16 --nanny --death-timeout 60",
    ]


def test_the_recipe_for_htcondor_asks_for_a_process_on_each_core(root):
    found = jobs(root, "htcondor_cluster.py").strip().splitlines()
    wanted = {
        "MY.DaskWorkerCores = 8",
        "MY.DaskWorkerMemory = 16000000000",
        "MY.DaskWorkerDisk = 4000000000",
        "Arguments = \"-c 'source venv/bin/activate; python -m distributed.cli.dask_worker ADDRESS "
        "--name dummy-name --nthreads 1 --memory-limit 1.86GiB --nworkers 8 --nanny "
        "--death-timeout 60'\"",
        "Executable = /bin/sh",
        "Queue",
    }
    assert wanted <= set(found)
