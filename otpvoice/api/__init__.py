"""The HTTP layer: parses requests, calls the core, and builds responses."""
