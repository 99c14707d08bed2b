"""Reads `.drawio` files: which pages there are, and each one's `mxGraphModel`, unpacked."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree

MOST_BYTES = 64 * 1024 * 1024
"""Of one unpacked page: a few kilobytes of packed zeros must not fill the memory."""


class Malformed(Exception):
    """The file is not what draw.io writes."""


@dataclass(frozen=True)
class Page:
    name: str
    model: str
    """The `<mxGraphModel>` as text."""


def pages(source: bytes) -> list[Page]:
    """All pages, at least one, or `Malformed`."""
    root = _parse(source, "the file")
    if root.tag == "mxGraphModel":
        return [Page("Page-1", ElementTree.tostring(root, encoding="unicode"))]
    if root.tag != "mxfile":
        raise Malformed(f"not a draw.io file: its root is <{root.tag}>, not <mxfile> or <mxGraphModel>")
    found = [
        Page(name := diagram.get("name") or f"Page-{at}", _model(diagram, name))
        for at, diagram in enumerate(root.iter("diagram"), start=1)
    ]
    if not found:
        raise Malformed("no <diagram> in it")
    return found


def _model(diagram: ElementTree.Element, name: str) -> str:
    model = diagram.find("mxGraphModel")
    if model is None:
        model = _parse(unpack(diagram.text or "", name), f"page {name!r}")
    if model.tag != "mxGraphModel":
        raise Malformed(f"page {name!r} holds <{model.tag}>, not <mxGraphModel>")
    model.tail = None
    return ElementTree.tostring(model, encoding="unicode")


def unpack(text: str, name: str) -> bytes:
    """A page as draw.io packs it: percent-encoded, deflated without a header, base64."""
    packed = "".join(text.split())
    if not packed:
        raise Malformed(f"page {name!r} is empty")
    try:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        content = inflate.decompress(base64.b64decode(packed, validate=True), MOST_BYTES)
    except (binascii.Error, zlib.error) as error:
        raise Malformed(f"page {name!r} cannot be unpacked: {error}") from None
    if not inflate.eof and len(content) >= MOST_BYTES:
        raise Malformed(f"page {name!r} has more than {MOST_BYTES:,} bytes")
    if not inflate.eof:
        raise Malformed(f"page {name!r} cannot be unpacked: it is cut off")
    return unquote_to_bytes(content)


def _parse(source: bytes, what: str) -> ElementTree.Element:
    # Entities are how a small file becomes a large one, or names another; draw.io writes none.
    if re.search(rb"<!(DOCTYPE|ENTITY)", source, re.IGNORECASE):
        raise Malformed(f"{what} has a document type; draw.io's have none")
    try:
        return ElementTree.fromstring(source)
    except ElementTree.ParseError as error:
        raise Malformed(f"{what} is not well-formed XML: {error}") from None
