"""Guesses codes of one number with new verifications again and again.

Many at once, over two clients, while the key ring is rotated by processes that replace each other,
and while workers die. The remaining checks of all verifications show what was compared, of their
checks, not by the limit's own count. ``OTPVOICE_TEST_GUESSES`` is how often he is refused.
"""

import base64
import os
import random
import signal
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import requests
from redis import Redis
from support.processes import TIMEOUT_S, free_port, otpvoice_process, wait_until
from support.service import ASHA, BANK_KEY, LOGIN_KEY, RING_KEY
from support.stack import Stack, is_ready, running_service
from system.concurrency import NO_RESPONSE, concurrently

from otpvoice.store import Keys

GUESSES = int(os.environ.get("OTPVOICE_TEST_GUESSES", "100"))
ALLOWED, CHECKS = 15, 5
"""Wrong codes of a number in 24 hours, and of one verification."""
AT_ONCE = 3
ASHAS_KEY, ASHAS_CODE = "ovk_the-backend-that-asha-uses", "271828"
OLD = f"old:{RING_KEY}"
NEW = f"new:{base64.b64encode(b'another ring key of the tests 32').decode()}"
RAISED = {
    "OTPVOICE_SERVER_WORKERS": "2",
    "OTPVOICE_SECRETS_KEYS": OLD,
    "OTPVOICE_CLIENTS_ASHAS_KEY_SHA256": sha256(ASHAS_KEY.encode()).hexdigest(),
    "OTPVOICE_VERIFICATION_MAX_CHECKS": str(CHECKS),
    "OTPVOICE_LIMITS_WRONG_CODES_PER_NUMBER": f"{ALLOWED}/24h",
    "OTPVOICE_LIMITS_ALL_CALLS_PER_NUMBER": "",
    "OTPVOICE_LIMITS_CALLS_PER_CLIENT": "",
    "OTPVOICE_LIMITS_CALLS_PER_DAY": "100000",
    "OTPVOICE_LIMITS_CONVERSION_BREAKER": "off",
}
"""No limit of calls keeps him from new verifications."""


class Api:
    """The API, whose processes replace each other.

    Args:
        stack: the service as it was started.
        processes: ends the further processes.
    """

    def __init__(self, stack: Stack, processes: ExitStack) -> None:
        self._stack = stack
        self._processes = processes
        self._serving = [(stack.service.url, stack.api)]

    def asks(self, key: str, path: str, body: Mapping[str, Any]) -> tuple[int, Any]:
        """Status and JSON of what one of the processes answers."""
        url, _ = random.choice(self._serving)
        headers = {"Authorization": f"Bearer {key}"}
        address = f"{url}/v1/verifications{path}"
        try:
            answer = requests.post(address, json=body, headers=headers, timeout=TIMEOUT_S)
        except requests.RequestException:
            return NO_RESPONSE, {}
        return answer.status_code, answer.json()

    def is_joined_by(self, *ring: str) -> None:
        """Start a further process with another key ring."""
        url = f"http://127.0.0.1:{free_port()}"
        variables = self._stack.variables | {
            "OTPVOICE_SERVER_BIND": url.removeprefix("http://"),
            "OTPVOICE_SECRETS_KEYS": ",".join(ring),
        }
        newcomer = self._processes.enter_context(
            otpvoice_process("api", variables, self._stack.folder)
        )
        wait_until(lambda: is_ready(url), "the new process to serve")
        self._serving.append((url, newcomer))

    def is_left_to_the_newest(self) -> None:
        """Stop the older process."""
        _, old = self._serving.pop(0)
        assert old.terminate() == 0

    def loses_a_worker(self) -> None:
        """One of the newest process, in the middle of what it does."""
        _, newest = self._serving[-1]
        os.kill(random.choice(newest.child_pids()), signal.SIGKILL)


