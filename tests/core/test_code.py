"""Codes: every digit is equally likely at every position.

``OTPVOICE_TEST_CODES`` sets how many codes of each length are generated.
"""

import os
from collections import Counter
from functools import cache
from statistics import NormalDist

import pytest

from otpvoice.core.speech import CODE_PATTERN, Hotp, generate_code

CODES = int(os.environ.get("OTPVOICE_TEST_CODES", "10000"))
CHANCE = 1e-8
"""Of a good generator to exceed one limit. There are 52 in this file: one run of two million
fails.
"""
LONG = pytest.mark.timeout(600 + CODES // 5_000)


@cache
def codes_of(length: int) -> list[str]:
    """Return a sample, generated once."""
    return [generate_code(length) for _ in range(CODES)]


def chi_square_limit(degrees: int, chance: float = CHANCE) -> float:
    """Return the bound that chi-square exceeds with this chance (Wilson and Hilferty)."""
    z = NormalDist().inv_cdf(1 - chance)
    share = 2 / (9 * degrees)
    return float(degrees * (1 - share + z * share**0.5) ** 3)


def chi_square(counts: Counter[str], cells: int) -> float:
    """Return how far the counts are from equal ones."""
    expected = counts.total() / cells
    seen = sum((count - expected) ** 2 / expected for count in counts.values())
    return seen + expected * (cells - len(counts))


@pytest.mark.parametrize("length", [4, 5, 6, 7, 8, 9, 10])
def test_generate_code_returns_the_requested_digits(length: int) -> None:
    """ASCII digits, as a string."""
    for _ in range(200):
        code = generate_code(length)
        assert CODE_PATTERN.fullmatch(code)
        assert len(code) == length


@LONG
@pytest.mark.parametrize("length", [4, 6, 8, 10])
def test_codes_are_uniform(length: int) -> None:
    """Each digit at each position, and each pair of neighbours, is as frequent as expected."""
    codes = codes_of(length)
    digits = [chi_square(Counter(code[at] for code in codes), 10) for at in range(length)]
    pairs = [
        chi_square(Counter(code[at : at + 2] for code in codes), 100) for at in range(length - 1)
    ]
    zeros = sum(code[0] == "0" for code in codes)
    print(
        f"{len(codes)} codes of {length} digits: chi-square of a digit at most {max(digits):.1f} "
        f"(limit {chi_square_limit(9):.1f}), of two neighbours {max(pairs):.1f} "
        f"(limit {chi_square_limit(99):.1f}); {zeros} begin with 0"
    )
    assert max(digits) < chi_square_limit(9), digits
    assert max(pairs) < chi_square_limit(99), pairs
    assert zeros > CODES / 20


@LONG
@pytest.mark.parametrize("length", [4, 6, 8])
def test_codes_repeat_as_often_as_expected(length: int) -> None:
    """The number of equal pairs is within six standard deviations."""
    counts = Counter(codes_of(length))
    pairs = sum(count * (count - 1) / 2 for count in counts.values())
    expected = CODES * (CODES - 1) / 2 / 10**length
    print(f"{CODES} codes of {length} digits: {pairs:.0f} equal pairs, expected {expected:.0f}")
    assert abs(pairs - expected) <= 6 * max(1.0, expected) ** 0.5


def test_chi_square_detects_a_biased_generator() -> None:
    """Truncation to ten digits (RFC 4226), whose first digit is 0 to 2, would be detected."""
    crooked = Counter(f"{number:010d}"[0] for number in range(0, 2**31, 2**31 // CODES))
    assert chi_square(crooked, 10) > chi_square_limit(9)


@pytest.mark.parametrize(
    "text", ["", "123", "12345678901", "12345\n", " 1234", "१२३४५६", "１２３４", "12a4", "+1234"]
)
def test_code_pattern_rejects_other_texts(text: str) -> None:
    """A code is 4 to 10 ASCII digits."""
    assert not CODE_PATTERN.fullmatch(text)


def test_hotp_returns_the_values_of_rfc_4226() -> None:
    """Appendix D: the secret, and counters from 0."""
    hotp = Hotp(b"12345678901234567890")
    assert [hotp.at(count) for count in range(4)] == ["755224", "287082", "359152", "969429"]
