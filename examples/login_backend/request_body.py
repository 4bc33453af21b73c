"""What our page sends."""

from typing import Any

from flask import request


def body_strings(*names: str) -> dict[str, str]:
    """These members of the JSON body; an absent one is empty."""
    body: Any = request.get_json()
    told = body if isinstance(body, dict) else {}
    return {name: str(told.get(name) or "") for name in names}
