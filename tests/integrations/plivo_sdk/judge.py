"""Judge signatures with Plivo's SDK: read cases as JSON, write its signature and its verdict."""

import json
import sys
from typing import Any

from plivo.utils import signature_v3


def sign(url: str, form: dict[str, Any], token: str, nonce: str) -> str:
    """Return the SDK's signature of a POST."""
    message = signature_v3.construct_post_url(url, form).decode()
    return str(signature_v3.get_signature_v3(token, message, nonce.encode()).decode())


def is_signed(url: str, form: dict[str, Any], token: str, nonce: str, signature: str) -> bool:
    """Return the SDK's verdict on a POST."""
    return bool(signature_v3.validate_v3_signature("POST", url, nonce, token, signature, form))


def judge(case: dict[str, Any]) -> Any:
    """Return the result for one case."""
    return is_signed(**case) if "signature" in case else sign(**case)


print(json.dumps([judge(case) for case in json.load(sys.stdin)]))
