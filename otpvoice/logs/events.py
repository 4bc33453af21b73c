# ruff: noqa: E501 - an event is one line
"""The events that otpvoice logs, each with its level, its fields and its meaning.

A new log call needs one line here, and one in :data:`otpvoice.logs.fields.FIELDS` for each new
field. A test compares every call in the package with this table, and docs/logs.md is made from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

COMMON_FIELDS: Final = ("request_id", "client", "app", "verification", "to", "number")
"""Fields that any line may carry: they are bound to the request in whose course it is logged."""
EXCEPTION_FIELDS: Final = ("error", "traceback", "reason", "function", "reply", "line")
"""Fields of an exception, which any line may carry as well.

The last three are those of a function of the store that failed.
"""


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of log line.

    Args:
        source: the process that logs it: ``api``, ``dialer``, ``server`` (gunicorn's processes, of
            the API and the sandbox), or ``any``.
        level: its level, or several.
        fields: names of its own fields, separated by spaces.
        meaning: what happened, for the documentation.
    """

    process: str
    level: str
    fields: str
    meaning: str

    @property
    def field_names(self) -> tuple[str, ...]:
        """The names of its own fields."""
        return tuple(self.fields.split())


_API, _DIALER, _SERVER, _ANY = "api", "dialer", "server", "any"
_RESPONSE: Final = "method route http_status duration_ms"
_CALL: Final = "call verification client number route"
_FAILURE: Final = "failures"
_DELIVERY: Final = "client verification sequence type attempts status"

