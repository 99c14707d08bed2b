"""Runs Debian's PlantUML on one diagram of the input.

The diagram is cut out here, because PlantUML's own count of lines is right only for an input that
begins with `@start`, and because it otherwise writes the pictures of all diagrams one after another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from clm_common import Failure, InputError, Job, Option, Output, Worker

JAVA = (
    "java",
    "-Djava.awt.headless=true",
    # A run is short: start fast, and take little memory beside other conversions.
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Xmx512m",
)
JAR = "/usr/share/plantuml/plantuml.jar"
MOST_PIXELS = 16384

START = re.compile(r"^\s*@start(\w+)")
END = re.compile(r"^\s*@end\w+")


@dataclass(frozen=True)
class Diagram:
    text: str
    line: int
    """Where it begins in the input, from 1."""


class PlantUml(Worker):
    name = "clm-plantuml-converter"
    description = "Converts PlantUML diagrams to SVG and PNG."
    formats = {"svg": "image/svg+xml", "png": "image/png"}
    options = (Option("page", "which diagram of the file, from 1", 1, 1),)
    timeout = 60.0

    def convert(self, job: Job) -> Output:
        found = diagrams(job)
        page = int(job.options["page"])
        if page > len(found):
            raise InputError(f"{job.name}: there is no diagram {page}; it holds {len(found)}")
        diagram = found[page - 1]
        done = job.run(
            *JAVA,
            f"-Duser.home={job.scratch}",
            f"-Djava.io.tmpdir={job.scratch}",
            f"-DPLANTUML_LIMIT_SIZE={MOST_PIXELS}",
            "-jar",
            JAR,
            "-pipe",
            f"-t{job.to}",
            "-charset",
            "UTF-8",
            "-stdrpt:1",
            stdin=diagram.text.encode(),
        )
        if done.status != 0:
            raise refusal(job.name, diagram, done.stderr.decode(errors="replace"))
        return Output(done.stdout)


def diagrams(job: Job) -> list[Diagram]:
    """Every `@start…` to `@end…` of the input; `InputError` where there is none, or one has no end."""
    try:
        lines = job.source.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{job.name}: not UTF-8 at byte {error.start}") from None
    found: list[Diagram] = []
    begin: int | None = None
    for number, line in enumerate(lines, start=1):
        if begin is None and START.match(line):
            begin = number
        elif begin is not None and END.match(line):
            found.append(Diagram("\n".join(lines[begin - 1 : number]) + "\n", begin))
            begin = None
    if begin is not None:
        raise InputError(f"{job.name}:{begin}: {lines[begin - 1].strip()} has no @end…")
    if not found:
        raise InputError(f"{job.name}: no diagram in it: no line begins with @startuml or the like")
    return found


def refusal(name: str, diagram: Diagram, report: str) -> Failure:
    """What PlantUML's report (`-stdrpt:1`, its lines counted from 0) says, at the input's own line."""
    values = dict(line.split("=", 1) for line in report.splitlines() if "=" in line)
    if values.get("status") != "ERROR":
        return Failure(f"{name}: PlantUML failed:\n{report.strip()}")
    label = values.get("label", "error")
    if not values.get("lineNumber", "").isdigit():
        return InputError(f"{name}: {label}")
    offset = int(values["lineNumber"])
    lines = diagram.text.splitlines()
    at = f"{name}:{diagram.line + offset}"
    return InputError(f"{at}: {label}\n    {lines[offset].strip()}" if offset < len(lines) else f"{at}: {label}")
