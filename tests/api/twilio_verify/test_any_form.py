"""Forms of random members are accepted, or refused in Twilio's format."""

from api.twilio_verify.twilio_client import (
    CHECK,
    UNKNOWN_SID,
    VERIFICATIONS,
    TwilioClient,
    assert_error,
)
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support.service import ASHA

FORM = "application/x-www-form-urlencoded"
TO = "To=%2B919876543210"
CREATE = f"{TO}&Channel=call"

NAMES = st.sampled_from(
    [
        *("To", "Channel", "Locale", "CustomCode", "CustomFriendlyName", "DeviceIp", "Amount"),
        *("Payee", "Code", "VerificationSid", "Status", "SendDigits", "To[]"),
    ]
)
VALUES = st.one_of(
    st.sampled_from([ASHA, "call", "471102", "canceled", UNKNOWN_SID, "hi", "%", "%00", "%ff"]),
    st.text(max_size=20),
)


@given(
    pairs=st.lists(st.tuples(NAMES, VALUES), max_size=6),
    path=st.sampled_from([VERIFICATIONS, CHECK, f"{VERIFICATIONS}/{UNKNOWN_SID}"]),
)
@hypothesis_settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_form_is_an_internal_error(
    twilio: TwilioClient, pairs: list[tuple[str, str]], path: str
) -> None:
    """Names and values of every kind: accepted, or an error in Twilio's format."""
    raw = "&".join(f"{name}={value}" for name, value in pairs)
    response = twilio.request(
        "POST",
        path,
        data=raw.encode("utf-8", "surrogatepass"),
        content_type="application/x-www-form-urlencoded",
    )
    if response.status_code not in {200, 201}:
        assert response.status_code in {400, 403, 404, 429}, response.text
        assert_error(response, response.status_code, response.get_json()["code"])
