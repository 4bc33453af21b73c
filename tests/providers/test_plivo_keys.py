"""Calls through Plivo that ask for a key before the code: docs/providers/plivo.md, section 3."""

from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
from providers.plivo_samples import (
    ADDRESSES,
    ANSWER_URL,
    CALL_ID,
    KEY_URL,
    PROMPT,
    adapter,
    key_form,
    outbound_call,
    signed_callback,
)

from otpvoice.http_client import Deadlines
from otpvoice.providers.base import CallbackAuthError, PlacementOutcome, Speech
from otpvoice.providers.plivo.document import DEFAULT_VOICES, Voice, build_prompt

WOMAN = Voice("WOMAN", "en-US")
OTHER_CALL_ID = CALL_ID[:-1] + "0"


def test_prompt_asks_for_a_key() -> None:
    """Twice, and then the call ends. It has no code, whatever the speech has."""
    speech = Speech("hi", "{otp}", "Asha", "471102", "For {Name} {otp}")
    element = (
        f'<Wait length="1"/><GetInput action="{KEY_URL}" method="POST" inputType="dtmf" '
        'numDigits="1" executionTimeout="8"><Speak voice="Polly.Aditi" language="hi-IN">'
        '<prosody rate="90%">For Asha </prosody></Speak></GetInput>'
    )
    assert adapter().build_prompt(CALL_ID, speech).decode() == f"<Response>{element * 2}</Response>"


@pytest.mark.parametrize("voice", [DEFAULT_VOICES["default"], WOMAN])
@pytest.mark.parametrize("name", ["</Speak><Hangup/>", "O'Neil & Söhne", "{otp}", "{Name}"])
def test_name_is_only_text(name: str, voice: Voice) -> None:
    """As in the text with the code; nor is the address markup."""
    document = ET.fromstring(  # noqa: S314 - nobody else made it
        build_prompt(Speech("", "", name, "", "A & {Name}."), voice, 'https://x/?a="<1>&b')
    )
    assert ["".join(each.itertext()) for each in document.iter("Speak")] == [f"A & {name}."] * 2
    actions = {each.get("action") for each in document.iter("GetInput")}
    assert actions == {'https://x/?a="<1>&b'}


def test_request_for_a_gated_call_is_as_any_other() -> None:
    """The prompt is in the document that is fetched."""
    plain, gated = outbound_call(), outbound_call(prompt=PROMPT)
    assert adapter().preview_request(gated) == adapter().preview_request(plain)


@pytest.mark.parametrize("changes", [{"prompt": "x" * 3_000}, {"text": ""}])
def test_call_that_cannot_be_spoken_is_not_placed(changes: dict[str, str]) -> None:
    """Neither the prompt nor the text."""
    call = outbound_call(**({"prompt": PROMPT} | changes))
    result = adapter().place(call, Deadlines.within(5))
    assert result.outcome is PlacementOutcome.MISCONFIGURED


@pytest.mark.parametrize(
    ("digits", "key"),
    [("1", "1"), ("9", "9"), ("#", "#"), ("", ""), (None, ""), ("12", ""), ("१", ""), ("t", "")],
)
def test_signed_key_is_of_its_call(digits: str | None, key: str) -> None:
    """Only one key counts, because one was asked for."""
    callback = signed_callback(KEY_URL, key_form(digits))
    assert adapter().parse_key(callback) == (CALL_ID, key)


@pytest.mark.parametrize(
    "url",
    [
        ANSWER_URL,
        f"{ANSWER_URL.partition('?')[0]}/key?call={CALL_ID}",
        KEY_URL.partition("?")[0] + "?x=1",
        KEY_URL.replace(CALL_ID, OTHER_CALL_ID),
        KEY_URL.replace(CALL_ID, f"{CALL_ID}%20key"),
        KEY_URL.replace("call_", ""),
        KEY_URL.replace("/key?", "x/key?"),
    ],
)
def test_signed_key_with_another_token_is_refused(url: str) -> None:
    """The token is of one call, and of a key."""
    with pytest.raises(CallbackAuthError):
        adapter().parse_key(signed_callback(url, key_form()))


def test_forged_key_is_refused() -> None:
    """Unsigned, changed, or signed for another call's address or with another token."""
    for callback in (
        signed_callback(ADDRESSES.key(OTHER_CALL_ID), key_form()),
        signed_callback(ANSWER_URL, key_form()),
        signed_callback(KEY_URL, key_form("9")),
    ):
        forged = signed_callback(KEY_URL, key_form())
        with pytest.raises(CallbackAuthError):
            adapter().parse_key(
                type(forged)(
                    body=forged.body,
                    query=forged.query,
                    headers=callback.headers,
                    url=KEY_URL,
                    path_token=forged.path_token,
                )
            )
    with pytest.raises(CallbackAuthError):
        adapter(auth_tokens=("another",)).parse_key(signed_callback(KEY_URL, key_form()))


def test_key_opens_no_document_of_an_answer() -> None:
    """The tokens of the two addresses differ."""
    token = urlsplit(KEY_URL).path.split("/")[-2]
    url = f"https://otp.example.com/calls/plivo/{token}?call={CALL_ID}"
    with pytest.raises(CallbackAuthError):
        adapter().parse_answer(signed_callback(url))
