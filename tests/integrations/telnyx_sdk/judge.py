"""Use Telnyx's SDK: verify messages, and place a call of our members with the sandbox."""

import json
import sys
from typing import Any, Literal, get_args, get_origin, get_type_hints

from telnyx import Telnyx
from telnyx.lib.webhooks_ed25519 import WebhookVerificationError, verify_ed25519
from telnyx.types.texml.accounts.call_calls_params import BodyWithTeXml


def is_verified(client: Telnyx, message: dict[str, Any]) -> bool:
    """Return whether the SDK believes a message."""
    try:
        verify_ed25519(client, message["body"], message["headers"], key=message["key"])
    except WebhookVerificationError:
        return False
    return True


def member_types() -> dict[str, Any]:
    """Return the type of each member of a request for a call with a document."""
    found = {}
    for hint in get_type_hints(BodyWithTeXml, include_extras=True).values():
        # Annotated[...], or Required[Annotated[...]].
        annotated = hint if hasattr(hint, "__metadata__") else get_args(hint)[0]
        found[annotated.__metadata__[0].alias] = annotated.__origin__
    return found


def fits(value: Any, hint: Any) -> bool:
    """Return whether a value has a type."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    return isinstance(value, get_args(hint) or hint)


def place(client: Telnyx, members: dict[str, Any]) -> dict[str, Any]:
    """Place a call with these members and list it; return also those that do not fit."""
    known = member_types()
    wrong = [n for n, value in members.items() if n not in known or not fits(value, known[n])]
    calls = client.texml.accounts.calls
    body: Any = members  # the SDK sends the names of this argument as they are
    created = calls.calls("AC1", body=body)
    (listed,) = calls.retrieve_calls("AC1", to=members["To"]).calls or []
    fetched = calls.retrieve(listed.sid or "", account_sid="AC1")
    return {
        "wrong": wrong,
        "created": [created.from_, created.to, created.status],
        "is_same": fetched.sid == listed.sid,
    }


request = json.load(sys.stdin)
sdk = Telnyx(api_key=request["token"], base_url=request["url"], max_retries=0)
print(
    json.dumps(
        {
            "verified": [is_verified(sdk, message) for message in request["messages"]],
            "call": place(sdk, request["members"]),
        }
    )
)
