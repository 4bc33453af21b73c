"""The identity servers that post to ``/hooks/<client>``: their bodies, and how they authenticate.

Bodies have the members that each server's source code or documentation lists, and more than the
service reads. Signatures are made by the libraries that the servers' own receivers use; Zitadel's
is made as its documentation describes it.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import standardwebhooks
import svix

Headers = dict[str, str]
JSON: Final = {"Content-Type": "application/json"}
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


def _supabase(number: str, code: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "uuid": str(uuid4()),
            "time": "2026-08-20T10:11:12.131415Z",
            "name": "send-sms",
            "ip_address": "49.36.0.9",
        },
        "user": {
            "id": str(uuid4()),
            "aud": "authenticated",
            "role": "authenticated",
            "email": "",
            "phone": number.removeprefix("+"),
            "app_metadata": {"provider": "phone", "providers": ["phone"]},
            "user_metadata": {"name": "Asha"},
            "identities": [],
            "created_at": "2026-08-20T10:11:12.131415Z",
        },
        "sms": {"otp": code, "phone": number.removeprefix("+"), "sms_type": "mfa"},
    }


def _okta(number: str, code: Any) -> dict[str, Any]:
    return {
        "eventId": str(uuid4()),
        "eventTime": "2026-08-20T10:11:12.000Z",
        "eventType": "com.okta.telephony.provider",
        "eventTypeVersion": "1.0",
        "contentType": "application/json",
        "cloudEventVersion": "0.1",
        "source": "https://example.okta.com/api/v1/inlineHooks/cal1",
        "requestType": "com.okta.user.telephony.pre-enrollment",
        "data": {
            "context": {"request": {"id": "r1", "method": "POST", "ipAddress": "49.36.0.9"}},
            "userProfile": {
                "firstName": "Asha",
                "lastName": "Rao",
                "login": "asha@example.com",
                "userId": "00u1",
            },
            "messageProfile": {
                "msgTemplate": f"Your code is {code}",
                "phoneNumber": number,
                "otpExpires": "2026-08-20T10:16:12.000Z",
                "deliveryChannel": "voice",
                "otpCode": code,
                "locale": "EN-US",
            },
        },
    }


def _zitadel(number: str, code: Any) -> dict[str, Any]:
    return {
        "contextInfo": {
            "eventType": "session.otp.sms.challenged",
            "provider": {"id": "285181292935381355", "description": "otpvoice"},
            "recipientPhoneNumber": number,
        },
        "templateData": {"title": "Verify", "greeting": "Hello", "text": f"{code} is your code"},
        "args": {
            "code": code,
            "firstName": "Asha",
            "lastName": "Rao",
            "displayName": "Asha Rao",
            "lastPhone": number,
            "verifiedPhone": number,
        },
    }


def _logto(number: str, code: Any) -> dict[str, Any]:
    payload = {"code": code, "locale": "hi", "uiLocales": "hi-IN hi"}
    return {"to": number, "type": "SignIn", "payload": payload, "ip": "49.36.0.9"}


def _fusionauth(number: str, code: Any) -> dict[str, Any]:
    return {
        "code": code,
        "phoneNumber": number,
        "message": f"Your code is {code}",
        "textMessage": f"Your code is {code}",
        "type": "Voice",
        "userId": str(uuid4()),
    }


def _casdoor(number: str, code: Any) -> dict[str, Any]:
    return {"phoneNumber": number, "content": code}


def _clerk(number: str, code: Any) -> dict[str, Any]:
    return {
        "type": "sms.created",
        "object": "event",
        "instance_id": "ins_1",
        "timestamp": int(time.time() * 1000),
        "data": {
            "object": "sms_message",
            "to_phone_number": number,
            "from_phone_number": "+15550100000",
            "phone_number_id": "idn_1",
            "user_id": None,
            "message": f"{code} is your verification code.\n\n@example.com #{code}",
            "slug": "verification_code",
            "data": {"app": {"name": "Example"}, "otp_code": code},
            "delivered_by_clerk": False,
        },
    }


def _standard_headers(body: bytes, secrets: tuple[str, ...], at: datetime) -> Headers:
    message_id = f"msg_{uuid4().hex}"
    signatures = [
        standardwebhooks.Webhook(secret.removeprefix("v1,")).sign(message_id, at, body.decode())
        for secret in secrets
    ]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": ", ".join(signatures),  # as Supabase joins them
    }


def _svix_headers(body: bytes, secrets: tuple[str, ...], at: datetime) -> Headers:
    message_id = "msg_" + hashlib.sha256(body).hexdigest()[:27]  # of the message, in each try
    signatures = [svix.Webhook(secret).sign(message_id, at, body.decode()) for secret in secrets]
    return {
        "svix-id": message_id,
        "svix-timestamp": str(int(at.timestamp())),
        "svix-signature": " ".join(signatures),
    }


def _zitadel_headers(body: bytes, secrets: tuple[str, ...], at: datetime) -> Headers:
    seconds = str(int(at.timestamp()))
    signed = b".".join([seconds.encode(), body])
    digests = [hmac.new(key.encode(), signed, hashlib.sha256).hexdigest() for key in secrets]
    return {"ZITADEL-Signature": ",".join([f"t={seconds}", *(f"v1={each}" for each in digests)])}


def bearer(key: str) -> Headers:
    """Return the header with an API key."""
    return {"Authorization": f"Bearer {key}"}


def basic(key: str, user: str = "otpvoice") -> Headers:
    """Return the header with an API key as a password."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()}


