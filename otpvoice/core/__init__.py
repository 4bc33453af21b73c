"""Pure rules: no framework, no store, no wire, no clock."""
