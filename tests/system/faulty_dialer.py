"""A dialer that harms itself: ``python faulty_dialer.py <moment> <nth> <signal>``.

At the nth time that it comes to the moment, say ``before:mark``, the thread that is there sends
itself SIGKILL, or SIGSTOP, which pauses the whole process. The moments are put around our parts
from outside, so that there is nothing of the kind in a dialer that is not started by this file.
"""

import functools
import http.client
import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

from urllib3.connection import HTTPConnection

from otpvoice.app import create_dialer
from otpvoice.dialer.dialer import Dialer
from otpvoice.events.dispatcher import EventDispatcher
from otpvoice.http_client import HttpClient
from otpvoice.providers.mobtexting.provider import Mobtexting
from otpvoice.settings import load
from otpvoice.store.redis_store import RedisStore

_OWNERS: Final[dict[str, type]] = {
    "claim": RedisStore,
    "dial": Dialer,  # before it: the call is claimed; after it: its outcome is written down
    "mark": RedisStore,
    "pretend": RedisStore,  # in place of mark and record, for a test number
    "place": Mobtexting,
    "connect": HTTPConnection,  # after it: connected, the clock not tested yet
    "send": http.client.HTTPConnection,  # before it: the clock was tested, no byte is written
    "getresponse": http.client.HTTPConnection,  # before it: the whole request is written
    "record": RedisStore,
    "sweep": RedisStore,
    "pulls": RedisStore,
    "ask": Mobtexting,
    "settle": RedisStore,
    "take_events": RedisStore,
    "tell": EventDispatcher,
    "post": HttpClient,  # of events, and of orders
    "settle_event": RedisStore,
}


def inject_fault(moment: str, nth: int, number: signal.Signals) -> None:
    """Puts the moment around its part."""
    when, name = moment.split(":")
    part: Callable[..., Any] = getattr(_OWNERS[name], name)
    times = itertools.count(1)

    def strike() -> None:
        if next(times) == nth:
            # To this very thread: a signal to the process may reach another one a little later.
            signal.pthread_kill(threading.get_ident(), number)

    @functools.wraps(part)
    def faulty(*arguments: Any, **named: Any) -> Any:
        if when == "before":
            strike()
        result = part(*arguments, **named)
        if when == "after":
            strike()
        return result

    setattr(_OWNERS[name], name, faulty)


def main() -> None:
    """Dials, until harmed or asked to end."""
    moment, nth, name = sys.argv[1:]
    inject_fault(moment, int(nth), signal.Signals[name])
    dialer = create_dialer(load(os.environ).settings)
    signal.signal(signal.SIGTERM, lambda *_: dialer.stop())
    dialer.run()


if __name__ == "__main__":
    main()
