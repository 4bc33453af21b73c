"""The only part that talks to Redis: one rule, one script, one round trip."""
