"""Events in the OpenAPI document: the requests that a client's ``event_url`` receives."""

from typing import Any, Final

from otpvoice.core.verification import CallStatus, EndReason, Status

_SILENT: Final = {CallStatus.QUEUED, CallStatus.DIALING}
"""Steps of a call that are no event."""
EVENT_TYPES: Final = (
    *(f"verification.{status}" for status in Status if status is not Status.PENDING),
    f"verification.{EndReason.DENIED}",
    *(f"call.{status}" for status in CallStatus if status not in _SILENT),
)
_HEADERS: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")
"""Of Standard Webhooks (standardwebhooks.com)."""


def event_requests(event_schema: dict[str, Any]) -> dict[str, Any]:
    """Return the request for each type of event.

    Args:
        event_schema: of the body.
    """
    return {event_type: {"post": _request(event_type, event_schema)} for event_type in EVENT_TYPES}


def _request(event_type: str, event_schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": f"receive_{event_type.replace('.', '_')}",
        "tags": ["events"],
        "summary": f"An event: {event_type}",
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in _HEADERS],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": event_schema}},
        },
        "responses": {"2XX": {"description": "Any 2xx acknowledges it; its body is ignored."}},
        "security": [],
    }
