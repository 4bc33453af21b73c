"""A line of the log: processors that filter and render it, and the thread that writes it.

A log may be a full disk, a pipe whose reader is slow or gone, or a closed file. None of that may
delay or end a request, a call or a process. A line that cannot be written is dropped and counted.
The next line that can be written is preceded by one that reports the number of dropped lines.
"""

import atexit
import os
import select
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, lru_cache, partial
from queue import Empty, SimpleQueue
from types import MappingProxyType
from typing import Any, Final, Literal, Self

import msgspec
import structlog
from structlog.typing import EventDict, Processor

from otpvoice.logs.events import COMMON_FIELDS, EVENTS, EXCEPTION_FIELDS, FIELDS
from otpvoice.logs.exceptions import describe
from otpvoice.logs.field_types import REDACTED, FieldType
from otpvoice.logs.redaction import Redactor

Format = Literal["auto", "json", "console"]

_CAPACITY: Final = 4096
"""Lines that wait in memory: a few seconds of a busy process."""
_WRITE_INTERVAL: Final = 0.005
"""Seconds between two writes. Under load, many lines share one wake-up of the thread."""
_CLOSE_TIMEOUT: Final = 0.5
"""Seconds for waiting lines when the process ends, or when a non-blocking descriptor is full."""
_FORK_TIMEOUT: Final = 0.1
"""Seconds that a fork waits for the thread."""
_SYNONYMS: Final = MappingProxyType({"exception": "error", "warn": "warning"})


class ForeignText(str):
    """Text that a library logged, which the record filter redacts."""

    __slots__ = ()


_Renderers = Mapping[str, Callable[[Any], Any]]


class RecordFilter:
    """A structlog processor after which nothing secret is in the event.

    A line of otpvoice keeps its declared fields, each rendered by its type. Every other field and
    every value that does not fit becomes ``[redacted]``. The result holds only JSON's types.

    Args:
        secrets: values of the settings that no line may hold, in any encoding.
        clients: names that may stand in the field ``client``.
    """

    def __init__(self, secrets: Iterable[str] = (), clients: Collection[str] = ()) -> None:
        self._redactor = Redactor(secrets, clients)
        self._common = self._renderers([*COMMON_FIELDS, *EXCEPTION_FIELDS])
        self._foreign = {**self._common, **self._renderers(["logger"])}
        self._own = {
            name: {**self._common, **self._renderers(event.field_names)}
            for name, event in EVENTS.items()
        }

    def __call__(self, _logger: object, _method: str, event: EventDict) -> EventDict:
        """Return the event as it may be written."""
        name = event.pop("event", "")
        if type(name) is ForeignText:
            renderers: _Renderers = self._foreign
            line: dict[str, Any] = {"event": self._redactor.redact(str.__str__(name))}
        else:
            declared = self._own.get(name) if isinstance(name, str) else None
            renderers = self._common if declared is None else declared
            line = {"event": name if declared is not None else self._redact_key(name)}
        for field, value in event.items():
            render = renderers.get(field)
            if render is None:
                line[self._redact_key(field)] = REDACTED
                continue
            try:
                line[field] = None if value is None else render(value)
            except Exception:  # noqa: BLE001 - a value that cannot be read loses only itself
                line[field] = REDACTED
        return line

    def _renderers(self, fields: Iterable[str]) -> _Renderers:
        return {field: self._renderer(FIELDS[field]) for field in fields}

    def _renderer(self, field_type: FieldType) -> Callable[[Any], Any]:
        render = partial(field_type.render, self._redactor)
        return lru_cache(maxsize=256, typed=True)(render) if field_type.is_cacheable else render

    def _redact_key(self, key: object) -> str:
        """Return the name of an undeclared event or field, which may be anything."""
        return self._redactor.redact(str.__str__(key)) if isinstance(key, str) else REDACTED


def line_renderer(log_format: Format) -> Callable[[Any, str, EventDict], bytes]:
    """Return the processor that renders an event as JSON or in columns."""
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    if log_format == "console" or (log_format == "auto" and is_terminal):
        columns: Processor = structlog.dev.ConsoleRenderer(colors=is_terminal)
        return lambda *event: f"{columns(*event)!s}\n".encode()
    return lambda _logger, _method, event: msgspec.json.encode(event) + b"\n"


