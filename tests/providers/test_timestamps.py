"""Timestamps in the formats of telephone companies."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otpvoice.providers.timestamps import parse_timestamp

INDIA = ZoneInfo("Asia/Kolkata")
SAMPLE = 1617965859_000  # 2021-04-09 10:57:39 UTC = 16:27:39 in India


@pytest.mark.parametrize(
    "text",
    [
        "2021-04-09 16:27:39",
        " 2021-04-09  16:27:39\n",
        "2021-4-9 16:27:39",
        "2021/04/09 16:27:39",
        "2021.04.09 16:27:39",
        "09/04/2021 16:27:39",
        "9/4/2021 16:27:39",
        "09-04-2021 16:27:39",
        "09.04.2021, 16:27:39",
        "09-Apr-2021 16:27:39",
        "9 April 2021 16:27:39",
        "Apr 09, 2021 16:27:39",
        "2021-04-09T16:27:39",
        "2021-04-09T16:27:39+05:30",
        "2021-04-09T10:57:39Z",
        "2021-04-09T10:57:39+0000",
        "2021-04-09 06:57:39 -0400",
        "2021-04-09 10:57:39 UTC",
        "2021-04-09 10:57:39 gmt",
        "2021-04-09 16:27:39 IST",
        "09/04/2021 16:27:39 IST",
        "09/04/2021 04:27:39 PM",
        "09/04/2021 4:27:39pm",
        "2021-04-09 04:27:39 p.m. IST",
        "2021-04-09 16:27:39 PM",
        "1617965859",
        "1617965859.0",
        "1617965859000",
    ],
)
def test_parse_timestamp_each_format_same_moment(text: str) -> None:
    """Every format of the sample's time has the same result."""
    assert parse_timestamp(text, INDIA) == SAMPLE


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2021-04-09 16:27", SAMPLE - 39_000),
        ("2021-04-09T10:57:39.054164Z", SAMPLE + 54),
        ("2021-04-09 16:27:39,5", SAMPLE + 500),
        ("1617965859054", SAMPLE + 54),
        ("1617965859.5", SAMPLE + 500),
        ("09/04/2021 12:27:39 AM", SAMPLE - 16 * 3_600_000),
        ("09/04/2021 12:27:39 PM", SAMPLE - 4 * 3_600_000),
    ],
)
def test_parse_timestamp_parts_counted(text: str, moment: int) -> None:
    """Fractions count, seconds may be missing, and 12 AM is midnight."""
    assert parse_timestamp(text, INDIA) == moment


def test_parse_timestamp_ambiguous_date_day_first() -> None:
    """``05/04`` is the fifth of April; a date that is invalid in this order is not a time."""
    fifth_of_april = round(datetime(2021, 4, 5, tzinfo=UTC).timestamp() * 1000)
    assert parse_timestamp("05/04/2021 00:00:00", ZoneInfo("UTC")) == fifth_of_april
    assert parse_timestamp("04/13/2021 00:00:00", ZoneInfo("UTC")) is None


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_parse_timestamp_own_zone_wins(zone: str) -> None:
    """The zone of the settings applies only to texts without one."""
    assert parse_timestamp("2021-04-09 16:27:39 IST", ZoneInfo(zone)) == SAMPLE
    local = f"{datetime.fromtimestamp(SAMPLE / 1000, ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"
    assert parse_timestamp(local, ZoneInfo(zone)) == SAMPLE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0000000000",
        "0000000000000",
        "null",
        "None",
        "-",
        "0000-00-00 00:00:00",
        "00/00/0000 00:00:00",
        "0000-00-00T00:00:00Z",
        "2021-02-30 00:00:00",
        "2021-04-09",
        "09/04/2021",
        "20210409",
        "09/04/21 16:27:39",
        "2021-04/09 16:27:39",
        "2021-04-09 25:00:00",
        "2021-04-09 16:60:00",
        "2021-04-09 16:27:39 EST",
        "2021-04-09 16:27:39+24:00",
        "2021-W14-5 16:27:39",
        "161796585",
        "16179658590",
        "yesterday",
        "२०२१-०४-०९ १६:२७:३९",
        "9" * 5_000,
        "1" * 10 + "." + "1" * 5_000,
    ],
)
def test_parse_timestamp_other_text_is_none(text: str) -> None:
    """Zeros, dates without a time of day, unknown zones and other texts."""
    assert parse_timestamp(text, INDIA) is None


@given(st.text(max_size=40) | st.from_regex(r"[0-9./: TZ+-]{0,40}") | st.datetimes().map(str))
def test_parse_timestamp_any_text_raises_nothing(text: str) -> None:
    """The result is within the bounds of the calendar, or None."""
    moment = parse_timestamp(text, ZoneInfo("America/New_York"))
    assert moment is None or -62_135_683_200_000 <= moment <= 253_402_387_200_000
