"""``/openapi.json``: the HTTP contract, told by the types that keep it."""
