"""``/hooks/<client>``: each kind of identity server requests calls in its own words."""

from functools import reduce
from typing import Any
from urllib.parse import urlencode

import pytest
from api.api_client import ApiClient, ManualDialer, StartApi, assert_problem
from api.hook_requests import CODE, SETTINGS, assert_refused, send
from redis import Redis
from support.identity_servers import (
    ALL,
    CASDOOR,
    CLERK,
    FORM,
    FUSIONAUTH,
    LOGTO,
    OKTA,
    SUPABASE,
    ZITADEL,
    IdentityServer,
    bearer,
    encode,
    is_success,
)
from support.service import ASHA, LOGIN_KEY


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
def test_same_code_later_is_a_new_attempt(hooks: ApiClient, server: IdentityServer) -> None:
    """Short codes recur. It is one attempt as long as the server may repeat the first."""
    dialer = ManualDialer(hooks.store)
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


def test_metrics_count_creates_by_client(start_api: StartApi) -> None:
    """As other creates."""
    hooks = start_api(**SETTINGS)  # its series start at 0
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
