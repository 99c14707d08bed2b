"""Reads IN and writes OUT, and says how to mend it where the container's user may not.

A container sees the numbers of users, not their names, and the folder under the name it was
mounted at: messages give the numbers, and the line to type on the machine outside.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from clm_common.worker import Failure, UsageError

STREAM = "-"
"""As IN, standard input; as OUT, standard output."""


def read(name: str) -> bytes:
    """The input's content, or `Failure`."""
    if name == STREAM:
        return sys.stdin.buffer.read()
    path = Path(name).absolute()
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise Failure(
            f"there is no {path} in the container; mount its folder: docker run --rm -v DIR:{path.parent} …"
        ) from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder, not a file") from None
    except PermissionError:
        raise Failure(f"cannot read {path}: {_refusal(path, os.R_OK)}") from None
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror}") from None


def check_writable(name: str) -> None:
    """Raises `Failure` where `write` would, before any work is done."""
    if name == STREAM:
        return
    path = Path(name).absolute()
    if os.path.isdir(path):  # unlike Path.is_dir, never an error
        raise UsageError(f"{path} is a folder, not a file")
    if not _reachable(path.parent):
        raise Failure(f"cannot write {path}: {_refusal(path.parent, os.W_OK)}")
    if not os.path.isdir(path.parent):
        raise Failure(f"cannot write {path}: there is no folder {path.parent} in the container")
    if os.access(path.parent, os.W_OK | os.X_OK) or (path.exists() and os.access(path, os.W_OK)):
        return
    if os.statvfs(path.parent).f_flag & os.ST_RDONLY:
        raise Failure(f"cannot write {path}: {path.parent} is mounted read-only; leave out :ro or --read-only")
    raise Failure(f"cannot write {path}: {_refusal(path.parent, os.W_OK)}")


def write(name: str, content: bytes) -> None:
    """The whole of OUT, or no change to it."""
    if name == STREAM:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    path = Path(name).absolute()
    try:
        if not os.access(path.parent, os.W_OK | os.X_OK):
            path.write_bytes(content)  # the file may be written, its folder may not
            return
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            os.chmod(temporary, _mode(path))
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}") from None


def _mode(path: Path) -> int:
    with suppress(OSError):
        return stat.S_IMODE(path.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _reachable(folder: Path) -> bool:
    return all(os.access(part, os.X_OK) for part in [*reversed(folder.parents), folder] if _exists(part))


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True


def _mounted(folder: Path) -> bool:
    """Whether `folder` comes from outside the container."""
    return folder.stat().st_dev != Path("/").stat().st_dev


def _refusal(path: Path, wanted: int) -> str:
    """Which part of `path` refuses, to whom, and the line that mends it."""
    needs = [(part, os.X_OK) for part in reversed(path.parents)]
    needs.append((path, wanted | os.X_OK if os.path.isdir(path) else wanted))
    culprit = next((part for part, need in needs if _exists(part) and not os.access(part, need)), path)
    info = culprit.stat()
    if os.path.isdir(culprit) and not _mounted(culprit):
        return f"nothing is mounted there. Mount your folder: docker run --rm -v DIR:{culprit} …"
    what, letters = ("DIR", "rx") if os.path.isdir(culprit) else ("FILE", "r")
    if wanted == os.W_OK:
        letters = "rwx"
    me = f"{os.getuid()}:{os.getgid()}"
    owner = f"{info.st_uid}:{info.st_gid}"
    # Naming root as the user to run as would undo what the image is careful about.
    mend = (
        f"on your machine, give it to this user, chown {me} {what}, or to all, chmod a+{letters} {what}"
        if info.st_uid == 0
        else f"run as its owner, docker run --user {owner} …, or, on your machine, chmod a+{letters} {what}"
    )
    return (
        f"{culprit} belongs to {owner} with mode {stat.S_IMODE(info.st_mode):03o}, and this runs as {me}.\n"
        f"Mend: {mend}.\n"
        "Or mount nothing: docker run --rm -i IMAGE convert - - --to FORMAT < IN > OUT"
    )
