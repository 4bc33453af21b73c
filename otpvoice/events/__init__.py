"""Signed events: what becomes of its verifications is told to a client, at least once."""
