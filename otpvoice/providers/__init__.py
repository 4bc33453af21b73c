"""The telephone companies: one file per vendor, whose words and wire format stay in here."""
