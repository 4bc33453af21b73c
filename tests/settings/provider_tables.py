"""Tables of several telephone companies."""

TWILIO = """
[providers.twilio]
kind = "twiml"
vendor = "twilio"
account = "AC1"
token = "secret-token-of-twilio"
bridge = "12025550100"
texts = { default = "Your code is {otp}.", hi = "कोड {otp}" }
"""
PLIVO = """
[providers.plivo]
kind = "plivo"
auth_id = "MA000000000000000000"
auth_token = "secret-token-of-plivo"
bridge = "918047285000"
texts = { default = "Your code is {otp}.", hi = "कोड {otp}" }
"""
SECOND = """
[providers.second]
kind = "mobtexting"
token = "secret-token-of-second"
bridge = "918068280009"
flows = { default = "7" }
webhook_secret = "second-hook"
"""
NO_PROVIDER = dict.fromkeys(
    f"OTPVOICE_PROVIDER_{name}" for name in ("TOKEN", "BRIDGE", "FLOWS", "WEBHOOK_SECRET")
)
