"""A worker small enough to test everything around it."""

from __future__ import annotations

import sys

from clm_common import InputError, Job, Option, Output, Worker


class Shout(Worker):
    name = "shout"
    description = "Writes in capitals."
    formats = {"txt": "text/plain; charset=utf-8", "html": "text/html"}
    options = (Option("times", "how often", 1, 1, 9), Option("quiet", "in small letters", False))
    timeout = 5.0

    def convert(self, job: Job) -> Output:
        text = job.source.decode()
        if text == "bad":
            raise InputError(f"{job.name}: it is bad")
        if text == "bug":
            raise RuntimeError("secret detail")
        if text == "empty":
            return Output(b"")
        if text == "sleep":
            # Two generations, the second in a session of its own, as Jupyter's kernels are.
            grandchild = "import subprocess, sys; subprocess.run(['setsid', 'sleep', '60'])"
            job.run(sys.executable, "-c", grandchild)
        result = (text.lower() if job.options["quiet"] else text.upper()) * int(job.options["times"])
        return Output(result.encode(), ("heard: Größe",) if text == "warn" else ())
