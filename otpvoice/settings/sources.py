"""Collect the raw values of settings: TOML file, environment variables, secrets directory."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from otpvoice.providers.registry import KINDS
from otpvoice.settings.schema import NAMED_SECTIONS, SECTIONS, Client, RouteSection

SettingPath = tuple[str, ...]
"""``("provider", "token")`` or ``("clients", "login-backend", "ttl")``."""

TEST_NUMBERS: Final[SettingPath] = ("test_numbers",)
"""A table that is one value, because its keys are numbers and not fields."""
FORMER_NAMES: Final[Mapping[SettingPath, SettingPath]] = {
    ("verification", "redials"): ("verification", "max_redials"),
    ("verification", "callback_wait"): ("verification", "callback_timeout"),
    ("verification", "min_life"): ("verification", "min_remaining_life"),
    ("verification", "keep"): ("verification", "retention"),
    ("limits", "unproven_per_prefix"): ("limits", "unverified_per_prefix"),
}
"""Renamed settings and their present names. A former name stops the start."""

_PREFIX: Final = "OTPVOICE_"
_FILE: Final = "_FILE"
_TESTS_PREFIX: Final = "OTPVOICE_TEST_"
_OTHER_VARIABLES: Final = frozenset(
    f"{_PREFIX}{name}" for name in ("CONFIG", "URL", "API_KEY", "REQUIRE", "SECRETS_DIR")
)
"""Variables of the commands, which are not settings."""
_NAMED_FIELDS: Final[Mapping[str, Sequence[str]]] = {
    "clients": Client.__struct_fields__,
    "providers": (
        *("kind", *(name for kind in KINDS.values() for name in kind.__struct_fields__)),
    ),
    "routes": RouteSection.__struct_fields__,
}
# The name matches as little as possible, so that the longest field name wins.
_NAMED_VARIABLES: Final = [
    re.compile(
        rf"{_PREFIX}(?P<table>{table.upper()})_(?P<name>[A-Z0-9][A-Z0-9_]{{0,63}}?)"
        rf"_(?P<field>{'|'.join(fields).upper()})"
    )
    for table, fields in _NAMED_FIELDS.items()
]


@dataclass(frozen=True, slots=True)
class InvalidSetting:
    """A setting that stops the start. The text never repeats a secret."""

    name: str
    """Dotted: ``clients.login-backend.key_sha256[0]``."""
    source: str
    """The file or variable of the value, or why there is none."""
    detail: str

    def __str__(self) -> str:
        return f"{self.name} ({self.source}): {self.detail}"


class SettingsError(Exception):
    """The settings are invalid. ``invalid`` lists every setting at fault."""

    def __init__(self, invalid: Sequence[InvalidSetting]) -> None:
        super().__init__("\n  ".join(["The settings are invalid:", *map(str, invalid)]))
        self.invalid = tuple(invalid)


class RawValue(NamedTuple):
    """A value before validation."""

    value: object
    source: str
    """The file or variable of the value, for messages."""
    is_text: bool = False
    """Numbers, lists and tables are text too: the value comes from a variable or a secret file."""
    error: str | None = None
    """Why there is no value."""


RawValues = dict[SettingPath, RawValue]
_Origin = tuple[str, str, str | None]
"""A variable's name without ``_FILE``, the source for messages, and the secret file, if any."""


def dotted_name(path: SettingPath) -> str:
    """Return a setting's name in messages: ``provider.token``."""
    return ".".join(path)


def variable_name(path: SettingPath) -> str:
    """Return the environment variable that overrides a setting."""
    return _PREFIX + "_".join(path).upper().replace("-", "_")


def is_table(path: SettingPath) -> bool:
    """Return whether fields, or tables of fields, are expected below ``path``."""
    is_named = len(path) == 2 and path[0] in NAMED_SECTIONS
    return path != TEST_NUMBERS and (len(path) == 1 or is_named)


_VARIABLES: Final[Mapping[str, SettingPath]] = {
    variable_name(path): path
    for path in (
        *((table, field) for table, kind in SECTIONS.items() for field in kind.__struct_fields__),
        *FORMER_NAMES,
        TEST_NUMBERS,
    )
}


