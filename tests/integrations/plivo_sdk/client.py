"""Place calls with Plivo's SDK: read cases as JSON, write what each call returned."""

import json
import sys
from typing import Any

import plivo
from plivo.rest import client as rest


def use(case: dict[str, Any]) -> Any:
    """Call a method of ``calls`` at the case's address, and return its members or its error."""
    base_url = f"{case['base_url']}v1/Account"
    # The SDK has no setting for the address.
    rest.API_VOICE_BASE_URI = rest.PLIVO_API_BASE_URI = base_url
    calls = plivo.RestClient(case["auth_id"], case["token"]).calls
    try:
        result = getattr(calls, case["method"])(**case["arguments"])
    except plivo.exceptions.PlivoRestError as error:
        return {"error": type(error).__name__}
    return json.loads(json.dumps(result, default=vars))


print(json.dumps([use(case) for case in json.load(sys.stdin)]))
