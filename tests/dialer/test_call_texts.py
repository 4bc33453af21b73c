"""The text that a call speaks, of a provider that has flows and of one that has none."""

import pytest
from providers.plivo_samples import CALL_ID, LINE, NUMBER, adapter
from store.driver import RING

from otpvoice.core.keys import encrypt_number, encrypt_speech
from otpvoice.core.speech import Flow
from otpvoice.dialer.placement import CallBuilder, Undialable
from otpvoice.providers.routes import CallerLine, Route
from otpvoice.store.models import Claim

TEXTS = {"default": Flow("", "Code {otp}"), "hi": Flow("", "कोड {otp}"), "fr": Flow("", "Le {otp}")}
FLOWS = {"default": Flow("24", "Code {otp}"), "hi": Flow("25", "कोड {otp}"), "fr": Flow("26")}


def claim(locale: str, flow_id: str | None = None, client: str = "login") -> Claim:
    """Return the claim of a call in this language."""
    return Claim(
        call_id=CALL_ID,
        holder="h",
        verification_id="vrf_1",
        client=client,
        encrypted_number=encrypt_number(RING, "vrf_1", f"+{NUMBER}"),
        number_hash="n",
        encrypted_speech=encrypt_speech(RING, "vrf_1", "4711", "Asha"),
        route="plivo",
        locale=locale,
        bridge=LINE,
        tried_routes=(),
        flow_id=flow_id,
    )


def builder(flows: dict[str, Flow], line: CallerLine | None = None) -> CallBuilder:
    """Return a builder for one client with these flows."""
    route = Route("plivo", "plivo", adapter(), "", line)
    return CallBuilder(RING, {"plivo": route}, {"login": flows})


@pytest.mark.parametrize("flow_id", [None, ""])
@pytest.mark.parametrize("locale", [*TEXTS])
def test_text_without_an_id_is_chosen_by_its_language(locale: str, flow_id: str | None) -> None:
    """Although all have the same id: none."""
    call = builder(TEXTS).build(claim(locale, flow_id))
    assert (call.text, call.flow_id) == (TEXTS[locale].text, "")


@pytest.mark.parametrize("locale", [*FLOWS])
def test_text_of_a_flow_is_that_of_its_id(locale: str) -> None:
    """The record's flow counts, even if the settings have another one for the language."""
    call = builder(FLOWS).build(claim(locale, "25"))
    assert (call.text, call.flow_id) == ("कोड {otp}", "25")
    assert builder(FLOWS).build(claim(locale)).flow_id == FLOWS[locale].id


def test_line_of_its_own_has_its_own_texts() -> None:
    """In the call's language, or the default one."""
    line = CallerLine("918047285009", "+918047285009", {"default": Flow("", "Own {otp}")})
    call = builder(TEXTS, line).build(claim("hi"))
    assert (call.text, call.locale, call.bridge) == ("Own {otp}", "default", line.bridge)


def test_text_of_an_unknown_client_cannot_be_spoken() -> None:
    """The settings of this process lack it."""
    with pytest.raises(Undialable):
        builder(TEXTS).build(claim("hi", "", client="another"))
