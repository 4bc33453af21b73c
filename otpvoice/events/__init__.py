"""Delivers signed events about verifications to clients, at least once."""
