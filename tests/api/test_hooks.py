"""``/hooks/<client>``: each kind of identity server requests calls in its own words."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import reduce
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from api.api_client import ApiClient, ManualDialer, StartApi, assert_problem, settings_with
from redis import Redis
from support.identity_servers import (
    ALL,
    CASDOOR,
    CLERK,
    FORM,
    FUSIONAUTH,
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
from support.timing import finishes_within
from support.valkey import Valkey
from werkzeug.test import TestResponse

from otpvoice.app import create_app
from otpvoice.store.discovery import connect
from otpvoice.store.redis_store import RedisStore

CODE: Final = "047110"
SETTINGS: Final = reduce(lambda all_, each: {**all_, **each.settings()}, ALL, dict[str, str]())
STATUS_OF: Final = {
    "invalid_request": 422,
    "invalid_number": 422,
    "number_not_allowed": 422,
    "idempotency_mismatch": 422,
    "rate_limited": 429,
    "store_unavailable": 503,
}


@pytest.fixture
def hooks(start_api: StartApi) -> ApiClient:
    """Return a driver of an API with a client for each kind."""
    return start_api(**SETTINGS)


@pytest.fixture
def dialer(hooks: ApiClient) -> ManualDialer:
    """Return a dialer that does nothing by itself."""
    return ManualDialer(hooks.store)


def send(api: ApiClient, server: IdentityServer, body: Any, **options: Any) -> TestResponse:
    """Post a body as the server does."""
    raw = body if isinstance(body, bytes) else encode(body)
    headers = options["headers"] if "headers" in options else server.headers(raw)
    return api.client.post(server.path, data=raw, headers=headers)


def assert_refused(server: IdentityServer, response: TestResponse, code: str) -> None:
    """Assert a refusal in the words of the server, which asks for no useless repetition."""
    status = STATUS_OF[code]
    shown = refusal_code(server.kind, response.get_json())
    assert shown == (status if server is SUPABASE else code), response.text
    is_200 = server in {SUPABASE, OKTA} or (server is CLERK and status < 500)
    assert response.status_code == (200 if is_200 else status)
    assert response.content_type == "application/json"
    assert ("Retry-After" in response.headers) == (response.status_code in {429, 503})


# A call


@pytest.mark.parametrize("server", ALL, ids=lambda server: server.kind)
def test_request_queues_a_call_with_the_code(
    hooks: ApiClient, dialer: ManualDialer, server: IdentityServer
) -> None:
    """With its leading zero, and the name where the server sends one."""
    response = send(hooks, server, server.body(ASHA, CODE))
    assert is_success(server.kind, response.status_code, response.get_json()), response.text
    assert response.content_type == "application/json"
    name = "Asha" if server in {OKTA, ZITADEL} else "Customer"
    claim = dialer.claim()
    assert dialer.decrypt(claim) == (ASHA, CODE, name)
    assert claim.client == server.kind


@pytest.mark.parametrize("server", ALL, ids=lambda server: server.kind)
def test_repeated_attempt_is_one_call(
    hooks: ApiClient, dialer: ManualDialer, server: IdentityServer
) -> None:
    """Also after its call has ended, with a new signature, and after the limit of calls."""
    body = encode(server.body(ASHA, CODE))
    for _ in range(3):
        response = send(hooks, server, body)
        assert is_success(server.kind, response.status_code, response.get_json())
    dialer.place(provider_id="1")
    assert hooks.send_callback(id="1", status="ANSWER", to=ASHA).status_code == 200
    hooks.advance_time(120)
    response = send(hooks, server, body)
    assert is_success(server.kind, response.status_code, response.get_json())
    assert dialer.has_nothing_due()


@pytest.mark.parametrize(
    "server", [ZITADEL, LOGTO, FUSIONAUTH, CASDOOR], ids=lambda each: each.kind
)
def test_same_code_later_is_a_new_attempt(
    hooks: ApiClient, dialer: ManualDialer, server: IdentityServer
) -> None:
    """Short codes recur. It is one attempt as long as the server may repeat the first."""
    body = encode(server.body(ASHA, "4711"))
    for _ in range(3):
        for _ in range(3):
            response = send(hooks, server, body)
            assert is_success(server.kind, response.status_code, response.get_json())
        dialer.place()
        hooks.advance_time(590)
        send(hooks, server, body)
        assert dialer.has_nothing_due()
        hooks.advance_time(15)


@pytest.mark.parametrize("server", ALL, ids=lambda server: server.kind)
def test_newer_code_replaces_the_older_one(
    hooks: ApiClient, dialer: ManualDialer, server: IdentityServer
) -> None:
    """A stale code is never spoken."""
    for code in ("111111", "222222"):
        response = send(hooks, server, server.body(ASHA, code))
        assert is_success(server.kind, response.status_code, response.get_json())
    assert dialer.decrypt(dialer.claim())[1] == "222222"
    assert dialer.has_nothing_due()


def test_attempt_with_another_code_is_refused(hooks: ApiClient) -> None:
    """Its id identifies one call."""
    for server, path in ((SUPABASE, ("metadata", "uuid")), (OKTA, ("eventId",))):
        bodies = [server.body(ASHA, code) for code in ("111111", "222222")]
        for body in bodies:
            reduce(lambda at, name: at[name], path[:-1], body)[path[-1]] = "the same"
        first, second = (send(hooks, server, body) for body in bodies)
        assert is_success(server.kind, first.status_code, first.get_json())
        assert_refused(server, second, "idempotency_mismatch")


def test_empty_id_of_an_attempt_identifies_nothing(hooks: ApiClient) -> None:
    """Two numbers with it are two attempts."""
    for number in (ASHA, "+919812345678"):
        response = send(hooks, OKTA, OKTA.body(number, CODE) | {"eventId": ""})
        assert is_success("okta", response.status_code, response.get_json())


def test_okta_receives_the_id_of_the_verification(hooks: ApiClient) -> None:
    """As the transaction's."""
    value = send(hooks, OKTA, OKTA.body(ASHA, CODE)).get_json()["commands"][0]["value"][0]
    shown = hooks.with_key(OKTA.api_key).get(f"/v1/verifications/{value['transactionId']}")
    assert shown.get_json()["to"] == ASHA


