from __future__ import annotations

import time
import unittest
from pathlib import Path

from clm_common import Failure, InputError, Option, TimeLimit, UsageError, perform
from tests.example import Shout


def sleeping() -> int:
    """How many `sleep 60` there are."""
    return sum(
        entry.read_bytes() == b"sleep\x0060\x00" for entry in Path("/proc").glob("[0-9]*/cmdline") if readable(entry)
    )


def readable(entry: Path) -> bool:
    try:
        entry.read_bytes()
    except OSError:
        return False
    return True


class Options(unittest.TestCase):
    def test_values(self) -> None:
        for option, text, wanted in [
            (Option("n", "", 1, 1, 9), "7", 7),
            (Option("x", "", 1.0), "2.5", 2.5),
            (Option("f", "", False), "", True),
            (Option("f", "", False), "ON", True),
            (Option("f", "", False), "0", False),
        ]:
            self.assertEqual(option.parse(text), wanted, (option, text))

    def test_mistakes(self) -> None:
        for option, text, message in [
            (Option("n", "", 1, 1, 9), "10", "n must be at least 1 and at most 9, not 10"),
            (Option("n", "", 1), "1.5", "n must be a whole number, not '1.5'"),
            (Option("x", "", 1.0, 0), "nan", "x must be at least 0, not nan"),
            (Option("f", "", False), "maybe", "f is on or off, not 'maybe'"),
        ]:
            with self.assertRaisesRegex(UsageError, message):
                option.parse(text)


class Formats(unittest.TestCase):
    def test_extension_or_media_type(self) -> None:
        for text in ["txt", ".TXT", "text/plain", "text/plain; charset=utf-8"]:
            self.assertEqual(Shout().format(text), "txt", text)
        with self.assertRaisesRegex(UsageError, "cannot convert to '.pdf'; shout gives txt, html"):
            Shout().format(".pdf")


class Performing(unittest.TestCase):
    def test_options_and_warnings(self) -> None:
        output = perform(Shout(), b"warn", "txt", {"times": 2}, seconds=5)
        self.assertEqual((output.content, output.warnings), (b"WARNWARN", ("heard: Größe",)))

    def test_an_empty_result_is_a_failure(self) -> None:
        with self.assertRaisesRegex(Failure, "gave nothing"):
            perform(Shout(), b"empty", "txt", {}, seconds=5)

    def test_refusals_pass_through(self) -> None:
        with self.assertRaisesRegex(InputError, "a.txt: it is bad"):
            perform(Shout(), b"bad", "txt", {}, seconds=5, name="a.txt")

    def test_the_time_limit_leaves_no_process(self) -> None:
        before = sleeping()
        start = time.monotonic()
        with self.assertRaisesRegex(TimeLimit, "not done within 1 s"):
            perform(Shout(), b"sleep", "txt", {}, seconds=1)
        self.assertLess(time.monotonic() - start, 4)
        time.sleep(0.2)
        self.assertEqual(sleeping(), before)


if __name__ == "__main__":
    unittest.main()
