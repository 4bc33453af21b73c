"""The processor that decides what a log line may hold: declared fields, or masked foreign text."""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache, partial
from typing import Any

from structlog.typing import EventDict

from otpvoice.logs.events import COMMON, EVENTS, EXCEPTION
from otpvoice.logs.field_types import REDACTED, FieldType
from otpvoice.logs.fields import FIELDS
from otpvoice.logs.redaction import Mask

_Renderers = Mapping[str, Callable[[Any], Any]]


class ForeignText(str):
    """What a library logged: its form is not ours, so it is masked by patterns."""

    __slots__ = ()


class Redactor:
    """A structlog processor after which nothing secret is in the event.

    A line of ours keeps its declared fields, each as its type allows. Every other field and every
    value that does not fit becomes ``[redacted]``. Everything comes out as JSON's own types.

    Args:
        secrets: values of the settings that no line may hold, in any form.
        clients: names that may stand in the field ``client``.
    """

    def __init__(self, secrets: Iterable[str] = (), clients: Collection[str] = ()) -> None:
        self.clients = frozenset(clients)
        mask = Mask(secrets)
        self.mask, self.is_secret, self.holds_secret = mask.text, mask.is_secret, mask.holds_secret
        self._common = self._renderers([*COMMON, *EXCEPTION])
        self._foreign = {**self._common, **self._renderers(["logger"])}
        self._own = {
            name: {**self._common, **self._renderers(event.names)} for name, event in EVENTS.items()
        }

    def __call__(self, _logger: object, _method: str, event: EventDict) -> EventDict:
        """Return the event as it may be written."""
        what = event.pop("event", "")
        if type(what) is ForeignText:
            renderers: _Renderers = self._foreign
            line: dict[str, Any] = {"event": self.mask(str.__str__(what))}
        else:
            known = self._own.get(what) if isinstance(what, str) else None
            renderers = self._common if known is None else known
            line = {"event": what if known is not None else self._name(what)}
        for name, value in event.items():
            render = renderers.get(name)
            if render is None:
                line[self._name(name)] = REDACTED
                continue
            try:
                line[name] = None if value is None else render(value)
            except Exception:  # noqa: BLE001 - a value that cannot be read costs only itself
                line[name] = REDACTED
        return line

    def _renderers(self, names: Iterable[str]) -> _Renderers:
        return {name: self._renderer(FIELDS[name]) for name in names}

    def _renderer(self, kind: FieldType) -> Callable[[Any], Any]:
        render = partial(kind.render, self)
        return lru_cache(maxsize=256, typed=True)(render) if kind.takes_few else render

    def _name(self, name: object) -> str:
        """An undeclared name of an event or a field, which may be anything."""
        return self.mask(str.__str__(name)) if isinstance(name, str) else REDACTED
