"""Test numbers in a running service: verified by their fixed code, without a call."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support.service import RunningService
from support.stack import Stack, running_service

REVIEWER, CODE = "+919999900001", "735194"
ROBOT, SHORT_CODE = "+919999900002", "0042"
AMERICAN = "+12015550123"
NUMBERS = f"{REVIEWER}={CODE},{ROBOT}={SHORT_CODE},{AMERICAN}={CODE}"
TIGHT = {
    "OTPVOICE_LIMITS_CALL_GAP": "60s",
    "OTPVOICE_LIMITS_CALLS_PER_NUMBER": "1/10m",
    "OTPVOICE_LIMITS_ALL_CALLS_PER_NUMBER": "1/24h",
}
AT_ONCE = 40


@pytest.fixture(scope="module")
def stack(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run a service with a limit of one call a day for each number."""
    folder = tmp_path_factory.mktemp("service")
    with running_service(environ, folder, OTPVOICE_TEST_NUMBERS=NUMBERS, **TIGHT) as running:
        yield running
        assert (running.dialer.terminate(), running.api.terminate()) == (0, 0)


@pytest.fixture
def service(stack: Stack) -> RunningService:
    """Return the service of that stack."""
    return stack.service


def called(service: RunningService) -> set[str]:
    """Return the numbers of all provider requests."""
    return {f"+{entry['person']}" for entry in service.phones.ledger()}


def test_test_number_is_verified_without_a_call(stack: Stack) -> None:
    """Queued, then answered and heard. The fixed code is correct once."""
    service = stack.service
    begun = service.create(REVIEWER, reference="review")
    assert begun["code_length"] == len(CODE)
    call = service.wait_for_call(begun, "answered")
    assert (call["heard"], call["reason"], call["duration"] > 5) == (True, None, True)
    assert service.check(begun, "000000").json()["valid"] is False
    assert service.check(begun, CODE).json()["valid"] is True
    assert service.check(begun, CODE).status_code == 409
    assert not called(service) & {REVIEWER}
    logged = (stack.folder / "dialer.log").read_text() + (stack.folder / "api.log").read_text()
    assert "call.simulated" in logged
    assert not [secret for secret in (CODE, REVIEWER[1:]) if secret in logged]


def test_test_number_with_own_code_keeps_it(service: RunningService) -> None:
    """The fixed code is then wrong."""
    begun = service.create(AMERICAN, code="4711")
    service.wait_for_call(begun, "answered")
    assert service.check(begun, SHORT_CODE).json()["valid"] is False
    assert service.check(begun, "4711").json()["valid"] is True


def test_other_numbers_of_the_region_stay_refused(service: RunningService) -> None:
    """Their format is validated as everywhere."""
    refused = service.post("/v1/verifications", {"to": "+12015550124"})
    assert (refused.status_code, refused.json()["code"]) == (422, "number_not_allowed")
    refused = service.post("/v1/verifications", {"to": REVIEWER[1:]})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_number")


def test_test_numbers_and_real_numbers_mix(service: RunningService) -> None:
    """In parallel: each real number rings once, and calls to test numbers are simulated."""
    real = [f"+9198765410{n:02}" for n in range(AT_ONCE // 2)]

    def ask(n: int) -> dict[str, Any]:
        number = real[n // 2] if n % 2 else ROBOT
        return service.create(number, reference=f"at-once-{n}")

    with ThreadPoolExecutor(8) as pool:
        begun = list(pool.map(ask, range(AT_ONCE)))
    newest = [each for each in begun if service.get_verification(each)["status"] == "pending"]
    for each in newest:
        service.wait_for_call(each, "answered")
    rang = Counter(f"+{entry['person']}" for entry in service.phones.ledger())
    assert {number: rang[number] for number in real} == dict.fromkeys(real, 1)
    assert set(rang) == {*real}
