"""The line writer on real descriptors, each case in a separate process."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from otpvoice.logs.lines import DROPPED, LineWriter

PROGRAM = """
import os, resource, signal, sys, time
from otpvoice.logs.lines import DROPPED, LineWriter
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
writer = LineWriter(fd, render_drop_notice=lambda lines: b"lost %d\\n" % lines)
"""


def run(program: str, path: Path) -> str:
    """Run a program that has a writer to this file, and return the file's text."""
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM + program, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return path.read_text("utf-8")


def test_lines_of_a_process_that_ends_at_once_are_written_in_order(tmp_path: Path) -> None:
    """All lines that fit into the queue are written, without an explicit close."""
    text = run("for n in range(4000): writer.write(b'line %d\\n' % n)", tmp_path / "log")
    assert text == "".join(f"line {n}\n" for n in range(4000))


def test_forked_processes_write_each_line_once(tmp_path: Path) -> None:
    """The parent writes the lines that wait at a fork; lines of several processes do not mix."""
    program = """
for child in range(5):
    writer.write(b"parent %d\\n" % child)
    if os.fork() == 0:
        for n in range(500):
            writer.write(b"child %d line %03d %s\\n" % (child, n, b"x" * 100))
        sys.exit(0)
for _ in range(5):
    assert os.wait()[1] == 0
writer.write(b"end\\n")
"""
    lines = run(program, tmp_path / "log").splitlines()
    expected = [f"child {c} line {n:03} {'x' * 100}" for c in range(5) for n in range(500)]
    assert sorted(lines) == sorted([*(f"parent {n}" for n in range(5)), *expected, "end"])


def test_process_forked_while_the_log_hangs_writes_its_own_lines_only(tmp_path: Path) -> None:
    """The parent's thread cannot end before the fork, and does not exist after it."""
    program = """
reader, full = os.pipe()
hanging = LineWriter(full, render_drop_notice=lambda _: b"")
for n in range(2000): hanging.write(b"parent %04d %s\\n" % (n, b"x" * 90))
child = os.fork()
if child == 0:
    os.close(reader)
    hanging.write(b"child\\n")
    hanging.close(20)
    os._exit(0)
import threading
def take():
    while some := os.read(reader, 65536):
        os.write(fd, some)
taking = threading.Thread(target=take)
taking.start()
assert os.waitpid(child, 0)[1] == 0
hanging.close(20)
os.close(full)
taking.join()
"""
    lines = run(program, tmp_path / "log").splitlines()
    assert sorted(lines) == sorted(["child", *(f"parent {n:04} {'x' * 90}" for n in range(2000))])


def test_line_cut_by_a_full_disk_is_ended_and_counted(tmp_path: Path) -> None:
    program = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
size = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (25, size[1]))
for n in range(5): writer.write(b"0123456789\\n")
writer.close()
assert DROPPED.total == 3, DROPPED.total
resource.setrlimit(resource.RLIMIT_FSIZE, size)
writer.write(b"later\\n")
"""
    text = run(program, tmp_path / "log")
    assert text == "0123456789\n0123456789\n012\nlost 3\nlater\n"


def test_line_logged_by_a_destructor_and_a_signal_handler_is_written(tmp_path: Path) -> None:
    """They may run at any time, even while another line is being queued."""
    program = """
import gc, itertools
class Thing:
    def __init__(self): self.me = self
    def __del__(self): writer.write(b"destructor\\n")
signal.signal(signal.SIGALRM, lambda *_: writer.write(b"handler\\n"))
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
gc.set_threshold(1)
for n in range(1000):
    Thing()
    writer.write(b"line\\n")
signal.setitimer(signal.ITIMER_REAL, 0)
gc.set_threshold(700); gc.collect()
"""
    lines = run(program, tmp_path / "log").splitlines()
    assert lines.count("line") == lines.count("destructor") == 1000
    assert "handler" in lines


def test_process_with_a_hanging_log_ends_in_bounded_time(tmp_path: Path) -> None:
    program = """
reader, full = os.pipe()
hanging = LineWriter(full)
for n in range(5000): hanging.write(b"x" * 100 + b"\\n")
assert DROPPED.total > 0
"""
    began = time.monotonic()
    run(program, tmp_path / "log")
    assert time.monotonic() - began < 10


def test_writer_of_a_closed_descriptor_drops_and_counts() -> None:
    """-1 represents a closed stderr."""
    before = DROPPED.total
    writer = LineWriter(-1)
    for _ in range(10):
        writer.write(b"x\n")
    writer.close(5)
    assert DROPPED.total - before == 10


def lines_through(full: int, reader: int, writer: LineWriter) -> list[bytes]:
    """Return all lines that a reader gets from now to the end of the writer."""
    read = bytearray()

    def take() -> None:
        while some := os.read(reader, 65_536):
            read.extend(some)

    taking = threading.Thread(target=take)
    taking.start()
    writer.close(10)
    os.close(full)
    taking.join()
    os.close(reader)
    return bytes(read).splitlines()


def test_full_nonblocking_pipe_loses_no_line_at_once() -> None:
    reader, full = os.pipe()
    os.set_blocking(full, False)
    before, many = DROPPED.total, 2000
    writer = LineWriter(full, render_drop_notice=lambda _: b"")
    for n in range(many):
        writer.write(b"%04d %s\n" % (n, b"x" * 200))
    lines = lines_through(full, reader, writer)
    assert DROPPED.total == before
    assert [int(line[:4]) for line in lines] == [*range(many)]


@pytest.mark.parametrize("capacity", [1, 10])
def test_lines_over_the_capacity_are_dropped_at_once(capacity: int) -> None:
    """The caller never waits, and every line is written or counted as dropped."""
    reader, full = os.pipe()
    before, many = DROPPED.total, 5000
    writer = LineWriter(full, render_drop_notice=lambda _: b"", capacity=capacity)
    began = time.monotonic()
    for _ in range(many):
        writer.write(b"x" * 100 + b"\n")
    assert time.monotonic() - began < 20
    written = len(lines_through(full, reader, writer))
    assert 0 < DROPPED.total - before == many - written
