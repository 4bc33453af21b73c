"""Samples of the verification object of the HTTP contract."""

from typing import Any

from support.service import ASHA

UNUSED_PORT = 1
"""A port for tests in which the proxy forwards nothing."""
CALL: dict[str, Any] = {
    "id": "call_01",
    "status": "answered",
    "reason": None,
    "route": "obd",
    "locale": "hi",
    "caller_id": "+918068280000",
    "due_at": "2026-01-01T00:00:00Z",
    "placed_at": "2026-01-01T00:00:01Z",
    "ended_at": "2026-01-01T00:00:20Z",
    "duration": 12,
    "heard": True,
}
ALLOWED = {"allowed": True, "reason": None, "at": None, "retry_after": None}
PENDING: dict[str, Any] = {
    "id": "vrf_01",
    "url": "https://otp.example.com/v1/verifications/vrf_01",
    "to": ASHA,
    "channel": "voice",
    "status": "pending",
    "reason": None,
    "reference": None,
    "created_at": "2026-01-01T00:00:00Z",
    "expires_at": "2026-01-01T00:05:00Z",
    "expires_in": 287,
    "ended_at": None,
    "version": 3,
    "code_length": 6,
    "checks_left": 5,
    "poll_after": 0.01,
    "calls": [CALL],
    "next": {"check": ALLOWED, "call": ALLOWED | {"reason": "call_gap"}},
}
ENDED = PENDING | {"status": "approved", "ended_at": "2026-01-01T00:00:30Z", "poll_after": None}