class Guesser:
    """See above. No code of his comes twice.

    Args:
        api: where he begins verifications and hands codes in.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._codes = iter(random.sample(range(10**6), 10**6))
        self._newest: dict[str, str] = {}
        self._until_wrong = 0
        self.answers: Counter[tuple[str, int, str]] = Counter()
        """To what, with which status, and what it said."""

    def goes_on_to(self, wrong: int) -> None:
        """Begins anew, and rests after so many wrong codes in all."""
        self._newest = {}
        self._until_wrong = wrong

    @property
    def rests(self) -> bool:
        """Whether he had so many wrong codes, or is refused more."""
        return self.wrong >= self._until_wrong or self.refused > 0

    @property
    def wrong(self) -> int:
        """Return the wrong codes that were compared."""
        return self.answers["check", 200, "wrong"]

    @property
    def refused(self) -> int:
        """Codes that were neither compared nor counted."""
        return self.answers["check", 429, "too_many_wrong_codes"]

    def tries(self, n: int) -> None:
        """Create a verification with either client, if allowed, and submit three codes."""
        if self.wrong >= self._until_wrong:
            return
        key = (LOGIN_KEY, BANK_KEY)[n % 2]
        # With a code of its own a verification is guessed at before its call was sent.
        body = {"to": ASHA, "reference": f"attempt {n}", "code": f"{random.randrange(10**6):06}"}
        status, said = self._api.asks(key, "", body)
        self.answers["create", status, said.get("code", "")] += 1
        if status == 201:
            self._newest[key] = said["id"]
        for _ in range(3):
            if key in self._newest and self.wrong < self._until_wrong:
                self._hands_in(key, self._newest[key])

    def _hands_in(self, key: str, verification: str) -> None:
        code = f"{next(self._codes):06}"
        status, said = self._api.asks(key, f"/{verification}/checks", {"code": code})
        assert said.get("valid") is not True, "a right guess: one in a million"
        word = "wrong" if status == 200 else said.get("code", "")
        self.answers["check", status, word] += 1


class Person:
    """Whose number it is. She logs in with the code of an SMS, which she has."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._begun = ""

    def begins(self, reference: str) -> None:
        """Send a create."""
        body = {"to": ASHA, "reference": reference, "code": ASHAS_CODE, "ttl": 600}
        status, said = self._api.asks(ASHAS_KEY, "", body)
        assert status == 201, said
        self._begun = said["id"]

    def hands_the_code_in(self) -> tuple[int, Any]:
        """Status and JSON of the answer."""
        return self._api.asks(ASHAS_KEY, f"/{self._begun}/checks", {"code": ASHAS_CODE})

    def logs_in(self) -> None:
        """Log in as a legitimate user."""
        self.begins("a quiet login")
        status, said = self.hands_the_code_in()
        assert (status, said["valid"]) == (200, True)

    def is_refused(self) -> None:
        """Even her right code is; her verification is as it was."""
        status, said = self.hands_the_code_in()
        assert (status, said.get("code")) == (429, "too_many_wrong_codes"), said
        left = said["verification"]["status"], said["verification"]["checks_left"]
        assert left == ("pending", CHECKS)


def compared(redis: Redis) -> int:
    """Codes that cost a check, over all verifications that there are."""
    records = redis.scan_iter(Keys().of("verification", "*"))
    return sum(CHECKS - int(redis.hget(name, "checks_left") or CHECKS) for name in records)


@pytest.mark.timeout(600 + GUESSES // 20)
def test_guesses_for_a_number_never_exceed_its_limit(
    environ: dict[str, str], redis: Redis, tmp_path: Path
) -> None:
    """Fifteen wrong codes are compared in all, and then not even the correct one.

    This holds during a rotation of the key ring over processes that replace each other, and while
    workers die. A successful login in between does not reset the count.
    """
    with running_service(environ, tmp_path, **RAISED) as stack, ExitStack() as processes:
        api = Api(stack, processes)
        guesser, asha = Guesser(api), Person(api)

        def guesses_to(wrong: int) -> None:
            guesser.goes_on_to(wrong)
            api.loses_a_worker()
            wait_until(lambda: guesser.rests, f"{wrong} wrong codes")

        with concurrently(guesser.tries, AT_ONCE, pause=0.01):
            guesses_to(2)
            api.is_joined_by(OLD, NEW)
            guesses_to(5)
            asha.logs_in()
            api.is_left_to_the_newest()
            api.is_joined_by(NEW, OLD)
            guesses_to(8)
            api.is_left_to_the_newest()
            asha.begins("during the guessing")
            guesses_to(GUESSES)
            asha.is_refused()
            api.is_joined_by(NEW)
            asha.is_refused()
            api.is_left_to_the_newest()
            api.loses_a_worker()
            wait_until(lambda: guesser.refused >= GUESSES, "enough refusals")
            asha.is_refused()
        print(f"{compared(redis)} codes compared; {dict(guesser.answers)}")
        assert compared(redis) == ALLOWED
        assert guesser.wrong <= ALLOWED
        assert {status for _, status, _ in guesser.answers} <= {NO_RESPONSE, 200, 201, 409, 429}
        assert guesser.answers["create", 429, "too_many_wrong_codes"] > 0
