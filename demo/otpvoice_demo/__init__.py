"""The demo: the whole service on this machine, and one verification step by step."""
