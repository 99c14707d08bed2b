"""What a converter is: the formats it gives, its options, and one method from bytes to bytes.

It knows neither files nor HTTP: `cli` and `server` call `perform`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from clm_common import process
from clm_common.process import Deadline

VERSION = "0.3.0"

Value = bool | int | float


class Failure(Exception):
    """What went wrong, in words for the person who asked; never a bug of ours."""

    kind = "conversion"
    http = HTTPStatus.INTERNAL_SERVER_ERROR
    exit = 1


class UsageError(Failure):
    """The request itself is wrong: an unknown format, a value that is not a number."""

    kind = "usage"
    http = HTTPStatus.BAD_REQUEST
    exit = 2


class InputError(Failure):
    """The input cannot be converted: it does not parse, a cell fails, there is no such page."""

    kind = "input"
    http = HTTPStatus.UNPROCESSABLE_ENTITY


class TimeLimit(Failure):
    """The time for the whole conversion is over."""

    kind = "time limit"
    http = HTTPStatus.GATEWAY_TIMEOUT


@dataclass(frozen=True)
class Option:
    """One setting, given as `--NAME` or `?NAME=`. The default's type is its type; a bool is a flag."""

    name: str
    help: str
    default: Value
    least: float = float("-inf")
    most: float = float("inf")

    def parse(self, text: str) -> Value:
        """The value that `text` spells, or `UsageError`."""
        if isinstance(self.default, bool):
            if text.lower() in {"", "1", "true", "yes", "on"}:
                return True
            if text.lower() in {"0", "false", "no", "off"}:
                return False
            raise UsageError(f"{self.name} is on or off, not {text!r}")
        try:
            value = type(self.default)(text)
        except ValueError:
            number = "a whole number" if isinstance(self.default, int) else "a number"
            raise UsageError(f"{self.name} must be {number}, not {text!r}") from None
        if not self.least <= value <= self.most:  # false for NaN as well
            limits = [f"at least {self.least:g}"] if self.least > float("-inf") else []
            limits += [f"at most {self.most:g}"] if self.most < float("inf") else []
            raise UsageError(f"{self.name} must be {' and '.join(limits) or 'a number'}, not {text}")
        return value


@dataclass(frozen=True)
class Job:
    """One conversion."""

    source: bytes
    to: str
    """One of the worker's formats."""
    options: Mapping[str, Value]
    """Every option of the worker, by name."""
    name: str
    """What the input is called, for titles and messages."""
    folder: Path
    """Where the input's relative paths begin."""
    scratch: Path
    """Private, writable, `HOME` of every child process, and gone afterwards."""
    deadline: Deadline
    mark: str
    """Is in the environment of every child process."""

    def environment(self) -> dict[str, str]:
        """Of child processes: this one's, with a home that can be written whatever the user is."""
        return {**os.environ, "HOME": str(self.scratch), "TMPDIR": str(self.scratch), process.MARK: self.mark}

    def run(self, *command: str | Path, stdin: bytes = b"") -> process.Completed:
        """Runs `command` in the input's folder to its end, or to `TimeLimit`."""
        try:
            return process.run(
                [str(word) for word in command],
                stdin=stdin,
                folder=self.folder,
                environment=self.environment(),
                deadline=self.deadline,
            )
        except TimeoutError:
            raise self.deadline_passed() from None

    def deadline_passed(self) -> TimeLimit:
        return TimeLimit(
            f"{self.name}: not done within {self.deadline.seconds:g} s; a longer limit is asked for with timeout"
        )


@dataclass(frozen=True)
class Output:
    content: bytes
    warnings: tuple[str, ...] = ()
    """What the result does not show as the input meant it."""


class Worker(ABC):
    """A converter. Its methods are called from several threads at once."""

    name: str
    description: str
    formats: Mapping[str, str]
    """What it gives: the extension without a dot, and the media type."""
    options: tuple[Option, ...] = ()
    timeout: float = 120
    """The limit of one conversion in seconds, where none is asked for."""

    @abstractmethod
    def convert(self, job: Job) -> Output:
        """Converts `job.source` to `job.to`, or raises `Failure`."""

    def defaults(self) -> dict[str, Value]:
        return {option.name: option.default for option in self.options}

    def format(self, text: str) -> str:
        """The format that an extension or media type names, or `UsageError`."""
        wanted = text.strip().lower().removeprefix(".")
        for name, media_type in self.formats.items():
            if wanted in {name, media_type, media_type.partition(";")[0]}:
                return name
        raise UsageError(f"cannot convert to {text!r}; {self.name} gives {', '.join(self.formats)}")


def perform(
    worker: Worker,
    source: bytes,
    to: str,
    options: Mapping[str, Value],
    *,
    seconds: float,
    name: str = "input",
    folder: Path | None = None,
) -> Output:
    """One conversion from beginning to end; nothing it started or wrote is left behind."""
    with scratch_folder() as scratch:
        job = Job(
            source=source,
            to=to,
            options={**worker.defaults(), **options},
            name=name,
            folder=folder or scratch,
            scratch=scratch,
            deadline=Deadline(seconds),
            mark=uuid.uuid4().hex,
        )
        try:
            output = worker.convert(job)
        finally:
            process.kill_marked(job.mark)
    if not output.content:
        raise Failure(f"{name}: the converter gave nothing for {to}")
    return output


@contextmanager
def scratch_folder() -> Iterator[Path]:
    try:
        path = Path(tempfile.mkdtemp(prefix="clm-"))
    except OSError:
        raise Failure(
            "no folder for temporary files can be written; with a read-only container, add --tmpfs /tmp"
        ) from None
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