def test_casdoor_may_post_a_form(hooks: ApiClient, dialer: ManualDialer) -> None:
    """Its default."""
    form = urlencode(CASDOOR.body(ASHA, CODE)).encode()
    response = send(hooks, CASDOOR, form, headers={**FORM, **bearer(CASDOOR.api_key)})
    assert is_success("casdoor", response.status_code, response.get_json())
    assert dialer.decrypt(dialer.claim())[:2] == (ASHA, CODE)


def test_supabase_calls_the_new_number_of_a_change(hooks: ApiClient, dialer: ManualDialer) -> None:
    """``user.phone`` is the old one."""
    body = SUPABASE.body(ASHA, CODE)
    body["user"]["phone"] = "919812345678"
    send(hooks, SUPABASE, body)
    assert dialer.decrypt(dialer.claim())[0] == ASHA


def test_zitadel_may_name_the_code_otp(hooks: ApiClient, dialer: ManualDialer) -> None:
    """As older versions do."""
    body = ZITADEL.body(ASHA, CODE)
    body["args"]["OTP"] = body["args"].pop("code")
    send(hooks, ZITADEL, body)
    assert dialer.decrypt(dialer.claim())[1] == CODE


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("471102 is your code.\n@example.com #471102", "471102"),
        ("Your code is 471102. Call +15550100000 for help.", "471102"),
        ("Use 471102, not 471103.", None),
        ("You are invited to example.com.", None),
    ],
)
def test_clerk_code_may_stand_in_the_text_alone(
    hooks: ApiClient, dialer: ManualDialer, message: str, code: str | None
) -> None:
    """If it has exactly one code."""
    body = CLERK.body(ASHA, CODE)
    body["data"] |= {"message": message, "data": None}
    response = send(hooks, CLERK, body)
    assert is_success("clerk", response.status_code, response.get_json())
    if code:
        assert dialer.decrypt(dialer.claim())[1] == code
    else:
        assert dialer.has_nothing_due()


