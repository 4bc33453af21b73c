"""The page of ``make demo``: login and phones in two frames, and a short guide."""
