"""Plivo's signature: docs/providers/plivo.md, section 4. Its SDK judges it in the integrations."""

import pytest
from providers.plivo_samples import NONCE, TOKEN, URL, hangup_form, sign

from otpvoice.providers.plivo.signature import is_signed

FORM = hangup_form()


def check(
    headers: dict[str, str],
    url: str = URL,
    form: dict[str, str] = FORM,
    tokens: tuple[str, ...] = (TOKEN,),
) -> bool:
    """Whether the signature of this POST is accepted."""
    return is_signed(url, form.items(), headers, tokens)


def test_documented_example_is_accepted() -> None:
    """The digest of the example's text, as ``openssl dgst`` makes it."""
    form = {"To": "+15555555555", "Digits": "1234", "From": "+15551111111",
            "CallUuid": "4vbcpem8-0u46-x1ha-9af1-438vc92bf374"}  # fmt: skip
    url, nonce = "https://example.com/abcd?foo=bar", "kjsdhfsd87sd7yisud2"
    headers = sign(url, form, "token", nonce)

    assert headers["x-plivo-signature-v3"] == "jToWmtH84brQecYxgmKnzNePoCNlZDBFmknr7uTcUyM="
    assert check(headers, url, form, ("token",))


@pytest.mark.parametrize("name", ["x-plivo-signature-v3", "x-plivo-signature-ma-v3"])
@pytest.mark.parametrize("form", ["{}", "x, {}", "{},x", " {} , y"])
@pytest.mark.parametrize("tokens", [(TOKEN,), ("other", TOKEN), ("", TOKEN)])
def test_one_of_several_signatures_and_tokens_is_enough(
    name: str, form: str, tokens: tuple[str, ...]
) -> None:
    """The provider signs with each token of the account, and with the main account's."""
    signature = sign(URL, FORM)["x-plivo-signature-v3"]
    headers = {name: form.format(signature), "x-plivo-signature-v3-nonce": NONCE}
    assert check(headers, tokens=tokens)


@pytest.mark.parametrize(
    "changes",
    [
        {"x-plivo-signature-v3-nonce": ""},
        {"x-plivo-signature-v3-nonce": NONCE + "0"},
        {"x-plivo-signature-v3": ""},
        {"x-plivo-signature-v3": "é\udc80"},
        {"x-plivo-signature-v3": ","},
        {"x-plivo-signature-v3": "AAAA" * 11},
    ],
)
def test_other_headers_are_refused(changes: dict[str, str]) -> None:
    """A signature without its nonce, or another one."""
    assert not check(sign(URL, FORM) | changes)


@pytest.mark.parametrize(
    "url",
    [
        URL.replace("https", "http"),
        URL.replace("otp.", "otq."),
        URL.replace("/plivo", "/plivo/"),
        URL + "0",
        URL + "&call=x",
        URL.partition("?")[0],
    ],
)
def test_signature_of_another_address_is_refused(url: str) -> None:
    """A signature for one call or host does not authenticate a message about another."""
    assert not check(sign(URL, FORM), url)


@pytest.mark.parametrize(
    "changes",
    [
        {"CallStatus": "busy"},
        {"CallStatus": None},
        {"Added": "1"},
        {"To": "919876543211"},
        {"BillDuration": "6", "BillRate": "00.0065"},
    ],
)
def test_signature_of_another_form_is_refused(changes: dict[str, str | None]) -> None:
    """Each member is signed."""
    assert not check(sign(URL, FORM), form=hangup_form(**changes))


@pytest.mark.parametrize("tokens", [(), ("",), ("other",), ("", "other")])
def test_signature_without_its_token_is_refused(tokens: tuple[str, ...]) -> None:
    """Without a configured token, nothing is authentic: not even what an empty token signs."""
    for signed_with in (TOKEN, ""):
        assert not check(sign(URL, FORM, signed_with), tokens=tokens)


def test_signature_of_an_empty_nonce_is_refused() -> None:
    """The provider always sends one."""
    assert not check(sign(URL, FORM, nonce=""))
