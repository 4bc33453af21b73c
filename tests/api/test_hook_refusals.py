"""Requests of identity servers that cause no call, and the numbers that they send."""

from contextlib import ExitStack
from functools import reduce
from typing import Any

import pytest
from api.api_client import ApiClient, ManualDialer, StartApi, settings_with
from api.hook_requests import CODE, SETTINGS, assert_refused, send
from support.identity_servers import (
    ALL,
    CASDOOR,
    CLERK,
    FUSIONAUTH,
    LOGTO,
    OKTA,
    SUPABASE,
    ZITADEL,
    IdentityServer,
    is_success,
)
from support.service import ASHA
from support.timing import finishes_within
from support.valkey import Valkey

from otpvoice.app import create_app
from otpvoice.store.discovery import connect
from otpvoice.store.redis_store import RedisStore


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