def test_locale_chooses_the_flow(hooks: ApiClient, dialer: ManualDialer) -> None:
    """A malformed one costs no login."""
    for locale, expected in (("hi-IN hi", "hi"), ("<", "default"), (5, "default")):
        body = LOGTO.body(ASHA, CODE)
        body["payload"] = {"code": CODE, "uiLocales": locale}
        assert send(hooks, LOGTO, body).status_code == 200
        assert dialer.claim().locale == expected
        hooks.store.redis.flushdb()
        hooks.advance_time(0)


def test_address_is_counted(start_api: StartApi) -> None:
    """Where the server sends one; a malformed one costs no login."""
    api = start_api(**SETTINGS, limits_creates_per_ip="1/1h")
    for number, ip, is_good in (
        (ASHA, "49.36.0.9", True),
        ("+919812345678", "49.36.0.9", False),
        ("+919812345678", "nowhere", True),
    ):
        response = send(api, LOGTO, LOGTO.body(number, CODE) | {"ip": ip})
        assert (response.status_code == 200) == is_good


def test_delay_of_the_client_is_that_of_its_calls(start_api: StartApi) -> None:
    """For a server that sends an SMS first."""
    api = start_api(**SETTINGS, clients_logto_call_after="30")
    dialer = ManualDialer(api.store)
    assert send(api, LOGTO, LOGTO.body(ASHA, CODE)).status_code == 200
    assert dialer.has_nothing_due()
    api.advance_time(31)
    assert dialer.decrypt(dialer.claim())[1] == CODE


def test_code_lives_as_long_as_the_client_says(start_api: StartApi) -> None:
    """And not longer than the identity server accepts it."""
    api = start_api(**SETTINGS, clients_logto_ttl="60", provider_bridge="918068280009")
    send(api, LOGTO, LOGTO.body(ASHA, CODE))
    api.advance_time(61)
    assert ManualDialer(api.store).has_nothing_due()


def test_deliver_only_client_may_be_an_identity_server(start_api: StartApi) -> None:
    """It always has a code."""
    own = {"clients_logto_deliver_only": "true", "clients_logto_calls_per_day": "10"}
    api = start_api(**SETTINGS, **own)
    assert send(api, LOGTO, LOGTO.body(ASHA, CODE)).status_code == 200
    assert ManualDialer(api.store).decrypt(ManualDialer(api.store).claim())[1] == CODE


# No call


@pytest.mark.parametrize(
    ("server", "path", "value"),
    [
        (ZITADEL, ("args",), {"firstName": "Asha"}),
        (LOGTO, ("payload",), {"code": None}),
        (LOGTO, ("payload",), {"link": "https://example.com"}),
        (FUSIONAUTH, ("code",), ""),
        (FUSIONAUTH, ("type",), "SMS"),
        (CASDOOR, ("content",), ""),
        (CLERK, ("type",), "user.created"),
        (CLERK, ("data", "delivered_by_clerk"), True),
        (CLERK, ("timestamp",), 1_700_000_000_000),
    ],
)
def test_message_that_needs_no_call_is_success(
    hooks: ApiClient, dialer: ManualDialer, server: IdentityServer, path: Any, value: Any
) -> None:
    """It has no code, is an SMS, or is older than its code."""
    body = server.body(ASHA, CODE)
    reduce(lambda at, name: at[name], path[:-1], body)[path[-1]] = value
    response = send(hooks, server, body)
    assert is_success(server.kind, response.status_code, response.get_json()), response.text
    assert dialer.has_nothing_due()


def test_okta_sends_its_text_messages_itself(hooks: ApiClient, dialer: ManualDialer) -> None:
    """Which it does after FAILED."""
    body = OKTA.body(ASHA, CODE)
    body["data"]["messageProfile"]["deliveryChannel"] = "SMS"
    response = send(hooks, OKTA, body)
    assert response.status_code == 200
    assert response.get_json()["commands"][0]["value"][0]["status"] == "FAILED"
    assert dialer.has_nothing_due()


def test_text_messages_are_called_if_the_client_says_so(start_api: StartApi) -> None:
    """For servers that can only be configured for SMS."""
    api = start_api(**SETTINGS, clients_fusionauth_hook_texts="call")
    assert send(api, FUSIONAUTH, FUSIONAUTH.body(ASHA, CODE) | {"type": "SMS"}).status_code == 200
    assert ManualDialer(api.store).decrypt(ManualDialer(api.store).claim())[1] == CODE


