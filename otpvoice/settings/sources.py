"""What the operator gave, by file and by environment; nothing of it is judged yet."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec import structs

from otpvoice.settings.errors import InvalidSetting, SettingsError
from otpvoice.settings.schema import SECTIONS, Client

SettingPath = tuple[str, ...]
"""Where a value belongs: ``("provider", "token")``, ``("clients", "login-backend", "ttl")``."""

NOT_SETTINGS: Final = frozenset(
    {
        "OTPVOICE_CONFIG",
        "OTPVOICE_URL",
        "OTPVOICE_API_KEY",
        "OTPVOICE_REQUIRE",
        "OTPVOICE_SECRETS_DIR",
    }
)
_PREFIX: Final = "OTPVOICE_"
_TESTS_PREFIX: Final = "OTPVOICE_TEST_"
_FILE: Final = "_FILE"
TEST_NUMBERS: Final[SettingPath] = ("test_numbers",)
"""A table without fields of ours: it is one value."""

FORMER_NAMES: Final[Mapping[SettingPath, SettingPath]] = {
    ("verification", "redials"): ("verification", "max_redials"),
    ("verification", "callback_wait"): ("verification", "callback_timeout"),
    ("verification", "min_life"): ("verification", "min_remaining_life"),
    ("verification", "keep"): ("verification", "retention"),
    ("limits", "unproven_per_prefix"): ("limits", "unverified_per_prefix"),
}
"""Settings that were renamed, and their present names. A former name stops the start."""

_VARIABLES: Final[Mapping[str, SettingPath]] = {
    f"{_PREFIX}{'_'.join(place)}".upper(): place
    for place in [
        *(
            (section, field.name)
            for section in SECTIONS
            for field in structs.fields(SECTIONS[section])
        ),
        *FORMER_NAMES,
        TEST_NUMBERS,
    ]
}
_CLIENT_FIELDS: Final = "|".join(field.name.upper() for field in structs.fields(Client))
# As little as possible for the name leaves as much as possible for the field.
_CLIENT_VARIABLE: Final = re.compile(
    rf"{_PREFIX}CLIENTS_([A-Z0-9][A-Z0-9_]{{0,63}}?)_({_CLIENT_FIELDS})"
)


class RawValue(NamedTuple):
    """One value as it was given."""

    value: object
    source: str
    """The file or the variable."""
    from_environment: bool = False
    """Then it is text, whatever it shall become."""
    error: str | None = None
    """Why there is no value to judge."""


def dotted_name(path: SettingPath) -> str:
    """The name of a place in messages: ``provider.token``."""
    return ".".join(path)


def variable_name(path: SettingPath) -> str:
    """The environment variable that overrides a place."""
    return _PREFIX + "_".join(path).upper().replace("-", "_")


def values_from_file(path: Path) -> dict[SettingPath, RawValue]:
    """Every table and every value of a TOML file.

    Raises:
        SettingsError: the file can not be read, or is no TOML.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unusable(path, f"can not be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _unusable(path, "is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise _unusable(path, f"is not TOML: {error}") from None
    return {place: RawValue(value, str(path)) for place, value in _nodes(tree)}


def values_from_environment(
    environ: Mapping[str, str],
) -> tuple[dict[SettingPath, RawValue], list[str]]:
    """Every setting among the variables, and a warning for each variable that is none."""
    given: dict[SettingPath, RawValue] = {}
    warnings = []
    for variable in sorted(filter(_is_setting_variable, environ)):  # X comes before X_FILE
        setting = variable.removesuffix(_FILE)
        place = _path_of(setting)
        if place is None:
            warnings.append(f"{variable} is no setting of this version and has no effect")
        elif place in given:
            both = f"{setting} and {variable}"
            given[place] = RawValue(None, both, error="is given twice: set one of them, not both")
        elif variable == setting:
            given[place] = RawValue(environ[variable], variable, from_environment=True)
        else:
            given[place] = _value_from_secret_file(environ[variable], variable)
    return given, warnings


def values_from_secrets_directory(directory: Path) -> tuple[dict[SettingPath, RawValue], list[str]]:
    """Read every file that is named like a setting, and warn of each file that is not.

    A name is that of the environment variable in any case, with or without ``OTPVOICE_``:
    ``provider_token``, ``clients_login_backend_event_secret``. Files whose names begin with a dot
    are skipped.

    Raises:
        SettingsError: the directory cannot be listed.
    """
    given: dict[SettingPath, RawValue] = {}
    warnings = []
    try:
        names = sorted(path.name for path in directory.iterdir() if not path.name.startswith("."))
    except OSError as error:
        detail = f"cannot be listed: {error.strerror}"
        raise SettingsError(
            [InvalidSetting("OTPVOICE_SECRETS_DIR", str(directory), detail)]
        ) from None
    for name in names:
        place = _path_of(_PREFIX + name.upper().removeprefix(_PREFIX))
        source = str(directory / name)
        if place is None:
            warnings.append(f"{source} is not named like a setting and has no effect")
        elif place in given:
            given[place] = RawValue(None, source, error="has two files: keep one of them")
        else:
            given[place] = _value_from_secret_file(source, source)
    return given, warnings


def _is_setting_variable(variable: str) -> bool:
    """What begins like a size of our tests is one, unless it is a setting by its whole name."""
    if variable.startswith(_TESTS_PREFIX):
        return variable.removesuffix(_FILE) in _VARIABLES
    return variable.startswith(_PREFIX) and variable not in NOT_SETTINGS


def _path_of(variable: str) -> SettingPath | None:
    if match := _CLIENT_VARIABLE.fullmatch(variable):
        return ("clients", match[1].lower().replace("_", "-"), match[2].lower())
    return _VARIABLES.get(variable)


def _value_from_secret_file(path: str, variable: str) -> RawValue:
    """The text of the file. Its path is not repeated: it may be the secret itself by mistake."""
    try:
        text = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        return RawValue(None, variable, error=f"its file can not be read: {error.strerror}")
    except ValueError:
        return RawValue(None, variable, error="its file is not UTF-8 text")
    return RawValue(text, variable, from_environment=True)


def _nodes(
    table: Mapping[str, Any], parent: SettingPath = ()
) -> Iterator[tuple[SettingPath, object]]:
    for name, value in table.items():
        place = (*parent, name)
        yield place, value
        if isinstance(value, dict) and is_table(place):
            yield from _nodes(value, place)


def is_table(path: SettingPath) -> bool:
    """Whether fields, or tables of clients, are expected below ``place``."""
    if path == TEST_NUMBERS:
        return False
    return len(path) == 1 or (len(path) == 2 and path[0] == "clients")


def _unusable(path: Path, detail: str) -> SettingsError:
    return SettingsError([InvalidSetting("OTPVOICE_CONFIG", str(path), detail)])
