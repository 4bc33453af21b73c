"""The only package that uses Redis. Each operation is one function and one round trip."""
