"""Child processes: with a time limit, and none of their descendants left when they are done."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

MARK = "CLM_JOB"
"""The environment variable by which a job's processes are known, sessions of their own included."""


class Deadline:
    """A point in time, `seconds` after it was made."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds; `TimeoutError` when there are none left."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


@dataclass(frozen=True)
class Completed:
    status: int
    stdout: bytes
    stderr: bytes

    def tail(self, lines: int = 12) -> str:
        """The last lines of what it complained about."""
        return "\n".join(self.stderr.decode(errors="replace").strip().splitlines()[-lines:])


@contextmanager
def started(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
    pass_fds: Sequence[int] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own, which is killed on the way out."""
    with subprocess.Popen(
        command,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        cwd=folder,
        env=environment,
        start_new_session=True,
        pass_fds=pass_fds,
    ) as child:
        try:
            yield child
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)


def run(
    command: Sequence[str],
    *,
    stdin: bytes,
    folder: Path,
    environment: Mapping[str, str],
    deadline: Deadline,
) -> Completed:
    """Runs to the end; `TimeoutError` at the deadline."""
    with started(command, folder=folder, environment=environment, stdin=subprocess.PIPE) as child:
        try:
            stdout, stderr = child.communicate(stdin, timeout=deadline.remaining())
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        return Completed(child.returncode, stdout, stderr)


def kill_marked(mark: str) -> None:
    """Kills what a job left running, also where it made a session of its own (Jupyter's kernels do)."""
    wanted = f"{MARK}={mark}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or belongs to somebody else
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)
