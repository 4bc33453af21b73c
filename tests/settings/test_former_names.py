"""Settings that were renamed: a former name stops the start and says the present one."""

from collections.abc import Callable

import pytest

from otpvoice.settings.sources import FORMER_NAMES, SettingPath, dotted_name, variable_name

Refusal = Callable[..., dict[str, str]]


@pytest.mark.parametrize(("former", "present"), FORMER_NAMES.items(), ids=dotted_name)
def test_a_former_name_in_the_file_is_refused_with_the_present_one(
    former: SettingPath, present: SettingPath, refusal: Refusal
) -> None:
    """The error names the former setting and the one to set."""
    said = refusal(f"[{former[0]}]\n{former[1]} = 1\n")
    assert f"was renamed: set {dotted_name(present)}" in said[dotted_name(former)]


@pytest.mark.parametrize(("former", "present"), FORMER_NAMES.items(), ids=dotted_name)
def test_a_former_variable_is_refused_with_the_present_one(
    former: SettingPath, present: SettingPath, refusal: Refusal
) -> None:
    """The error names both variables."""
    said = refusal(**{variable_name(former): "1"})
    assert variable_name(former) in said[dotted_name(former)]
    assert variable_name(present) in said[dotted_name(former)]
