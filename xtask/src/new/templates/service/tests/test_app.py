import unittest

from app import answer


class Answer(unittest.TestCase):
    def test_health(self) -> None:
        self.assertEqual(answer("/health"), (200, b"ok\n"))

    def test_other_paths(self) -> None:
        self.assertEqual(answer("/")[0], 404)
