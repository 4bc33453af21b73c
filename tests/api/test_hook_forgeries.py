"""Requests to hooks that no identity server sent, or that are malformed."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from api.api_client import ApiClient, ManualDialer, StartApi
from api.hook_requests import CODE, SETTINGS, assert_refused, send
from support.identity_servers import (
    ALL,
    CASDOOR,
    CLERK,
    FORM,
    LOGTO,
    OKTA,
    SENDING_A_KEY,
    SIGNING,
    SUPABASE,
    ZITADEL,
    IdentityServer,
    basic,
    bearer,
    encode,
    is_success,
    refusal_code,
)
from support.service import ASHA, LOGIN_KEY


def forgeries(server: IdentityServer, raw: bytes) -> Iterator[dict[str, str]]:
    """Yield the headers of requests that are not the server's."""
    genuine = server.headers(raw)
    if not server.sign:
        yield {}
        yield bearer("")
        yield {"Authorization": "Bearer"}
        yield {"Authorization": "Basic !"}
        yield {"Authorization": f"Digest {server.api_key}"}
        yield basic("")
        for key in (LOGIN_KEY, server.api_key[:-1], *(s.api_key for s in ALL if s is not server)):
            yield bearer(key)
            yield basic(key)
        return
    other = {"zitadel": "another-key"}.get(server.kind, LATER)
    yield server.headers(raw, other)
    yield server.headers(raw, age_s=310)
    yield server.headers(raw, age_s=-310)
    yield server.headers(raw + b" ")
    yield {"Content-Type": "application/json", **bearer(server.api_key)}
    for name in genuine.keys() - {"Content-Type"}:
        yield {key: value for key, value in genuine.items() if key != name}
        value = genuine[name]
        for changed in ("", ",", "v1", "v1,", "v1,é=", "t=,v1=", "t=1,t=2,v1=x", "nan", "1e999"):
            yield {**genuine, name: changed}
        yield {**genuine, name: value[:-2] + ("00" if value[-2:] != "00" else "11")}
        if name.lower().endswith("signature"):
            yield {**genuine, name: value.replace("v1", "v2")}
    for another in SIGNING:
        if another is not server:
            yield another.headers(raw)


LATER: Final = "whsec_" + "Tm93IGl0IGlzIGFub3RoZXIgc2VjcmV0LCB0b28="


@pytest.mark.parametrize("server", ALL, ids=lambda server: server.kind)
def test_request_of_somebody_else_is_refused(
    hooks: ApiClient, dialer: ManualDialer, server: IdentityServer
) -> None:
    """Unsigned, half-signed, stale, from the future, or with the credential of another client."""
    raw = encode(server.body(ASHA, CODE))
    for headers in forgeries(server, raw):
        response = send(hooks, server, raw, headers=headers)
        assert response.status_code == 401, headers
        shown = refusal_code(server.kind, response.get_json())
        assert shown == (401 if server is SUPABASE else "unauthorized")
        assert response.headers["WWW-Authenticate"] == "Bearer"
    assert dialer.has_nothing_due()
    assert send(hooks, server, raw).status_code == 200


@pytest.mark.parametrize("server", SENDING_A_KEY, ids=lambda server: server.kind)
def test_api_key_may_be_a_password(
    hooks: ApiClient, dialer: ManualDialer, server: IdentityServer
) -> None:
    """For servers that know Basic authentication only; the user's name may have colons."""
    raw = encode(server.body(ASHA, CODE))
    headers = {"Content-Type": "application/json", **basic(server.api_key, "user")}
    assert send(hooks, server, raw, headers=headers).status_code == 200
    assert dialer.decrypt(dialer.claim())[1] == CODE


def test_app_cannot_use_a_hook(hooks: ApiClient) -> None:
    """Its token opens one verification."""
    created = hooks.with_key(LOGTO.api_key).create()
    headers = bearer(created["client_token"])
    assert send(hooks, LOGTO, LOGTO.body(ASHA, CODE), headers=headers).status_code == 401


