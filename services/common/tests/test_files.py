from __future__ import annotations

import os
import stat
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from clm_common import Failure, UsageError, files


class Files(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_writes_whole_and_readable_files(self) -> None:
        out = self.folder / "out.txt"
        files.write(str(out), b"one")
        self.assertEqual(out.read_bytes(), b"one")
        mask = os.umask(0)
        os.umask(mask)
        self.assertEqual(stat.S_IMODE(out.stat().st_mode), 0o666 & ~mask)
        out.chmod(0o640)
        files.write(str(out), b"two")
        self.assertEqual((out.read_bytes(), stat.S_IMODE(out.stat().st_mode)), (b"two", 0o640))
        self.assertEqual([path.name for path in self.folder.iterdir()], ["out.txt"])

    def test_what_is_not_there(self) -> None:
        with self.assertRaisesRegex(Failure, f"there is no {self.folder}/in.txt in the container"):
            files.read(str(self.folder / "in.txt"))
        with self.assertRaisesRegex(Failure, f"there is no folder {self.folder}/no in"):
            files.check_writable(str(self.folder / "no" / "out.txt"))

    def test_folders_are_no_files(self) -> None:
        for action in [files.read, files.check_writable]:
            with self.assertRaisesRegex(UsageError, "is a folder"):
                action(str(self.folder))

    def test_a_refusal_names_owner_mode_and_mend(self) -> None:
        # Root may do everything: what another user would be told is asked for with its answers.
        self.folder.chmod(0o700)
        info = self.folder.stat()
        message = self.refusal(mounted=True)
        self.assertIn(f"{self.folder} belongs to {info.st_uid}:{info.st_gid} with mode 700", message)
        self.assertIn("this runs as 1000:", message)
        self.assertIn("chown 1000:" if info.st_uid == 0 else f"--user {info.st_uid}:", message)

    def test_a_folder_that_is_not_mounted_is_said_to_be(self) -> None:
        self.assertIn(f"docker run --rm -v DIR:{self.folder}", self.refusal(mounted=False))

    def refusal(self, *, mounted: bool) -> str:
        with (
            mock.patch("os.access", lambda path, mode: Path(path) != self.folder),
            mock.patch("os.getuid", lambda: 1000),
            mock.patch("clm_common.files._mounted", lambda folder: mounted),
            self.assertRaises(Failure) as caught,
        ):
            files.check_writable(str(self.folder / "out.txt"))
        return str(caught.exception)


if __name__ == "__main__":
    unittest.main()
