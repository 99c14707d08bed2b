"""`python3 -m itwinai run PIPELINE.yaml`, and `info`."""

import argparse
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from itwinai import __version__, frameworks, pipeline


def info() -> None:
    name = frameworks.installed()
    try:
        of_framework = version(name)
    except PackageNotFoundError:
        of_framework = "no version"
    print(f"itwinai {__version__} with {name} {of_framework}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="itwinai")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="say what is installed")
    run = commands.add_parser("run", help="run a pipeline")
    run.add_argument("file", type=Path)
    args = parser.parse_args()
    if args.command == "info":
        info()
        return 0
    import yaml

    try:
        pipeline.run(yaml.safe_load(args.file.read_text()))
    except (OSError, yaml.YAMLError, pipeline.Mistake) as error:
        print(f"error: {args.file}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
