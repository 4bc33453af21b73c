"""``/webhooks/<provider>``: callbacks of the provider. They end calls and never approve."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import structlog
from msgspec import structs
from werkzeug.exceptions import MethodNotAllowed, RequestEntityTooLarge

from otpvoice import tracing
from otpvoice.api import schemas
from otpvoice.api.application import ApiEndpoint
from otpvoice.api.errors import InvalidWebhookSecret, UnreadableBody
from otpvoice.api.http import ApiRequest, ApiResponse, json_response
from otpvoice.api.openapi import JSON, PROVIDER_AUTH, Operation, ResponseSpec
from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.keys import LogId, NumberHasher, mask_number
from otpvoice.logs.context import bind_fields, unbind_fields
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
from otpvoice.providers.routes import Route, routes_ruled_out
from otpvoice.store.models import CallUpdate, ReportOutcome, ReportResult
from otpvoice.store.redis_store import RedisStore

_LOG = structlog.get_logger(__name__)
_UNMATCHED: Final = frozenset({ReportOutcome.NO_CALL, ReportOutcome.SEVERAL, ReportOutcome.CLOCK})
_METHODS: Final = ("post", "put", "get")
_FORM_TYPES: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
_MAX_MIMETYPE_LENGTH: Final = 60
"""Characters of a Content-Type that are logged."""
_MAX_LOGGED_MEMBERS: Final = 20
"""Members of a query string that are logged."""


def received_callback(request: ApiRequest, public_url: str, path_token: str) -> Callback:
    """Return a request of a provider, not yet authenticated.

    Args:
        request: as received.
        public_url: the address of the API as the provider knows it; a signature covers it.
        path_token: the segment of the path that only the provider was given; empty without one.

    Raises:
        RequestEntityTooLarge: the body is longer than 16 KiB.
    """
    return Callback(
        body=request.body,
        query=request.wsgi.args.to_dict(),
        headers={name.lower(): value for name, value in request.wsgi.headers.items()},
        url=f"{public_url}{request.target}",
        method=request.method,
        path_token=path_token,
    )


@dataclass(frozen=True, slots=True)
class WebhookViews:
    """The view that receives callbacks, with each method and with a secret in the path."""

    name: str
    """The provider's name in the settings."""
    provider: Provider
    routes: Sequence[Route]
    """All routes, those of other providers included."""
    store: RedisStore
    number_hasher: NumberHasher
    caller_lines: Sequence[str]
    """All numbers from which calls are placed."""
    capture: ExchangeCapture
    suffix: str
    """Of the names of operations; empty for the first provider, so that they stay as they were."""
    public_url: str
    """The address of the API as the provider knows it."""

    def endpoints(self) -> Iterator[ApiEndpoint]:
        """Yield an endpoint for each method and each place of the secret."""
        for path, suffix, credentials in (
            ("", "", (PROVIDER_AUTH,)),
            ("/{path_token}", "_and_path", ()),
        ):
            for method in _METHODS:
                operation = Operation(
                    name=f"receive_callback{self.suffix}_by_{method}{suffix}",
                    method=method,
                    path=f"/webhooks/{self.name}{path}",
                    tag="callbacks",
                    summary="Receive a call's result from the provider",
                    description="The body is in the provider's own format: one message or a short "
                    "list, with or without an envelope. A message that identifies no call is "
                    "rejected. A callback ends a call and never approves a verification.",
                    credentials=credentials,
                    accepts=() if method == "get" else (JSON, *_FORM_TYPES),
                    responses=(
                        ResponseSpec(
                            200,
                            "The callback was accepted, or the challenge of a new webhook is "
                            "answered.",
                            (
                                schemas.CallbackAck(status="ok"),
                                schemas.ChallengeResponse(challenge="a234qwe"),
                            ),
                        ),
                    ),
                    errors=(
                        UnreadableBody,
                        InvalidWebhookSecret,
                        RequestEntityTooLarge,
                        StoreUnavailable,
                    ),
                )
                yield ApiEndpoint(
                    operation,
                    self.receive,
                    outcomes=lambda metrics: lambda _client, outcome: metrics.callbacks(outcome),
                )

    def receive(self, request: ApiRequest, path_token: str = "") -> ApiResponse:
        """Apply every report of a callback, or answer a challenge."""
        if request.method == "HEAD":  # Flask routes it to GET, but it must not change anything
            raise MethodNotAllowed([method.upper() for method in _METHODS])
        callback = received_callback(request, self.public_url, path_token)
        parsed = self._parse(request, callback)
        if isinstance(parsed, Challenge):
            _LOG.info("callback.challenge")
            request.record(outcome="challenge")
            return json_response(schemas.ChallengeResponse(challenge=parsed.response))
        if not parsed:
            request.record(outcome="progress")
            return json_response(schemas.CallbackAck(status="ok"))
        message = callback.body + request.wsgi.query_string
        outcomes = []
        for index, report in enumerate(parsed):
            own_message = message + b"\0%d" % index if index else message
            fingerprint = self.number_hasher.fingerprint(own_message)
            result = self._apply(report, fingerprint)
            if result.is_live_test:  # saved without the credentials
                captured = CapturedCallback(
                    method=request.method,
                    content_type=request.header("Content-Type"),
                    scheme=callback.authorization.partition(" ")[0],
                    has_path_token=bool(path_token),
                    query=request.wsgi.query_string.decode("latin-1"),
                    body=callback.body,
                    outcome=result.outcome,
                    headers=(*callback.headers,),
                )
                self.capture.save(str(result.call_id), captured)
            outcomes.append(result.outcome)
        request.record(outcome=next((each for each in outcomes if each in _UNMATCHED), outcomes[0]))
        return json_response(schemas.CallbackAck(status="ok"))

    def _parse(self, request: ApiRequest, callback: Callback) -> tuple[CallReport, ...] | Challenge:
        try:
            return self.provider.parse_callback(callback)
        except CallbackAuthError as error:
            _LOG.warning("callback.unauthorized")
            raise InvalidWebhookSecret(
                "Send the webhook's secret as Authorization: Bearer."
            ) from error
        except CallbackParseError as error:
            _LOG.warning(
                "callback.malformed",
                reason=str(error),
                content_type=request.wsgi.mimetype[:_MAX_MIMETYPE_LENGTH],
                members=describe_types(callback.body),
                query_members=[*map(safe_name, islice(callback.query, _MAX_LOGGED_MEMBERS))],
            )
            raise UnreadableBody(f"The callback was not understood: {error}.") from error

    def _apply(self, report: CallReport, fingerprint: str) -> ReportResult:
        unbind_fields("to", "number", "verification")  # of the previous report
        number_hash = None
        if report.number:
            number_hash = self.number_hasher.hash(report.number)
            bind_fields(to=mask_number(report.number), number=LogId.from_hash(number_hash))
        result = self.store.apply_report(
            structs.replace(
                _build_update(report, fingerprint, number_hash, self.caller_lines),
                foreign_routes=routes_ruled_out(self.routes, self.name),
                other_routes=routes_ruled_out(self.routes, self.name, report.mode),
            )
        )
        if result.verification_id:
            bind_fields(verification=result.verification_id)
        is_unmatched = result.outcome in _UNMATCHED
        _LOG.log(
            logging.WARNING if is_unmatched else logging.INFO,
            "callback.unmatched" if is_unmatched else "callback.received",
            outcome=result.outcome,
            call=result.call_id,
            status=result.call_status,
            provider_status=report.raw,
            declines=result.declines,
        )
        tracing.add_to_trace(
            "callback",
            result.traceparent,
            {
                "otpvoice.call": result.call_id,
                "otpvoice.provider": self.name,
                "otpvoice.outcome": result.outcome,
                "otpvoice.status": result.call_status,
            },
        )
        if not report.is_known_status:
            _LOG.warning(
                "call.unknown_status_word", call=result.call_id, provider_status=report.raw
            )
        return result


def _build_update(
    report: CallReport, fingerprint: str, number_hash: str | None, caller_lines: Sequence[str]
) -> CallUpdate:
    """Return what the store needs of a report: the ids, and no plain number."""
    own_ids = [each for each in report.ids if each.startswith("call_")]
    return CallUpdate(
        fingerprint=fingerprint,
        call_id=own_ids[0] if own_ids else None,
        provider_ids=tuple(each for each in report.ids if each not in own_ids),
        bridges=(report.bridge,) if report.bridge else tuple(caller_lines),
        started_at=report.started_at_ms,
        status=report.status,
        reason=report.reason,
        raw=report.raw,
        duration_s=report.duration_s,
        key=report.key,
        number_hash=number_hash,
        has_bridge=bool(report.bridge),
        closes_route=report.closes_route,
    )
