"""``otpvoice doctor``: verify a deployment, and say how to fix it."""
