"""Code samples: one curl command for each operation, made of what the document says of it."""

import json
import shlex
from typing import Any

from otpvoice.api.openapi.model import APP_AUTH, CLIENT_AUTH, JSON, PROVIDER_AUTH, Operation

_CREDENTIALS = {
    CLIENT_AUTH: "$OTPVOICE_API_KEY",
    APP_AUTH: "$CLIENT_TOKEN",
    PROVIDER_AUTH: "$WEBHOOK_SECRET",
}
"""Shell variables; the first credential that an operation takes is shown."""
_PATHS = {
    "{verification_id}": "$VERIFICATION_ID",
    "{path_token}": "$PATH_TOKEN",
    "{file}": "swagger-ui.css",
}


def code_samples(operation: Operation) -> list[dict[str, Any]]:
    """Return ``x-codeSamples``, an extension that readers of OpenAPI documents show."""
    return [{"lang": "Shell", "label": "curl", "source": _command(operation)}]


def _command(operation: Operation) -> str:
    path = operation.path
    for parameter, example in _PATHS.items():
        path = path.replace(parameter, example)
    parts = [f'curl "$OTPVOICE_URL{path}"']
    implied = "post" if operation.example else "get"
    if operation.method != implied:
        parts.append(f"-X {operation.method.upper()}")
    if operation.credentials:
        credential = _CREDENTIALS[operation.credentials[0]]
        parts.append(f'-H "Authorization: Bearer {credential}"')
    if operation.example:
        parts.append(f"-H 'Content-Type: {JSON}'")
        parts.append(f"-d {shlex.quote(json.dumps(operation.example))}")
    return " \\\n  ".join(parts)
