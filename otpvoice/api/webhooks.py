"""``/webhooks/<provider>``: the provider's callbacks. They settle calls and approve nothing."""

import logging
from collections.abc import Collection
from contextlib import suppress

import structlog
from flask import Blueprint, Response, request
from structlog.contextvars import bind_contextvars
from werkzeug.exceptions import MethodNotAllowed

from otpvoice.api import shapes
from otpvoice.api.answers import json_answer
from otpvoice.api.bodies import read_bytes
from otpvoice.api.errors import UnreadableBody, Untrusted
from otpvoice.api.metering import note
from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.keys import KeyRing, NumberKey
from otpvoice.core.phone import mask_number
from otpvoice.providers.base import (
    Callback,
    CallReport,
    Challenge,
    Provider,
    UnreadableCallbackError,
    UntrustedCallbackError,
)
from otpvoice.providers.overheard import OverheardCallback, seal_overheard
from otpvoice.store.redis import RedisStore
from otpvoice.store.values import News, Report, Settled

_LOG = structlog.get_logger(__name__)


def webhooks(
    name: str,
    provider: Provider,
    store: RedisStore,
    number_key: NumberKey,
    bridges: Collection[str],
    ring: KeyRing,
) -> Blueprint:
    """The provider's door.

    ``bridges``: all numbers that calls come from; ``ring``: seals what a trial wants to know.
    """
    routes = Blueprint("webhooks", __name__, url_prefix=f"/webhooks/{name}")

    @routes.route("", methods=["POST", "PUT", "GET"])
    @routes.route("/<path_token>", methods=["POST", "PUT", "GET"])
    def receive(path_token: str = "") -> Response:
        if request.method == "HEAD":  # comes with GET unasked, and must change nothing
            raise MethodNotAllowed(["GET", "POST", "PUT"])
        callback = Callback(
            body=read_bytes(),
            query=request.args.to_dict(),
            authorization=request.headers.get("Authorization", ""),
            path_token=path_token,
        )
        try:
            news = provider.read_callback(callback)
        except UntrustedCallbackError as error:
            _LOG.warning("callback.untrusted")
            raise Untrusted("Send the webhook's secret as Authorization: Bearer.") from error
        except UnreadableCallbackError as error:
            _LOG.warning("callback.unreadable", why=str(error))
            raise UnreadableBody(str(error)) from error
        if isinstance(news, Challenge):
            _LOG.info("callback.challenge")
            note("challenge")
            return json_answer(shapes.ChallengeAnswer(challenge=news.answer))
        if news.number:
            name = number_key.name(news.number)
            bind_contextvars(to=mask_number(news.number), number=name)
        fingerprint = number_key.fingerprint(callback.body + request.query_string)
        settled = _settle(store, to_report(news, fingerprint, number_key, bridges))
        if settled.is_trial:
            _keep(store, ring, settled, callback)
        return json_answer(shapes.Received(status="ok"))

    return routes


def to_report(
    news: CallReport, fingerprint: str, number_key: NumberKey, bridges: Collection[str]
) -> Report:
    """What the store needs of a callback: ids told apart, the number by its name only."""
    ours = [known for known in news.ids if known.startswith("call_")]
    name = number_key.name(news.number) if news.number else None
    lines = [news.bridge] if news.bridge else sorted(bridges)
    return Report(
        fingerprint=fingerprint,
        call_id=ours[0] if ours else None,
        provider_ids=tuple(known for known in news.ids if known not in ours),
        lines=tuple((bridge, name) for bridge in lines) if name else (),
        route=news.route,
        started_at=news.started_at,
        status=news.status,
        reason=news.reason,
        raw=news.raw,
        duration=news.duration,
    )


def _settle(store: RedisStore, report: Report) -> Settled:
    settled = store.settle(report)
    if settled.verification_id:
        bind_contextvars(verification=settled.verification_id)
    note(settled.news)
    orphan = settled.news in {News.NO_CALL, News.SEVERAL, News.CLOCK}
    _LOG.log(
        logging.WARNING if orphan else logging.INFO,
        "callback.orphan" if orphan else "callback.received",
        news=settled.news,
        call=settled.call_id,
        status=settled.call_status,
        raw=report.raw,
    )
    return settled


def _keep(store: RedisStore, ring: KeyRing, settled: Settled, callback: Callback) -> None:
    """What a trial is to learn of its callback. The credentials are not kept."""
    call_id = str(settled.call_id)
    heard = OverheardCallback(
        method=request.method,
        content_type=request.headers.get("Content-Type", ""),
        scheme=callback.authorization.partition(" ")[0],
        has_path_token=bool(callback.path_token),
        query=request.query_string.decode("latin-1"),
        body=callback.body,
        news=settled.news,
    )
    with suppress(StoreUnavailable):  # the callback is applied; the provider must not repeat it
        store.overhear(call_id, seal_overheard(ring, call_id, heard))
