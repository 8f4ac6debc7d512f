"""Codec: values, functions and exit reasons on their way between two nodes.

A message is a value: it is pickled when it is sent, and what the sender does to it
afterwards changes nothing. Processes and refs are named by the session that the value
is written for, and looked up by the one that it is read from.
"""

from __future__ import annotations

import importlib
import os
import pickle
import sys
import threading
import traceback
from collections.abc import Sequence
from hashlib import blake2b
from types import FunctionType, ModuleType
from typing import Any, Protocol

from fastask._core.errors import WorkerError
from fastask._core.process import Process, function_name
from fastask._core.ref import Ref, export_by
from fastask._core.worker import RemoteTraceback
from fastask._nodes.engine import Buffer

MOST_CODE = 1024
"""Functions that either side of a link remembers, those sent last."""

LONGEST_CODE = 64 * 1024
"""Bytes up to which a function is remembered; a longer one is sent each time."""

Encoded = tuple[bytes, list[bytes]]


class Exporter(Protocol):
    """Names what is written, for one node."""

    shares_main: bool

    def takes(self, loop: object) -> bool: ...
    def process(self, process: Process[Any]) -> tuple[Any, ...]: ...
    def ref(self, ref: Ref) -> tuple[Any, ...]: ...
    def define(self, digest: bytes, code: bytes) -> None: ...


class Importer(Protocol):
    """Looks up what is read, from one node."""

    def find_process(self, origin: int, number: int) -> Process[Any]: ...
    def find_ref(self, number: int) -> Ref: ...
    def own_process(self, origin: int, number: int) -> Process[Any]: ...
    def own_ref(self, number: int) -> Ref: ...
    def third_process(
        self, node: str, incarnation: str, origin: int, number: int
    ) -> Process[Any]: ...
    def third_ref(self, node: str, incarnation: str, number: int) -> Ref: ...
    def code(self, digest: bytes) -> bytes: ...


_reading = threading.local()


def _importer() -> Importer:
    importer: Importer | None = getattr(_reading, "importer", None)
    if importer is None:
        raise pickle.UnpicklingError("what another node sent is read by its link only")
    return importer


# What stands in a pickle for a process, a ref and a function.


def theirs(origin: int, number: int) -> Process[Any]:
    """Return what stands for a process of the node that wrote this."""
    return _importer().find_process(origin, number)


def their_ref(number: int) -> Ref:
    """Return what stands for a ref of the node that wrote this."""
    return _importer().find_ref(number)


def ours(origin: int, number: int) -> Process[Any]:
    """Return a process of this node that has come home."""
    return _importer().own_process(origin, number)


def our_ref(number: int) -> Ref:
    """Return a ref of this node that has come home."""
    return _importer().own_ref(number)


def of_third(node: str, incarnation: str, origin: int, number: int) -> Process[Any]:
    """Return what stands for a process of a third node."""
    return _importer().third_process(node, incarnation, origin, number)


def ref_of_third(node: str, incarnation: str, number: int) -> Ref:
    """Return what stands for a ref of a third node."""
    return _importer().third_ref(node, incarnation, number)


def _global(name: str) -> bytes:
    """Return what a pickle has in the place of a function of this module."""
    texts = (__name__.encode(), name.encode())
    return b"".join(b"\x8c" + bytes([len(text)]) + text for text in texts) + b"\x93"


THEIRS, OURS = _global("theirs"), _global("ours")
"""What stands before the numbers of a process, for `fastask._core.term`."""


def code(digest: bytes) -> Any:
    """Return a function whose code was sent before, made anew each time."""
    return pickle.loads(_importer().code(digest))


def raised(error: BaseException, text: str) -> BaseException:
    """Return an exception with the traceback that it had on its node as the cause."""
    if text:
        error.__cause__ = RemoteTraceback(text)
    return error


class _Code:
    """Stands for a function while it is pickled."""

    def __init__(self, digest: bytes) -> None:
        self.digest = digest

    def __reduce__(self) -> tuple[Any, ...]:
        return code, (self.digest,)


