"""From what was given to the typed tree, or to everything that is wrong with it."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import structs

from otpvoice.core.flow import DEFAULT, Flow, is_language_tag
from otpvoice.settings.errors import SettingsError, WrongSetting
from otpvoice.settings.parsers import read_pairs
from otpvoice.settings.schema import SECTIONS, Client, Section, Settings
from otpvoice.settings.sources import (
    FORMER_NAMES,
    TEST_NUMBERS,
    Given,
    Place,
    dotted,
    is_table,
    variable_of,
)
from otpvoice.settings.status_words import parse_status_words
from otpvoice.settings.test_numbers import read_test_numbers
from otpvoice.settings.types import (
    Flows,
    expected,
    is_flows,
    is_status_words,
    kind_of,
    member_type,
    required_type,
)

_CLIENT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_WRONG: Final = object()
"""Read in place of a value that is wrong."""


def read(given: Mapping[Place, Given]) -> Settings:
    """The tree.

    Raises:
        SettingsError: names every field that is missing, unknown or wrong in itself.
    """
    reader = _Reader(given)
    sections = {name: reader.fields(kind, (name,)) for name, kind in SECTIONS.items()}
    clients = {name: reader.client(name) for name in _client_names(given)}
    test_numbers = reader.test_numbers()
    reader.refuse_misplaced()
    if reader.wrong:
        raise SettingsError(reader.wrong)
    tree: dict[str, Any] = {name: kind(**sections[name]) for name, kind in SECTIONS.items()}
    tree["clients"] = MappingProxyType({name: Client(**clients[name]) for name in clients})
    return Settings(**tree, test_numbers=test_numbers)


def read_flows(given: Mapping[Place, Given]) -> Mapping[Place, Mapping[str, Flow]]:
    """Return the flows of ``[provider]`` and of each client with flows of its own, by their place.

    No other field is read, so that the others may be missing or wrong.

    Raises:
        SettingsError: flows are wrong, or ``[provider]`` has none.
    """
    reader = _Reader(given)
    provider: Place = ("provider", "flows")
    clients = [("clients", name, "flows") for name in _client_names(given)]
    found = {place: reader.flows(place) for place in (provider, *clients) if place in given}
    if provider not in found:
        reader.flows(provider)
    if reader.wrong:
        raise SettingsError(reader.wrong)
    return found


def _client_names(given: Mapping[Place, Given]) -> list[str]:
    """Of file and environment, each once, in the order they were given."""
    return list(dict.fromkeys(p[1] for p in given if p[0] == "clients" and len(p) > 1))


class _Reader:
    """Reads one field after the other and keeps what is wrong: one start shall tell it all."""

    def __init__(self, given: Mapping[Place, Given]) -> None:
        self.wrong: list[WrongSetting] = []
        self._given = given
        self._known: set[Place] = {("clients",), TEST_NUMBERS}

    def client(self, name: str) -> dict[str, Any]:
        place = ("clients", name)
        if place in self._given and not _CLIENT_NAME.fullmatch(name):
            rule = "a client's name has 1 to 64 of a-z, 0-9 and -, and does not begin with -"
            self._refuse(dotted(place), self._given[place].source, rule)
        return self.fields(Client, place)

    def fields(self, kind: type[Section], place: Place) -> dict[str, Any]:
        """The fields that were given for the table at ``place``."""
        self._known.add(place)
        values = {}
        for field in structs.fields(kind):
            here = (*place, field.name)
            self._known.add(here)
            if here in self._given:
                values[field.name] = self._field(field.type, dotted(here), self._given[here])
            elif field.required:
                self._refuse(dotted(here), "not set", _missing(field.type, here))
        return values

    def flows(self, place: Place) -> Any:
        """Return the flows at ``place``; the fault is kept if they are missing or wrong."""
        if place not in self._given:
            return self._refuse(dotted(place), "not set", _missing(Flows, place))
        return self._field(Flows, dotted(place), self._given[place])

    def test_numbers(self) -> Mapping[str, str]:
        """The table at :data:`TEST_NUMBERS`; what is wrong with it is kept with the rest."""
        given = self._given.get(TEST_NUMBERS)
        if given is None:
            return MappingProxyType({})
        found = read_test_numbers(given)
        self.wrong.extend(found.wrong)
        return found.codes

    def refuse_misplaced(self) -> None:
        """Refuse what stands where nothing, or something else, belongs."""
        for place, given in self._given.items():
            if place in self._known:
                if is_table(place) and not isinstance(given.value, dict):
                    self._refuse(dotted(place), given.source, "must be a table")
            elif place in FORMER_NAMES:
                present = FORMER_NAMES[place]
                detail = f"was renamed: set {dotted(present)} (or {variable_of(present)}) instead"
                self._refuse(dotted(place), given.source, detail)
            elif len(place) == 1 or place[:-1] in self._known:
                known = sorted(each[-1] for each in self._known if each[:-1] == place[:-1])
                detail = f"is unknown; known here: {', '.join(known)}"
                self._refuse(dotted(place), given.source, detail)

    def _field(self, annotation: Any, name: str, given: Given) -> object:
        wanted = required_type(annotation)
        if given.fault is not None:
            return self._refuse(name, given.source, given.fault)
        if is_flows(wanted):
            return self._flows(wanted, name, given)
        if is_status_words(wanted):
            return self._status_words(wanted, name, given)
        if member_type(wanted) is not None:
            return self._list(wanted, name, given)
        return self._value(wanted, name, given.value, given)

    def _value(self, annotation: Any, name: str, raw: object, given: Given) -> object:
        reason = ""
        try:
            # No single value is written as a table or a list, even if msgspec could build it so.
            if not isinstance(raw, dict | list):
                value = kind_of(annotation).read(raw) if isinstance(raw, str) else raw
                return msgspec.convert(value, annotation, strict=not given.from_environment)
        except msgspec.ValidationError:  # says less than we do
            pass
        except ValueError as error:
            reason = f": {error}"
        return self._refuse(name, given.source, f"must be {expected(annotation)}{reason}")

    def _list(self, annotation: Any, name: str, given: Given) -> object:
        items = _members(given)
        if not isinstance(items, list):
            return self._refuse(name, given.source, f"must be {expected(annotation)}")
        member = member_type(annotation)
        values = [self._value(member, f"{name}[{i}]", item, given) for i, item in enumerate(items)]
        if _WRONG in values:
            return _WRONG
        return self._value(annotation, name, tuple(values), given)

    def _flows(self, annotation: Any, name: str, given: Given) -> object:
        try:
            table = read_pairs(given.value)
        except ValueError as error:
            detail = f"must be {expected(annotation)}: {error}"
            return self._refuse(name, given.source, detail)
        flows: dict[str, object] = {}
        for tag, flow in table.items():
            here = f"{name}.{tag}"
            if not is_language_tag(tag):
                self._refuse(here, given.source, "is neither a language tag (BCP 47) nor default")
            elif tag.lower() in flows:
                self._refuse(here, given.source, "is given twice: case makes no difference")
            flows[tag.lower()] = self._flow(flow, here, given)
        if DEFAULT not in flows:
            self._refuse(f"{name}.{DEFAULT}", given.source, "is missing: some flow has to speak")
        return MappingProxyType(flows)

    def _status_words(self, annotation: Any, name: str, given: Given) -> object:
        try:
            parsed = parse_status_words(given.value)
        except ValueError as error:
            detail = f"must be {expected(annotation)}: {error}"
            return self._refuse(name, given.source, detail)
        for word, fault in parsed.faults.items():
            self._refuse(f"{name}.{word}", given.source, fault)
        return MappingProxyType(parsed.words)

    def _flow(self, raw: object, name: str, given: Given) -> object:
        try:
            return msgspec.convert({"id": raw} if isinstance(raw, str) else raw, Flow)
        except msgspec.ValidationError as error:
            detail = f'must be the id of a flow as text, or {{ id = "25", text = "…" }}: {error}'
            return self._refuse(name, given.source, detail)

    def _refuse(self, name: str, source: str, detail: str) -> object:
        self.wrong.append(WrongSetting(name, source, detail))
        return _WRONG


def _members(given: Given) -> object:
    """A list of one may be written as its only member; an empty text is the empty list."""
    if not isinstance(given.value, str):
        return given.value
    parts = re.split(r"[,\n]", given.value) if given.from_environment else [given.value]
    return [part.strip() for part in parts if part.strip()]


def _missing(annotation: Any, place: Place) -> str:
    return f"is missing, must be {expected(annotation)}; or set {variable_of(place)}[_FILE]"
