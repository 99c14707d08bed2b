from __future__ import annotations

import contextlib
import http.client
import io
import json
import socket
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from clm_common.server import Limits, Service
from tests.example import Shout


class Http(unittest.TestCase):
    def setUp(self) -> None:
        self.service = Service(Shout(), "127.0.0.1", 0, Limits(jobs=2, bytes=1000, seconds=5))
        threading.Thread(target=self.service.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.addCleanup(self.service.server_close)
        self.addCleanup(self.service.shutdown)
        log = contextlib.redirect_stderr(io.StringIO())
        log.__enter__()
        self.addCleanup(log.__exit__, None, None, None)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, dict[str, str]]:
        connection = http.client.HTTPConnection(*self.service.server_address[:2], timeout=10)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            fields = dict(answer.getheaders())
            value = json.loads(content) if content and fields["Content-Type"] == "application/json" else content
            return answer.status, value, fields

    def test_health(self) -> None:
        status, value, _ = self.ask("GET", "/health")
        self.assertEqual((status, value["status"], value["service"]), (200, "ok", "shout"))
        self.assertEqual(self.ask("HEAD", "/health")[:2], (200, b""))

    def test_describes_itself(self) -> None:
        _, value, _ = self.ask("GET", "/")
        self.assertEqual(list(value["formats"]), ["txt", "html"])
        self.assertEqual(value["options"]["times"]["default"], 1)

    def test_converts(self) -> None:
        status, value, fields = self.ask("POST", "/convert?to=txt&times=2", b"warn")
        self.assertEqual((status, value), (200, b"WARNWARN"))
        self.assertEqual(fields["Content-Type"], "text/plain; charset=utf-8")
        self.assertEqual(json.loads(fields["X-Clm-Warnings"]), ["heard: Größe"])
        self.assertEqual(self.ask("POST", "/convert?quiet", b"HI", Accept="image/x, text/html;q=0.9")[1], b"hi")

    def test_refuses(self) -> None:
        for method, path, body, status, kind, message in [
            ("POST", "/convert?to=txt", b"bad", 422, "input", "input: it is bad"),
            ("POST", "/convert?to=txt&timeout=0.5", b"sleep", 504, "time limit", "not done within 0.5 s"),
            ("POST", "/convert?to=txt", b"bug", 500, "conversion", "internal error"),
            ("POST", "/convert?to=pdf", b"x", 400, "usage", "cannot convert to 'pdf'"),
            ("POST", "/convert", b"x", 400, "usage", "which format?"),
            ("POST", "/convert?to=txt&tims=1", b"x", 400, "usage", "unknown option 'tims'"),
            ("POST", "/convert?to=txt&timeout=99", b"x", 400, "usage", "timeout must be at least 0.1 and at most 5"),
            ("POST", "/convert?to=txt", b"", 400, "request", "the body is empty"),
            ("POST", "/convert?to=txt", b"x" * 1001, 413, "request", "the most is 1,000"),
            ("GET", "/convert", None, 405, "request", "/convert takes POST"),
            ("POST", "/health", b"", 405, "request", "/health takes GET"),
            ("GET", "/no", None, 404, "request", "there is no /no"),
        ]:
            with self.subTest(path=path, body=body and body[:10]):
                got, value, _ = self.ask(method, path, body)
                self.assertEqual((got, value["error"]["kind"]), (status, kind))
                self.assertIn(message, value["error"]["message"])
                self.assertNotIn("secret", value["error"]["message"])

    def test_a_body_needs_its_length(self) -> None:
        status, value, _ = self.ask("POST", "/convert?to=txt", iter([b"x"]))
        self.assertEqual((status, value["error"]["kind"]), (411, "request"))

    def test_refuses_what_is_too_large_before_it_is_sent(self) -> None:
        with socket.create_connection(self.service.server_address[:2], timeout=5) as connection:
            connection.sendall(
                b"POST /convert?to=txt HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n"
            )
            self.assertTrue(connection.recv(100).startswith(b"HTTP/1.1 413 "))

    def test_a_client_that_sends_first_still_sees_the_answer(self) -> None:
        for path, status in [("/convert?to=txt", 413), ("/no", 404)]:
            self.assertEqual(self.ask("POST", path, b"x" * 20_000_000)[0], status)

    def test_one_connection_takes_several_requests(self) -> None:
        connection = http.client.HTTPConnection(*self.service.server_address[:2], timeout=10)
        with contextlib.closing(connection):
            for body, status in [(b"a", 200), (b"bad", 422), (b"b", 200)]:
                connection.request("POST", "/convert?to=txt", body)
                answer = connection.getresponse()
                answer.read()
                self.assertEqual((answer.status, answer.will_close), (status, False))

    def test_runs_as_many_as_allowed_and_refuses_a_crowd(self) -> None:
        def post(_: int) -> int:
            return self.ask("POST", "/convert?to=txt&timeout=0.3", b"sleep")[0]

        start = time.monotonic()
        with ThreadPoolExecutor(40) as pool:
            statuses = list(pool.map(post, range(6)))
            self.assertEqual(statuses, [504] * 6)
            self.assertGreater(time.monotonic() - start, 0.8)  # three rounds of two
            statuses = list(pool.map(post, range(40)))
        self.assertEqual(set(statuses), {503, 504})
        self.assertEqual(self.ask("POST", "/convert?to=txt", b"on")[1], b"ON")


if __name__ == "__main__":
    unittest.main()
