"""Runs of ``otpvoice preview``, and the texts that it shows."""

import json
from typing import Any

from cli.cli_runner import run_command

GOOD = "{brand}, for {Name}. The code is: {otp}. Again: {otp}."


def flows(**texts: str) -> str:
    """Return the setting for flows with these texts, by locale."""
    return json.dumps({key: {"id": "24", "text": text} for key, text in texts.items()})


WITH_TEXTS = {
    "OTPVOICE_PROVIDER_FLOWS": flows(default=GOOD, hi="{brand}: {Name} जी: {otp}। {otp}"),
    "OTPVOICE_CLIENTS_LOGIN_SPOKEN_BRAND": "ACME Pay",
    "OTPVOICE_CLIENTS_BANK_SPOKEN_BRAND": "Bank of Tests",
}
ABROAD = {
    "providers_abroad_kind": "twiml",
    "providers_abroad_vendor": "twilio",
    "providers_abroad_account": "AC1",
    "providers_abroad_token": "t0ken-of-the-vendor",
    "providers_abroad_bridge": "12025550100",
    "providers_abroad_texts": '{"default": "Own text: {otp}", "hi": "अपना {otp}"}',
    "providers_abroad_webhook_path_token": "path-token-of-the-vendor-0123456789",
}


def preview(environ: dict[str, str], *words: str, **changes: str) -> dict[str, Any]:
    """Run the command with ``--json``. ``changes``: settings, without their OTPVOICE_."""
    changed = {f"OTPVOICE_{name.upper()}": value for name, value in changes.items()}
    done = run_command("preview", "--client", "login", "--json", *words, **environ | changed)
    assert done.exit_code == 0, done.output
    document: dict[str, Any] = json.loads(done.stdout)
    return document
