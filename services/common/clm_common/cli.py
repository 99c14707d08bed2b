"""The command line of every service: `convert IN OUT` and `serve`.

Exit status: 0 done, 1 the conversion failed, 2 usage, 130 and 143 interrupted.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from clm_common import files, server
from clm_common.worker import VERSION, Failure, Option, UsageError, Value, Worker, perform


def main(worker: Worker, arguments: Sequence[str] | None = None) -> int:
    """Parses, dispatches, and prints errors: the one place that does."""
    signal.signal(signal.SIGTERM, _terminate)
    parsed = _parser(worker).parse_args(arguments)
    try:
        if parsed.command == "serve":
            limits = server.Limits(jobs=parsed.jobs, bytes=parsed.max_bytes, seconds=parsed.timeout)
            return server.serve(worker, parsed.host, parsed.port, limits)
        return _convert(worker, parsed)
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return failure.exit
    except KeyboardInterrupt:
        return 130


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    # An exception, so that `finally` blocks kill the children.
    raise SystemExit(143)


def _convert(worker: Worker, parsed: argparse.Namespace) -> int:
    start = time.monotonic()
    to = worker.format(parsed.to or _extension(parsed.output))
    files.check_writable(parsed.output)
    source = files.read(parsed.input)
    piped = parsed.input == files.STREAM
    output = perform(
        worker,
        source,
        to,
        {option.name: getattr(parsed, _attribute(option)) for option in worker.options},
        seconds=parsed.timeout,
        name="input" if piped else Path(parsed.input).name,
        folder=None if piped else Path(parsed.input).absolute().parent,
    )
    files.write(parsed.output, output.content)
    for warning in output.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if parsed.output != files.STREAM:
        seconds = time.monotonic() - start
        print(f"wrote {parsed.output} ({len(output.content):,} bytes, {seconds:.1f} s)", file=sys.stderr)
    return 0


def _extension(output: str) -> str:
    suffix = Path(output).suffix
    if output == files.STREAM or not suffix:
        raise UsageError(f"{output!r} does not name a format; say which with --to")
    return suffix


def _attribute(option: Option) -> str:
    return option.name.replace("-", "_")


def _parser(worker: Worker) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=worker.name, description=worker.description, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"{worker.name} {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    formats = ", ".join(worker.formats)

    convert = commands.add_parser("convert", help="convert one file", allow_abbrev=False)
    convert.add_argument("input", metavar="IN", help="the file to convert; - is standard input")
    convert.add_argument(
        "output",
        metavar="OUT",
        help=f"where to write it; its extension names the format: {formats}; - is standard output",
    )
    convert.add_argument("--to", metavar="FORMAT", help=f"the format ({formats}), where OUT does not name it")
    for option in worker.options:
        _add(convert, option)

    serve = commands.add_parser("serve", help="serve conversions over HTTP", allow_abbrev=False)
    serve.add_argument("--host", default="0.0.0.0", help="the address to listen on (default: all)")
    _add(serve, Option("port", "the port to listen on; 0 takes a free one", 8000, 0, 65535))
    _add(serve, Option("jobs", "conversions at one time", os.cpu_count() or 1, 1))
    _add(serve, Option("max-bytes", "the largest input", 32 * 1024 * 1024, 1))

    limit = Option("timeout", "the most seconds of one conversion", float(worker.timeout), 0.1, 86400)
    _add(convert, limit)
    _add(serve, limit)
    return parser


def _add(parser: argparse.ArgumentParser, option: Option) -> None:
    flag = f"--{option.name}"
    if isinstance(option.default, bool):
        parser.add_argument(flag, action="store_true", help=option.help)
        return

    def parse(text: str) -> Value:
        try:
            return option.parse(text)
        except UsageError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    parser.add_argument(
        flag, type=parse, default=option.default, metavar="N", help=f"{option.help} (default: {option.default:g})"
    )
