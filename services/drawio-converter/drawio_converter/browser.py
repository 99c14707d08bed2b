"""A headless Chromium for one job, spoken to over its DevTools pipe.

A pipe needs no port, so that jobs do not meet; and there is no network for it, by its own flags.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clm_common import Failure, Job, process

CHROMIUM = "chromium-headless-shell"
FLAGS = (
    "--remote-debugging-pipe",
    # Chromium's own sandbox needs user namespaces, which Docker's default profile refuses. The
    # container is the sandbox: no network is used, and no script of a diagram runs (page.html).
    "--no-sandbox",
    "--no-zygote",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--no-first-run",
    "--mute-audio",
    "--hide-scrollbars",
    "--font-render-hinting=none",
    "--force-color-profile=srgb",
    "--proxy-server=http://127.0.0.1:9",
    "--proxy-bypass-list=<-loopback>",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
# Chromium wants the pipe's ends as 3 and 4; a thread cannot promise these numbers to its child.
EXEC_ON_3_AND_4 = (
    "import fcntl, os, sys\n"
    "r, w = (fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3])\n"
    "os.dup2(r, 3); os.dup2(w, 4)\n"
    "os.execvp(sys.argv[3], sys.argv[3:])"
)


class ScriptError(Failure):
    """What a script threw, with its trace."""


class Tab:
    """One page of the browser."""

    def __init__(self, job: Job, read: int, write: int, log: Path) -> None:
        self._job = job
        self._log = log
        self._read = read
        self._write = write
        self._buffer = b""
        self._last = 0
        self._session: str | None = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._call("Inspector.enable")  # says when the page's process dies, for which calls would wait

    def load(self, html: str) -> None:
        """Makes `html` the page's document."""
        frame = self._call("Page.getFrameTree")["frameTree"]["frame"]["id"]
        self._call("Page.setDocumentContent", frameId=frame, html=html)

    def evaluate(self, script: str) -> Any:
        """The value of `script`, or `ScriptError`."""
        answer = self._call(
            "Runtime.evaluate", expression=script, returnByValue=True, allowUnsafeEvalBlockedByCSP=False
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise ScriptError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def screenshot(self, width: int, height: int, scale: float) -> str:
        """The page's upper left as PNG, in base64."""
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        answer = self._call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=False)
        return str(answer["data"])

    def _call(self, method: str, **parameters: object) -> dict[str, Any]:
        self._last += 1
        message: dict[str, object] = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._send(json.dumps(message).encode() + b"\0")
        while True:
            answer = json.loads(self._receive())
            if answer.get("method") == "Inspector.targetCrashed":
                raise self._ended()
            if answer.get("id") != self._last:
                continue  # an event
            if "error" in answer:
                raise Failure(f"Chromium refused {method}: {answer['error'].get('message')}")
            result: dict[str, Any] = answer["result"]
            return result

    def _send(self, data: bytes) -> None:
        try:
            while data:
                self._wait([], [self._write])
                data = data[os.write(self._write, data[:65536]) :]
        except BrokenPipeError:
            raise self._ended() from None

    def _receive(self) -> bytes:
        while b"\0" not in self._buffer:
            self._wait([self._read], [])
            chunk = os.read(self._read, 1 << 20)
            if not chunk:
                raise self._ended()
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return message

    def _ended(self) -> Failure:
        last = self._log.read_text(errors="replace").strip().splitlines()[-5:]
        return Failure("\n    ".join(["Chromium ended before it answered; often for want of memory", *last]))

    def _wait(self, reading: list[int], writing: list[int]) -> None:
        try:
            ready = select.select(reading, writing, [], self._job.deadline.remaining())
        except TimeoutError:
            raise self._job.deadline_passed() from None
        if not any(ready):
            raise self._job.deadline_passed()


@contextmanager
def tab(job: Job) -> Iterator[Tab]:
    """A page in a browser of its own, which ends with the block."""
    to_child, our_write = os.pipe()
    our_read, from_child = os.pipe()
    os.set_blocking(our_write, False)
    command = [sys.executable, "-I", "-S", "-c", EXEC_ON_3_AND_4, str(to_child), str(from_child), CHROMIUM]
    log = job.scratch / "chromium.log"
    try:
        with (
            log.open("wb") as stderr,
            process.started(
                [*command, *FLAGS, f"--user-data-dir={job.scratch / 'profile'}", "about:blank"],
                folder=job.scratch,
                environment=job.environment(),
                stdout=subprocess.DEVNULL,
                stderr=stderr.fileno(),
                pass_fds=(to_child, from_child),
            ),
        ):
            os.close(to_child)
            to_child = -1
            os.close(from_child)
            from_child = -1
            yield Tab(job, our_read, our_write, log)
    finally:
        for descriptor in (to_child, from_child, our_read, our_write):
            if descriptor >= 0:
                os.close(descriptor)