def collect(environ: Mapping[str, str]) -> tuple[RawValues, list[str]]:
    """Return the values of all sources, and warnings about names that have no effect.

    Variables and secret files override the TOML file. A setting with two of them is an error,
    because either one could be outdated.

    Raises:
        SettingsError: the TOML file or the secrets directory cannot be read.
    """
    values: RawValues = {}
    warnings = []
    for name, source, secret_file in (*_variables(environ), *_secret_files(environ)):
        path = _VARIABLES.get(name) or _named_path(name)
        if path is None:
            warnings.append(f"{source} is not a setting of this version and has no effect")
        elif path in values:
            both = f"{values[path].source} and {source}"
            values[path] = RawValue(None, both, error="is given twice: set one of them, not both")
        elif secret_file is None:
            values[path] = RawValue(environ[source], source, is_text=True)
        else:
            values[path] = _read_secret_file(secret_file, source)
    config = environ.get("OTPVOICE_CONFIG")
    return (_read_toml(config) if config else {}) | values, warnings


def _named_path(variable: str) -> SettingPath | None:
    for pattern in _NAMED_VARIABLES:
        if match := pattern.fullmatch(variable):
            name = match["name"].lower().replace("_", "-")
            return (match["table"].lower(), name, match["field"].lower())
    return None


def _variables(environ: Mapping[str, str]) -> Iterator[_Origin]:
    for variable in sorted(environ):  # X comes before X_FILE
        name = variable.removesuffix(_FILE)
        # The test suite's own variables begin like OTPVOICE_TEST_NUMBERS.
        is_of_tests = name.startswith(_TESTS_PREFIX) and name not in _VARIABLES
        if variable.startswith(_PREFIX) and variable not in _OTHER_VARIABLES and not is_of_tests:
            yield name, variable, None if name == variable else environ[variable]


def _secret_files(environ: Mapping[str, str]) -> Iterator[_Origin]:
    """Yield the files of ``OTPVOICE_SECRETS_DIR``. Hidden files are skipped.

    A file has the name of the variable in any case, with or without ``OTPVOICE_``:
    ``provider_token``, ``clients_login_backend_event_secret``.
    """
    directory = environ.get("OTPVOICE_SECRETS_DIR")
    try:
        files = sorted(Path(directory).iterdir()) if directory else []
    except OSError as error:
        detail = f"cannot be listed: {error.strerror}"
        invalid = InvalidSetting("OTPVOICE_SECRETS_DIR", str(directory), detail)
        raise SettingsError([invalid]) from None
    for file in files:
        if not file.name.startswith("."):
            yield _PREFIX + file.name.upper().removeprefix(_PREFIX), str(file), str(file)


def _read_toml(path: str) -> RawValues:
    """Read every table and every value of a TOML file.

    Raises:
        SettingsError: the file cannot be read, or is not TOML.
    """
    try:
        tree = tomllib.loads(_read_text(path))
    except ValueError as error:
        detail = "is not TOML: " * isinstance(error, tomllib.TOMLDecodeError) + str(error)
        raise SettingsError([InvalidSetting("OTPVOICE_CONFIG", path, detail)]) from None
    return {each: RawValue(value, path) for each, value in _walk(tree)}


def _read_secret_file(path: str, source: str) -> RawValue:
    """Read a secret file. Messages omit its path, because it may be the secret by mistake."""
    if not path:
        return RawValue(None, source, error="names no file: set the path of one, or unset it")
    try:
        return RawValue(_read_text(path).rstrip("\r\n"), source, is_text=True)
    except ValueError as error:
        return RawValue(None, source, error=f"its file {error}")


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None


def _walk(
    table: Mapping[str, Any], parent: SettingPath = ()
) -> Iterator[tuple[SettingPath, object]]:
    for name, value in table.items():
        path = (*parent, name)
        yield path, value
        if isinstance(value, dict) and is_table(path):
            yield from _walk(value, path)
