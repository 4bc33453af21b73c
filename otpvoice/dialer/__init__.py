"""Places calls: due → claim → mark → send → record. Never talks to users."""
