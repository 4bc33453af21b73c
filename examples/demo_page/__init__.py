"""The page of ``make demo``: a login and its phone in two frames, with a short guide."""
