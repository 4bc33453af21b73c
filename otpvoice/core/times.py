"""Times as text."""

from datetime import UTC, datetime


def format_utc(time_ms: int) -> str:
    """Format milliseconds since 1970 as ``2026-01-01T00:00:00Z`` (RFC 3339)."""
    return datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
