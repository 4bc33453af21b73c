"""The text that a call speaks, of a provider that has flows and of one that has none."""

import pytest
from msgspec.structs import replace
from providers.plivo_samples import CALL_ID, LINE, NUMBER, adapter
from store.driver import RING

from otpvoice.core.keys import encrypt_number, encrypt_speech, encrypt_transaction
from otpvoice.core.lines import CallerLines
from otpvoice.core.speech import Flow, Gate
from otpvoice.core.transactions import Transaction
from otpvoice.dialer.placement import CallBuilder
from otpvoice.providers.routes import ProviderFlows, Route
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


def builder(
    flows: dict[str, Flow],
    lines: CallerLines | None = None,
    of_clients: dict[str, dict[str, Flow]] | None = None,
) -> CallBuilder:
    """Return a builder of calls by a provider with these flows."""
    provider_flows = ProviderFlows(flows, of_clients or {}, {"login": "ACME Pay"})
    return CallBuilder(
        RING, {"plivo": Route("plivo", "plivo", adapter(), "", provider_flows, 165, lines)}
    )


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


@pytest.mark.parametrize("flow_id", [None, "", "25"])
@pytest.mark.parametrize("client", ["login", "another"])
def test_provider_with_a_line_of_its_own_speaks_the_own_texts_of_a_client(
    client: str, flow_id: str | None
) -> None:
    """Instead of the provider's, and whatever flow the first provider would have used."""
    lines = CallerLines(("918047285009",))
    own = {"login": {"default": Flow("", "Own {otp}")}}
    call = builder(TEXTS, lines, own).build(claim("hi", flow_id, client))
    expected = ("Own {otp}", "default") if client == "login" else ("कोड {otp}", "hi")
    assert (call.text, call.locale) == expected
    assert (call.bridge, call.flow_id) == (LINE, "")


def test_gate_of_a_call_is_that_of_its_text_or_flow() -> None:
    """Of the flow's id in the record, whatever language has it now."""
    gated = Flow("", "Code {otp}", gate=True, prompt="Press 1, {Name}")
    call = builder({"default": Flow("", "{otp}"), "hi": gated}).build(claim("hi"))
    assert (call.gate, call.prompt) == (Gate.DOOR, "Press 1, {Name}")
    assert builder(TEXTS).build(claim("hi")).gate is None

    flows = FLOWS | {"en": Flow("27", gate=True)}
    call = builder(flows).build(claim("hi", "27"))
    assert (call.gate, call.prompt) == (Gate.QUERY, "")
    assert builder(flows).build(claim("en")).gate is Gate.QUERY
    assert builder(flows).build(claim("en", "25")).gate is None

    lines = CallerLines(("918047285009",))
    assert builder({"default": gated}, lines).build(claim("hi")).gate is Gate.DOOR


@pytest.mark.parametrize(
    ("client", "variables"), [("login", {"brand": "ACME Pay"}), ("another", {})]
)
def test_call_has_the_brand_of_its_client(client: str, variables: dict[str, str]) -> None:
    """For the placeholder of its text, or as a variable of its flow."""
    call = builder(TEXTS).build(claim("hi", None, client))
    no_payment = {"amount": "", "payee": ""}
    assert call.variables == call.speech.variables == variables | no_payment


def test_call_has_the_amount_in_the_language_of_its_flow() -> None:
    """Kept out of the log with the name."""
    paid = Transaction("2500.00", "INR", "ACME Stores")
    claimed = replace(claim("hi"), encrypted_transaction=encrypt_transaction(RING, "vrf_1", paid))
    call = builder(TEXTS).build(claimed)
    assert {"amount": "2500 रुपये", "payee": "ACME Stores"}.items() <= call.variables.items()
    assert {"Asha", "ACME Stores"} <= {*call.personal_texts}
    assert "ACME Stores" not in repr(call) + repr(call.speech)
