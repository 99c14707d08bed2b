from __future__ import annotations

import base64
import unittest
import zlib
from pathlib import Path
from urllib.parse import quote

from drawio_converter import document

MODEL = '<mxGraphModel><root><mxCell id="0" value="Größe" /></root></mxGraphModel>'
INPUTS = Path(__file__).parent / "inputs"


def packed(text: str) -> str:
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return base64.b64encode(deflate.compress(quote(text).encode()) + deflate.flush()).decode()


class Pages(unittest.TestCase):
    def test_plain_packed_and_bare(self) -> None:
        for source in [
            f'<mxfile><diagram name="A">{MODEL}</diagram></mxfile>',
            f'<mxfile><diagram name="A">\n {packed(MODEL)}\n </diagram></mxfile>',
        ]:
            self.assertEqual(document.pages(source.encode()), [document.Page("A", MODEL)])
        self.assertEqual(document.pages(MODEL.encode()), [document.Page("Page-1", MODEL)])

    def test_several(self) -> None:
        names = [page.name for page in document.pages((INPUTS / "three-pages.drawio").read_bytes())]
        self.assertEqual(names, ["First", "Second", "Third"])

    def test_what_is_wrong(self) -> None:
        bomb = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
        zeros = base64.b64encode(bomb.compress(bytes(document.MOST_BYTES + 1)) + bomb.flush()).decode()
        for source, message in [
            ("<svg/>", "its root is <svg>"),
            ("<mxfile/>", "no <diagram> in it"),
            ("<mxfile><diagram name='A'/></mxfile>", "page 'A' is empty"),
            ("<mxfile><diagram name='A'>?!</diagram></mxfile>", "page 'A' cannot be unpacked"),
            (f"<mxfile><diagram name='A'>{packed(MODEL)[:40]}</diagram></mxfile>", "it is cut off"),
            (f"<mxfile><diagram name='A'>{packed('<a>')}</diagram></mxfile>", "page 'A' is not well-formed XML"),
            (f"<mxfile><diagram name='A'>{zeros}</diagram></mxfile>", "page 'A' has more than 67,108,864 bytes"),
            ("<!DOCTYPE x [<!ENTITY a 'b'>]><mxfile>&a;</mxfile>", "has a document type"),
        ]:
            with self.subTest(message), self.assertRaisesRegex(document.Malformed, message):
                document.pages(source.encode())


if __name__ == "__main__":
    unittest.main()
