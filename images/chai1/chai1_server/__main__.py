"""`GET /health` says what is installed; `POST /fold` takes FASTA and gives the best structure as mmCIF."""

import argparse
import importlib.metadata
import importlib.util
import json
import signal
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from chai1_server import __version__
from chai1_server.fasta import Wrong, check

LONGEST = 64 * 1024  # bytes of a request
# A graphics card holds one model.
FOLDING = threading.Lock()


def version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def health() -> dict[str, object]:
    packages = {name: version_of(name) for name in ("torch", "chai_lab", "biotite")}
    return {"status": "ok", "version": __version__, "packages": packages}


def fold(fasta: str) -> bytes:
    """The best of the model's structures, by its own score."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, "given.fasta"), Path(folder, "made")
        given.write_text(fasta)
        # A process of its own, which gives the card's memory back when it ends.
        command = ["chai-lab", "fold", str(given), str(made)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise RuntimeError(ended.stderr.strip().rpartition("\n")[2] or "chai-lab failed")
        import numpy

        def score(cif: Path) -> float:
            scores = cif.with_name(cif.name.replace("pred.", "scores.")).with_suffix(".npz")
            return float(numpy.load(scores)["aggregate_score"].item())

        return max(made.glob("pred.*.cif"), key=score).read_bytes()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/health":
            self.say(200, health())
        else:
            self.say(404, {"error": "there is GET /health and POST /fold"})

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.path != "/fold":
            return self.say(404, {"error": "there is GET /health and POST /fold"})
        if not length.isdecimal() or int(length) > LONGEST:
            return self.say(413, {"error": f"a request has at most {LONGEST} bytes"})
        fasta = self.rfile.read(int(length)).decode("utf-8", "replace")
        try:
            check(fasta)
        except Wrong as wrong:
            return self.say(400, {"error": str(wrong)})
        if importlib.util.find_spec("chai_lab") is None:
            return self.say(501, {"error": "this image was built without chai_lab"})
        try:
            with FOLDING:
                structure = fold(fasta)
        except (RuntimeError, OSError, ValueError) as error:
            return self.say(500, {"error": str(error)})
        return self.send(200, "chemical/x-mmcif", structure)

    def say(self, status: int, content: dict[str, object]) -> None:
        self.send(status, "application/json", json.dumps(content).encode())

    def send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    parser = argparse.ArgumentParser(prog="chai1_server")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--version", action="version", version=__version__)
    args = parser.parse_args()
    # As the first process of a container, Python would not end at `docker stop` otherwise.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ThreadingHTTPServer(("", args.port), Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
