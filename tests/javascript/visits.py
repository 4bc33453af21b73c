"""A visitor of a page with the element."""

from dataclasses import asdict, dataclass
from typing import Any, Final

from api.api_client import ManualDialer
from support.axe import COLOR_RULES, violations
from support.service import ASHA
from support.visitor import Visitor

from otpvoice.store.redis_store import RedisStore
from otpvoice_client import Client

CODE: Final = "482913"


@dataclass
class Visit(Visitor):
    """A visitor of the page, whose verification has the code ``CODE``."""

    store: RedisStore
    dialer: ManualDialer
    client: Client
    url: str
    """Address of the service."""
    verification_id: str = ""

    def start(self, **members: Any) -> None:
        """Create a verification and start the element with it."""
        created = self.client.create(ASHA, **{"code": CODE, **members})
        self.verification_id = created.id
        transaction = created.transaction and asdict(created.transaction)
        self.start_with(created.client_token, transaction=transaction)

    def start_with(self, token: str | None, **members: Any) -> None:
        """Start the element for the verification with a token, and what else the backend sends."""
        url = f"{self.url}/v1/verifications/{self.verification_id}"
        self.page.evaluate(
            "(access) => start(access)", {"url": url, "client_token": token, **members}
        )

    def wait_for(self, kind: str) -> dict[str, Any]:
        """Wait for an event ``otpvoice-<kind>``, and return its detail."""
        event = f"events.find(({{ type }}) => type === 'otpvoice-{kind}')"
        self.page.wait_for_function(f"() => {event} !== undefined")
        detail: dict[str, Any] = self.page.evaluate(f"() => {event}.detail ?? {{}}")
        return detail

    def set_attribute(self, name: str, value: str) -> None:
        """Set an attribute of the element."""
        element = self.page.locator("otpvoice-code")
        element.evaluate(
            "(element, [name, value]) => element.setAttribute(name, value)", [name, value]
        )

    def assert_accessible(self) -> None:
        """Assert that axe-core finds no violation, in both colour schemes."""
        self.page.emulate_media(color_scheme="light")
        assert violations(self.page) == []
        self.page.emulate_media(color_scheme="dark")
        assert violations(self.page, *COLOR_RULES) == []
