"""Hands each notebook to a process of its own (`job.py`), so that one cannot disturb another."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from clm_common import Failure, InputError, Job, Option, Output, TimeLimit, Worker
from notebook_processor import job as child

HOME = Path("/opt/home")
"""What the image prepared for every job's home: matplotlib's list of fonts."""


class Notebook(Worker):
    name = "clm-notebook-processor"
    description = "Executes a Jupyter notebook and converts it to HTML, a script or a notebook."
    formats = {
        "html": "text/html; charset=utf-8",
        "py": "text/x-python; charset=utf-8",
        "ipynb": "application/x-ipynb+json",
    }
    options = (
        Option("no-execute", "convert what is there, run nothing", False),
        Option("allow-errors", "go on after a cell that fails, and show its error in the result", False),
    )
    timeout = 600.0

    def convert(self, job: Job) -> Output:
        if HOME.is_dir():
            shutil.copytree(HOME, job.scratch, dirs_exist_ok=True)
        paths = child.Paths(job.scratch / "job")
        paths.folder.mkdir()
        paths.source.write_bytes(job.source)
        # A script holds no results: there is nothing to execute for.
        execute = job.to != "py" and not job.options["no-execute"]
        request = child.Request(
            to=job.to,
            name=job.name,
            folder=str(job.folder),
            execute=execute,
            allow_errors=bool(job.options["allow-errors"]),
        )
        paths.request.write_text(json.dumps(vars(request)))
        try:
            done = job.run(sys.executable, "-P", "-m", "notebook_processor.job", paths.folder)
        except TimeLimit as limit:
            if not paths.cell.exists():
                raise
            raise TimeLimit(f"{limit} (it was at {paths.cell.read_text()})") from None
        if paths.refusal.exists():
            raise InputError(f"{job.name}: {paths.refusal.read_text()}")
        if done.status != 0:
            raise Failure(f"{job.name}: the conversion failed with status {done.status}:\n{done.tail()}")
        return Output(paths.result.read_bytes(), tuple(json.loads(paths.warnings.read_text())))
