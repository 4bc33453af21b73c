"""A number instead of an id, compared with the model: which verification is meant, and its end."""

import hypothesis.strategies as st
from hypothesis.stateful import rule
from redis import Redis
from store import by_number
from store.builders import run_machine
from store.model_records import ModelVerification
from store.test_model import CLIENTS, NUMBERS, REFERENCES, Machine

from otpvoice.core.store_port import StoreResult
from otpvoice.core.verification import Status

SESSIONS = st.sampled_from([*REFERENCES, None])
ENDED_BY_NUMBER = 20
"""As many ended verifications of a number are searched without a reference."""


class NumberMachine(Machine):
    """Adds the steps by number; ``reference`` None means the newest of all."""

    def newest(self, to: str, client: str, reference: str | None) -> ModelVerification | None:
        """Return the verification that is meant."""
        of_number = [v for v in self.model.verifications if v.to == to]
        if not reference:
            of_number = of_number[-ENDED_BY_NUMBER:]
        mine = [v for v in of_number if v.client == client]
        return next((v for v in mine[::-1] if reference in {None, v.reference}), None)

    def assert_meant(self, result: StoreResult, meant: ModelVerification | None) -> None:
        """Assert which verification a result is about."""
        found = result.verification and result.verification.id
        assert found == (self.ids[meant] if meant else None)

    @rule(to=NUMBERS, client=CLIENTS, reference=SESSIONS)
    def looks_up(self, to: str, client: str, reference: str | None) -> None:
        """The newest, pending or ended."""
        self.ticks()
        meant = self.newest(to, client, reference)
        result = by_number.look_up(self.driver, client, to=to, reference=reference)
        assert result.outcome == ("found" if meant else "not_found")
        self.assert_meant(result, meant)

    @rule(
        code=st.sampled_from(["right", "000000", "000001"]),
        to=NUMBERS,
        client=CLIENTS,
        reference=SESSIONS,
    )
    def checks_by_number(self, code: str, to: str, client: str, reference: str | None) -> None:
        """The code of the newest, or a wrong one, which counts apart from the same one by id."""
        self.ticks()
        meant = self.newest(to, client, reference)
        given = meant.code if meant and code == "right" else "000002" if code == "right" else code
        result = by_number.check(self.driver, given, client, to=to, reference=reference)
        if not meant:
            assert result.outcome == "not_found"
            return
        counted_as = given if given == meant.code else f"{given} by number"
        assert result.outcome == self.model.check(meant, counted_as)
        self.assert_meant(result, meant)

    @rule(to=NUMBERS, client=CLIENTS, reference=SESSIONS)
    def approves_by_number(self, to: str, client: str, reference: str | None) -> None:
        """The newest, if it is pending."""
        self.ticks()
        meant = self.newest(to, client, reference)
        before = meant and meant.status
        result = by_number.approve(self.driver, client, to=to, reference=reference)
        if not meant:
            assert result.outcome == "not_found"
            return
        may_end = before in {Status.PENDING, Status.APPROVED}
        assert result.outcome == ("ended" if may_end else "closed")
        if before is Status.PENDING:
            self.model.finish(meant, Status.APPROVED)
        self.assert_meant(result, meant)


def test_store_agrees_with_the_model_by_number(redis: Redis) -> None:
    """Among all other steps."""
    NumberMachine.redis = redis
    run_machine(NumberMachine, examples=12)