def _secret(seed: bytes) -> str:
    return "whsec_" + base64.b64encode(hashlib.sha256(seed).digest()).decode()


@dataclass(frozen=True)
class IdentityServer:
    """One identity server, and its client in the settings, which has the same name."""

    kind: str
    body: Callable[[str, Any], dict[str, Any]]
    """Returns the body for a number and a code, with a new attempt each time."""
    sign: Callable[[bytes, tuple[str, ...], datetime], Headers] | None = None

    @property
    def path(self) -> str:
        """Where it posts to."""
        return f"/hooks/{self.kind}"

    @property
    def api_key(self) -> str:
        """The API key of its client."""
        return f"ovk_of-{self.kind}-in-the-tests"

    @property
    def secret(self) -> str:
        """The secret with which it signs."""
        secret = _secret(self.kind.encode())
        return {"supabase": f"v1,{secret}", "zitadel": "signing-key-of-the-tests"}.get(
            self.kind, secret
        )

    def headers(self, body: bytes, *secrets: str, age_s: float = 0) -> Headers:
        """Return the headers of a genuine request, or of one with other secrets or keys."""
        if self.sign is None:
            return {**JSON, **bearer(secrets[0] if secrets else self.api_key)}
        at = datetime.now(UTC) - timedelta(seconds=age_s)
        return {**JSON, **self.sign(body, secrets or (self.secret,), at)}

    def settings(self) -> Mapping[str, str]:
        """Return the settings of its client, named as in ``clients_okta_hook``."""
        prefix = f"clients_{self.kind}_"
        key_hash = hashlib.sha256(self.api_key.encode()).hexdigest()
        secret = {f"{prefix}hook_secret": self.secret} if self.sign else {}
        return {f"{prefix}key_sha256": key_hash, f"{prefix}hook": self.kind, **secret}


SUPABASE: Final = IdentityServer("supabase", _supabase, _standard_headers)
OKTA: Final = IdentityServer("okta", _okta)
ZITADEL: Final = IdentityServer("zitadel", _zitadel, _zitadel_headers)
LOGTO: Final = IdentityServer("logto", _logto)
FUSIONAUTH: Final = IdentityServer("fusionauth", _fusionauth)
CASDOOR: Final = IdentityServer("casdoor", _casdoor)
CLERK: Final = IdentityServer("clerk", _clerk, _svix_headers)
ALL: Final = (SUPABASE, OKTA, ZITADEL, LOGTO, FUSIONAUTH, CASDOOR, CLERK)
SIGNING: Final = tuple(each for each in ALL if each.sign)
SENDING_A_KEY: Final = tuple(each for each in ALL if not each.sign)


def encode(body: Mapping[str, Any]) -> bytes:
    """Return the bytes of a JSON body."""
    return json.dumps(body).encode()


def is_success(kind: str, status: int, body: Any) -> bool:
    """Return whether a response is success to this kind of server, in its exact words."""
    if kind == "okta":
        (command,) = body["commands"]
        (value,) = command["value"]
        is_command = command["type"] == "com.okta.telephony.action"
        return status == 200 and is_command and value["status"] == "SUCCESSFUL"
    return status == 200 and body == {}


def refusal_code(kind: str, body: Any) -> str | int:
    """Return what a refusal says in the words of this kind of server: a status or a code."""
    if kind == "okta":
        value = body["commands"][0]["value"][0]
        assert value["status"] == "FAILED"
        code: str = value["transactionMetadata"].partition(":")[0]
        return code
    assert list(body) == ["error"]
    assert isinstance(body["error"]["message"], str)
    refused: str | int = body["error"]["http_code" if kind == "supabase" else "code"]
    return refused