@pytest.mark.parametrize("server", ALL, ids=lambda server: server.kind)
@pytest.mark.parametrize("code", ["0M53RF", "123", "12345678901", "१२३४५६", 471102, True, ["4711"]])
def test_code_without_digits_is_refused(
    hooks: ApiClient, dialer: ManualDialer, server: IdentityServer, code: Any
) -> None:
    """A voice speaks digits, and a number has lost its leading zeros."""
    assert_refused(server, send(hooks, server, server.body(ASHA, code)), "invalid_request")
    assert dialer.has_nothing_due()


@pytest.mark.parametrize("server", ALL, ids=lambda server: server.kind)
def test_number_that_is_not_called_is_refused(
    hooks: ApiClient, dialer: ManualDialer, server: IdentityServer
) -> None:
    """As in a create."""
    refused = send(hooks, server, server.body("+14155552671", CODE))
    assert_refused(server, refused, "number_not_allowed")
    assert_refused(server, send(hooks, server, server.body("+91", CODE)), "invalid_number")
    assert dialer.has_nothing_due()


@pytest.mark.parametrize("server", ALL, ids=lambda server: server.kind)
def test_limit_is_refused_without_its_name(start_api: StartApi, server: IdentityServer) -> None:
    """The end user may see the refusal, and could use it to probe limits."""
    api = start_api(**SETTINGS, limits_creates_per_client="1/1h")
    assert send(api, server, server.body(ASHA, "111111")).status_code == 200
    response = send(api, server, server.body("+919812345678", "222222"))
    assert_refused(server, response, "rate_limited")
    assert "per_client" not in response.text
    assert "A limit is reached." in response.text


@pytest.mark.parametrize("fault", ["kill", "hang"])
def test_store_that_cannot_serve_is_refused_at_once(
    environ: dict[str, str], valkey: Valkey, fault: str
) -> None:
    """Within a second, before the shortest timeout of a server, which has three."""
    client = connect(valkey.url)
    store = RedisStore(client)
    store.sweep("a dialer")
    api = ApiClient(create_app(settings_with(environ, **SETTINGS), store), store)
    with ExitStack() as faults:
        faults.callback(client.close)
        if fault == "kill":
            valkey.kill()
        else:
            faults.enter_context(valkey.process.paused())
        for server in ALL:
            with finishes_within(1.0):
                response = send(api, server, server.body(ASHA, CODE))
            assert_refused(server, response, "store_unavailable")


# Numbers


@pytest.mark.parametrize(
    ("number", "region", "called"),
    [
        ("919876543210", None, ASHA),
        ("+91 98765-43210", None, ASHA),
        ("00919876543210", None, ASHA),
        ("tel:+919876543210", None, ASHA),
        ("9876543210", "IN", ASHA),
        ("09876543210", "IN", ASHA),
        ("919876543210", "IN", ASHA),
        ("+919876543210", "IN", ASHA),
        ("6584163511", "IN", "+916584163511"),
        ("9876543210", None, None),
        ("+14155552671", "IN", None),
        ("", "IN", None),
        ("Asha", "IN", None),
        ("+91" + "9" * 9_000, "IN", None),
        ("9" * 61, "IN", None),
        ("٩١٩٨٧٦٥٤٣٢١٠", None, ASHA),
        (919876543210, None, None),
        (["+919876543210"], None, None),
        ({"e164": ASHA}, None, None),
    ],
)
def test_number_is_called_if_it_is_one(
    start_api: StartApi, number: Any, region: str | None, called: str | None
) -> None:
    """In E.164 with or without ``+``, or a national one of the client's region."""
    api = start_api(**SETTINGS, **({"clients_logto_default_region": region} if region else {}))
    response = send(api, LOGTO, LOGTO.body(number, CODE))
    dialer = ManualDialer(api.store)
    if called:
        assert response.status_code == 200
        assert dialer.decrypt(dialer.claim())[0] == called
    else:
        assert response.status_code == 422
        assert dialer.has_nothing_due()


