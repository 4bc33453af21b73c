"""The page at ``/``: phones that ring, are answered and speak; and what was said of calls.

Rendered by the server and pushed piece by piece as it changes; every button is a form, so that the
page works, unlively, without its script.
"""
