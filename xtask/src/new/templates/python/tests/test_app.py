import subprocess
import sys
import unittest


class Program(unittest.TestCase):
    def test_it_prints_its_arguments(self) -> None:
        done = subprocess.run([sys.executable, "-m", "app", "a", "b"], capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "a b\n")
