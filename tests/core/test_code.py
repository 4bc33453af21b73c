"""Codes: every digit as likely as any other, at every position.

``OTPVOICE_TEST_CODES`` sets how many are made of each length.
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
LONG = pytest.mark.timeout(120 + CODES // 5_000)


@cache
def codes_of(length: int) -> list[str]:
    """A sample, made once."""
    return [generate_code(length) for _ in range(CODES)]


def chi_square_limit(degrees: int, chance: float = CHANCE) -> float:
    """What chi-square exceeds with this chance (Wilson and Hilferty's approximation)."""
    z = NormalDist().inv_cdf(1 - chance)
    share = 2 / (9 * degrees)
    return float(degrees * (1 - share + z * share**0.5) ** 3)


def chi_square(counts: Counter[str], cells: int) -> float:
    """How far the counts are from equal ones."""
    expected = counts.total() / cells
    seen = sum((count - expected) ** 2 / expected for count in counts.values())
    return seen + expected * (cells - len(counts))


@pytest.mark.parametrize("length", [4, 5, 6, 7, 8, 9, 10])
def test_codes_have_the_shape_that_a_check_wants(length: int) -> None:
    """As many ASCII digits as asked for, as a string."""
    for _ in range(200):
        code = generate_code(length)
        assert CODE_PATTERN.fullmatch(code)
        assert len(code) == length


@LONG
@pytest.mark.parametrize("length", [4, 6, 8, 10])
def test_codes_are_uniform(length: int) -> None:
    """Each digit at each position, and each pair of neighbours, comes as often as chance wants; so
    leading zeros do too.
    """
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
def test_codes_repeat_as_often_as_chance_gives(length: int) -> None:
    """The number of equal pairs is that of fair draws, within six standard deviations."""
    counts = Counter(codes_of(length))
    pairs = sum(count * (count - 1) / 2 for count in counts.values())
    expected = CODES * (CODES - 1) / 2 / 10**length
    print(f"{CODES} codes of {length} digits: {pairs:.0f} equal pairs, expected {expected:.0f}")
    assert abs(pairs - expected) <= 6 * max(1.0, expected) ** 0.5


def test_the_measure_sees_a_crooked_generator() -> None:
    """Plain truncation to ten digits (RFC 4226), whose first digit is 0 to 2, would be caught."""
    crooked = Counter(f"{number:010d}"[0] for number in range(0, 2**31, 2**31 // CODES))
    assert chi_square(crooked, 10) > chi_square_limit(9)


@pytest.mark.parametrize(
    "text", ["", "123", "12345678901", "12345\n", " 1234", "१२३४५६", "１２３４", "12a4", "+1234"]
)
def test_shapes_that_are_no_code(text: str) -> None:
    """4 to 10 ASCII digits are a code, and nothing else is."""
    assert not CODE_PATTERN.fullmatch(text)


def test_a_code_is_the_hotp_value_of_its_secret() -> None:
    """RFC 4226, appendix D: secret, counters from 0, and the values there."""
    hotp = Hotp(b"12345678901234567890")
    assert [hotp.at(count) for count in range(4)] == ["755224", "287082", "359152", "969429"]
