"""``/webhooks/<provider>``: the provider's callbacks. They settle calls and approve nothing."""

import logging
from collections.abc import Collection
from contextlib import suppress
from itertools import islice
from typing import Final

import structlog
from flask import Blueprint, Response, request
from structlog.contextvars import bind_contextvars, unbind_contextvars
from werkzeug.exceptions import MethodNotAllowed

from otpvoice.api import schemas
from otpvoice.api.errors import UnreadableBody, Untrusted
from otpvoice.api.instrumentation import note
from otpvoice.api.request_body import read_bytes
from otpvoice.api.responses import json_answer
from otpvoice.core.errors import StoreUnavailable
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
from otpvoice.providers.exchange_capture import CapturedCallback, encrypt_exchange
from otpvoice.providers.message_shape import describe_types, safe_name
from otpvoice.store.models import News, Report, Settled
from otpvoice.store.redis_store import RedisStore

_LOG = structlog.get_logger(__name__)
_ORPHANS: Final = frozenset({News.NO_CALL, News.SEVERAL, News.CLOCK})
_MIMETYPE_LENGTH: Final = 60
"""Characters of a Content-Type that are logged."""
_MOST_LOGGED: Final = 20
"""Members of a query string that are logged."""


def webhooks(
    name: str,
    provider: Provider,
    store: RedisStore,
    number_key: NumberHasher,
    bridges: Collection[str],
    ring: KeyRing,
) -> Blueprint:
    """The provider's door.

    ``bridges``: all numbers that calls come from; ``ring``: seals what a trial wants to know.
    """
    receive = _Door(provider, store, number_key, bridges, ring).receive
    routes = Blueprint("webhooks", __name__, url_prefix=f"/webhooks/{name}")
    for rule in ("", "/<path_token>"):
        routes.add_url_rule(rule, "receive", receive, methods=["POST", "PUT", "GET"])
    return routes


class _Door:
    """Reads a callback, settles the call that it tells of, and keeps what a trial asks for."""

    def __init__(
        self,
        provider: Provider,
        store: RedisStore,
        number_key: NumberHasher,
        bridges: Collection[str],
        ring: KeyRing,
    ) -> None:
        self._provider = provider
        self._store = store
        self._number_key = number_key
        self._bridges = bridges
        self._ring = ring

    def receive(self, path_token: str = "") -> Response:
        if request.method == "HEAD":  # comes with GET unasked, and must change nothing
            raise MethodNotAllowed(["GET", "POST", "PUT"])
        callback = Callback(
            body=read_bytes(),
            query=request.args.to_dict(),
            authorization=request.headers.get("Authorization", ""),
            path_token=path_token,
        )
        parsed = self._read(callback)
        if isinstance(parsed, Challenge):
            _LOG.info("callback.challenge")
            note("challenge")
            return json_answer(schemas.ChallengeAnswer(challenge=parsed.response))
        message = callback.body + request.query_string
        outcomes = [
            self._settle(each, self._fingerprint(message, index), callback)
            for index, each in enumerate(parsed)
        ]
        note(next((each for each in outcomes if each in _ORPHANS), outcomes[0]))
        return json_answer(schemas.Received(status="ok"))

    def _fingerprint(self, message: bytes, index: int) -> str:
        """Identify the report at ``index`` of a message; most messages have one."""
        return self._number_key.fingerprint(message + b"\0%d" % index if index else message)

    def _read(self, callback: Callback) -> tuple[CallReport, ...] | Challenge:
        try:
            return self._provider.parse_callback(callback)
        except CallbackAuthError as error:
            _LOG.warning("callback.untrusted")
            raise Untrusted("Send the webhook's secret as Authorization: Bearer.") from error
        except CallbackParseError as error:
            _LOG.warning(
                "callback.unreadable",
                why=str(error),
                content_type=request.mimetype[:_MIMETYPE_LENGTH],
                members=describe_types(callback.body),
                query_members=[*map(safe_name, islice(callback.query, _MOST_LOGGED))],
            )
            raise UnreadableBody(f"The callback was not understood: {error}.") from error

    def _settle(self, news: CallReport, fingerprint: str, callback: Callback) -> News:
        unbind_contextvars("to", "number", "verification")  # of the report before it
        if news.number:
            name = self._number_key.hash(news.number)
            bind_contextvars(to=mask_number(news.number), number=LogId.from_hash(name))
        report = to_report(news, fingerprint, self._number_key, self._bridges)
        settled = self._store.settle(report)
        if settled.verification_id:
            bind_contextvars(verification=settled.verification_id)
        orphan = settled.news in _ORPHANS
        _LOG.log(
            logging.WARNING if orphan else logging.INFO,
            "callback.orphan" if orphan else "callback.received",
            news=settled.news,
            call=settled.call_id,
            status=settled.call_status,
            raw=report.raw,
        )
        if not news.is_known_status:
            _LOG.warning("call.unknown_status_word", call=settled.call_id, word=news.raw)
        if settled.is_trial:
            self._keep(settled, callback)
        return settled.news

    def _keep(self, settled: Settled, callback: Callback) -> None:
        """What a trial is to learn of its callback. The credentials are not kept."""
        call_id = str(settled.call_id)
        heard = CapturedCallback(
            method=request.method,
            content_type=request.headers.get("Content-Type", ""),
            scheme=callback.authorization.partition(" ")[0],
            has_path_token=bool(callback.path_token),
            query=request.query_string.decode("latin-1"),
            body=callback.body,
            match=settled.news,
        )
        with suppress(StoreUnavailable):  # the callback is applied; the provider must not repeat it
            self._store.overhear(call_id, encrypt_exchange(self._ring, call_id, heard))


def to_report(
    news: CallReport, fingerprint: str, number_key: NumberHasher, bridges: Collection[str]
) -> Report:
    """What the store needs of a callback: ids told apart, the number by its name only."""
    ours = [known for known in news.ids if known.startswith("call_")]
    name = number_key.hash(news.number) if news.number else None
    lines = [news.bridge] if news.bridge else sorted(bridges)
    return Report(
        fingerprint=fingerprint,
        call_id=ours[0] if ours else None,
        provider_ids=tuple(known for known in news.ids if known not in ours),
        lines=tuple((bridge, name) for bridge in lines) if name else (),
        route=news.route,
        started_at=news.started_at_ms,
        status=news.status,
        reason=news.reason,
        raw=news.raw,
        duration=news.duration_s,
        number=None if news.bridge else name,
    )
