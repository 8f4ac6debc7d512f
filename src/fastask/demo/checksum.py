r"""SHA-256 and line count of every file of a tree, side by side or one by one.

Both ways make the same digest: SHA-256 over `path\0digest\n` of each file in the
order of `walk`, with `failed` in the place of the digest of an unreadable file.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import fastask

CHUNK = 1 << 18
LISTED_FAILURES = 20


class AbandonedError(Exception):
    """A file that nobody waits for any more: the thread reading it gives up."""


@dataclass(frozen=True, slots=True)
class FileSum:
    """What was found out about one file."""

    path: str
    digest: str
    size: int
    lines: int


@dataclass(slots=True)
class Total:
    """The sum over all files so far; add in the order of `walk`."""

    files: int = 0
    size: int = 0
    lines: int = 0
    failed: int = 0
    late: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    @property
    def digest(self) -> str:
        """The digest over everything added, as hexadecimal digits."""
        return self._hash.hexdigest()

    def add(self, file: FileSum) -> None:
        """Count a file that was read."""
        self.files += 1
        self.size += file.size
        self.lines += file.lines
        self._enter(file.path, file.digest)

    def fail(self, path: str, reason: object) -> None:
        """Count a file that was not read; the first ones are kept for the report."""
        self.failed += 1
        self.late += is_late(reason)
        if len(self.failures) < LISTED_FAILURES:
            self.failures.append((path, explain(reason)))
        self._enter(path, "failed")

    def _enter(self, path: str, result: str) -> None:
        self._hash.update(os.fsencode(path) + b"\0" + result.encode() + b"\n")


@dataclass(frozen=True, slots=True)
class Limits:
    """How many files are read at a time (None: CPU count), how long each may take."""

    concurrency: int | None
    seconds: float


def is_late(reason: object) -> bool:
    """Whether a file failed because its time was over."""
    return reason == fastask.TIMEOUT or isinstance(reason, AbandonedError)


def explain(reason: object) -> str:
    """Say in a few words why a file was not read."""
    if is_late(reason):
        return "over the time limit"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    if isinstance(reason, BaseException):
        return f"{type(reason).__name__}: {reason}"
    return str(reason)


def walk(root: str) -> Iterator[str]:
    """Yield the path, relative to `root`, of every regular file, sorted and lazily.

    Symbolic links are not followed. A directory that cannot be listed is yielded as
    if it were a file: opening it fails as well, and says why.

    Args:
        root: The directory to start at.

    Yields:
        Relative paths with `/` between their parts; a directory's entries in the
        order of their names, a subdirectory's in its place.
    """
    pending = [("", True)]
    while pending:
        path, is_directory = pending.pop()
        if not is_directory:
            yield path
            continue
        try:
            entries = _list(root, path)
        except OSError:
            yield path or "."
        else:
            pending.extend(reversed(entries))


def _list(root: str, directory: str) -> list[tuple[str, bool]]:
    found = []
    with os.scandir(os.path.join(root, directory)) as entries:
        for entry in entries:
            is_directory = entry.is_dir(follow_symlinks=False)
            if is_directory or entry.is_file(follow_symlinks=False):
                path = f"{directory}/{entry.name}" if directory else entry.name
                found.append((path, is_directory))
    return sorted(found)


def read_file(
    path: str,
    root: str,
    seconds: float | None = None,
    stopped: threading.Event | None = None,
) -> FileSum:
    """Read one file and return its digest, size and number of line ends.

    A thread cannot be killed with its task, so it looks up between two chunks.

    Args:
        path: The file, relative to `root`.
        root: The directory of the tree.
        seconds: Give up after this many, None never.
        stopped: Give up once this is set.

    Returns:
        What was found.

    Raises:
        AbandonedError: If the time is over or `stopped` was set.
        OSError: If the file cannot be read.
    """
    end = None if seconds is None else time.monotonic() + seconds
    digest = hashlib.sha256()
    size = lines = 0
    with open(os.path.join(root, path), "rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            if end is not None and time.monotonic() > end:
                raise AbandonedError(path)
            if stopped is not None and stopped.is_set():
                raise AbandonedError(path)
            digest.update(chunk)
            size += len(chunk)
            lines += chunk.count(b"\n")
    return FileSum(path, digest.hexdigest(), size, lines)


async def read_tree(
    root: str, limits: Limits, on_progress: Callable[[Total], None]
) -> Total:
    """Read every file below `root` in worker threads, several at a time.

    A file that cannot be read or takes too long becomes a failure of the total and
    stops nothing.

    Args:
        root: The directory to start at.
        limits: How many at a time, and how long each.
        on_progress: Called with the total so far after each file.

    Returns:
        The total.
    """
    # A stream's tasks are linked to their consumer: one that does not trap exits
    # would die of the first unreadable file.
    fastask.trap_exit(True)
    total = Total()
    stopped = threading.Event()
    try:
        async with _stream(root, limits, stopped) as stream:
            async for result in stream:
                _count(total, result)
                on_progress(total)
    finally:
        stopped.set()
    return total


def _stream(
    root: str, limits: Limits, stopped: threading.Event
) -> fastask.Stream[FileSum]:
    return fastask.async_stream(
        walk(root),
        read_file,
        root,
        limits.seconds,
        stopped,
        max_concurrency=limits.concurrency,
        timeout=limits.seconds,
        on_timeout="kill_task",
        zip_input_on_exit=True,
    )


def _count(total: Total, result: fastask.Ok[FileSum] | fastask.Failed) -> None:
    match result:
        case fastask.Ok(file):
            total.add(file)
        case fastask.Failed((path, reason)):
            total.fail(str(path), reason)


def read_tree_one_by_one(root: str) -> Total:
    """Read every file below `root`, one after the other, without fastask.

    Args:
        root: The directory to start at.

    Returns:
        The total; its digest equals that of `read_tree` on an unchanged tree.
    """
    total = Total()
    for path in walk(root):
        try:
            total.add(read_file(path, root))
        except Exception as error:
            total.fail(path, error)
    return total
