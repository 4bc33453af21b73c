"""Output of operators' commands as JSON documents. They hold no code and no whole number."""

from typing import Any

from otpvoice.admin.limits import LimitStatus, NumberLimits
from otpvoice.admin.service import FoundVerification
from otpvoice.admin.status import ServiceStatus
from otpvoice.core.times import format_utc
from otpvoice.core.verification import Call


def status_document(status: ServiceStatus) -> dict[str, Any]:
    """Return the document of ``otpvoice limits``."""
    overview = status.overview
    return {
        "now": format_utc(overview.now),
        "refuses": any(each.refuses for each in status.alerts),
        "unavailable": [*status.unavailable],
        "breakers": [
            {"name": each.title, "until": _utc(each.until_ms), "refuses": each.refuses}
            for each in status.breakers
        ],
        "limits": [_limit_document(each) for each in status.limits],
        "refused_last_hour": overview.refused,
        "live_calls": {"used": overview.live_calls, "allowed": status.max_live_calls},
        "queued_calls": overview.queued_calls,
        "dialers": overview.dialers,
        "closed_routes": [*overview.closed_routes],
        "quarantined_records": overview.quarantine.quarantined,
        "undialable_calls": overview.quarantine.undialable,
    }


def number_document(number: NumberLimits) -> dict[str, Any]:
    """Return the document of ``otpvoice limits explain``."""
    return {
        "number": number.identity.masked,
        "name_in_logs": number.identity.log_id,
        "now": format_utc(number.now_ms),
        "held_by": [each.title for each in number.refusing],
        "blocked_until": _utc(number.blocked_until_ms),
        "call_gap_until": _utc(number.gap_until_ms),
        "limits": [_limit_document(each) for each in number.limits],
        "refusals": [
            {
                "at": format_utc(each.at),
                "client": each.client,
                "limit": each.limit,
                "reference_name": each.reference or None,
                "verification": each.verification or None,
            }
            for each in number.refusals
        ],
    }


def verification_document(found: FoundVerification) -> dict[str, Any]:
    """Return one verification of the document of ``otpvoice find``."""
    verification = found.verification
    return {
        "id": verification.id,
        "client": verification.client,
        "to": found.masked_number,
        "status": verification.status,
        "reason": verification.reason,
        "reference": verification.reference,
        "created_at": format_utc(verification.created_at),
        "expires_at": format_utc(verification.expires_at),
        "ended_at": _utc(verification.ended_at),
        "checks_left": verification.checks_left,
        "calls": [_call_document(call) for call in verification.calls],
    }


def _limit_document(limit: LimitStatus) -> dict[str, Any]:
    return {
        "client": limit.client,
        "limit": limit.limit,
        "used": limit.used,
        "allowed": limit.allowed,
        "until": _utc(limit.until_ms),
    }


def _call_document(call: Call) -> dict[str, Any]:
    return {
        "id": call.id,
        "status": call.status,
        "reason": call.reason,
        "route": call.route,
        "locale": call.locale,
        "due_at": format_utc(call.due_at),
        "sent_at": _utc(call.sent_at),
        "placed_at": _utc(call.placed_at),
        "ended_at": _utc(call.ended_at),
        "duration": call.duration,
        "heard": call.heard,
        "raw": call.raw,
    }


def _utc(time_ms: int | None) -> str | None:
    return None if time_ms is None else format_utc(time_ms)
