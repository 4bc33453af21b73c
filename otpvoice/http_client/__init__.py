"""Outbound HTTP that knows whether a byte was sent, for providers, events and diagnostics."""
