import subprocess
import sys
import unittest


class Program(unittest.TestCase):
    def test_it_says_its_name(self) -> None:
        done = subprocess.run([sys.executable, "-m", "app"], capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "@ID@\n")
