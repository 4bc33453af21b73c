"""What a developer writes in an afternoon: the yardstick of :mod:`api_throughput`.

Fifty lines of Flask and redis-py keep a hash for each code and compare it. There are no calls,
limits, events, receipts, metrics, log lines or encrypted numbers, and a code that is sent twice at
once may be accepted twice.
"""

import hashlib
import hmac
import json
import os
import secrets
from typing import Any

from flask import Flask, Response, request
from redis import Redis

KEY = "ovk_benchmark"
LIFE_S = 300
MAX_WRONG_CODES = 5

app = Flask("naive", static_folder=None)
redis: Any = Redis.from_url(os.environ["OTPVOICE_REDIS_URL"], decode_responses=True)


def digest(verification_id: str, code: str) -> str:
    """Return the hash of a code."""
    return hashlib.sha256(f"{verification_id}{code}".encode()).hexdigest()


def respond(http_status: int, **members: object) -> Response:
    """Return JSON."""
    return Response(json.dumps(members), http_status, content_type="application/json")


@app.before_request
def authenticate() -> Response | None:
    """Require the API key."""
    sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return None if hmac.compare_digest(sent, KEY) else respond(401, error="unauthorized")


@app.post("/v1/verifications")
def create() -> Response:
    """Store the hash of a code."""
    body = request.get_json()
    verification_id = f"vrf_{secrets.token_hex(16)}"
    code = body.get("code") or f"{secrets.randbelow(10**6):06}"
    fields = {"to": body["to"], "code": digest(verification_id, code), "left": MAX_WRONG_CODES}
    with redis.pipeline() as commands:
        commands.hset(verification_id, mapping=fields)
        commands.expire(verification_id, LIFE_S)
        commands.execute()
    return respond(201, id=verification_id, to=body["to"], status="pending")


@app.get("/v1/verifications/<verification_id>")
def get(verification_id: str) -> Response:
    """Return a verification."""
    found = redis.hgetall(verification_id)
    if not found:
        return respond(404, error="not found")
    return respond(200, id=verification_id, to=found["to"], checks_left=int(found["left"]))


@app.post("/v1/verifications/<verification_id>/checks")
def check(verification_id: str) -> Response:
    """Compare a code; the right one is deleted."""
    found = redis.hgetall(verification_id)
    if not found or int(found["left"]) <= 0:
        return respond(404, error="not found")
    if hmac.compare_digest(found["code"], digest(verification_id, request.get_json()["code"])):
        redis.delete(verification_id)
        return respond(200, id=verification_id, valid=True)
    return respond(200, valid=False, checks_left=redis.hincrby(verification_id, "left", -1))
