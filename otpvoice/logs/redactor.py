"""The processor that decides what a log line may hold: declared fields, or masked foreign text."""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache, partial
from typing import Any

from structlog.typing import EventDict

from otpvoice.logs.events import COMMON_FIELDS, EVENTS, EXCEPTION_FIELDS
from otpvoice.logs.field_types import REDACTED, FieldType
from otpvoice.logs.fields import FIELDS
from otpvoice.logs.redaction import Redactor

_Renderers = Mapping[str, Callable[[Any], Any]]


class ForeignText(str):
    """What a library logged: its form is not ours, so it is masked by patterns."""

    __slots__ = ()


class RecordFilter:
    """A structlog processor after which nothing secret is in the event.

    A line of ours keeps its declared fields, each as its type allows. Every other field and every
    value that does not fit becomes ``[redacted]``. Everything comes out as JSON's own types.

    Args:
        secrets: values of the settings that no line may hold, in any form.
        clients: names that may stand in the field ``client``.
    """

    def __init__(self, secrets: Iterable[str] = (), clients: Collection[str] = ()) -> None:
        self.clients = frozenset(clients)
        mask = Redactor(secrets)
        self.redact, self.is_secret, self.contains_secret = (
            mask.redact,
            mask.is_secret,
            mask.contains_secret,
        )
        self._common = self._renderers([*COMMON_FIELDS, *EXCEPTION_FIELDS])
        self._foreign = {**self._common, **self._renderers(["logger"])}
        self._own = {
            name: {**self._common, **self._renderers(event.field_names)}
            for name, event in EVENTS.items()
        }

    def __call__(self, _logger: object, _method: str, event: EventDict) -> EventDict:
        """Return the event as it may be written."""
        what = event.pop("event", "")
        if type(what) is ForeignText:
            renderers: _Renderers = self._foreign
            line: dict[str, Any] = {"event": self.redact(str.__str__(what))}
        else:
            known = self._own.get(what) if isinstance(what, str) else None
            renderers = self._common if known is None else known
            line = {"event": what if known is not None else self._redact_key(what)}
        for name, value in event.items():
            render = renderers.get(name)
            if render is None:
                line[self._redact_key(name)] = REDACTED
                continue
            try:
                line[name] = None if value is None else render(value)
            except Exception:  # noqa: BLE001 - a value that cannot be read costs only itself
                line[name] = REDACTED
        return line

    def _renderers(self, names: Iterable[str]) -> _Renderers:
        return {name: self._renderer(FIELDS[name]) for name in names}

    def _renderer(self, field_type: FieldType) -> Callable[[Any], Any]:
        render = partial(field_type.render, self)
        return lru_cache(maxsize=256, typed=True)(render) if field_type.is_cacheable else render

    def _redact_key(self, name: object) -> str:
        """An undeclared name of an event or a field, which may be anything."""
        return self.redact(str.__str__(name)) if isinstance(name, str) else REDACTED
