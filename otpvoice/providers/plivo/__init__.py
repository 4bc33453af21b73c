"""Plivo: calls that speak a text, answer documents, callbacks and status queries."""
