"""The HTTP server: gunicorn with a worker of its own."""
