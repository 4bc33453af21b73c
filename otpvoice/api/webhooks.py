"""``/webhooks/<provider>``: the provider's callbacks. They settle calls and approve nothing."""

import logging
from collections.abc import Collection
from itertools import islice
from typing import Final

import structlog
from flask import Blueprint, Response, request
from structlog.contextvars import bind_contextvars, unbind_contextvars
from werkzeug.exceptions import MethodNotAllowed

from otpvoice.api import schemas
from otpvoice.api.errors import InvalidWebhookSecret, UnreadableBody
from otpvoice.api.instrumentation import record_outcome
from otpvoice.api.request_body import read_bytes
from otpvoice.api.responses import json_response
from otpvoice.core.keys import KeyRing, LogId, NumberHasher
from otpvoice.core.phone import mask_number
from otpvoice.providers.base import (
    Callback,
    CallbackAuthError,
    CallbackParseError,
    CallReport,
    Challenge,
    Provider,
)
from otpvoice.providers.exchange_capture import CapturedCallback, ExchangeCapture
from otpvoice.providers.message_body import describe_types, safe_name
from otpvoice.store.models import CallUpdate, ReportOutcome, ReportResult
from otpvoice.store.redis_store import RedisStore

_LOG = structlog.get_logger(__name__)
_UNMATCHED: Final = frozenset({ReportOutcome.NO_CALL, ReportOutcome.SEVERAL, ReportOutcome.CLOCK})
_MAX_MIMETYPE_LENGTH: Final = 60
"""Characters of a Content-Type that are logged."""
_MAX_LOGGED_MEMBERS: Final = 20
"""Members of a query string that are logged."""


def webhook_routes(
    name: str,
    provider: Provider,
    store: RedisStore,
    number_hasher: NumberHasher,
    caller_lines: Collection[str],
    key_ring: KeyRing,
) -> Blueprint:
    """The provider's door.

    ``caller_lines``: all numbers that calls come from; ``key_ring``: encrypts captured callbacks.
    """
    receive = _CallbackHandler(provider, store, number_hasher, caller_lines, key_ring).receive
    routes = Blueprint("webhooks", __name__, url_prefix=f"/webhooks/{name}")
    for rule in ("", "/<path_token>"):
        routes.add_url_rule(rule, "receive", receive, methods=["POST", "PUT", "GET"])
    return routes


class _CallbackHandler:
    """Reads a callback, settles the call that it tells of, and keeps what a trial asks for."""

    def __init__(
        self,
        provider: Provider,
        store: RedisStore,
        number_hasher: NumberHasher,
        caller_lines: Collection[str],
        key_ring: KeyRing,
    ) -> None:
        self._provider = provider
        self._store = store
        self._number_hasher = number_hasher
        self._caller_lines = caller_lines
        self._capture = ExchangeCapture(store, key_ring)

    def receive(self, path_token: str = "") -> Response:
        if request.method == "HEAD":  # comes with GET unasked, and must change nothing
            raise MethodNotAllowed(["GET", "POST", "PUT"])
        callback = Callback(
            body=read_bytes(),
            query=request.args.to_dict(),
            authorization=request.headers.get("Authorization", ""),
            path_token=path_token,
        )
        parsed = self._parse(callback)
        if isinstance(parsed, Challenge):
            _LOG.info("callback.challenge")
            record_outcome("challenge")
            return json_response(schemas.ChallengeResponse(challenge=parsed.response))
        message = callback.body + request.query_string
        outcomes = [
            self._apply(each, self._fingerprint(message, index), callback)
            for index, each in enumerate(parsed)
        ]
        record_outcome(next((each for each in outcomes if each in _UNMATCHED), outcomes[0]))
        return json_response(schemas.CallbackAck(status="ok"))

    def _fingerprint(self, message: bytes, index: int) -> str:
        """Identify the report at ``index`` of a message; most messages have one."""
        return self._number_hasher.fingerprint(message + b"\0%d" % index if index else message)

    def _parse(self, callback: Callback) -> tuple[CallReport, ...] | Challenge:
        try:
            return self._provider.parse_callback(callback)
        except CallbackAuthError as error:
            _LOG.warning("callback.unauthorized")
            raise InvalidWebhookSecret(
                "Send the webhook's secret as Authorization: Bearer."
            ) from error
        except CallbackParseError as error:
            _LOG.warning(
                "callback.malformed",
                reason=str(error),
                content_type=request.mimetype[:_MAX_MIMETYPE_LENGTH],
                members=describe_types(callback.body),
                query_members=[*map(safe_name, islice(callback.query, _MAX_LOGGED_MEMBERS))],
            )
            raise UnreadableBody(f"The callback was not understood: {error}.") from error

    def _apply(
        self, call_report: CallReport, fingerprint: str, callback: Callback
    ) -> ReportOutcome:
        unbind_contextvars("to", "number", "verification")  # of the report before it
        if call_report.number:
            name = self._number_hasher.hash(call_report.number)
            bind_contextvars(to=mask_number(call_report.number), number=LogId.from_hash(name))
        report = build_report(call_report, fingerprint, self._number_hasher, self._caller_lines)
        settled = self._store.apply_report(report)
        if settled.verification_id:
            bind_contextvars(verification=settled.verification_id)
        orphan = settled.outcome in _UNMATCHED
        _LOG.log(
            logging.WARNING if orphan else logging.INFO,
            "callback.unmatched" if orphan else "callback.received",
            outcome=settled.outcome,
            call=settled.call_id,
            status=settled.call_status,
            provider_status=report.raw,
        )
        if not call_report.is_known_status:
            _LOG.warning(
                "call.unknown_status_word", call=settled.call_id, provider_status=call_report.raw
            )
        if settled.is_live_test:
            self._save_callback(settled, callback)
        return settled.outcome

    def _save_callback(self, settled: ReportResult, callback: Callback) -> None:
        """Save the callback of a live test call without its credentials."""
        call_id = str(settled.call_id)
        captured = CapturedCallback(
            method=request.method,
            content_type=request.headers.get("Content-Type", ""),
            scheme=callback.authorization.partition(" ")[0],
            has_path_token=bool(callback.path_token),
            query=request.query_string.decode("latin-1"),
            body=callback.body,
            outcome=settled.outcome,
        )
        self._capture.save(call_id, captured)


def build_report(
    call_report: CallReport,
    fingerprint: str,
    number_hasher: NumberHasher,
    caller_lines: Collection[str],
) -> CallUpdate:
    """What the store needs of a callback: ids told apart, the number by its name only."""
    ours = [known for known in call_report.ids if known.startswith("call_")]
    name = number_hasher.hash(call_report.number) if call_report.number else None
    lines = [call_report.bridge] if call_report.bridge else sorted(caller_lines)
    return CallUpdate(
        fingerprint=fingerprint,
        call_id=ours[0] if ours else None,
        provider_ids=tuple(known for known in call_report.ids if known not in ours),
        destinations=tuple((bridge, name) for bridge in lines) if name else (),
        route=call_report.route,
        started_at=call_report.started_at_ms,
        status=call_report.status,
        reason=call_report.reason,
        raw=call_report.raw,
        duration_s=call_report.duration_s,
        number_hash=None if call_report.bridge else name,
    )
