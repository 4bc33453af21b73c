"""The service's operations on a verification that a request names by SID or by number."""

from dataclasses import dataclass

from otpvoice.api.twilio_verify.resources import parse_sid
from otpvoice.core.errors import InvalidNumber, InvalidRequest, NotFound, VerificationClosed
from otpvoice.core.phone import E164, parse_number
from otpvoice.core.requests import (
    CheckRequest,
    NumberCheckRequest,
    NumberRequest,
    TransactionRequest,
)
from otpvoice.core.service import Result, Verifications
from otpvoice.core.verification import Status

Name = str | NumberRequest
"""The id of a verification, or the number whose newest verification is meant."""


def parse_name(segment: str) -> Name:
    """Return what the last segment of a path names: ``VE…``, or a number as in ``+91…``.

    Raises:
        NotFound: it is neither.
    """
    if not E164.fullmatch(segment):
        return parse_sid(segment)
    try:
        parse_number(segment)
    except InvalidNumber as error:
        raise NotFound from error
    return NumberRequest(to=segment)


@dataclass(frozen=True, slots=True)
class VerificationsByName:
    """Verifications that Twilio's API knows: those that have ended are mostly unknown."""

    service: Verifications

    def named_by(
        self, client: str, sid: str | None, number: str | None, number_parameter: str = "To"
    ) -> Name:
        """Return what the parameters of a request name.

        With both, the SID counts, and the number must be that of its verification. Otherwise a user
        who supplies the SID of a verification of their own could prove another person's number.

        Raises:
            InvalidRequest: neither is given.
            NotFound: no verification has the SID, or it is of another number.
        """
        if sid is None:
            if number is None:
                detail = f"is missing. Send it or {number_parameter}"
                raise InvalidRequest.for_field("/VerificationSid", detail)
            return NumberRequest(to=number)
        verification_id = parse_sid(sid)
        if number is not None and self.service.get(client, verification_id).number != number:
            raise NotFound
        return verification_id

    def find(self, client: str, name: Name) -> Result:
        """Return a verification, pending or ended.

        Raises:
            NotFound: there is none.
            InvalidNumber: the name is not a phone number.
        """
        if isinstance(name, NumberRequest):
            return self.service.look_up(client, name)
        return self.service.get(client, name)

    def find_pending(self, client: str, name: Name) -> Result:
        """Return a pending verification. Raises as :meth:`find`."""
        found = self.find(client, name)
        if found.verification.status is not Status.PENDING:
            raise NotFound
        return found

    def check(
        self, client: str, name: Name, code: str, transaction: TransactionRequest | None
    ) -> Result:
        """Compare a code. Raises as :meth:`Verifications.check`, and InvalidNumber."""
        if isinstance(name, NumberRequest):
            by_number = NumberCheckRequest(to=name.to, code=code, transaction=transaction)
            return self.service.check_by_number(client, by_number)
        return self.service.check(client, name, CheckRequest(code=code, transaction=transaction))

    def end(self, client: str, name: Name, status: Status) -> Result:
        """Cancel or approve a verification.

        Raises:
            NotFound: there is none, or it has ended with another status.
        """
        try:
            if status is Status.CANCELED:
                if isinstance(name, NumberRequest):
                    name = self.find(client, name).verification.id
                return self.service.cancel(client, name)
            if isinstance(name, NumberRequest):
                return self.service.approve_by_number(client, name)
            return self.service.approve(client, name)
        except VerificationClosed as error:
            raise NotFound from error
