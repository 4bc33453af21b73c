"""The view of ``/hooks/<client>``: an ordinary create, requested and answered in other words."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from werkzeug.exceptions import RequestEntityTooLarge

from otpvoice.api.application import api_endpoint
from otpvoice.api.errors import (
    Unauthorized,
    UnreadableBody,
    problem_for,
    problem_for_http,
    without_limit,
)
from otpvoice.api.hooks.base import HookCredentials, HookMessage, IdentityServer
from otpvoice.api.http import ApiRequest, ApiResponse, Principal, json_response
from otpvoice.api.openapi import JSON, Operation, ResponseSpec
from otpvoice.api.schemas import ProblemDocument
from otpvoice.core.errors import InvalidNumber, InvalidRequest, NotFound, OtpvoiceError, RateLimited
from otpvoice.core.keys import mask_number
from otpvoice.core.limits import setting_name
from otpvoice.core.networks import client_network
from otpvoice.core.phone import parse_sent_number
from otpvoice.core.requests import CreateRequest
from otpvoice.core.service import Result, Verifications
from otpvoice.core.speech import CODE_PATTERN, is_locale
from otpvoice.logs.context import bind_fields

_LOG = structlog.get_logger(__name__)
_SIGNATURE_LIFE_MS: Final = 300_000
"""How long after its time a signature is accepted."""


@dataclass(frozen=True, slots=True)
class Hook:
    """The identity server of one client."""

    server: IdentityServer
    credentials: HookCredentials
    default_region: str | None
    call_after_s: int
    calls_for_texts: bool
    code_life_s: int
    """A code that is older is not called."""


class _IgnoredMessage(Exception):
    """The message causes no call. The text is the reason as one word."""


@dataclass(frozen=True, slots=True)
class HookViews:
    """The view that identity servers post to."""

    service: Verifications
    hooks: Mapping[str, Hook]
    """By client."""

    @api_endpoint(
        Operation(
            name="request_call_by_hook",
            method="post",
            path="/hooks/{client}",
            tag="identity servers",
            summary="Request a call as an identity server does",
            description="The client's setting `hook` names the kind of identity server, which "
            "determines the body, its authentication and the response: see docs/integrations. "
            "`supabase` and `clerk` sign as Standard Webhooks, `zitadel` with "
            "`ZITADEL-Signature`. `okta`, `logto`, `fusionauth` and `casdoor` send the client's "
            "API key as Bearer, or as the password of Basic. In all else the request is a create, "
            "and the limits, metrics and log lines are the same. Refusals are not problem "
            "documents: some servers expect 200 for them.",
            accepts=(JSON, "application/x-www-form-urlencoded"),
            responses=(
                ResponseSpec(200, "A call is queued, is not needed, or is refused."),
                ResponseSpec(401, "The request is not the server's.", (), ("WWW-Authenticate",)),
                ResponseSpec(413, "The body is larger than 16 KiB."),
                ResponseSpec(422, "The request is refused, and would be refused again."),
                ResponseSpec(429, "A limit refuses the call.", (), ("Retry-After",)),
                ResponseSpec(503, "The service cannot do it now.", (), ("Retry-After",)),
            ),
            errors=(NotFound,),
        ),
        outcomes=lambda metrics: metrics.creates,
    )
    def receive(self, request: ApiRequest, client: str) -> ApiResponse:
        hook = self.hooks.get(client)
        if hook is None:
            raise NotFound(
                "No client of this name has an identity server. Set hook in the table "
                "[clients.<name>] of the settings, restart the API, and compare the URL."
            )
        bind_fields(client=client)
        try:
            if not hook.server.is_genuine(request, hook.credentials):
                _LOG.warning("hook.unauthorized")
                raise Unauthorized(hook.server.credential)
        except (OtpvoiceError, RequestEntityTooLarge) as error:
            # Without authentication the status is the true one, whatever the server understands.
            problem = _refusal(request, error)
            return _response(problem.status, hook.server.refused(problem)[1], problem)
        request.principal = Principal(client)
        try:
            created = self._create(request, client, hook)
        except _IgnoredMessage as reason:
            request.record("hook.ignored", outcome="ignored", reason=str(reason))
            return json_response(hook.server.ignored())
        except (OtpvoiceError, RequestEntityTooLarge) as error:
            problem = _refusal(request, error)
            return _response(*hook.server.refused(problem), problem)
        outcome = "replayed" if created.is_replayed else created.outcome
        request.record(
            "verification.created" if outcome == "created" else "verification.repeated",
            outcome=outcome,
            status=created.verification.status,
        )
        bind_fields(verification=created.verification.id)
        return json_response(hook.server.accepted(created.verification.id))

    def _create(self, request: ApiRequest, client: str, hook: Hook) -> Result:
        """Create the verification that the message wants.

        Raises:
            _IgnoredMessage: it wants none.
            OtpvoiceError, RequestEntityTooLarge: it is refused.
        """
        message = _parse(request, hook)
        if not isinstance(message.number, str):
            raise InvalidNumber("The number must be a string.")
        number = parse_sent_number(message.number, hook.default_region).e164
        bind_fields(to=mask_number(number), number=self.service.log_id(number))
        code = message.code
        if not isinstance(code, str) or not CODE_PATTERN.fullmatch(code):
            raise InvalidRequest(
                "The code must be a string of 4 to 10 digits, because a voice speaks it: configure "
                "numeric codes."
            )
        create = CreateRequest(
            to=number,
            code=code,
            name=message.name if isinstance(message.name, str) else None,
            locale=_locale(message.locale),
            ip=_address(message.ip),
            call_after=hook.call_after_s,
        )
        content, key = f"{number}\0{code}", f"id\0{message.attempt}"
        if isinstance(message.attempt, str) and message.attempt:
            return self._create_once(request, client, create, key, content)
        created = self._create_once(request, client, create, content, content)
        while _is_over(created):  # the same code by chance
            key = f"{content}\0{created.verification.id}"
            created = self._create_once(request, client, create, key, content)
        return created

    def _create_once(
        self, request: ApiRequest, client: str, create: CreateRequest, key: str, content: str
    ) -> Result:
        """Create a verification, or return that of the first request with this key."""
        operation = f"{request.method} {request.path}"
        idempotency = self.service.request_fingerprint(client, operation, key, content.encode())
        return self.service.create(client, create, idempotency)


def _is_over(created: Result) -> bool:
    """Return whether this repeats an attempt whose code and signature are no longer accepted."""
    verification = created.verification
    over_at = verification.expires_at + _SIGNATURE_LIFE_MS
    return created.is_replayed and verification.now >= over_at


def _parse(request: ApiRequest, hook: Hook) -> HookMessage:
    try:
        message = hook.server.parse(hook.server.parse_body(request))
    except UnreadableBody as error:
        raise InvalidRequest(str(error)) from error
    if message is None:
        raise _IgnoredMessage("other_message")
    if message.code is None or message.code == "":
        if not message.number:
            raise InvalidRequest(
                "The body has neither a number nor a code. Compare it with the sample on the page "
                "of this server in docs/integrations."
            )
        raise _IgnoredMessage("no_code")
    if message.is_text and not hook.calls_for_texts:
        raise _IgnoredMessage("text_message")
    oldest_ms = int(time.time() - hook.code_life_s) * 1000
    if isinstance(message.sent_at, int | float) and message.sent_at < oldest_ms:
        raise _IgnoredMessage("stale_code")
    return message


def _locale(locale: Any) -> str | None:
    """Return a locale that a create accepts. A malformed one must not cost a login."""
    return locale if isinstance(locale, str) and is_locale(locale) else None


def _address(ip: Any) -> str | None:
    """Return an address that a create accepts."""
    try:
        return ip if isinstance(ip, str) and client_network(ip) else None
    except ValueError:
        return None


def _refusal(request: ApiRequest, error: OtpvoiceError | RequestEntityTooLarge) -> ProblemDocument:
    """Record a refusal. Return its problem document without what the end user must not learn."""
    public_url = ""  # an identity server gets its own words, and not the document
    if isinstance(error, RequestEntityTooLarge):
        problem = problem_for_http(error, request.id, public_url)
    else:
        if isinstance(error, UnreadableBody):
            error = InvalidRequest(str(error))
        problem = without_limit(problem_for(error, request.id, public_url))
        if error.verification is not None:
            bind_fields(verification=error.verification.id)
    limit = setting_name(error.limit) if isinstance(error, RateLimited) else ""
    request.record("hook.refused", outcome=problem.code, limit=limit, reason=problem.code)
    return problem


def _response(status: int, body: Any, problem: ProblemDocument) -> ApiResponse:
    response = json_response(body, status)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if status in {429, 503}:
        response.headers["Retry-After"] = str(problem.retry_after)
    return response
