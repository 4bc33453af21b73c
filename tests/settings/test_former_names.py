"""Renamed settings: a former name stops the start and names the present one."""

from collections.abc import Callable

import pytest

from otpvoice.settings.sources import FORMER_NAMES, SettingPath, dotted_name, variable_name

ErrorsOf = Callable[..., dict[str, str]]


@pytest.mark.parametrize(("former", "present"), FORMER_NAMES.items(), ids=dotted_name)
def test_former_name_in_the_file_is_an_error_with_the_present_one(
    former: SettingPath, present: SettingPath, errors_of: ErrorsOf
) -> None:
    """The error names the former setting and the one to set."""
    errors = errors_of(f"[{former[0]}]\n{former[1]} = 1\n")
    assert f"was renamed: set {dotted_name(present)}" in errors[dotted_name(former)]


@pytest.mark.parametrize(("former", "present"), FORMER_NAMES.items(), ids=dotted_name)
def test_former_variable_is_an_error_with_the_present_one(
    former: SettingPath, present: SettingPath, errors_of: ErrorsOf
) -> None:
    """The error names both variables."""
    errors = errors_of(**{variable_name(former): "1"})
    assert variable_name(former) in errors[dotted_name(former)]
    assert variable_name(present) in errors[dotted_name(former)]
