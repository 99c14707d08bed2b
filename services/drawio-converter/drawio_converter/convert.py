"""Draws one page of a draw.io file with mxGraph in Chromium."""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path

from clm_common import InputError, Job, Option, Output, Worker
from drawio_converter import document
from drawio_converter.browser import ScriptError, tab

MXGRAPH = Path("/opt/mxgraph/mxClient.min.js")
PAGE = Path(__file__).parent / "page"
MOST_PIXELS = 16384


class DrawIo(Worker):
    name = "clm-drawio-converter"
    description = "Converts draw.io diagrams to SVG and PNG."
    formats = {"svg": "image/svg+xml", "png": "image/png"}
    options = (
        Option("page", "which page of the file, from 1", 1, 1),
        Option("scale", "the size of a PNG's pixel grid: 2 is twice as fine", 1.0, 0.1, 10),
        Option("border", "empty space around the diagram, in its own units", 8, 0, 1000),
    )
    timeout = 60.0

    def convert(self, job: Job) -> Output:
        try:
            pages = document.pages(job.source)
        except document.Malformed as error:
            raise InputError(f"{job.name}: {error}") from None
        number = int(job.options["page"])
        if number > len(pages):
            names = ", ".join(page.name for page in pages)
            raise InputError(f"{job.name}: there is no page {number}; it has {len(pages)}: {names}")
        page = pages[number - 1]
        with tab(job) as browser:
            browser.load(text("page.html"))
            for script in scripts():
                browser.evaluate(f"{script}\n;null")
            request = {"model": page.model, "border": job.options["border"]}
            try:
                drawn = browser.evaluate(f"draw({json.dumps(request)})")
            except ScriptError as error:
                what = str(error).splitlines()[0]
                raise InputError(f"{job.name}: page {page.name!r} cannot be drawn: {what}") from None
            if drawn["empty"]:
                raise InputError(f"{job.name}: page {page.name!r} holds nothing that is visible")
            warnings = tuple(f"{job.name}: {warning}" for warning in drawn["warnings"])
            if job.to == "svg":
                return Output(drawn["svg"].encode(), warnings)
            scale = float(job.options["scale"])
            width, height = drawn["width"], drawn["height"]
            if max(width, height) * scale > MOST_PIXELS:
                raise InputError(
                    f"{job.name}: {width} x {height} at scale {scale:g} is more than {MOST_PIXELS} pixels;"
                    " a smaller --scale, or SVG, which has no limit"
                )
            browser.evaluate("show()")
            return Output(base64.b64decode(browser.screenshot(width, height, scale)), warnings)


@cache
def text(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")


@cache
def scripts() -> tuple[str, ...]:
    """In the order in which they need each other."""
    # mxGraph asks for neither style sheets nor translations: there is no network.
    settings = "var mxLoadResources = false, mxLoadStylesheets = false, mxForceIncludes = false, mxBasePath = '.';"
    return (settings, MXGRAPH.read_text(encoding="utf-8"), text("shapes.js"), text("draw.js"))
