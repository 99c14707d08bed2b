"""The bot as an HTTP service: `GET /health`, and `POST /ask` with the question as the body."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bot import __version__
from bot.matching import Matcher, backend

LONGEST_QUESTION = 4096  # bytes


def handler(matcher: Matcher) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/health":
                self.say(200, {"status": "ok", "version": __version__, "backend": backend()})
            else:
                self.say(404, {"error": "there is GET /health and POST /ask"})

        def do_POST(self) -> None:
            if self.path != "/ask":
                self.say(404, {"error": "there is GET /health and POST /ask"})
                return
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal() or int(length) > LONGEST_QUESTION:
                self.say(413, {"error": f"a question has at most {LONGEST_QUESTION} bytes"})
                return
            question = self.rfile.read(int(length)).decode("utf-8", "replace")
            self.say(200, {"answer": matcher.answer(question)})

        def say(self, status: int, content: dict[str, object]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def serve(matcher: Matcher, port: int) -> None:
    with ThreadingHTTPServer(("", port), handler(matcher)) as server:
        server.serve_forever()
