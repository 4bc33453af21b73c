"""The use cases on a real store with a running dialer."""

import pytest
from support.service import BRIDGE

from otpvoice.core.keys import KeyRing, NumberHasher
from otpvoice.core.lines import CallerLines
from otpvoice.core.phone import NumberRules
from otpvoice.core.profiles import ClientProfile, CodePolicy
from otpvoice.core.service import Verifications
from otpvoice.core.speech import Flow
from otpvoice.store.redis_store import RedisStore


@pytest.fixture
def ring() -> KeyRing:
    """Return the key ring."""
    return KeyRing([b"the first ring key of the tests!"])


@pytest.fixture
def service(store: RedisStore, ring: KeyRing) -> Verifications:
    """Return a service with two clients and a test number."""
    store.sweep("dialer")
    rules = NumberRules(["IN"], ["mobile"], test_numbers={"+12015550199": "0042"})
    flows = {"default": Flow("24"), "hi": Flow("25")}
    return Verifications(
        store=store,
        ring=ring,
        number_hasher=NumberHasher(b"the number key of these tests..."),
        profiles={
            "login": ClientProfile(rules, CallerLines((BRIDGE,)), "Customer", flows, 300),
            "bank": ClientProfile(rules, CallerLines((BRIDGE,)), "Patron", flows, 60),
        },
        routes=("c2c", "obd"),
        policy=CodePolicy(
            code_length=6, max_checks=5, min_remaining_life_s=60, retention_s=7 * 86_400
        ),
    )
