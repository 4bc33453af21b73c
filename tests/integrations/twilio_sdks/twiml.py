"""Use Twilio's SDK for calls: sign and validate callbacks, write a document, call the sandbox."""

import json
import sys
from datetime import date
from typing import Any

from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from twilio.twiml.voice_response import VoiceResponse


class Form(dict[str, list[str]]):
    """A form with repeated members, as web frameworks have it."""

    def getlist(self, name: str) -> list[str]:
        """Return every value of a member."""
        return self[name]


def judge(case: dict[str, Any]) -> dict[str, Any]:
    """Return the SDK's signature of a case, and whether it accepts the one in the case."""
    validator, form = RequestValidator(case["key"]), Form(case["members"])
    return {
        "signature": validator.compute_signature(case["url"], form),
        "is_valid": validator.validate(case["url"], form, case.get("signature", "")),
    }


def document(name: str, digits: str) -> str:
    """Return a document that speaks a code three times."""
    response = VoiceResponse()
    for _ in range(3):
        response.pause(length=1)
        say = response.say(language="hi-IN", voice="Polly.Aditi")
        say.append(f"ACME. {name}, your login code is {digits[0]}")
        for part in [*digits[1:-1], f"{digits[-1]}."]:
            say.break_(time="500ms")
            say.append(part)
    response.hangup()
    return str(response)


def prompt(name: str, key_url: str) -> str:
    """Return a document that asks for a key twice."""
    response = VoiceResponse()
    for _ in range(2):
        response.pause(length=1)
        gather = response.gather(num_digits=1, timeout=8, action=key_url, method="POST")
        gather.say(f"ACME, for {name}. Press 1.", language="hi-IN", voice="Polly.Aditi")
    response.hangup()
    return str(response)


def call_the_sandbox(url: str, token: str, number: str, ringing: str) -> dict[str, Any]:
    """Place a call, fetch it, list it, be refused, and cancel a call that rings."""
    client = Client("AC" + "1" * 32, token)
    client.api.base_url = url
    call = client.calls.create(to=number, from_="+918068280000", twiml=document("Asha", "4710"))
    fetched = client.calls(call.sid).fetch()
    listed = client.calls.list(to=number, start_time_after=date(2020, 1, 1), page_size=100)
    rings = client.calls.create(to=ringing, from_="+918068280000", twiml=document("Asha", "4710"))
    canceled = client.calls(rings.sid).update(status="canceled")
    try:
        client.calls.create(to="12", from_="+918068280000", twiml="<Response/>")
    except TwilioRestException as error:
        refusal = [error.status, error.code]
    return {
        "created": [call.status, call.to, call.from_formatted is None],
        "is_same": [fetched.sid, *(each.sid for each in listed)] == [call.sid, call.sid],
        "canceled": canceled.status,
        "refusal": refusal,
    }


request = json.load(sys.stdin)
print(
    json.dumps(
        {
            "signatures": [judge(case) for case in request["signatures"]],
            "documents": [document(*each) for each in request["documents"]],
            "prompts": [prompt(*each) for each in request["prompts"]],
            "sandbox": call_the_sandbox(*request["sandbox"]),
        }
    )
)