def test_supabase_number_is_never_a_national_one(start_api: StartApi) -> None:
    """``6584163511`` is a mobile number of Singapore, and in India a national one."""
    region = {"clients_supabase_default_region": "IN", "limits_regions": "IN,SG"}
    api = start_api(**SETTINGS, **region)
    assert send(api, SUPABASE, SUPABASE.body("+6584163511", CODE)).status_code == 200
    dialer = ManualDialer(api.store)
    assert dialer.decrypt(dialer.claim())[0] == "+6584163511"


# Other requests


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


# The door


def test_client_without_a_hook_is_as_unknown_as_a_stranger(hooks: ApiClient) -> None:
    """In the same words."""
    details = set()
    for name in ("login", "stranger", "%00", "..%2f", "supabase%20"):
        response = hooks.client.post(f"/hooks/{name}", headers=bearer(LOGIN_KEY), json={})
        if name != "..%2f":  # another path
            details.add(assert_problem(response, 404, "not_found")["detail"])
    (detail,) = details
    assert "[clients.<name>]" in detail


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_not_allowed(hooks: ApiClient, method: str) -> None:
    """Servers post."""
    assert_problem(hooks.client.open("/hooks/logto", method=method), 405, "method_not_allowed")


def test_pages_of_other_origins_cannot_use_it(start_api: StartApi) -> None:
    """No header of CORS allows them to."""
    api = start_api(**SETTINGS, server_cors_origins="https://app.example.com")
    raw = encode(LOGTO.body(ASHA, CODE))
    headers = {**LOGTO.headers(raw), "Origin": "https://app.example.com"}
    response = send(api, LOGTO, raw, headers=headers)
    assert not [name for name, _ in response.headers if name.startswith("Access-Control")]
    assert response.headers["Request-Id"]


@pytest.mark.usefixtures("bound_log_fields")
def test_log_has_the_route_and_no_number(
    hooks: ApiClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor a code or a secret. A refusal is logged with its reason, although its status is 200."""
    send(hooks, SUPABASE, SUPABASE.body(ASHA, CODE))
    send(hooks, SUPABASE, SUPABASE.body("+14155552671", CODE))
    send(hooks, FUSIONAUTH, FUSIONAUTH.body(ASHA, CODE) | {"type": "SMS"})
    send(hooks, LOGTO, LOGTO.body(ASHA, CODE), headers=bearer(SUPABASE.api_key))
    log = "".join(capsys.readouterr())
    for word in ("verification.created", "/hooks/<client>", "hook.refused", "number_not_allowed"):
        assert word in log
    for word in ("hook.ignored", "text_message", "hook.unauthorized", "+14*****2671"):
        assert word in log
    secrets = [SUPABASE.secret[-20:], SUPABASE.api_key, LOGTO.api_key]
    for secret in (ASHA[1:], "4155552671", CODE, "49.36.0.9", "/hooks/supabase", *secrets):
        assert secret not in log


def test_metrics_count_creates_by_client(hooks: ApiClient) -> None:
    """As other creates."""
    raw = encode(LOGTO.body(ASHA, CODE))
    for _ in range(2):
        send(hooks, LOGTO, raw)
    send(hooks, LOGTO, LOGTO.body("+14155552671", CODE))
    send(hooks, LOGTO, LOGTO.body(ASHA, ""))
    send(hooks, LOGTO, raw, headers=bearer(LOGIN_KEY))
    page = hooks.client.get("/metrics").text
    for outcome in ("created", "replayed", "number_not_allowed", "ignored"):
        assert f'otpvoice_creates_total{{client="logto",outcome="{outcome}"}} 1.0' in page
    assert 'otpvoice_creates_total{client="-",outcome="unauthorized"} 1.0' in page
    assert 'route="/hooks/<client>"' in page


def test_redis_is_asked_once(hooks: ApiClient, redis: Redis) -> None:
    """For each request that may cause a call, and not at all for others."""

    def commands() -> int:
        stats: dict[str, Any] = redis.info("commandstats")
        return int(stats.get("cmdstat_fcall", {"calls": 0})["calls"])

    raw = encode(LOGTO.body(ASHA, CODE))
    send(hooks, LOGTO, raw)
    before = commands()
    send(hooks, LOGTO, raw)
    send(hooks, LOGTO, LOGTO.body(ASHA, ""))
    send(hooks, LOGTO, raw, headers=bearer(LOGIN_KEY))
    assert commands() == before + 1
