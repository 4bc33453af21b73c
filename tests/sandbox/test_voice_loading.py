"""The engine's data is loaded once, however many pages open at the same moment."""

import subprocess
import sys
from typing import Final

from otpvoice.sandbox.voice import Voice

ASK_AT_ONCE: Final = """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from otpvoice.sandbox.voice import find_voice

barrier = Barrier(8)

def ask(_):
    barrier.wait()
    return find_voice()

with ThreadPoolExecutor(8) as pool:
    print(len({id(each) for each in pool.map(ask, range(8))}))
"""


def test_threads_that_ask_at_once_get_the_same_engine(voice: Voice) -> None:
    """In a process of its own: two threads that load it together may end that process."""
    assert voice.say("1")
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-c", ASK_AT_ONCE],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
