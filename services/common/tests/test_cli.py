from __future__ import annotations

import contextlib
import io
import tempfile
import unittest
from pathlib import Path

from clm_common import main
from tests.example import Shout


def run(*arguments: str) -> tuple[int, str]:
    """Exit status and standard error."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        try:
            status = main(Shout(), arguments)
        except SystemExit as leave:
            status = int(leave.code or 0)
    return status, errors.getvalue()


class CommandLine(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.source = Path(folder.name) / "in.txt"
        self.output = Path(folder.name) / "out.txt"

    def convert(self, text: str, *arguments: str) -> tuple[int, str]:
        self.source.write_text(text)
        return run("convert", str(self.source), str(self.output), *arguments)

    def test_converts(self) -> None:
        status, errors = self.convert("hello", "--times", "2")
        self.assertEqual((status, self.output.read_text()), (0, "HELLOHELLO"))
        self.assertRegex(errors, r"^wrote .*out\.txt \(10 bytes, ")

    def test_says_what_is_wrong(self) -> None:
        for text, arguments, status, message in [
            ("bad", (), 1, "error: in.txt: it is bad"),
            ("sleep", ("--timeout", "0.5"), 1, "error: in.txt: not done within 0.5 s"),
            ("x", ("--to", "pdf"), 2, "error: cannot convert to 'pdf'; shout gives txt, html"),
            ("x", ("--times", "10"), 2, "times must be at least 1 and at most 9, not 10"),
            ("x", ("--tims", "2"), 2, "unrecognized arguments: --tims"),
        ]:
            with self.subTest(text=text, arguments=arguments):
                got, errors = self.convert(text, *arguments)
                self.assertEqual(got, status, errors)
                self.assertIn(message, errors)
                self.assertFalse(self.output.exists())


if __name__ == "__main__":
    unittest.main()
