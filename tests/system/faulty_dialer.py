"""A dialer that harms itself: ``python faulty_dialer.py <moment> <nth> <signal>``.

At the nth time that a thread reaches the moment, for example ``before:mark_sent``, it sends itself
SIGKILL, or SIGSTOP, which suspends the whole process. The moments are wrapped around the methods
from outside, so a dialer that is not started by this file has nothing of the kind.
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

from otpvoice.container import create_dialer
from otpvoice.dialer.dialer import Dialer
from otpvoice.dialer.dispatcher import EventDispatcher
from otpvoice.http_client import HttpClient
from otpvoice.providers.mobtexting.provider import Mobtexting
from otpvoice.providers.plivo.provider import Plivo
from otpvoice.providers.twiml.provider import CancelableTwiml, Twiml
from otpvoice.settings import load
from otpvoice.store.redis_store import RedisStore

_PARTS: Final[tuple[tuple[type, Callable[..., Any]], ...]] = (
    (RedisStore, RedisStore.claim),
    (Dialer, Dialer.dial),  # before: the call is claimed; after: its result is recorded
    (RedisStore, RedisStore.mark_sent),
    (RedisStore, RedisStore.complete_test_call),  # for a test number, no mark and no result
    (Mobtexting, Mobtexting.place),
    (HTTPConnection, HTTPConnection.connect),  # after: connected, the deadline is not yet tested
    # before: the deadline was tested, no byte is written
    (http.client.HTTPConnection, http.client.HTTPConnection.send),
    # before: the whole request is written
    (http.client.HTTPConnection, http.client.HTTPConnection.getresponse),
    (RedisStore, RedisStore.record_result),
    (RedisStore, RedisStore.sweep),
    (RedisStore, RedisStore.due_status_queries),
    (Mobtexting, Mobtexting.fetch_status),
    (RedisStore, RedisStore.apply_report),
    (RedisStore, RedisStore.claim_events),
    (EventDispatcher, EventDispatcher.deliver),
    (HttpClient, HttpClient.post),  # of events and of calls
    (RedisStore, RedisStore.ack_event),
)
_OF_OTHERS: Final[tuple[tuple[type, Callable[..., Any]], ...]] = (
    (Twiml, Twiml.place),
    (Twiml, Twiml.fetch_status),
    (CancelableTwiml, CancelableTwiml.cancel),
    (Plivo, Plivo.place),
    (Plivo, Plivo.fetch_status),
    (Plivo, Plivo.cancel),
)
"""Named with their class, as in ``after:Twiml.place``."""
_OWNERS: Final = {part.__name__: owner for owner, part in _PARTS} | {
    part.__qualname__: owner for owner, part in _OF_OTHERS
}


def inject_fault(moment: str, nth: int, number: signal.Signals) -> None:
    """Wrap the method with the fault."""
    when, name = moment.split(":")
    owner, method = _OWNERS[name], name.rpartition(".")[2]
    part: Callable[..., Any] = getattr(owner, method)
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

    setattr(owner, method, faulty)


def main() -> None:
    """Run a dialer until the fault, or until a signal."""
    moment, nth, name = sys.argv[1:]
    inject_fault(moment, int(nth), signal.Signals[name])
    dialer = create_dialer(load(os.environ).settings)
    signal.signal(signal.SIGTERM, lambda *_: dialer.stop())
    dialer.run()


if __name__ == "__main__":
    main()
