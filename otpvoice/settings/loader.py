"""Turn raw values into typed settings, or into a list of everything that is invalid."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, get_args, get_origin

import msgspec
from msgspec import Struct, structs

from otpvoice.core.keys import mask_number
from otpvoice.core.speech import Flow
from otpvoice.providers.registry import KINDS
from otpvoice.sections import ProviderSection, Section
from otpvoice.setting_types import (
    Flows,
    TestNumbers,
    expected_format,
    field_type,
    type_parts,
)
from otpvoice.settings.schema import NAMED_SECTIONS, SECTIONS, Client, RouteSection, Settings
from otpvoice.settings.sources import (
    FORMER_NAMES,
    TEST_NUMBERS,
    InvalidSetting,
    RawValue,
    RawValues,
    SettingPath,
    SettingsError,
    collect,
    dotted_name,
    is_table,
    variable_name,
)
from otpvoice.settings.validation import cross_field_errors, setting_warnings

CLIENT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_INVALID: Final = object()
"""Stands for a value that was reported."""
_NO_FILE: Final = InvalidSetting(
    "OTPVOICE_CONFIG",
    "not set",
    "names no file, so only variables were read; set it to the path of your otpvoice.toml "
    "(`otpvoice keys new CLIENT --secrets` writes the beginning of one)",
)


class LoadedSettings(Struct, frozen=True):
    """Settings, and warnings for the operator."""

    settings: Settings
    warnings: tuple[str, ...]


def load(environ: Mapping[str, str]) -> LoadedSettings:
    """Load the settings.

    ``OTPVOICE_CONFIG`` names the file and ``OTPVOICE_SECRETS_DIR`` the directory of secret files.
    Variables and secret files override the file.

    Raises:
        SettingsError: names every setting that is invalid by itself; if there is none, every
            setting that contradicts another one, or is not fit for production.
    """
    values, warnings = collect(environ)
    try:
        settings = _build_settings(values)
    except SettingsError as error:
        is_missing = any(each.source == "not set" for each in error.invalid)
        if environ.get("OTPVOICE_CONFIG") or not is_missing:
            raise
        raise SettingsError([_NO_FILE, *error.invalid]) from None  # the likely reason comes first
    sources = {dotted_name(path): raw.source for path, raw in values.items()}
    invalid = [
        InvalidSetting(name, sources.get(name.partition("[")[0], "not set"), detail)
        for name, detail in cross_field_errors(settings)
    ]
    if invalid:
        raise SettingsError(invalid)
    return LoadedSettings(settings, (*warnings, *setting_warnings(settings)))


def load_flows(environ: Mapping[str, str]) -> Mapping[str, Mapping[str, Flow]]:
    """Load only the flows, by dotted name: ``provider.flows``, ``clients.app.flows``.

    Every other setting may be missing or invalid.

    Raises:
        SettingsError: the file cannot be read, flows are invalid, or ``provider.flows`` is missing.
    """
    loader = _Loader(collect(environ)[0])
    of_clients = [("clients", name, "flows") for name in loader.names("clients")]
    paths = [("provider", "flows"), *(path for path in of_clients if path in loader.values)]
    flows = {dotted_name(path): loader.field(Flows, path) for path in paths}
    loader.raise_if_invalid()
    return flows


def _build_settings(values: RawValues) -> Settings:
    loader = _Loader(values)
    needs_provider = loader.has_table("provider") or not loader.names("providers")
    sections: dict[str, Any] = {
        name: loader.section(kind, (name,))
        for name, kind in SECTIONS.items()
        if name != "provider" or needs_provider
    }
    sections |= {
        "clients": loader.named(Client, "clients"),
        "providers": MappingProxyType(
            {name: loader.provider(("providers", name)) for name in loader.names("providers")}
        ),
        "routes": loader.named(RouteSection, "routes"),
    }
    test_numbers = loader.field(TestNumbers, TEST_NUMBERS) if TEST_NUMBERS in values else {}
    loader.report_unknown_keys()
    loader.raise_if_invalid()
    first_provider = sections.pop("provider", None)
    return Settings(**sections, first_provider=first_provider, test_numbers=test_numbers)


class _HiddenTable(dict[Any, Any]):
    """Test numbers. Anyone who has a number and its code can sign in, so no repr shows them."""

    def __repr__(self) -> str:
        return f"<{len(self)} test numbers>"


class _Loader:
    """Validates one field after the other and collects errors, so that one start shows them all."""

    def __init__(self, values: RawValues) -> None:
        self.values = values
        self.known: set[SettingPath] = {*((name,) for name in NAMED_SECTIONS), TEST_NUMBERS}
        self._invalid: list[InvalidSetting] = []

    def has_table(self, table: str) -> bool:
        """Return whether any source sets a field of this table."""
        return any(path[0] == table for path in self.values)

    def names(self, table: str) -> list[str]:
        """Return the names of the tables in this one."""
        return list(dict.fromkeys(path[1] for path in self.values if path[0] == table and path[1:]))

    def named(self, kind: type[Section], table: str) -> Mapping[str, Any]:
        """Return the sections in a table of named ones."""
        sections = {name: self.section(kind, (table, name)) for name in self.names(table)}
        return MappingProxyType(sections)

    def provider(self, path: SettingPath) -> ProviderSection | None:
        """Return the section of a provider, by its kind; None if an error is reported."""
        of_kind = (*path, "kind")
        self.known.update([path, of_kind])
        raw = self.values.get(of_kind)
        kind = KINDS.get(str(raw.value)) if raw else None
        if kind is None:
            known = f"must be one of {', '.join(KINDS)}"
            missing = f"is missing, {known}; or set {variable_name(of_kind)}[_FILE]"
            source, detail = (raw.source, known) if raw else ("not set", missing)
            self._report(dotted_name(of_kind), source, detail)
            # Without a kind, no other field is known.
            self.known.update(each for each in self.values if each[:2] == path)
            return None
        section: ProviderSection = self.section(kind, path)
        return section

    def raise_if_invalid(self) -> None:
        if self._invalid:
            raise SettingsError(self._invalid)

    def section(self, kind: type[Section], path: SettingPath) -> Any:
        """Return a section. While an error is reported, its fields may lack their values."""
        fields = {(*path, field.name): field for field in structs.fields(kind)}
        self.known.update([path, *fields])
        return kind(
            **{
                field.name: self.field(field.type, each)
                for each, field in fields.items()
                if each in self.values or field.required or self._is_required(kind, each)
            }
        )

    def _is_required(self, kind: type[Section], path: SettingPath) -> bool:
        other = kind.required_unless.get(path[-1])
        raw = self.values.get((*path[:-1], other)) if other else None
        return other is not None and not (raw and raw.value)

    def field(self, annotation: Any, path: SettingPath) -> Any:
        """Return the value at ``path``, or report why there is none."""
        name, raw = dotted_name(path), self.values.get(path)
        if raw is None:
            expected = f"must be {expected_format(annotation)}; or set {variable_name(path)}[_FILE]"
            return self._report(name, "not set", f"is missing, {expected}")
        if raw.error:
            return self._report(name, raw.source, raw.error)
        origin = get_origin(type_parts(annotation)[0])
        convert = {tuple: self._list, Mapping: self._table}.get(origin, self._value)
        return convert(annotation, name, raw)

    def report_unknown_keys(self) -> None:
        """Report keys that are not settings, and values where a table belongs."""
        for path, raw in self.values.items():
            detail = ""
            if len(path) == 2 and path[0] in NAMED_SECTIONS and not CLIENT_NAME.fullmatch(path[1]):
                owner = {"clients": "a client's", "providers": "a provider's"}
                whose = owner.get(path[0], "a route's")
                detail = f"{whose} name has 1 to 64 of a-z, 0-9 and -, and does not begin with -"
            elif path in self.known:
                if is_table(path) and not isinstance(raw.value, dict):
                    detail = "must be a table"
            elif present := FORMER_NAMES.get(path):
                new = f"{dotted_name(present)} (or {variable_name(present)})"
                detail = f"was renamed: set {new} instead"
            elif len(path) == 1 or path[:-1] in self.known:
                known = sorted(each[-1] for each in self.known if each[:-1] == path[:-1])
                detail = f"is unknown; known here: {', '.join(known)}"
            if detail:
                self._report(dotted_name(path), raw.source, detail)

    def _value(self, annotation: Any, name: str, raw: RawValue) -> Any:
        """Parse and convert. Only flows and texts are built from tables."""
        value, reason = raw.value, ""
        base = type_parts(annotation)[0]
        is_struct = isinstance(base, type) and issubclass(base, msgspec.Struct)
        try:
            if isinstance(value, str):
                value = field_type(annotation).parse_text(value)
            if is_struct or not isinstance(value, dict | list):
                return msgspec.convert(value, annotation, strict=not raw.is_text)
        except ValueError as error:
            # Of other values msgspec's text adds nothing to the expected format.
            if is_struct or not isinstance(error, msgspec.ValidationError):
                reason = str(error)
        return self._report_format(annotation, name, raw, reason)

    def _list(self, annotation: Any, name: str, raw: RawValue) -> Any:
        """Parse a list. Text is a list of one member; from a variable it is split."""
        items = raw.value
        if isinstance(items, str):
            separator = field_type(annotation).separator
            parts = re.split(separator, items) if raw.is_text else [items]
            items = [part.strip() for part in parts if part.strip()]
        if not isinstance(items, list):
            return self._report_format(annotation, name, raw)
        member = get_args(type_parts(annotation)[0])[0]
        values = tuple(
            self._value(member, f"{name}[{i}]", raw._replace(value=item))
            for i, item in enumerate(items)
        )
        if _INVALID in values:
            return _INVALID
        return self._value(annotation, name, raw._replace(value=values))

    def _table(self, annotation: Any, name: str, raw: RawValue) -> Any:
        """Parse each key and value. Two keys must not mean the same."""
        kind = field_type(annotation)
        key_type, value_type = get_args(type_parts(annotation)[0])
        try:
            pairs = _parse_pairs(raw.value)
        except ValueError as error:
            return self._report_format(annotation, name, raw, str(error))
        table: dict[Any, Any] = _HiddenTable() if kind.is_secret else {}
        spellings: dict[object, str] = {}
        for key, value in pairs.items():
            shown = key
            if kind.is_secret:
                shown = mask_number(key) if key.startswith("+") else "***"
            parsed = self._value(key_type, f"{name}.{shown}", raw._replace(value=key))
            first = spellings.setdefault(parsed, key)
            if first != key and parsed is not _INVALID:
                detail = f"is given twice: {first!r} means the same"
                self._report(f"{name}.{shown}", raw.source, detail)
            table[parsed] = self._value(value_type, f"{name}.{shown}", raw._replace(value=value))
        if kind.required_key and kind.required_key not in table:
            detail = "is missing: it speaks when no language fits"
            self._report(f"{name}.{kind.required_key}", raw.source, detail)
        return MappingProxyType(table)

    def _report_format(self, annotation: Any, name: str, raw: RawValue, reason: str = "") -> object:
        detail = f"must be {expected_format(annotation)}"
        return self._report(name, raw.source, f"{detail}: {reason}" if reason else detail)

    def _report(self, name: str, source: str, detail: str) -> object:
        self._invalid.append(InvalidSetting(name, source, detail))
        return _INVALID


def _parse_pairs(value: object) -> dict[str, object]:
    """Parse a table, text like ``default=24,hi=25``, or JSON. No error repeats a value."""
    if not isinstance(value, str):
        return msgspec.convert(value, dict[str, object])
    if value.lstrip().startswith("{"):
        return msgspec.json.decode(value, type=dict[str, object])
    pairs = [pair.partition("=") for pair in re.split(r"[,\n]", value) if pair.strip()]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError("a pair has no =")
    return {name.strip(): text.strip() for name, _, text in pairs}
