"""The steps of the store, as the service asks for them and as it is answered."""

from typing import Protocol

from msgspec import Struct

from otpvoice.core.verification import EndReason, Route, Status, Verification


class NewCall(Struct, frozen=True):
    """A call to be queued. Without ``route`` or ``locale`` it takes the verification's.

    ``flow``, the provider's id of the script that speaks ``locale``, comes with it.
    """

    id: str
    route: Route | None
    locale: str | None
    bridge: str
    caller_id: str
    flow: str | None = None


class Idempotency(Struct, frozen=True):
    """What makes a request known when it comes again (Idempotency-Key)."""

    key_hash: str
    """Stands for the client's key."""
    body_hash: str
    """Stands for the body; neither can be read back."""


class LimitKeys(Struct, frozen=True):
    """What a number, and who asks, have in common with others: the limits count by it."""

    prefix_hash: str
    """Its name."""
    area: str
    """In clear: ``+919876``."""
    region: str
    address_hash: str | None
    """The name of the end user's address."""
    reference_hash: str
    """The name of the caller's reference, or empty."""


class NewVerification(Struct, frozen=True):
    """A verification to be begun, unless one is under way. Durations in milliseconds."""

    id: str
    client: str
    number_hash: str
    """The number's name."""
    encrypted_number: bytes
    encrypted_speech: bytes
    code_digest: bytes
    request_digests: list[bytes]
    """Of client, number and code, one for each ring key: tells a repeated create."""
    own_code: bool
    reference: str | None
    route: Route
    locale: str
    code_length: int
    max_checks: int
    call_after_ms: int
    ttl_ms: int
    retention_ms: int
    queue_margin_ms: int
    call: NewCall
    limit_keys: LimitKeys
    is_test_number: bool = False
    """Of a test number: nobody is called."""
    is_live_test: bool = False
    """One real call that nothing follows, and of which what was said is kept for a while."""
    idempotency: Idempotency | None = None
    flow: str | None = None
    """The provider's id of the script that speaks ``locale``. It is stored, so that a dialer needs
    no settings of the client."""


class StoreResult(Protocol):
    """What a step of the store did, and the verification as it then stood."""

    @property
    def outcome(self) -> str:
        """One of the words that the step names."""

    @property
    def verification(self) -> Verification | None:
        """None only when there is none for this client."""

    @property
    def retry_after_ms(self) -> int:
        """The figure that belongs to the outcome."""

    @property
    def is_replayed(self) -> bool:
        """Nothing was done now: the outcome is that of the same request when it came first."""


class Store(Protocol):
    """Each step is atomic and happens at most once. All raise ``StoreUnavailable``."""

    def create(self, new: NewVerification) -> StoreResult:
        """Begins one or finds the one under way, and queues its call.

        ``created``, ``existing``, ``call_gap`` and ``rate_limited <limit>`` (number: ms until it
        would be taken), ``over_capacity``, ``calls_unavailable``, ``idempotency_mismatch``.
        """

    def get(self, verification_id: str, client: str) -> StoreResult:
        """``found``, ``not_found``. Ends what is over, changes nothing else."""

    def check(
        self,
        verification_id: str,
        client: str,
        length: int,
        digests: list[bytes],
        idempotency: Idempotency | None = None,
    ) -> StoreResult:
        """``right``, ``wrong``, ``wrong_length``, ``closed``, ``no_call_yet``, ``not_found``.

        ``no_call_yet``: the code was generated and no call was sent; neither compared nor counted.
        ``rate_limited <limit>`` (number: ms until then): neither compared nor counted.
        ``idempotency_mismatch``.
        """

    def close_verification(
        self, verification_id: str, client: str, status: Status, reason: EndReason
    ) -> StoreResult:
        """``ended`` (also: already, in this status), ``closed``, ``not_found``."""

    def request_call(
        self,
        verification_id: str,
        client: str,
        call: NewCall,
        idempotency: Idempotency | None = None,
    ) -> StoreResult:
        """Queues a call or brings a delayed one forward.

        ``coming``, ``closed``, ``too_late``, ``rate_limited <limit>`` (number: ms until then),
        ``over_capacity``, ``calls_unavailable``, ``not_found``, ``idempotency_mismatch``.
        """
