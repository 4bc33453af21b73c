"""The vendor's messages about a call, member by member as its documents show them.

docs/provider.md, section 2 (replies and status queries) and section 3 (callbacks).
"""

from typing import Any, Final

from otpvoice.sandbox.calls import Call

_PRICE: Final = "0.5000"
_REACHED_FLOW: Final = frozenset({"ANSWER", "COMPLETED"})


def accepted_reply(call: Call) -> dict[str, Any]:
    """Build the reply to an accepted request, in the call's reply style."""
    if call.request.route == "c2c":
        return _accepted_c2c(call)
    is_newer = call.reply_style.obd_reply == "newer"
    return _accepted_obd_newer(call) if is_newer else _accepted_obd(call)


def _accepted_c2c(call: Call) -> dict[str, Any]:
    if call.reply_style.c2c_reply == "bare":
        return {"status": 200, "message": "Call initiated successfully"}
    return {"callId": call.id, "message": "call initiated successfully", "status": 200}


def _accepted_obd(call: Call) -> dict[str, Any]:
    number = {
        "id": call.id,
        "mobile": call.request.callee,
        "charges": _PRICE,
        "customid": "",
        "customid1": "",
        "iso_code": None,
        "submitted_at": call.received_at.local_text,
    }
    return {"status": 200, "message": "1 numbers accepted for delivery.", "data": [number]}


def _accepted_obd_newer(call: Call) -> dict[str, Any]:
    number = {
        "id": call.id,
        "channel": "outgoing",
        "caller_id": call.request.bridge,
        "mobile": call.request.callee,
        "flow_id": call.request.flow_id,
        "credits": 1,
        "created_at": call.received_at.utc_text,
        "foreign_id": None,
        "options": None,
        "status": "queued",
    }
    return {"status": "OK", "message": "Calls queued successfully", "data": [number]}


def callback_body(call: Call, webhook_id: str) -> dict[str, Any]:
    """Build the callback of an ended call. ``duration`` counts seconds of conversation."""
    if call.request.route == "obd":
        return _obd_callback(call)
    body = _c2c_callback(call) | {"webhook_id": webhook_id}
    return body | {"mid": call.request.mid} if call.reply_style.c2c_mid == "echoed" else body


def vendor_status(call: Call) -> str:
    """Return the vendor's status; in C2C, a conversation with the flow is ``COMPLETED``."""
    status = call.outcome.status
    return "COMPLETED" if call.request.route == "c2c" and status == "ANSWER" else status


def _c2c_callback(call: Call) -> dict[str, Any]:
    ended_at = call.ended_at or call.received_at
    outcome, request = call.outcome, call.request
    is_recorded = request.record and call.spoken_text is not None
    return {
        "bridge": int(request.bridge),
        "from": int(request.callee),
        "to": request.body["to"],
        "source": "C2C",
        "start_at": call.started_at.local_text,
        "end_at": ended_at.local_text,
        "date": ended_at.local_text,
        "unixtime": str(int(ended_at.wall.timestamp())),
        "duration": str(call.talk_seconds),
        "billing": str(call.talk_seconds),
        "status": vendor_status(call),
        "status1": "RECEIVED" if outcome.answered_by else outcome.status,
        "status2": "ANSWER" if outcome.status in _REACHED_FLOW else "",
        "recording_url": f"https://recordings.example/{call.id}.mp3" if is_recorded else "",
        "hangup_by": outcome.hung_up_by,
    }


def _obd_callback(call: Call) -> dict[str, Any]:
    ended_at = call.ended_at or call.received_at
    flow = {} if call.request.flow_id is None else {"flow_id": int(call.request.flow_id)}
    return {
        "bridge": int(call.request.bridge),
        "from": int(call.request.bridge),
        "to": int(call.request.callee),
        "source": "OBD",
        "mid": call.id,
        **flow,
        "start_at": call.started_at.local_text,
        "end_at": ended_at.local_text,
        "duration": str(call.talk_seconds),
        "status": call.outcome.status,
        "recording_url": "",
    }


def call_status_item(call: Call) -> dict[str, Any]:
    """Build one OBD call in the reply of ``outgoing/callstatus``."""
    return {
        "id": call.id,
        "channel": "outgoing",
        "from": call.request.bridge,
        "to": call.request.callee,
        "created_at": call.received_at.local_text,
        "foreign_id": "",
        "status": call.outcome.status if call.ended_at else "queued",
        "start_at": call.started_at.local_text if call.attempts else "",
        "end_at": call.ended_at.local_text if call.ended_at else "",
        "dtmf": "",
    }


def call_log_item(call: Call) -> dict[str, Any]:
    """Build one ended call in the reply of ``voice/calls``."""
    is_obd = call.request.route == "obd"
    length = _format_duration(call.talk_seconds)
    return {
        "id": call.id,
        "call_from": call.request.bridge if is_obd else call.request.callee,
        "call_to": call.request.callee if is_obd else call.request.body["to"],
        "service": call.request.route.upper(),
        "bridge": call.request.bridge,
        "status": vendor_status(call),
        "duration": length,
        "billing": length,
        "charges": _PRICE,
        "start_at": call.started_at.local_text,
        "end_at": call.ended_at.local_text if call.ended_at else "",
        "hangup_by": call.outcome.hung_up_by,
        "dtmf": "",
        "provider": "sandbox",
    }


def _format_duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}"
