"""``/twilio/v2``: the API of Twilio Verify v2, for clients that already use one of Twilio's SDKs.

It translates to operations of the service and adds none. docs/integrations/twilio-verify.md lists
the differences from Twilio.
"""
