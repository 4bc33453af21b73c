"""Payments compared with the model: which create supersedes, and which code is right for which."""

import hypothesis.strategies as st
from hypothesis.stateful import precondition, rule
from redis import Redis
from store.builders import run_machine
from store.model_records import ModelVerification
from store.test_model import CLIENTS, NUMBERS, REFERENCES, Machine

from otpvoice.core.transactions import Transaction

PAYMENTS = st.sampled_from(
    [
        None,
        Transaction("2500.00", "INR", "ACME"),
        Transaction("2500", "INR", "ACME"),
        Transaction("2500", "USD", "ACME"),
    ]
)
"""None, two writings of one payment, and another one."""


def canonical(payment: Transaction | None) -> str:
    """Return the form by which the model compares payments."""
    return payment.canonical if payment else ""


class PaymentMachine(Machine):
    """Adds creates and checks with a transaction to those without one."""

    @rule(
        to=NUMBERS,
        client=CLIENTS,
        own=st.sampled_from([None, "111111"]),
        reference=st.sampled_from(REFERENCES),
        payment=PAYMENTS,
    )
    def creates_a_payment(
        self,
        to: str,
        client: str,
        own: str | None,
        reference: str | None,
        payment: Transaction | None,
    ) -> None:
        """Another payment ends the session's pending one, even if a limit refuses the new one."""
        self.ticks()
        code = own or str(next(self.codes))
        new = ModelVerification(client, to, code, reference, self.model.now, 300)
        new.own_code, new.payment = own is not None, canonical(payment)
        expected = self.model.create(new, 0)
        result = self.driver.try_create(
            to,
            client=client,
            code=code,
            own_code=own is not None,
            reference=reference,
            transaction=payment,
        )
        assert result.outcome == expected
        if expected == "created":
            assert result.verification
            self.ids[new] = result.verification.id

    @precondition(lambda self: self.model.verifications)
    @rule(
        index=st.integers(0, 3),
        code=st.sampled_from(["right", "right", "000000", "111111"]),
        payment=PAYMENTS,
    )
    def checks_a_payment(self, index: int, code: str, payment: Transaction | None) -> None:
        """Each pair of code and payment counts once."""
        self.ticks()
        verification = self.one_of(index)
        given = verification.code if code == "right" else code
        result = self.driver.check(self.load(verification), given, transaction=payment)
        assert result.outcome == self.model.check(verification, given, canonical(payment))


def test_store_agrees_with_the_model_of_payments(redis: Redis) -> None:
    """Among all other steps."""
    PaymentMachine.redis = redis
    run_machine(PaymentMachine, examples=10)
