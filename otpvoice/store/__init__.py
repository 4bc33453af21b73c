"""The only package that uses Redis: each operation is one function and one round trip.

This module has every key there is. All carry one tag, so that a cluster keeps them in one slot.

| key                             | type | holds                                 | expires         |
|---------------------------------|------|---------------------------------------|-----------------|
| verification:<id>               | hash | a verification                        | ttl + retention |
| call:<id>                       | hash | a call                                | ttl + retention |
| number:<number_hash>            | hash | call gap, calls, verifications        | ttl + retention |
| prefix:<prefix_hash>            | zset | numbers called without an approval    | a window        |
| ip:<address_hash>               | zset | calls without an approval             | a window        |
| counter:<what>:<window>         | hash | counts in the buckets of a window     | the window      |
| breakers                        | zset | open breakers by when they close      | with the last   |
| stats:<bucket>                  | hash | statistics of five minutes            | 26 hours        |
| area_stats:<bucket>             | hash | the same by area                      | 26 hours        |
| newest                          | list | ids of the newest verifications ¹     | 7 days          |
| refusals:<number_hash>          | list | the newest refusals of a number       | a day           |
| reference:<reference_hash>      | text | verifications of a reference          | ttl + retention |
| audit_log                       | list | entries for the log                   | 7 days          |
| events:<client>                 | zset | a client's events by delivery time    | a day           |
| event:<id>                      | hash | an event                              | a day           |
| dropped_events:<client>         | text | dropped events not yet logged         | a day           |
| captured:<call_id>              | list | exchanges of a live test, encrypted   | 15 minutes      |
| quarantine                      | zset | unreadable records by when found      | 7 days          |
| quarantined:<key>               | any  | an unreadable record as it was found  | 7 days          |
| undialable                      | zset | calls that settings prevented         | 7 days          |
| number_lock:<number_hash>       | text | the live call of a number             | a day           |
| number_lock:<bridge>:<…>        | text | the same by its caller line           | a day           |
| line:<bridge>                   | text | how often people answer a caller line | 7 days          |
| waiting_for_number:<…>          | set  | queued calls that wait for it         | with the call   |
| provider_call:<provider_id>     | text | our call with this provider id        | retention       |
| early_report:<provider_id>      | hash | a report whose call is not known yet  | a minute        |
| callback_seen:<fingerprint>     | text | a callback that was applied           | a day           |
| idempotency:<client>:<key_hash> | hash | outcome of a request with a key       | a day           |
| route:<route>                   | hash | the health of a route                 | an hour         |
| waiting_for_route               | set  | queued calls that wait for a route    | 10 minutes      |
| queue                           | zset | clients by due time of the first call | when empty      |
| queue:<client>                  | zset | a client's queued calls by due time ¹ | an hour         |
| dialing                         | zset | claimed calls by end of lease         | when empty      |
| live                            | zset | live calls by the end of their lock   | when empty      |
| live:<client>                   | zset | the same of one client                | an hour         |
| expiring                        | zset | pending verifications by end ¹        | when empty      |
| status_queries                  | zset | live calls by time of status query    | when empty      |
| wake                            | list | tokens that wake a blocked dialer     | a minute        |
| dialers                         | zset | dialers by their last heartbeat       | with the last   |
| clock                           | text | server time and lead (ms)             | a day           |
| selftest:<type>                 | any  | written and deleted by doctor         | at once         |

¹ Bare ids, without ``vrf_`` or ``call_``. So is the ``verification`` of a call.

A verification that ends without a sent call and without an approval keeps its records
(``verification``, ``call``, and the ``reference`` and ``idempotency`` that only it has) for an
hour. ``number:<number_hash>`` is kept as long as the verifications that were called or approved,
else for a day.

Each key is ``{otpvoice}:`` and then as above. ``<…>`` is the number hash. The
hashes are keyed hashes (:class:`otpvoice.core.keys.NumberHasher`), so no key contains a number, an
address or a reference.
The fields of each record are described in the Lua file that writes it. A field that has its default
(``DEFAULTS``) is left out. The encrypted speech, number and transaction of a verification cannot be
read without the key ring. Its end deletes the speech and the digests of its code and transaction;
so does the first sweep after its time. Speech and transaction are stored in pieces, because a hash
whose values have at most 64 bytes (``hash-max-listpack-value``) takes less than half the memory.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from otpvoice.core.speech import Gate
from otpvoice.core.verification import CallStatus, Status

TAG: Final = "{otpvoice}"


class Keys:
    """Names of keys. The functions name the keys that they use themselves."""

    def __init__(self, tag: str = TAG) -> None:
        self.prefix = f"{tag}:"

    def of(self, kind: str, name: str | int | None = None) -> str:
        """Return ``<prefix><kind>``, or ``<prefix><kind>:<name>``."""
        return f"{self.prefix}{kind}" if name is None else f"{self.prefix}{kind}:{name}"


_FORMS: Final[Mapping[str, Mapping[str, object]]] = MappingProxyType(
    {
        "integers": {"forbidden": "%D", "max_length": 14},  # times and durations in ms, and counts
        "words": {"forbidden": "[^%w_. -]", "max_length": 96},
        # Functions separate the words of a metric by spaces, so a route has none.
        "routes": {"forbidden": "[^%w_.-]", "max_length": 96},
        "flags": {"forbidden": "[^01]", "max_length": 1},
        "types": {"forbidden": "[^a-z_.]", "max_length": 40},
        "times": {"forbidden": "[^%d+]", "max_length": 15},
        "keys": {"forbidden": "[^%d*#]", "max_length": 1},
        "traceparents": {"forbidden": "[^%x-]", "max_length": 55},
        "gates": {"words": {*Gate}},
        "blockers": {"words": {"denial"}},
        "call_statuses": {"words": {*CallStatus}},
        "verification_statuses": {"words": {*Status}},
    }
)
"""By name: ``{forbidden: Lua class of characters, max_length}``, or ``{words: allowed ones}``."""


DEFAULTS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "verification": {
            "route": "obd",
            "locale": "default",
            "code_length": "6",
            "checks_left": "5",
            "queue_margin": "60000",
        },
        "call": {"route": "obd", "locale": "default"},
    }
)
"""By kind of record: the values of fields that are left out, whatever the settings."""


def _schema(required: str = "", **names_by_form: str) -> dict[str, object]:
    forms = {name: _FORMS[form] for form, names in names_by_form.items() for name in names.split()}
    return {"required": required.split(), "forms": forms, "defaults": {}}


_GAP: Final = ("gap_until", "gap_calls", "gap_last")

SHOWN_FIELDS: Final = (
    *("id", "encrypted_number", "client", "status", "reason", "reference", "created_at"),
    *("expires_at", "ended_at", "version", "own_code", "code_length", "checks_left"),
    "queue_margin",
)
"""The fields of a verification that replies about it contain, in their order."""
SHOWN_CALL_FIELDS: Final = (
    *("id", "status", "reason", "route", "locale", "bridge", "caller_id", "due_at", "not_before"),
    *("sent_at", "live_until", "placed_at", "ended_at", "duration", "heard", "raw"),
)
"""The same of a call."""

SCHEMAS: Final[Mapping[str, Mapping[str, object]]] = MappingProxyType(
    {
        "call": _schema(
            "verification number client status route locale bridge due_at",
            call_statuses="status",
            words="verification number client locale bridge own_bridge",
            routes="route",
            integers="due_at not_before lease_until sent_at live_until placed_at ended_at duration"
            " heard_after requests gap_before gap_after own_gap speech_fetched_at cancels"
            " prompt_fetched_at",
            flags="heard test live_test can_cancel fetches_speech unspoken",
            gates="gate",
            keys="key",
        )
        | {
            "defaults": DEFAULTS["call"],
            "requires": {
                "dialing": ("holder", "lease_until"),
                "placed": ("sent_at", "live_until"),
                "unknown": ("sent_at", "live_until"),
            },
        },
        "verification": _schema(
            "client number encrypted_number status created_at expires_at version code_length"
            " checks_left queue_margin route locale",
            verification_statuses="status",
            words="client number locale",
            routes="route",
            integers="created_at expires_at ended_at version code_length checks_left queue_margin"
            " redials stored_responses",
            flags="own_code test live_test counted events deliver_only",
            traceparents="traceparent",
        )
        | {"defaults": DEFAULTS["verification"]},
        "number": _schema(
            integers=f"{' '.join(_GAP)} blocked_until canceled_call_at", blockers="blocked_by"
        )
        | {
            "prefixes": {
                "vrf_": _FORMS["integers"],
                "pending ": _FORMS["words"],
                "call_": _FORMS["times"],
            },
            "requires": dict.fromkeys(_GAP, _GAP),
        },
        "route": _schema(integers="closings closed_until probe_until"),
        "event": _schema(
            "type verification snapshot attempts",
            types="type",
            words="verification",
            integers="attempts",
        ),
        "idempotency": _schema("body id outcome", words="id"),
    }
)
"""By kind of record: its required fields, and the forms of fields whose form matters.

A record in another format was written by something else, or by a release that is too far away.
The functions quarantine it before they use it (``_records.lua``).

``forms`` has them by name, ``prefixes`` by the first word of the name with the space or underscore
behind it; other fields may hold anything. ``defaults`` are :data:`DEFAULTS`. ``requires`` maps a
field or a status to the fields that it requires.
"""


class UnreadableRecord(Exception):
    """A stored record that does not have its format.

    Args:
        record: its key, without the prefix.
        reason: what is wrong; never a value of the record.
        text: what could not be decoded, where it is no record of its own.
    """

    def __init__(self, record: str, reason: str, text: bytes | None = None) -> None:
        super().__init__(f"{record}: {reason}")
        self.record = record
        self.reason = reason
        self.text = text
