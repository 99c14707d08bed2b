"""The HTTP service: `GET /`, `GET /health`, `POST /convert`. The README of this folder is its contract.

A thread a connection, `Limits.jobs` conversions at a time, and no more waiting ones than eight
times as many. Errors are JSON: `{"error": {"kind": …, "message": …}}`.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import NoReturn
from urllib.parse import parse_qsl, urlsplit

from clm_common.worker import VERSION, Failure, Option, UsageError, Value, Worker, perform

WAITING_PER_JOB = 8
IDLE_SECONDS = 60
"""How long a connection may send nothing."""
LINGER_SECONDS = 5
GRACE_SECONDS = 8
"""How long running conversions have at SIGTERM; Docker kills after 10."""


@dataclass(frozen=True)
class Limits:
    jobs: int
    bytes: int
    seconds: float


class Refusal(Failure):
    """A failure of HTTP itself, with its own status."""

    kind = "request"

    def __init__(self, http: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.http = http


class Service(ThreadingHTTPServer):
    """One worker behind HTTP."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, worker: Worker, host: str, port: int, limits: Limits) -> None:
        self.worker = worker
        self.limits = limits
        self.running = 0
        self._slots = threading.Semaphore(limits.jobs)
        self._admitted = 0
        self._count = threading.Lock()
        super().__init__((host, port), Handler)

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """A place in the queue, or `Refusal` at once: memory is bounded by it."""
        with self._count:
            if self._admitted >= self.limits.jobs * (1 + WAITING_PER_JOB):
                raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many conversions are waiting; try again later")
            self._admitted += 1
        try:
            yield
        finally:
            with self._count:
                self._admitted -= 1

    @contextmanager
    def slot(self) -> Iterator[None]:
        """One of the conversions that run, when its turn comes."""
        if not self._slots.acquire(timeout=self.limits.seconds):
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "no conversion ended in time; try again later")
        with self._count:
            self.running += 1
        try:
            yield
        finally:
            with self._count:
                self.running -= 1
            self._slots.release()

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that went away is no news
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def drain(self, seconds: float) -> None:
        """Waits until nothing is admitted, or `seconds` have passed."""
        end = time.monotonic() + seconds
        while self._admitted and time.monotonic() < end:
            time.sleep(0.05)


