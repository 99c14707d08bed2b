"""`python -m bot --ask QUESTION`, `--serve` or `--discord`."""

import argparse
import os
import signal
import sys

from bot.matching import UNKNOWN, Matcher, read
from bot.server import serve


def main() -> int:
    parser = argparse.ArgumentParser(prog="bot")
    ways = parser.add_mutually_exclusive_group(required=True)
    ways.add_argument("--ask", metavar="QUESTION", help="answer one question")
    ways.add_argument("--serve", action="store_true", help="answer over HTTP")
    ways.add_argument("--discord", action="store_true", help="answer in Discord; DISCORD_TOKEN is the login")
    parser.add_argument("--port", type=int, default=8000)
    args = parser.parse_args()
    # As the first process of a container, Python would not end at `docker stop` otherwise.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    matcher = Matcher(read())
    if args.ask is not None:
        answer = matcher.answer(args.ask)
        print(answer or UNKNOWN)
        return 0 if answer else 1
    if args.serve:
        serve(matcher, args.port)
        return 0
    token = os.environ.get("DISCORD_TOKEN")
    if not token:
        print("error: the variable DISCORD_TOKEN is not set", file=sys.stderr)
        return 2
    from bot.chat import client

    client(matcher).run(token)
    return 0


sys.exit(main())
