"""One notebook, in a process of its own: `python -m notebook_processor.job FOLDER`.

The folder holds the request and takes the result; standard output and error stay free for whatever
the notebook's own programs write to them.
"""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Request:
    to: str
    name: str
    folder: str
    execute: bool
    allow_errors: bool


@dataclass(frozen=True)
class Paths:
    folder: Path

    @property
    def source(self) -> Path:
        return self.folder / "source"

    @property
    def request(self) -> Path:
        return self.folder / "request"

    @property
    def result(self) -> Path:
        return self.folder / "result"

    @property
    def warnings(self) -> Path:
        return self.folder / "warnings"

    @property
    def refusal(self) -> Path:
        """What is wrong with the notebook; only there if something is."""
        return self.folder / "refusal"

    @property
    def cell(self) -> Path:
        """The cell that is running."""
        return self.folder / "cell"


class Refused(Exception):
    """The notebook cannot be converted, in words for its author."""


def convert(paths: Paths) -> None:
    request = Request(**json.loads(paths.request.read_text()))
    notes: list[str] = []
    notebook = read(paths.source)
    if request.execute:
        # The notebook's programs must not see the service's own modules.
        os.environ.pop("PYTHONPATH", None)
        execute(notebook, request, paths)
        failed = [at for at, cell in enumerate(notebook.cells, start=1) if has_error(cell)]
        if failed:
            notes.append(f"{request.name}: cells with an error: {', '.join(map(str, failed))}")
    paths.result.write_text(export(notebook, request), encoding="utf-8")
    paths.warnings.write_text(json.dumps(notes))


def read(path: Path) -> Any:
    """The notebook in today's format (4), whichever it was written in."""
    import nbformat
    from nbformat.reader import NotJSONError
    from nbformat.validator import normalize

    try:
        text = path.read_text(encoding="utf-8-sig")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # missing cell ids, which are added below
            notebook = nbformat.reads(text, as_version=4)
    except UnicodeDecodeError as error:
        raise Refused(f"not UTF-8 at byte {error.start}") from None
    except NotJSONError as error:
        raise Refused(f"not a notebook: it is not JSON ({error.__cause__ or 'see its beginning'})") from None
    except (AttributeError, KeyError, TypeError, ValueError, nbformat.ValidationError) as error:
        # What `reads` raises for JSON that is something else altogether.
        raise Refused(f"not a notebook: {type(error).__name__}: {error}") from None
    try:
        _, notebook = normalize(notebook)
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        raise Refused(f"not a valid notebook: {str(error).splitlines()[0]}") from None
    return notebook


def execute(notebook: Any, request: Request, paths: Paths) -> None:
    """Runs every cell in the input's folder. The time limit is our parent's."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    language = notebook.metadata.get("language_info", {}).get("name") or notebook.metadata.get("kernelspec", {}).get(
        "language", "python"
    )
    if language.lower() not in {"python", "ipython"}:
        raise Refused(f"it is written in {language}, and there is only a Python kernel here")

    def name_cell(cell_index: int, **_: object) -> None:
        paths.cell.write_text(f"cell {cell_index + 1}")

    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        allow_errors=request.allow_errors,
        resources={"metadata": {"path": request.folder}},
        on_cell_start=name_cell,
    )
    try:
        client.execute()
    except CellExecutionError as error:
        trace = without_colours(error.traceback).strip().splitlines()
        # Above IPython's rule, nbclient repeats the cell.
        rule = max((at for at, line in enumerate(trace) if re.fullmatch("-{60,}", line)), default=-1)
        shown = "\n".join(f"    {line}" for line in trace[rule + 1 :][-20:])
        raise Refused(
            f"{paths.cell.read_text()} failed: {error.ename}: {without_colours(error.evalue)}\n{shown}\n"
            "To convert it nevertheless: --allow-errors"
        ) from None
    except DeadKernelError:
        at = paths.cell.read_text() if paths.cell.exists() else "the start"
        raise Refused(f"the kernel died at {at}; often for want of memory") from None


def export(notebook: Any, request: Request) -> str:
    import nbformat
    from nbconvert import HTMLExporter, PythonExporter

    if request.to == "ipynb":
        return f"{nbformat.writes(notebook)}\n"
    # One file: pictures that Markdown cells name go into the page.
    exporter = PythonExporter() if request.to == "py" else HTMLExporter(embed_images=True)
    resources = {"metadata": {"name": Path(request.name).stem, "path": request.folder}}
    text: str
    text, _ = exporter.from_notebook_node(notebook, resources=resources)
    return text


def has_error(cell: Any) -> bool:
    return any(output.output_type == "error" for output in cell.get("outputs", []))


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)


if __name__ == "__main__":
    paths = Paths(Path(sys.argv[1]))
    try:
        convert(paths)
    except Refused as refused:
        paths.refusal.write_text(str(refused))
        sys.exit(1)
