"""``/console`` (docs/console.md). It is no part of the API, and has its own credentials."""
