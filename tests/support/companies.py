"""Settings of further telephone companies, which the sandbox imitates."""

from otpvoice_sandbox.twiml_vendors import TWIML_VENDORS, telnyx_public_key

TOKEN = "token-of-the-company-abroad"
PATH_TOKEN = "path-token-of-the-company-abroad-01234"
TWILIO_LINE = "12025550100"
PLIVO_LINE = "918047285000"
TEXTS = '{"default": "ACME. {Name}, your code is {otp}."}'
NOBODY = "http://127.0.0.1:9"
"""Nothing listens there."""


def twiml(name: str, base_url: str, vendor: str = "twilio") -> dict[str, str]:
    """Return the settings of a provider that answers as a vendor of the TwiML family."""
    is_telnyx = TWIML_VENDORS[vendor].is_telnyx
    return _provider(
        name,
        KIND="twiml",
        VENDOR=vendor,
        ACCOUNT="AC1",
        TOKEN=TOKEN,
        WEBHOOK_KEY=telnyx_public_key(TOKEN) if is_telnyx else TOKEN,
        BASE_URL=f"{base_url}{TWIML_VENDORS[vendor].path}",
        BRIDGE=TWILIO_LINE,
        TEXTS=TEXTS,
        WEBHOOK_PATH_TOKEN=PATH_TOKEN,
        **({"APPLICATION_ID": "12345"} if is_telnyx else {}),
    )


def plivo(base_url: str) -> dict[str, str]:
    """Return the settings of a provider that answers as Plivo."""
    return _provider(
        "plivo",
        KIND="plivo",
        AUTH_ID="MA000000000000000000",
        AUTH_TOKEN=TOKEN,
        BASE_URL=f"{base_url}/v1/",
        BRIDGE=PLIVO_LINE,
        TEXTS=TEXTS,
    )


def _provider(name: str, **members: str) -> dict[str, str]:
    prefix = f"OTPVOICE_PROVIDERS_{name.upper()}"
    return {f"{prefix}_{member}": value for member, value in members.items()}
