"""A call to place, and Mobtexting's documented replies to its request."""

from typing import Any

from otpvoice.core.verification import Route
from otpvoice.providers.base import OutboundCall

TOKEN = "38e896f55670311982434e929559bxxxx"
NUMBER = "918867135000"
"""Of :func:`outbound_call`."""

# Byte for byte.
OBD_OLDER = (
    b'{"status":200,"message":"1 numbers accepted for delivery.","data":[{'
    b'"id":"70fa87e0-9df9-4327-bc80-a561c48703d8:1","mobile":"918919525224","charges":"0.5000",'
    b'"customid":"","customid1":"","iso_code":null,"submitted_at":"2019-08-16 15:09:51"}]}'
)
OBD_NEWER = (
    b'{"status":"OK","message":"Calls queued successfully","data":[{'
    b'"id":"0a1b2c3d-0000-4000-8000-0123456789ab","channel":"outgoing","caller_id":"918068280000",'
    b'"mobile":"918867135000","flow_id":"351","credits":1,'
    b'"created_at":"2024-07-10T06:09:43.054164Z","foreign_id":null,"options":null,'
    b'"status":"queued"}]}'
)
C2C_WITH_ID = (
    b'{\n"callId": "26074c32-b316-4ffa-99d7-9f6a99da56d6",\n'
    b'"message": "call initiated successfully",\n"status": 200\n}'
)
C2C_WITHOUT_ID = b'{\n"status": 200,\n"message": "Call initiated successfully"\n}'


def outbound_call(route: Route = Route.OBD, **changes: Any) -> OutboundCall:
    """Return a call of this route."""
    members: dict[str, Any] = {
        "call_id": "call_0123456789abcdef0123456789abcdef",
        "route": route,
        "number": f"+{NUMBER}",
        "bridge": "918068280000",
        "flow_id": "24",
        "name": "Asha Rao",
        "code": "1, 2, 3, 4, 5, 6",
    }
    return OutboundCall(**{**members, **changes})