EVENTS: Final[Mapping[str, Event]] = MappingProxyType(
    {
        # Requests
        "http": Event(_API, "info", _RESPONSE, "A response. `route` is the rule, never the path; `verification`, `to` and `number` are there if it is about one."),
        "verification.created": Event(_API, "info", f"{_RESPONSE} status", "In place of `http`: a verification began."),
        "verification.repeated": Event(_API, "info", f"{_RESPONSE} status valid", "In place of `http`: it was pending already, or the request was answered before under the same `Idempotency-Key`."),
        "verification.checked": Event(_API, "info", f"{_RESPONSE} status valid", "In place of `http`: a code was handed in, right or wrong."),
        "verification.call_requested": Event(_API, "info", f"{_RESPONSE} status", "In place of `http`: a further call was requested."),
        "verification.canceled": Event(_API, "info", f"{_RESPONSE} status", "In place of `http`: the client canceled."),
        "verification.approved_elsewhere": Event(_API, "info", f"{_RESPONSE} status", "In place of `http`: the client proved the number by other means."),
        "request.failed": Event(_API, "error", "", "An internal error, answered 500 under `request_id`. Report it."),
        "request.malformed": Event(_API, "warning", "http_status", "Not an HTTP request; `error` names the violation."),
        # Callbacks
        "callback.received": Event(_API, "info", "outcome call status provider_status", "The provider's callback. `provider_status` is its word; `outcome` is `applied`, `late`, `seen`, or `early` (kept until the provider's reply says which call it was)."),
        "callback.unmatched": Event(_API, "warning", "outcome call status provider_status", "A callback that fits no call. `outcome` is `no_call`, `several`, or `clock` (check `provider.timezone`)."),
        "callback.unauthorized": Event(_API, "warning", "", "A callback with a wrong credential."),
        "callback.malformed": Event(_API, "warning", "content_type members query_members", "A callback with a right credential that was not understood and was answered 400. `reason` says what is missing, `members` names its members and their types. Compare with provider.md, section 3."),
        "call.unknown_status_word": Event(_ANY, "warning", "call provider_status", "The provider ended the call with a word that no table has. Find out what it means and add it to `provider.status_words`."),
        "callback.challenge": Event(_API, "info", "", "The provider tried a new webhook."),
        # The console
        "console.login_failed": Event(_API, "warning", "", "A wrong admin key."),
        "console.wrong_host": Event(_API, "warning", "", "A request for the console named another host than that of `server.public_url`."),
        "console.cross_site": Event(_API, "warning", "", "A page of another site sent a form to the console."),
        # Calls
        "call.sent": Event(_DIALER, "info, warning or error", f"{_CALL} outcome detail status", "The request to the provider and its result. `detail` is the HTTP status and the provider's words."),
        "call.simulated": Event(_DIALER, "info", _CALL, "A call to a test number: recorded as answered, not placed."),
        "call.skipped": Event(_DIALER, "info", _CALL, "Given up unsent: the verification ended, or the gap holds the call."),
        "call.status_queried": Event(_DIALER, "info", "call verification number route outcome status provider_status", "The provider was asked for the call's status."),
        "call.status_query_failed": Event(_DIALER, "warning", "call verification number route", "The provider could not be asked."),
        "call.undialable": Event(_DIALER, "error", _CALL, "The settings of this dialer lack what the call needs. `reason` names it: no key of the ring opens the record, no adapter for the route, or no flow."),
        "call.returned_to_queue": Event(_DIALER, "info", _CALL, "The dialer was stopped before it sent this call, which is due again at once."),
        "provider.reply_mismatch": Event(_DIALER, "error", "call route", "A reply was about another number than the one to call. The call is `unknown`, and all kept connections were closed."),
        "call.lease_abandoned": Event(_DIALER, "warning", _CALL, "The store became unavailable while the call was placed; the lease decides."),
        "call.failed_unexpectedly": Event(_DIALER, "error", _CALL, "An internal error. Report it."),
        "route.closed": Event(_DIALER, "error", f"{_CALL} detail", "The route places no calls for a while; `detail` is the response that closed it."),
        "route.opened": Event(_DIALER, "info", f"{_CALL} detail", "The route places calls again."),
        "breaker.opened": Event(_DIALER, "error", "happened_at breaker open_for ended approved checks wrong", "A breaker opened, with what it counted."),
        # Events to clients
        "event.delivered": Event(_DIALER, "info", _DELIVERY, "An event was delivered to the client."),
        "event.delivery_failed": Event(_DIALER, "warning", _DELIVERY, "A delivery failed; it is tried again."),
        "event.abandoned": Event(_DIALER, "error", _DELIVERY, "The last delivery failed, or the client refused events for good."),
        "event.dropped": Event(_DIALER, "error", "client dropped", "Too many events waited for the client; further ones were dropped."),
        "event.lease_abandoned": Event(_DIALER, "warning", _DELIVERY, "The store became unavailable during a delivery; it may be repeated."),
        "event.failed_unexpectedly": Event(_DIALER, "error", _DELIVERY, "An internal error. Report it."),
        # Operators, on record
        "limits.cleared": Event(_DIALER, "info", "happened_at operator number to", "An operator freed a number from its limits."),
        "number.blocked": Event(_DIALER, "info", "happened_at operator number to seconds", "An operator blocked a number."),
        "number.unblocked": Event(_DIALER, "info", "happened_at operator number to", "An operator ended a block."),
        "number.erased": Event(_DIALER, "info", "happened_at operator number to verifications", "An operator erased a number's verifications."),
        "operator.searched": Event(_DIALER, "info", "happened_at operator query results", "An operator searched: `query` is the masked number, the id, or `a reference`."),
        # Processes
        "settings.warning": Event(_ANY, "warning", "warning", "A setting is allowed but probably unintended."),
        "dialer.started": Event(_DIALER, "info", "dialer threads", "The dialer claims calls."),
        "dialer.stopped": Event(_DIALER, "info", "dialer", "The dialer ended; calls in flight are recorded."),
        "dialer.iteration_failed": Event(_DIALER, "error", _FAILURE, "One round of a loop failed; the loop goes on. `function` and `reply` name a function of the store that failed. Logged at once, then once a minute with the number of failures. Report it."),
        "event.iteration_failed": Event(_DIALER, "error", _FAILURE, "The same in the loop that delivers events."),
        "store.check_failed": Event(_API, "error", _FAILURE, "The check of the store at the start of the API failed. Report it."),
        "store.unavailable": Event(_ANY, "error", "address reason reply function failed_commands", "The store cannot serve: `reason` says why, `reply` is the first word of an error reply. Logged at once, then once a minute with the number of commands that failed."),
        "store.recovered": Event(_ANY, "info", "address failed_commands seconds", "The store serves again."),
        "clock.moved_back": Event(_DIALER, "error", "happened_at seconds", "The store's clock was set back. The rules keep their own time: see reliability.md."),
        "record.quarantined": Event(_DIALER, "error", "happened_at record reason call", "A record of the store cannot be read and was set aside; everything else goes on. `call`, `verification` or `number` is there where the record is one of these."),
        "process.ended": Event(_ANY, "error", "process exit_status restart_in", "A process that `otpvoice serve` started has ended, and is started again in so many seconds."),
        "server.starting": Event(_SERVER, "info", "version workers threads", "Gunicorn starts; `version` is gunicorn's."),
        "server.listening": Event(_SERVER, "info", "address pid", "Requests are accepted."),
        "server.address_in_use": Event(_SERVER, "error", "address", "Another process listens there; `server.bind` chooses another address."),
        "server.bind_failed": Event(_SERVER, "error", "address reason", "The address cannot be listened on."),
        "server.signal": Event(_SERVER, "info", "signal", "The server received a signal."),
        "server.stopped": Event(_SERVER, "info or error", "", "The server ended."),
        "worker.started": Event(_SERVER, "info", "pid", "A worker process started."),
        "worker.stopping": Event(_SERVER, "info", "pid", "A worker process ends."),
        "worker.timed_out": Event(_SERVER, "critical", "pid", "A worker did not respond and is replaced."),
        "worker.exited": Event(_SERVER, "error", "pid exit_status", "A worker process ended with an error."),
        "worker.killed": Event(_SERVER, "info, warning or error", "pid signal", "A worker process was ended by a signal; SIGKILL may mean that memory ran out."),
        "process.failed": Event(_ANY, "critical", "", "An exception ended the process. Report it."),
        "thread.failed": Event(_ANY, "critical", "", "An exception ended a thread. Report it."),
        "cleanup.failed": Event(_ANY, "error", "", "An exception in a destructor."),
        "log.lines_dropped": Event(_ANY, "warning", "lines", "So many lines of this process could not be written, because the log was full, slow or closed."),
    }
)  # fmt: skip
"""Every event by its name."""
