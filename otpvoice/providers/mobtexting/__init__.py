"""Mobtexting, the first provider: calls, replies, callbacks and account."""
