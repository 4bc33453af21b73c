"""From what was given to the typed tree, or to everything that is wrong with it."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import structs

from otpvoice.core.flow import DEFAULT_FLOW, Flow, is_language_tag
from otpvoice.settings.errors import InvalidSetting, SettingsError
from otpvoice.settings.parsers import parse_pairs
from otpvoice.settings.schema import SECTIONS, Client, Section, Settings
from otpvoice.settings.sources import (
    FORMER_NAMES,
    TEST_NUMBERS,
    RawValue,
    SettingPath,
    dotted_name,
    is_table,
    variable_name,
)
from otpvoice.settings.status_words import parse_status_words
from otpvoice.settings.test_numbers import parse_test_numbers
from otpvoice.settings.types import (
    Flows,
    expected_format,
    field_type,
    is_flows,
    is_status_words,
    member_type,
    required_type,
)

_CLIENT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_INVALID: Final = object()
"""Read in place of a value that is wrong."""


def build_settings(values: Mapping[SettingPath, RawValue]) -> Settings:
    """The tree.

    Raises:
        SettingsError: names every field that is missing, unknown or wrong in itself.
    """
    reader = _Loader(values)
    sections = {name: reader.fields(kind, (name,)) for name, kind in SECTIONS.items()}
    clients = {name: reader.client(name) for name in _client_names(values)}
    test_numbers = reader.test_numbers()
    reader.report_unknown_keys()
    if reader.invalid:
        raise SettingsError(reader.invalid)
    tree: dict[str, Any] = {name: kind(**sections[name]) for name, kind in SECTIONS.items()}
    tree["clients"] = MappingProxyType({name: Client(**clients[name]) for name in clients})
    return Settings(**tree, test_numbers=test_numbers)


def build_flows(values: Mapping[SettingPath, RawValue]) -> Mapping[SettingPath, Mapping[str, Flow]]:
    """Return the flows of ``[provider]`` and of each client with flows of its own, by their place.

    No other field is read, so that the others may be missing or wrong.

    Raises:
        SettingsError: flows are wrong, or ``[provider]`` has none.
    """
    reader = _Loader(values)
    provider: SettingPath = ("provider", "flows")
    clients = [("clients", name, "flows") for name in _client_names(values)]
    found = {place: reader.flows(place) for place in (provider, *clients) if place in values}
    if provider not in found:
        reader.flows(provider)
    if reader.invalid:
        raise SettingsError(reader.invalid)
    return found


def _client_names(given: Mapping[SettingPath, RawValue]) -> list[str]:
    """Of file and environment, each once, in the order they were given."""
    return list(dict.fromkeys(p[1] for p in given if p[0] == "clients" and len(p) > 1))


class _Loader:
    """Reads one field after the other and keeps what is wrong: one start shall tell it all."""

    def __init__(self, given: Mapping[SettingPath, RawValue]) -> None:
        self.invalid: list[InvalidSetting] = []
        self._values = given
        self._known: set[SettingPath] = {("clients",), TEST_NUMBERS}

    def client(self, name: str) -> dict[str, Any]:
        place = ("clients", name)
        if place in self._values and not _CLIENT_NAME.fullmatch(name):
            rule = "a client's name has 1 to 64 of a-z, 0-9 and -, and does not begin with -"
            self._report(dotted_name(place), self._values[place].source, rule)
        return self.fields(Client, place)

    def fields(self, kind: type[Section], place: SettingPath) -> dict[str, Any]:
        """The fields that were given for the table at ``place``."""
        self._known.add(place)
        values = {}
        for field in structs.fields(kind):
            here = (*place, field.name)
            self._known.add(here)
            if here in self._values:
                values[field.name] = self._field(field.type, dotted_name(here), self._values[here])
            elif field.required:
                self._report(dotted_name(here), "not set", _missing_detail(field.type, here))
        return values

    def flows(self, place: SettingPath) -> Any:
        """Return the flows at ``place``; the fault is kept if they are missing or wrong."""
        if place not in self._values:
            return self._report(dotted_name(place), "not set", _missing_detail(Flows, place))
        return self._field(Flows, dotted_name(place), self._values[place])

    def test_numbers(self) -> Mapping[str, str]:
        """The table at :data:`TEST_NUMBERS`; what is wrong with it is kept with the rest."""
        given = self._values.get(TEST_NUMBERS)
        if given is None:
            return MappingProxyType({})
        found = parse_test_numbers(given)
        self.invalid.extend(found.invalid)
        return found.codes

    def report_unknown_keys(self) -> None:
        """Refuse what stands where nothing, or something else, belongs."""
        for place, given in self._values.items():
            if place in self._known:
                if is_table(place) and not isinstance(given.value, dict):
                    self._report(dotted_name(place), given.source, "must be a table")
            elif place in FORMER_NAMES:
                present = FORMER_NAMES[place]
                detail = (
                    f"was renamed: set {dotted_name(present)} (or {variable_name(present)}) instead"
                )
                self._report(dotted_name(place), given.source, detail)
            elif len(place) == 1 or place[:-1] in self._known:
                known = sorted(each[-1] for each in self._known if each[:-1] == place[:-1])
                detail = f"is unknown; known here: {', '.join(known)}"
                self._report(dotted_name(place), given.source, detail)

    def _field(self, annotation: Any, name: str, given: RawValue) -> object:
        wanted = required_type(annotation)
        if given.error is not None:
            return self._report(name, given.source, given.error)
        if is_flows(wanted):
            return self._flows(wanted, name, given)
        if is_status_words(wanted):
            return self._status_words(wanted, name, given)
        if member_type(wanted) is not None:
            return self._list(wanted, name, given)
        return self._value(wanted, name, given.value, given)

    def _value(self, annotation: Any, name: str, raw: object, given: RawValue) -> object:
        reason = ""
        try:
            # No single value is written as a table or a list, even if msgspec could build it so.
            if not isinstance(raw, dict | list):
                value = field_type(annotation).parse(raw) if isinstance(raw, str) else raw
                return msgspec.convert(value, annotation, strict=not given.from_environment)
        except msgspec.ValidationError:  # says less than we do
            pass
        except ValueError as error:
            reason = f": {error}"
        return self._report(name, given.source, f"must be {expected_format(annotation)}{reason}")

    def _list(self, annotation: Any, name: str, given: RawValue) -> object:
        items = _members(given)
        if not isinstance(items, list):
            return self._report(name, given.source, f"must be {expected_format(annotation)}")
        member = member_type(annotation)
        values = [self._value(member, f"{name}[{i}]", item, given) for i, item in enumerate(items)]
        if _INVALID in values:
            return _INVALID
        return self._value(annotation, name, tuple(values), given)

    def _flows(self, annotation: Any, name: str, given: RawValue) -> object:
        try:
            table = parse_pairs(given.value)
        except ValueError as error:
            detail = f"must be {expected_format(annotation)}: {error}"
            return self._report(name, given.source, detail)
        flows: dict[str, object] = {}
        for tag, flow in table.items():
            here = f"{name}.{tag}"
            if not is_language_tag(tag):
                self._report(here, given.source, "is neither a language tag (BCP 47) nor default")
            elif tag.lower() in flows:
                self._report(here, given.source, "is given twice: case makes no difference")
            flows[tag.lower()] = self._flow(flow, here, given)
        if DEFAULT_FLOW not in flows:
            self._report(
                f"{name}.{DEFAULT_FLOW}", given.source, "is missing: some flow has to speak"
            )
        return MappingProxyType(flows)

    def _status_words(self, annotation: Any, name: str, given: RawValue) -> object:
        try:
            parsed = parse_status_words(given.value)
        except ValueError as error:
            detail = f"must be {expected_format(annotation)}: {error}"
            return self._report(name, given.source, detail)
        for word, fault in parsed.errors.items():
            self._report(f"{name}.{word}", given.source, fault)
        return MappingProxyType(parsed.words)

    def _flow(self, raw: object, name: str, given: RawValue) -> object:
        try:
            return msgspec.convert({"id": raw} if isinstance(raw, str) else raw, Flow)
        except msgspec.ValidationError as error:
            detail = f'must be the id of a flow as text, or {{ id = "25", text = "…" }}: {error}'
            return self._report(name, given.source, detail)

    def _report(self, name: str, source: str, detail: str) -> object:
        self.invalid.append(InvalidSetting(name, source, detail))
        return _INVALID


def _members(given: RawValue) -> object:
    """A list of one may be written as its only member; an empty text is the empty list."""
    if not isinstance(given.value, str):
        return given.value
    parts = re.split(r"[,\n]", given.value) if given.from_environment else [given.value]
    return [part.strip() for part in parts if part.strip()]


def _missing_detail(annotation: Any, place: SettingPath) -> str:
    return (
        f"is missing, must be {expected_format(annotation)}; or set {variable_name(place)}[_FILE]"
    )
