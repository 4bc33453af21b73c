"""Clients that are identity servers: the kind, its secrets, and what follows from them."""

from base64 import b64encode
from collections.abc import Callable, Mapping

import pytest

from otpvoice.cli.doctor.settings import weak_secrets
from otpvoice.settings import LoadedSettings
from otpvoice.settings.credentials import secret_values
from otpvoice.settings.hook_kinds import SIGNING_KINDS, HookKind

Start = Callable[..., LoadedSettings]
ErrorsOf = Callable[..., dict[str, str]]

VARIABLE = "OTPVOICE_CLIENTS_APP_"
PRODUCTION = {
    "OTPVOICE_SERVER_PRODUCTION": "true",
    "OTPVOICE_SERVER_PUBLIC_URL": "https://otp.example.com",
}


def whsec(key: bytes) -> str:
    """Return a secret in the form of Standard Webhooks."""
    return "whsec_" + b64encode(key).decode()


ONE, TWO = whsec(bytes(range(32))), whsec(bytes(range(100, 164)))


def hook(kind: str, secret: str | None = None, **further: str) -> Mapping[str, str]:
    """Return the variables of the client."""
    values = {"hook": kind, **({"hook_secret": secret} if secret else {}), **further}
    return {f"{VARIABLE}{name.upper()}": value for name, value in values.items()}


@pytest.mark.parametrize("kind", HookKind)
def test_each_kind_starts_with_a_secret_exactly_if_it_signs(
    start: Start, errors_of: ErrorsOf, kind: HookKind
) -> None:
    """The error names the member that is missing or has no use."""
    good, bad = hook(kind, ONE), hook(kind)
    if kind not in SIGNING_KINDS:
        good, bad = bad, good
    assert start(**good).settings.clients["app"].hook is kind
    assert list(errors_of(**bad)) == ["clients.app.hook_secret"]


def test_unknown_kind_is_an_error_that_lists_the_kinds(errors_of: ErrorsOf) -> None:
    """All of them."""
    (error,) = errors_of(**hook("auth0")).values()
    assert all(kind in error for kind in HookKind)


@pytest.mark.parametrize(
    "text", [f"v1,{ONE},v1,{TWO}", f"v1,{ONE}\nv1,{TWO}", f"{ONE},{TWO}", f"v1,{ONE}, {TWO}"]
)
def test_variable_with_several_secrets_is_split_between_them(start: Start, text: str) -> None:
    """Although the secrets of Supabase contain a comma."""
    client = start(**hook("supabase", text)).settings.clients["app"]
    assert client.hook_secret == (ONE, TWO)


def test_secrets_of_the_file_are_a_text_or_a_list(start: Start) -> None:
    """As for every list."""
    for secret in (f'"v1,{ONE}"', f'["v1,{ONE}"]'):
        toml = f'[clients.app]\nhook = "supabase"\nhook_secret = {secret}\n'
        assert start(toml).settings.clients["app"].hook_secret == (ONE,)


def test_secret_in_a_file_is_read(start: Start, secret_file: Callable[[bytes], str]) -> None:
    """One for each line."""
    path = secret_file(f"v1,{ONE}\nv1,{TWO}\n".encode())
    variables = {**hook("supabase"), f"{VARIABLE}HOOK_SECRET_FILE": path}
    assert start(**variables).settings.clients["app"].hook_secret == (ONE, TWO)


@pytest.mark.parametrize("kind", ["supabase", "clerk"])
@pytest.mark.parametrize("secret", ["whsec_", "whsec_!", whsec(b"short"), "v1a,whsk_x", "word"])
def test_malformed_secret_is_an_error_that_does_not_repeat_it(
    errors_of: ErrorsOf, kind: str, secret: str
) -> None:
    """Of the kinds that sign as Standard Webhooks."""
    toml = f'[clients.app]\nhook = "{kind}"\nhook_secret = ["{ONE}", "{secret}"]\n'
    ((name, error),) = errors_of(toml).items()
    assert name == "clients.app.hook_secret[1]"
    assert secret not in error.replace("whsec_<base64", "")


def test_zitadel_secret_may_have_any_form(start: Start) -> None:
    """Its signing key is plain text. An empty one would let anybody sign."""
    for key in ("kFz4_a-plain.key", "v1,"):
        toml = f'[clients.app]\nhook = "zitadel"\nhook_secret = ["{key}"]\n'
        assert start(toml).settings.clients["app"].hook_secret == (key,)


def test_secrets_are_masked(start: Start) -> None:
    """In every repr, and in the log."""
    settings = start(**hook("supabase", f"v1,{ONE}")).settings
    assert ONE.removeprefix("whsec_") in secret_values(settings)
    assert "hook_secret='***'" in repr(settings.clients["app"])
    assert ONE not in repr(settings)


def test_sample_secret_stops_production(errors_of: ErrorsOf) -> None:
    """As every secret."""
    sample = "v1,whsec_SAMPLEREPLACEMESAMPLEREPLACEMESAMPLEREPL"
    errors = errors_of(**hook("supabase", sample), **PRODUCTION)
    assert list(errors) == ["clients.app.hook_secret[0]"]


def test_doctor_finds_a_weak_secret(start: Start) -> None:
    """With a remedy of its own."""
    settings = start(**hook("zitadel", "short")).settings
    (finding,) = [each for each in weak_secrets(settings) if "app.hook" in each.subject]
    assert "identity server" in str(finding)


def test_region_of_national_numbers_is_a_region(start: Start, errors_of: ErrorsOf) -> None:
    """In capitals."""
    client = start(**hook("fusionauth", default_region="in")).settings.clients["app"]
    assert client.default_region == "IN"
    assert list(errors_of(**hook("fusionauth", default_region="XX"))) == [
        "clients.app.default_region"
    ]


@pytest.mark.parametrize(
    ("ttl", "call_after", "is_good"),
    [("300", "240", True), ("300", "241", False), ("60", "30", True), ("60", "31", False)],
)
def test_delay_leaves_time_for_the_call(
    start: Start, errors_of: ErrorsOf, ttl: str, call_after: str, is_good: bool
) -> None:
    """Otherwise every request would be refused."""
    variables = hook("logto", ttl=ttl, call_after=call_after)
    if is_good:
        assert start(**variables).settings.clients["app"].call_after == int(call_after)
    else:
        assert list(errors_of(**variables)) == ["clients.app.call_after"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("hook_secret", ONE), ("hook_texts", "call"), ("default_region", "IN"), ("call_after", "5")],
)
def test_settings_of_a_hook_need_one(errors_of: ErrorsOf, name: str, value: str) -> None:
    """They would have no effect."""
    assert list(errors_of(**{f"{VARIABLE}{name.upper()}": value})) == [f"clients.app.{name}"]
