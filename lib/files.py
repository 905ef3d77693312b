"""Files: written whole or not at all, always in UTF-8; and locks, so that two commands do not write into one folder."""

import contextlib
import json
import os
from pathlib import Path

from lib.errors import BookError


class Busy(BookError):
    """Another command holds the lock."""

    code = 2


def write_bytes(path: Path, data: bytes) -> None:
    """Write the file whole or not at all: another process sees the old one or the new one. OSError if it cannot."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")  # of its own: two processes may write the same file
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, data) -> None:
    write_text(path, json.dumps(data, indent=2) + "\n")


def read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def read_json(path: Path):
    return json.loads(read_text(path))


@contextlib.contextmanager
def lock(path: Path, busy: str | None = None):
    """Hold the lock of this file, which is made if need be; the system takes it back however the process ends.

    busy: what to say, as `Busy`, if another process has it; None: wait for it. OSError if the file cannot be made, or
    where the file system knows no locks.
    """
    import filelock

    held = filelock.FileLock(path, timeout=-1 if busy is None else 0, fallback_to_soft=False)
    try:
        held.acquire()
    except filelock.Timeout:
        raise Busy(busy) from None
    try:
        yield
    finally:
        held.release()
