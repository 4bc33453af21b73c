"""Hooks of schemathesis: fresh verifications to act on, and a check of problem codes.

It reads this module itself (``SCHEMATHESIS_HOOKS``). ``OTPVOICE_TEST_SERVICE`` is where new
verifications come from; without it none are made. With ``OTPVOICE_TEST_AS_APP`` an app acts on
them.
"""

import os
import re
from typing import Any, Final

import requests
import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response
from support.processes import TIMEOUT_S
from support.service import ASHA, LOGIN_KEY

PROBLEM: Final = "application/problem+json"
_ID: Final = re.compile(r"vrf_[0-9a-f]{32}")


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], _kwargs: dict[str, Any]) -> None:  # noqa: ARG001 - it is called so
    """Replace a random id, which is unknown, by that of a pending verification."""
    found = str(case.path_parameters.get("verification_id", ""))
    service = os.environ.get("OTPVOICE_TEST_SERVICE")
    if not service or not _ID.fullmatch(found):
        return
    began = requests.post(
        f"{service}/v1/verifications",
        json={"to": ASHA, "code": "471102", "ttl": 600, "call_after": 300, "reference": found},
        headers={"Authorization": f"Bearer {LOGIN_KEY}"},
        timeout=TIMEOUT_S,
    ).json()
    case.path_parameters["verification_id"] = began["id"]
    if "OTPVOICE_TEST_AS_APP" in os.environ:
        case.headers["Authorization"] = f"Bearer {began['client_token']}"


@schemathesis.check
def code_is_documented(_context: CheckContext, response: Response, case: Case[Any]) -> None:
    """Check that a problem's code is documented for its status, which is the response's."""
    document = case.operation.schema.raw_schema
    methods = document["paths"][case.operation.path]
    answers = methods.get(case.method.lower(), {}).get("responses", {})
    answer = answers.get(str(response.status_code))
    if answer is None or response.headers.get("content-type") != [PROBLEM]:
        return  # schemathesis itself reports undocumented statuses
    problem = response.json()
    assert problem["status"] == response.status_code
    examples = document["components"]["examples"]
    codes = {examples[name]["value"]["code"] for name in answer["content"][PROBLEM]["examples"]}
    assert problem["code"] in codes, f"{problem['code']} is not among {codes}"