@pytest.mark.parametrize("server", SIGNING, ids=lambda server: server.kind)
def test_secrets_are_rotated(start_api: StartApi, server: IdentityServer) -> None:
    """The server signs with both, and then only with the new one; the service accepts each."""
    old, new = server.secret, "v1," + LATER if server is SUPABASE else LATER
    for configured, signing in (
        ((old,), (old, new)),
        ((old,), (new, old)),
        ((old, new), (new,)),
        ((old, new), (old,)),
        ((new,), (new, old)),
    ):
        secrets = {f"clients_{server.kind}_hook_secret": ",".join(configured)}
        api = start_api(**{**SETTINGS, **secrets})
        raw = encode(server.body(ASHA, CODE))
        response = send(api, server, raw, headers=server.headers(raw, *signing))
        assert is_success(server.kind, response.status_code, response.get_json()), response.text


HOSTILE: Final = (
    b"",
    b"[]",
    b"null",
    b"{}",
    b"[" * 9_000,
    b'{"sms":' * 2_000,
    b'{"to":"+919876543210","to":"+919812345678"}',
    b'{"payload":{"code":"1234","code":"5678"},"to":"+919876543210"}',
    b'{"\\ud800":1}',
    b'{"to":"\\ud800"}',
    b'{"to":NaN}',
    b'{"timestamp":' + b"9" * 4_000 + b"}",
    b'{"timestamp":1e999,"type":"sms.created","data":{}}',
    b'{"to":"\xff"}',
    b"to=1&to=2",
    b"\x00" * 100,
)


@pytest.mark.parametrize("server", ALL, ids=lambda server: server.kind)
def test_hostile_body_is_refused(
    hooks: ApiClient, dialer: ManualDialer, server: IdentityServer
) -> None:
    """In the words of the server, never as an internal error."""
    for raw in HOSTILE:
        is_text = raw.isascii() or server is ZITADEL or not server.sign
        headers = server.headers(raw if is_text else b"{}")
        response = send(hooks, server, raw, headers=headers)
        if response.status_code == 401:
            assert not is_text
        elif server is CLERK and raw[:1] == b"{" and response.get_json() == {}:
            assert b"sms.created" not in raw  # an event of another type
        else:
            assert_refused(server, response, "invalid_request")
    assert dialer.has_nothing_due()


@pytest.mark.parametrize("server", ALL, ids=lambda server: server.kind)
def test_huge_body_is_refused_unread(hooks: ApiClient, server: IdentityServer) -> None:
    """Its signature cannot be verified, so the status is the true one."""
    raw = encode(server.body(ASHA, CODE) | {"x": "y" * 16_384})
    response = send(hooks, server, raw)
    assert response.status_code == (200 if server is OKTA else 413)
    shown = refusal_code(server.kind, response.get_json())
    assert shown == (413 if server is SUPABASE else "body_too_large")


def values_at_each_member(body: Any, value: Any) -> Iterator[Any]:
    """Yield copies of a body in which one member has this value or is missing."""
    if isinstance(body, dict):
        for name, inner in body.items():
            yield {key: each for key, each in body.items() if key != name}
            yield body | {name: value}
            for changed in values_at_each_member(inner, value):
                yield body | {name: changed}


@pytest.mark.parametrize("server", ALL, ids=lambda server: server.kind)
def test_members_of_other_types_are_no_internal_error(
    hooks: ApiClient, server: IdentityServer
) -> None:
    """At every place of the body."""
    values: tuple[Any, ...] = (None, 0, 1.5, True, "", "x", [], [{}], {}, {"x": "y"})
    for value in values:
        for body in values_at_each_member(server.body(ASHA, CODE), value):
            response = send(hooks, server, body)
            assert response.status_code in {200, 422, 429}, (body, response.text)


@pytest.mark.parametrize(
    "raw",
    [b"phoneNumber=1&phoneNumber=2", b"phoneNumber=%ff", b"a=1&" * 30, b"\xff=\xff", b""],
)
def test_hostile_form_is_refused(hooks: ApiClient, raw: bytes) -> None:
    """As hostile JSON is."""
    response = send(hooks, CASDOOR, raw, headers={**FORM, **bearer(CASDOOR.api_key)})
    assert_refused(CASDOOR, response, "invalid_request")