class Handler(BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"
    server_version = f"clm/{VERSION}"
    sys_version = ""
    timeout = IDLE_SECONDS

    def do_GET(self) -> None:
        worker = self.server.worker
        match urlsplit(self.path).path:
            case "/health":
                self._json(
                    HTTPStatus.OK,
                    {
                        "status": "ok",
                        "service": worker.name,
                        "version": VERSION,
                        "running": self.server.running,
                        "jobs": self.server.limits.jobs,
                    },
                )
            case "/":
                self._json(
                    HTTPStatus.OK,
                    {
                        "service": worker.name,
                        "version": VERSION,
                        "description": worker.description,
                        "formats": dict(worker.formats),
                        "options": {
                            option.name: {"default": option.default, "help": option.help} for option in worker.options
                        },
                        "limits": {"bytes": self.server.limits.bytes, "seconds": self.server.limits.seconds},
                    },
                )
            case "/convert":
                self._refuse(Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "/convert takes POST"), {"Allow": "POST"})
            case path:
                self._refuse(Refusal(HTTPStatus.NOT_FOUND, f"there is no {path}; see /"))

    do_HEAD = do_GET

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        if url.path in {"/", "/health"}:
            self._refuse(Refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"{url.path} takes GET"), {"Allow": "GET, HEAD"})
            return
        if url.path != "/convert":
            self._refuse(Refusal(HTTPStatus.NOT_FOUND, f"there is no {url.path}; see /"))
            return
        try:
            self._convert(url.query)
        except Failure as failure:
            self._refuse(failure)
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception:  # a bug of ours: its trace is for the log, not for the client
            traceback.print_exc()
            self._refuse(Failure("internal error; the service's log has more"))

    def handle_expect_100(self) -> bool:
        """Refuses what is too large before it is sent (RFC 9110, 10.1.1)."""
        try:
            self._length()
        except Failure as failure:
            self._refuse(failure)
            return False
        return super().handle_expect_100()

    def _convert(self, query: str) -> None:
        worker, limits = self.server.worker, self.server.limits
        length = self._length()
        to, seconds, options = read_query(worker, query, self.headers.get("Accept"), limits.seconds)
        with self.server.admitted():
            source = self.rfile.read(length)
            if len(source) < length:
                raise Refusal(HTTPStatus.BAD_REQUEST, f"the body ended after {len(source)} of {length} bytes")
            if not source:
                raise Refusal(HTTPStatus.BAD_REQUEST, "the body is empty; it must be the file to convert")
            self._read_all = True
            with self.server.slot():
                output = perform(worker, source, to, options, seconds=seconds)
        # A header holds Latin-1 and no line ends; JSON's escapes fit both.
        warnings = {"X-Clm-Warnings": json.dumps(output.warnings)} if output.warnings else {}
        self._send(HTTPStatus.OK, worker.formats[to], output.content, warnings)

    def _length(self) -> int:
        text = self.headers.get("Content-Length")
        if text is None:
            raise Refusal(HTTPStatus.LENGTH_REQUIRED, "Content-Length is missing; chunked bodies are not taken")
        if not (text.isascii() and text.isdigit()):
            raise Refusal(HTTPStatus.BAD_REQUEST, f"Content-Length is not a number: {text}")
        if int(text) > self.server.limits.bytes:
            raise Refusal(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the input has {int(text):,} bytes, and the most is {self.server.limits.bytes:,} (serve --max-bytes)",
            )
        return int(text)

    _read_all = False
    """Whether the request's body was read, so that the connection can take another one."""

    def _refuse(self, failure: Failure, headers: dict[str, str] | None = None) -> None:
        if self.command == "POST" and not self._read_all:
            self.close_connection = True
        if failure.http == HTTPStatus.SERVICE_UNAVAILABLE:
            headers = {**(headers or {}), "Retry-After": "5"}
        self._json(failure.http, {"error": {"kind": failure.kind, "message": str(failure)}}, headers)
        if self.command == "POST" and self.close_connection:
            self._linger()

    def _linger(self) -> None:
        """Lets the client send on for a moment: closing at once would reset it before it reads the answer."""
        end = time.monotonic() + LINGER_SECONDS
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while (left := end - time.monotonic()) > 0:
                self.connection.settimeout(left)
                if not self.rfile.read1(1 << 16):
                    break

    def _json(self, status: HTTPStatus, value: object, headers: dict[str, str] | None = None) -> None:
        self._send(status, "application/json", json.dumps(value).encode() + b"\n", headers or {})

    def _send(self, status: HTTPStatus, media_type: str, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Content-Type-Options", "nosniff")
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        self._read_all = False

    def log_message(self, format: str, *arguments: object) -> None:
        if not self.path.startswith("/health"):  # asked every few seconds by whoever watches
            super().log_message(format, *arguments)

    path = ""  # log_message may be called before a request line was read


def read_query(worker: Worker, query: str, accept: str | None, most: float) -> tuple[str, float, dict[str, Value]]:
    """Format, time limit and options of a request, or `UsageError`. A client may shorten the limit only."""
    given = dict(parse_qsl(query, keep_blank_values=True))
    limit = Option("timeout", "", float(most), 0.1, most)
    seconds = float(limit.parse(given.pop("timeout", str(most))))
    to = given.pop("to", None)
    known = {option.name: option for option in worker.options}
    for name in given:
        if name not in known:
            raise UsageError(f"unknown option {name!r}; there are to, timeout{''.join(f', {name}' for name in known)}")
    options = {name: known[name].parse(text) for name, text in given.items()}
    if to is not None:
        return worker.format(to), seconds, options
    for media_type in (accept or "").split(","):
        if "*" not in media_type and media_type.strip():
            try:
                return worker.format(media_type.partition(";")[0]), seconds, options
            except UsageError:
                continue
    raise UsageError(f"which format? Add ?to=FORMAT; {worker.name} gives {', '.join(worker.formats)}")


def serve(worker: Worker, host: str, port: int, limits: Limits) -> int:
    """Serves until SIGTERM or Ctrl-C, then lets running conversions end."""
    try:
        service = Service(worker, host, port, limits)
    except OSError as error:
        raise Failure(f"cannot listen on {host}:{port}: {error.strerror}") from None

    def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    print(f"{worker.name} {VERSION} listens on {host}:{service.server_address[1]}", file=sys.stderr, flush=True)
    with service:
        try:
            service.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            service.drain(GRACE_SECONDS)
    return 0
