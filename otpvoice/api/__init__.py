"""HTTP only: reads requests, asks the core, writes answers."""
