import json
import threading
import unittest
import urllib.error
import urllib.request
from http.server import ThreadingHTTPServer

from chai1_server.__main__ import Handler
from chai1_server.fasta import Wrong, check

GOOD = ">protein|name=a\nMKTAYIAK\nQRQISFVK\n>ligand|name=b\nCC(=O)O\n"


class Fasta(unittest.TestCase):
    def test_sequences_are_counted(self):
        self.assertEqual(check(GOOD), 2)

    def test_what_is_wrong_is_said_with_its_line(self):
        for text, said in [
            ("", "no sequence"),
            ("MKT\n", "line 1: a sequence before"),
            (">protein\nMKT\n", "line 1: write >KIND"),
            (">lipid|name=a\nMKT\n", "line 1: write >KIND"),
            (">dna|name=a\nACGU\n", "line 2: 'U' is in no dna"),
            (">rna|name=a\n>rna|name=b\nA\n", "line 2: the entry before"),
            (">rna|name=a\n", "the last entry"),
        ]:
            with self.assertRaises(Wrong) as wrong:
                check(text)
            self.assertIn(said, str(wrong.exception))


class Http(unittest.TestCase):
    def setUp(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.addCleanup(self.server.server_close)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.shutdown)

    def ask(self, path, data=None):
        address = f"http://127.0.0.1:{self.server.server_port}{path}"
        try:
            with urllib.request.urlopen(address, data) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)

    def test_health(self):
        status, said = self.ask("/health")
        self.assertEqual((status, said["status"]), (200, "ok"))

    def test_refusals(self):
        self.assertEqual(self.ask("/nothing")[0], 404)
        self.assertEqual(self.ask("/fold", b"MKT")[0], 400)
        self.assertEqual(self.ask("/fold", b"x" * 70_000)[0], 413)

    def test_without_the_model_it_says_so(self):
        self.assertEqual(self.ask("/fold", GOOD.encode())[0], 501)


if __name__ == "__main__":
    unittest.main()
