"""Adapter for companies whose API is Twilio's, or similar to it (docs/providers/twiml.md)."""
