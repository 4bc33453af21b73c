# ruff: noqa: E501 - an event is one line
"""Declarations of the log: every event with its level, fields and meaning, and every field's type.

A new log call needs one line in ``EVENTS``, and one in ``FIELDS`` for each new field. A test
compares every log call in the package with these tables, and generates docs/logs.md from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from otpvoice.logs import field_types as types

COMMON_FIELDS: Final = ("request_id", "trace_id", "client", "app", "verification", "to", "number")
"""Fields that any line may carry: they are bound to the request during which it is logged."""
EXCEPTION_FIELDS: Final = ("error", "traceback", "reason", "function", "reply", "line")
"""Fields of an exception, which any line may carry. The last three describe a store function."""


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of log line.

    Args:
        process: the process that logs it: ``api``, ``dialer``, ``server`` (gunicorn's processes, of
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
        "http": Event(_API, "info", _RESPONSE, "A response. `route` is the URL rule, never the path. A response about a verification also has `verification`, `to` and `number`."),
        "verification.created": Event(_API, "info", f"{_RESPONSE} status", "Replaces `http`: a verification was created."),
        "verification.repeated": Event(_API, "info", f"{_RESPONSE} status valid", "Replaces `http`: the verification was already pending, or the request repeated a known `Idempotency-Key`."),
        "verification.checked": Event(_API, "info", f"{_RESPONSE} status valid", "Replaces `http`: a code was checked, right or wrong."),
        "verification.call_requested": Event(_API, "info", f"{_RESPONSE} status", "Replaces `http`: a further call was requested."),
        "verification.canceled": Event(_API, "info", f"{_RESPONSE} status", "Replaces `http`: the client canceled the verification."),
        "verification.approved_elsewhere": Event(_API, "info", f"{_RESPONSE} status", "Replaces `http`: the client reported that it proved the number by other means."),
        "hook.refused": Event(_API, "info", _RESPONSE, "Replaces `http`: a request of an identity server was refused. `reason` is the `code` of the error (errors.md); `http_status` is what that server understands, which may be 200."),
        "hook.ignored": Event(_API, "info", _RESPONSE, "Replaces `http`: a message of an identity server caused no call. `reason` is `no_code`, `text_message` (see `hook_texts`), `stale_code` or `other_message`."),
        "hook.unauthorized": Event(_API, "warning", "", "A request to `/hooks/<client>` with a wrong signature or API key; the response was 401. `client` is the one in the path."),
        "request.failed": Event(_API, "error", "", "An internal error; the response is 500 with this `request_id`. Report it."),
        "request.malformed": Event(_API, "warning", "http_status", "The bytes received are not a valid HTTP request; `error` names the violation."),
        # Callbacks
        "callback.received": Event(_API, "info", "outcome call status provider_status declines", "A callback of the provider. `provider_status` is its status word. `declines`, after a `busy` call, is how many calls the number declined within an hour: from two on, no redial follows. `outcome` is `applied`, `late`, `seen`, or `early` (kept until the provider's reply identifies the call)."),
        "callback.unmatched": Event(_API, "warning", "outcome call status provider_status declines", "A callback that matches no single call. `outcome` is `no_call`, `several`, or `clock` (check `provider.timezone`)."),
        "callback.unauthorized": Event(_API, "warning", "", "A callback with a wrong credential; the response was 401. Of a request for what a call speaks, it was 404."),
        "callback.malformed": Event(_API, "warning", "content_type members query_members", "A callback with a valid credential that cannot be parsed; the response was 400. `reason` says what is missing, `members` lists its members with their types. Compare with mobtexting.md, section 3."),
        "call.unknown_status_word": Event(_ANY, "warning", "call provider_status", "The provider ended the call with an unknown status word. Find out what it means and add it to `provider.status_words`."),
        "provider.misconfigured": Event(_ANY, "error", "provider_status", "The provider ended a call for a reason that concerns every call: no credit, or a caller line that may not call this country. Correct it at the provider."),
        "callback.challenge": Event(_API, "info", "", "The provider validated the webhook's address."),
        # The console
        "console.login_failed": Event(_API, "warning", "", "A request for the console with a wrong admin key."),
        "console.wrong_host": Event(_API, "warning", "", "A request for the console with a `Host` other than that of `server.public_url`."),
        "console.cross_site": Event(_API, "warning", "", "A page of another site submitted a form to the console."),
        # Calls
        "call.sent": Event(_DIALER, "info, warning or error", f"{_CALL} outcome detail status", "The request to the provider and its result. `detail` is the HTTP status and the provider's words."),
        "call.spoken": Event(_API, "info", "call verification", "A provider that fetches what a call speaks got it: the phone was answered."),
        "call.prompted": Event(_API, "info", "call verification", "A provider that fetches what a call speaks got the prompt of a gated call: the phone was answered."),
        "call.not_spoken": Event(_API, "warning", "call outcome", "A provider fetched what a call speaks and got nothing. `outcome` is `no_call`, `not_live` (not sent, ended, or answered too late), `fetched` (it got it before) or `closed` (the verification has ended); after a key also `denied` (the person did not ask for the call), `pressed` (a key came before) or `not_asked` (the call asks for no key, or it was none)."),
        "call.unspeakable": Event(_API, "error", "call verification", "A call was answered and heard nothing, because the settings of this process lack the text of its flow, or the key that decrypts its code. `reason` names it."),
        "call.simulated": Event(_DIALER, "info", _CALL, "A call to a test number: recorded as answered, not placed."),
        "call.skipped": Event(_DIALER, "info", _CALL, "The call was not sent, because the verification has ended or the call gap delays it."),
        "call.status_queried": Event(_DIALER, "info", "call verification number route outcome status provider_status declines", "The dialer queried the call's status at the provider."),
        "call.cancel_requested": Event(_DIALER, "info", "call verification number route outcome", "The dialer asked the provider to cancel the call, because its verification has ended. `outcome` is `applied` (it rings no more), `late` (its end was reported before) or `unconfirmed` (it was answered, has ended, or the provider gave no clear reply)."),
        "call.status_query_failed": Event(_DIALER, "warning", "call verification number route", "The call's status could not be queried."),
        "call.undialable": Event(_DIALER, "error", _CALL, "The settings of this dialer lack something that the call needs. `reason` names it: a key that decrypts the record, an adapter for the route, a flow, or a text that the company can speak."),
        "call.returned_to_queue": Event(_DIALER, "info", _CALL, "The dialer stopped before it sent this call. The call is due again at once."),
        "provider.reply_mismatch": Event(_DIALER, "error", "call route", "The provider's reply was about another number. The call is `unknown`, and all idle connections were closed."),
        "call.lease_abandoned": Event(_DIALER, "warning", _CALL, "The store became unavailable while the call was placed. The call's state is settled when its lease expires."),
        "call.failed_unexpectedly": Event(_DIALER, "error", _CALL, "An internal error. Report it."),
        "route.closed": Event(_DIALER, "error", f"{_CALL} detail happened_at", "The route was closed for a while; `detail` is the provider's reply that closed it, or, with `happened_at`, the cause with which it ended the call."),
        "route.opened": Event(_DIALER, "info", f"{_CALL} detail", "The route was opened again."),
        "breaker.opened": Event(_DIALER, "error", "happened_at breaker open_for ended approved checks wrong", "A circuit breaker opened. The other fields are its counts."),
        # Events to clients
        "event.delivered": Event(_DIALER, "info", _DELIVERY, "An event was delivered to the client."),
        "event.delivery_failed": Event(_DIALER, "warning", _DELIVERY, "A delivery failed; the dialer retries it."),
        "event.abandoned": Event(_DIALER, "error", _DELIVERY, "The last delivery failed, or the endpoint disabled events with 410."),
        "event.dropped": Event(_DIALER, "error", "client dropped", "Too many events were pending for the client; further ones were dropped."),
        "event.lease_abandoned": Event(_DIALER, "warning", _DELIVERY, "The store became unavailable during a delivery. The event may be delivered twice."),
        "event.failed_unexpectedly": Event(_DIALER, "error", _DELIVERY, "An internal error. Report it."),
        # Operators, on record
        "limits.cleared": Event(_DIALER, "info", "happened_at operator number to", "An operator cleared a number's limits."),
        "number.blocked": Event(_DIALER, "info", "happened_at operator number to seconds", "An operator blocked a number."),
        "call.denied": Event(_DIALER, "warning", "happened_at number client verification call seconds", "A person pressed the key that says: I did not ask for this. The number is blocked for `seconds`. Many of them are an attack on logins."),
        "number.unblocked": Event(_DIALER, "info", "happened_at operator number to", "An operator unblocked a number."),
        "number.erased": Event(_DIALER, "info", "happened_at operator number to verifications", "An operator erased a number's verifications."),
        "operator.searched": Event(_DIALER, "info", "happened_at operator query results", "An operator searched: `query` is the masked number, the id, or `a reference`."),
        "operator.listed": Event(_DIALER, "info", "happened_at operator results", "An operator listed the newest verifications; numbers are masked."),
        "operator.exported": Event(_DIALER, "info", "happened_at operator created_from created_before number to whole_numbers", "An operator exported the verifications that were created in this time, of one number if there is a `number`."),
        # Processes
        "settings.warning": Event(_ANY, "warning", "warning", "A setting is valid but probably unintended."),
        "dialer.started": Event(_DIALER, "info", "dialer threads", "The dialer started to claim calls."),
        "dialer.stopped": Event(_DIALER, "info", "dialer", "The dialer stopped. All calls in flight are recorded."),
        "dialer.iteration_failed": Event(_DIALER, "error", _FAILURE, "One iteration of a loop failed; the loop continues. `function` and `reply` identify a store function that failed. Logged at once, then once a minute with the number of failures. Report it."),
        "event.iteration_failed": Event(_DIALER, "error", _FAILURE, "The same, in the loop that delivers events."),
        "store.check_failed": Event(_API, "error", _FAILURE, "The API's check of the store at start failed. Report it."),
        "store.unavailable": Event(_ANY, "error", "address reason reply function failed_commands", "The store is unavailable. `reply` is the first word of an error reply. Logged at once, then once a minute with the number of failed commands."),
        "store.recovered": Event(_ANY, "info", "address failed_commands seconds", "The store is available again."),
        "clock.moved_back": Event(_DIALER, "error", "happened_at seconds", "The store's clock moved back. The store's functions continue with their own time: see reliability.md."),
        "record.quarantined": Event(_DIALER, "error", "happened_at record reason call", "A record of the store cannot be decoded and was quarantined; the service continues. `call`, `verification` or `number` identifies the record if it is one of these."),
        "process.ended": Event(_ANY, "error", "process exit_status restart_in", "A process that `otpvoice serve` started has ended. It restarts in `restart_in` seconds."),
        "server.starting": Event(_SERVER, "info", "version workers threads", "Gunicorn starts; `version` is gunicorn's."),
        "server.listening": Event(_SERVER, "info", "address pid", "The server accepts requests."),
        "server.address_in_use": Event(_SERVER, "error", "address", "Another process listens on the address. Set another one in `server.bind`."),
        "server.bind_failed": Event(_SERVER, "error", "address reason", "The address cannot be listened on."),
        "server.signal": Event(_SERVER, "info", "signal", "The server received a signal."),
        "server.stopped": Event(_SERVER, "info or error", "", "The server stopped."),
        "worker.started": Event(_SERVER, "info", "pid", "A worker process started."),
        "worker.stopping": Event(_SERVER, "info", "pid", "A worker process is stopping."),
        "worker.timed_out": Event(_SERVER, "critical", "pid", "A worker did not respond and was replaced."),
        "worker.exited": Event(_SERVER, "error", "pid exit_status", "A worker process exited with an error."),
        "worker.killed": Event(_SERVER, "info, warning or error", "pid signal", "A signal ended a worker process. SIGKILL may mean that memory ran out."),
        "process.failed": Event(_ANY, "critical", "", "An exception ended the process. Report it."),
        "thread.failed": Event(_ANY, "critical", "", "An exception ended a thread. Report it."),
        "cleanup.failed": Event(_ANY, "error", "", "A destructor raised an exception."),
        "log.lines_dropped": Event(_ANY, "warning", "lines", "This process could not write `lines` log lines, because the log was full, slow or closed."),
    }
)  # fmt: skip

FIELDS: Final[Mapping[str, types.FieldType]] = MappingProxyType(
    {
        "address": types.ADDRESS,
        "app": types.BOOLEAN,
        "approved": types.COUNT,
        "attempts": types.COUNT,
        "breaker": types.BREAKER,
        "call": types.CALL_ID,
        "checks": types.COUNT,
        "client": types.CLIENT,
        "content_type": types.TEXT,
        "created_before": types.TIMESTAMP,
        "created_from": types.TIMESTAMP,
        "declines": types.COUNT,
        "detail": types.PROVIDER_TEXT,
        "dialer": types.DIALER_ID,
        "dropped": types.COUNT,
        "duration_ms": types.MILLISECONDS,
        "ended": types.COUNT,
        "error": types.CLASS_NAME,
        "exit_status": types.EXIT_CODE,
        "failed_commands": types.COUNT,
        "failures": types.COUNT,
        "function": types.WORD,
        "happened_at": types.TIMESTAMP,
        "http_status": types.HTTP_STATUS,
        "line": types.COUNT,
        "lines": types.EXACT_COUNT,
        "logger": types.LOGGER,
        "members": types.TEXTS,
        "method": types.METHOD,
        "number": types.LOG_ID,
        "open_for": types.SECONDS,
        "operator": types.OPERATOR,
        "outcome": types.WORD,
        "pid": types.PID,
        "process": types.WORD,
        "provider_status": types.PROVIDER_TEXT,
        "query": types.SEARCH_TERM,
        "query_members": types.TEXTS,
        "reason": types.TEXT,
        "record": types.RECORD,
        "reply": types.REPLY,
        "request_id": types.REQUEST_ID,
        "restart_in": types.SECONDS,
        "results": types.COUNT,
        "route": types.one_of(types.ROUTE, types.PATH_RULE),
        "seconds": types.SECONDS,
        "sequence": types.COUNT,
        "signal": types.SIGNAL,
        "status": types.one_of(types.WORD, types.HTTP_STATUS),
        "threads": types.COUNT,
        "to": types.MASKED_NUMBER,
        "trace_id": types.TRACE_ID,
        "traceback": types.FRAMES,
        "type": types.WORD,
        "valid": types.BOOLEAN,
        "verification": types.VERIFICATION_ID,
        "verifications": types.COUNT,
        "version": types.VERSION,
        "warning": types.TEXT,
        "whole_numbers": types.BOOLEAN,
        "workers": types.COUNT,
        "wrong": types.COUNT,
    }
)
"""Every field by its name. A field has the same meaning in all events."""