class _Raised:
    """Stands for an exception while it is pickled."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> tuple[Any, ...]:
        return raised, (self.error, _text_of(self.error))


def _text_of(error: BaseException) -> str:
    cause = error.__cause__
    if error.__traceback__ is None:
        return cause.text if isinstance(cause, RemoteTraceback) else ""
    return "".join(traceback.format_exception(error))


# Writing.


def dumps(exporter: Exporter, value: object, what: str) -> Encoded:
    """Pickle a value for a node.

    Args:
        exporter: Names processes and refs.
        value: Anything.
        what: What the value is, for the error.

    Raises:
        TypeError: If it, or something in it, cannot be pickled; it names that.
    """
    buffers: list[pickle.PickleBuffer] = []
    before = export_by(exporter)
    try:
        data = pickle.dumps(value, 5, buffer_callback=buffers.append)
        if b"__main__" in data and not exporter.shares_main:
            raise pickle.PicklingError("__main__ of the other node is another one")
    except Exception as error:  # whatever `__reduce__` of a user raises
        del buffers[:]
        data = _dumps_by_value(exporter, value, what, error, buffers)
    finally:
        export_by(before)
    return data, [bytes(buffer.raw()) for buffer in buffers]


def dumps_call(
    exporter: Exporter, head: tuple[Any, ...], fn: object, args: tuple[Any, ...]
) -> Encoded:
    """Pickle a function and its arguments, with what stands before them.

    Raises:
        TypeError: If something of it cannot be pickled; it names that.
    """
    if not _is_local(fn):
        buffers: list[pickle.PickleBuffer] = []
        before = export_by(exporter)
        try:
            data = pickle.dumps((*head, fn, args), 5, buffer_callback=buffers.append)
            if exporter.shares_main or b"__main__" not in data:
                return data, [bytes(buffer.raw()) for buffer in buffers]
        except Exception:  # whatever `__reduce__` of a user raises
            pass  # told below, with what it was
        finally:
            export_by(before)
    name = function_name(fn)
    stands = _code_for(exporter, fn)
    try:
        return dumps(exporter, (*head, stands, args), f"a call of {name}")
    except TypeError:
        dumps(exporter, head, "options")
        for number, argument in enumerate(args, 1):
            dumps(exporter, argument, f"argument {number} of {name}")
        raise


def _is_local(fn: object) -> bool:
    """Tell whether a function is certainly none that can be imported."""
    return type(fn) is FunctionType and "<" in fn.__qualname__


def _code_for(exporter: Exporter, fn: object) -> object:
    if not _is_local(fn):
        before = export_by(exporter)
        try:
            data = pickle.dumps(fn, 5)
            if exporter.shares_main or b"__main__" not in data:
                return fn  # importable
        except Exception:  # whatever `__reduce__` of a user raises
            pass  # by its code, then
        finally:
            export_by(before)
    data = _dumps_by_value(exporter, fn, "fn", None, None)
    if len(data) > LONGEST_CODE:
        return fn
    digest = blake2b(data, digest_size=16).digest()
    exporter.define(digest, data)
    return _Code(digest)


def _cloudpickle() -> ModuleType | None:
    try:
        return importlib.import_module("cloudpickle")
    except ImportError:
        return None


def _dumps_by_value(
    exporter: Exporter,
    value: object,
    what: str,
    error: Exception | None,
    buffers: list[pickle.PickleBuffer] | None,
) -> bytes:
    cloudpickle = _cloudpickle()
    if cloudpickle is None:
        raise TypeError(
            f"{what} must be picklable to travel to another node, got {value!r}: "
            f"{error or 'it is not defined at the top level of a module'} "
            "(functions that are not, and those of __main__, travel where cloudpickle "
            "is installed: pip install 'fastask-otp[cluster]')"
        ) from error
    before = export_by(exporter)
    try:
        data: bytes = cloudpickle.dumps(
            value, 5, None if buffers is None else buffers.append
        )
    except Exception as deeper:  # whatever `__reduce__` of a user raises
        raise TypeError(
            f"{what} must be picklable to travel to another node, got "
            f"{_culprit(exporter, value)!r}: {deeper}"
        ) from deeper
    finally:
        export_by(before)
    return data


def _culprit(exporter: Exporter, value: object) -> object:
    """Return the innermost part of a value that cannot be pickled."""
    parts: Sequence[object] = ()
    if isinstance(value, tuple | list | set | frozenset):
        parts = list(value)
    elif isinstance(value, dict):
        parts = [*value.keys(), *value.values()]
    elif hasattr(value, "__dict__") and not isinstance(value, type):
        parts = list(vars(value).values())
    cloudpickle = _cloudpickle()
    for part in parts:
        before = export_by(exporter)
        try:
            (cloudpickle or pickle).dumps(part, 5)
        except Exception:  # whatever `__reduce__` of a user raises
            return _culprit(exporter, part) if part is not value else value
        finally:
            export_by(before)
    return value


def dumps_reason(exporter: Exporter, head: tuple[Any, ...], reason: object) -> Encoded:
    """Pickle an exit reason, or what tells of it, with what stands before it."""
    if isinstance(reason, BaseException):
        return dumps(exporter, (*head, _portable(exporter, reason)), "reason")
    try:
        return dumps(exporter, (*head, reason), "reason")
    except TypeError:
        text = f"an exit reason that cannot be pickled: {reason!r}"
        return dumps(exporter, (*head, text), "reason")


def _portable(exporter: Exporter, error: BaseException) -> object:
    try:
        data, buffers = dumps(exporter, error, "reason")
        # Many an exception with an `__init__` of its own can be written, not read.
        if type(error).__module__ != "builtins" and type(
            pickle.loads(data, buffers=buffers)
        ) is not type(error):
            raise TypeError("it is read as another one")
    except Exception:  # whatever `__reduce__` or `__init__` of a user raises
        text = traceback.format_exception_only(error)[-1].strip()
        substitute = WorkerError(f"{text}, an exception that cannot be pickled")
        return _Raised(substitute.with_traceback(error.__traceback__))
    return _Raised(error)


# Reading.


def loads(importer: Importer, data: Buffer, buffers: Sequence[Buffer]) -> Any:
    """Return a value that another node sent; raises whatever its classes raise."""
    before = getattr(_reading, "importer", None)
    _reading.importer = importer
    try:
        if buffers:
            return pickle.loads(data, buffers=[_writable(b) for b in buffers])
        return pickle.loads(data)
    finally:
        _reading.importer = before


def _writable(buffer: Buffer) -> Buffer:
    view = memoryview(buffer)
    return bytearray(view) if view.readonly else view


def remember(table: dict[bytes, Any], digest: bytes, value: object) -> None:
    """Keep the last ones only; both sides do so in the same order."""
    while len(table) >= MOST_CODE:
        del table[next(iter(table))]
    table[digest] = value


def main_of_program() -> str:
    """Return what tells this program's `__main__` from another; "" for none."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return f"module {spec.name}"
    file = getattr(main, "__file__", None)
    return "" if file is None else os.path.realpath(file)
