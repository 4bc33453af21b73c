"""Turn raw values into typed settings, or into a list of everything that is invalid."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import structs

from otpvoice.core.speech import Flow
from otpvoice.settings.schema import SECTIONS, Client, Section, Settings
from otpvoice.settings.sources import (
    FORMER_NAMES,
    TEST_NUMBERS,
    InvalidSetting,
    RawValue,
    RawValues,
    SettingPath,
    SettingsError,
    dotted_name,
    is_table,
    variable_name,
)
from otpvoice.settings.tables import parse_pairs
from otpvoice.settings.types import (
    FieldType,
    Flows,
    TableParser,
    TestNumbers,
    expected_format,
    field_type,
    member_type,
    required_type,
)

CLIENT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_INVALID: Final = object()
"""Stands for a value that was reported."""


def build_settings(values: RawValues) -> Settings:
    """Build the settings.

    Raises:
        SettingsError: names every setting that is missing, unknown or invalid by itself.
    """
    loader = _Loader(values)
    sections = {name: loader.section(kind, (name,)) for name, kind in SECTIONS.items()}
    clients = {name: loader.client(name) for name in _client_names(values)}
    test_numbers = loader.field(TestNumbers, TEST_NUMBERS) if TEST_NUMBERS in values else {}
    loader.report_unknown_keys()
    loader.raise_if_invalid()
    tree: dict[str, Any] = {name: kind(**sections[name]) for name, kind in SECTIONS.items()}
    tree["clients"] = MappingProxyType({name: Client(**clients[name]) for name in clients})
    return Settings(**tree, test_numbers=test_numbers)


def build_flows(values: RawValues) -> Mapping[str, Mapping[str, Flow]]:
    """Return the flows of ``[provider]`` and of clients by the dotted names of their settings.

    Every other setting may be missing or invalid.

    Raises:
        SettingsError: flows are invalid, or ``[provider]`` has none.
    """
    loader = _Loader(values)
    clients = [("clients", name, "flows") for name in _client_names(values)]
    paths: list[SettingPath] = [
        ("provider", "flows"),
        *(path for path in clients if path in values),
    ]
    flows = {dotted_name(path): loader.field(Flows, path) for path in paths}
    loader.raise_if_invalid()
    return flows


def _client_names(values: RawValues) -> list[str]:
    """Return the names of all sources, each once and in order."""
    return list(dict.fromkeys(p[1] for p in values if p[0] == "clients" and len(p) > 1))


class _Loader:
    """Validates one field after the other and collects errors, so that one start shows them all."""

    def __init__(self, values: RawValues) -> None:
        self._values = values
        self._invalid: list[InvalidSetting] = []
        self._known: set[SettingPath] = {("clients",), TEST_NUMBERS}

    def raise_if_invalid(self) -> None:
        if self._invalid:
            raise SettingsError(self._invalid)

    def client(self, name: str) -> dict[str, Any]:
        path = ("clients", name)
        if path in self._values and not CLIENT_NAME.fullmatch(name):
            rule = "a client's name has 1 to 64 of a-z, 0-9 and -, and does not begin with -"
            self._report(dotted_name(path), self._values[path].source, rule)
        return self.section(Client, path)

    def section(self, kind: type[Section], path: SettingPath) -> dict[str, Any]:
        """Return the fields that are set in the table at ``path``."""
        self._known.add(path)
        fields = {(*path, field.name): field for field in structs.fields(kind)}
        self._known.update(fields)
        return {
            each.name: self.field(each.type, here)
            for here, each in fields.items()
            if here in self._values or each.required
        }

    def field(self, annotation: Any, path: SettingPath) -> Any:
        """Return the value at ``path``, or report why there is none."""
        name, annotation = dotted_name(path), required_type(annotation)
        raw = self._values.get(path)
        if raw is None:
            expected = f"must be {expected_format(annotation)}; or set {variable_name(path)}[_FILE]"
            return self._report(name, "not set", f"is missing, {expected}")
        if raw.error:
            return self._report(name, raw.source, raw.error)
        kind = field_type(annotation)
        if kind.parse_table:
            return self._table(kind, kind.parse_table, name, raw)
        if member_type(annotation):
            return self._list(annotation, name, raw)
        return self._value(annotation, name, raw.value, raw)

    def report_unknown_keys(self) -> None:
        """Report keys that are not settings, and values where a table belongs."""
        for path, raw in self._values.items():
            detail = ""
            if path in self._known:
                if is_table(path) and not isinstance(raw.value, dict):
                    detail = "must be a table"
            elif present := FORMER_NAMES.get(path):
                new = f"{dotted_name(present)} (or {variable_name(present)})"
                detail = f"was renamed: set {new} instead"
            elif len(path) == 1 or path[:-1] in self._known:
                known = sorted(each[-1] for each in self._known if each[:-1] == path[:-1])
                detail = f"is unknown; known here: {', '.join(known)}"
            if detail:
                self._report(dotted_name(path), raw.source, detail)

    def _value(self, annotation: Any, name: str, value: object, raw: RawValue) -> Any:
        reason = ""
        try:
            # A single value is never a table or a list, even if msgspec could build it from one.
            if not isinstance(value, dict | list):
                parsed = _parse(field_type(annotation), value) if isinstance(value, str) else value
                return msgspec.convert(parsed, annotation, strict=not raw.is_text)
        except msgspec.ValidationError:  # its text adds nothing to the expected format
            pass
        except ValueError as error:
            reason = f": {error}"
        return self._report(name, raw.source, f"must be {expected_format(annotation)}{reason}")

    def _list(self, annotation: Any, name: str, raw: RawValue) -> Any:
        """Parse a list. Text is a list of one member; from a variable it is split."""
        items = raw.value
        if isinstance(items, str):
            parts = re.split(r"[,\n]", items) if raw.is_text else [items]
            items = [part.strip() for part in parts if part.strip()]
        if not isinstance(items, list):
            return self._report(name, raw.source, f"must be {expected_format(annotation)}")
        member = member_type(annotation)
        values = [self._value(member, f"{name}[{i}]", item, raw) for i, item in enumerate(items)]
        return _INVALID if _INVALID in values else self._value(annotation, name, tuple(values), raw)

    def _table(self, kind: FieldType, parse: TableParser, name: str, raw: RawValue) -> Any:
        try:
            pairs = parse_pairs(raw.value)
        except ValueError as error:
            reason = "" if kind.is_secret else f": {error}"  # the text may repeat the value
            return self._report(name, raw.source, f"must be {kind.expected_format}{reason}")
        table = parse(pairs)
        for key, detail in table.errors:
            self._report(f"{name}.{key}", raw.source, detail)
        return MappingProxyType(table.entries)

    def _report(self, name: str, source: str, detail: str) -> object:
        self._invalid.append(InvalidSetting(name, source, detail))
        return _INVALID


def _parse(kind: FieldType, text: str) -> object:
    if kind.pattern and not re.fullmatch(kind.pattern, text):
        raise msgspec.ValidationError
    return kind.parse(text)