def add_timestamp(_logger: object, method: str, event: EventDict) -> EventDict:
    """Add time and level."""
    seconds, microseconds = divmod(time.time_ns() // 1000, 1_000_000)
    timestamp = f"{_format_second(seconds)}.{microseconds:06}Z"
    return {"timestamp": timestamp, "level": _SYNONYMS.get(method, method), **event}


@lru_cache(maxsize=1)
def _format_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def describe_exception(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Replace ``exc_info``, in any of its forms, by the fields of the exception."""
    info = event.pop("exc_info", None)
    error = info if isinstance(info, BaseException) else sys.exception() if info else None
    return {**event, **describe(error)} if error else event


class DropCounter:
    """The number of log lines that this process could not write."""

    def __init__(self) -> None:
        self._subscriber: Callable[[int], object] = lambda _: None
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self.total = 0
        # Reentrant: a destructor or a signal handler may log while this thread holds the lock.
        self._lock = threading.RLock()

    def add(self, lines: int) -> None:
        """Count lines that were dropped."""
        with self._lock:
            self.total += lines
        self._subscriber(lines)

    def subscribe(self, subscriber: Callable[[int], object]) -> None:
        """Call ``subscriber`` now with the total so far, and later with every further number."""
        self._subscriber = subscriber
        subscriber(self.total)


DROPPED: Final = DropCounter()
"""Lines that this process dropped; a forked process starts at 0."""


class LineWriter:
    """Writes lines to one descriptor, in one thread that starts with the first line.

    Args:
        descriptor: an open file, or -1 if there is none.
        render_drop_notice: returns the line that reports a number of dropped lines.
        capacity: number of lines that may wait in memory; further lines are dropped.
    """

    def __init__(
        self,
        descriptor: int,
        render_drop_notice: Callable[[int], bytes] = lambda lines: (
            b"%d log lines were dropped\n" % lines
        ),
        capacity: int = _CAPACITY,
    ) -> None:
        self._descriptor = descriptor
        self._capacity = capacity
        self.render_drop_notice = render_drop_notice
        self._reset()
        # Threads do not survive a fork, and only the parent may write the waiting lines.
        os.register_at_fork(before=partial(self.close, _FORK_TIMEOUT), after_in_child=self._reset)
        atexit.register(self.close)

    def _reset(self) -> None:
        # Its put() is reentrant, so destructors and signal handlers may log.
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._is_running = False
        self._start_lock = threading.RLock()
        self._reported = 0
        self._is_torn = False

    def __call__(self, *_: object) -> Self:
        """Return itself, as structlog's logger factory."""
        return self

    def write(self, line: bytes) -> None:
        """Queue one line, which ends in a newline. Returns at once and raises nothing."""
        if self._queue.qsize() < self._capacity:
            self._queue.put(line)
            if not self._is_running:
                self._start()
        else:
            DROPPED.add(1)

    # structlog calls the method of the level.
    debug = info = warning = error = critical = write

    def close(self, timeout: float = _CLOSE_TIMEOUT) -> None:
        """Write the waiting lines, for ``timeout`` seconds at most."""
        thread = self._thread
        if self._is_running and thread is not None:
            self._queue.put(None)
            thread.join(timeout)

    def _start(self) -> None:
        with self._start_lock:
            if self._is_running:
                return
            self._is_running = True
        thread = threading.Thread(target=self._run, name="log", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no thread can start: the process is ending, or has too many
            self._is_running = False
        else:
            self._thread = thread

    def _run(self) -> None:
        is_open = True
        while is_open:
            lines, is_open = self._next_batch()
            self._write_lines(lines)
            if is_open:
                time.sleep(_WRITE_INTERVAL)
        self._is_running = False
        if not self._queue.empty():  # a line arrived just before that
            self._start()

    def _next_batch(self) -> tuple[list[bytes], bool]:
        """Wait for a line. Return it with those that follow it, and whether to continue."""
        lines: list[bytes] = []
        line = self._queue.get()
        while line is not None:
            lines.append(line)
            try:
                line = self._queue.get_nowait()
            except Empty:
                return lines, True
        return lines, False

    def _write_lines(self, lines: Sequence[bytes]) -> None:
        for chunk in _chunks(lines):
            unreported = DROPPED.total - self._reported
            if unreported and self._write_batch([self.render_drop_notice(unreported)]) == 0:
                self._reported += unreported
            if lost := self._write_batch(chunk):
                DROPPED.add(lost)

    def _write_batch(self, lines: Sequence[bytes]) -> int:
        """Write lines. Return the number of those that were not written completely."""
        torn_end = b"\n" * self._is_torn
        data = torn_end + b"".join(lines)
        written = 0
        with suppress(OSError):
            while written < len(data) and (count := self._write_some(data[written:])):
                written += count
        if written:
            self._is_torn = data[written - 1 : written] != b"\n"
        complete = data[:written].count(b"\n") - len(torn_end)
        return len(lines) - max(complete, 0)

    def _write_some(self, data: bytes) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:  # another process that shares the file made it non-blocking
            poll = select.poll()
            poll.register(self._descriptor, select.POLLOUT)
            is_writable = poll.poll(_CLOSE_TIMEOUT * 1000)
            return os.write(self._descriptor, data) if is_writable else 0


@cache
def get_writer(descriptor: int) -> LineWriter:
    """Return the only writer of a descriptor; lines of two writers could mix."""
    return LineWriter(descriptor)


def _chunks(lines: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Group lines so that writing a group to a pipe is atomic among processes (POSIX)."""
    chunk: list[bytes] = []
    size = 0
    for line in lines:
        if chunk and size + len(line) > select.PIPE_BUF:
            yield chunk
            chunk, size = [], 0
        chunk.append(line)
        size += len(line)
    if chunk:
        yield chunk
