"""Every key there is. All carry one tag, so that a cluster keeps them in one slot.

| key                  | type | holds                                      | ends          |
|----------------------|------|--------------------------------------------|---------------|
| verification:<id>    | hash | a verification; seals and digests, no code | ttl + keep    |
| speech:<id>          | text | code and name to be spoken, sealed         | ttl           |
| call:<id>            | hash | a call                                     | ttl + keep    |
| number:<n>           | hash | gap, calls of a day, newest verifications  | ttl + keep    |
| prefix:<p>           | zset | numbers of a prefix without approval       | a window      |
| ip:<address>         | zset | calls for an address without approval      | a window      |
| tally:<what>:<w>     | hash | how many in the slices of a window         | the window    |
| breakers             | zset | open breakers by when they close           | with the last |
| figures:<bucket>     | hash | what happened in five minutes              | 26 hours      |
| areas:<bucket>       | hash | the same by the beginnings of numbers      | 26 hours      |
| refusals:<n>         | list | the newest refusals of a number            | a day         |
| reference:<r>        | text | verifications of a caller's reference      | ttl + keep    |
| notices              | list | what the log is to be told                 | 7 days        |
| events:<client>      | zset | a client's events by when to try them      | a day         |
| event:<id>           | hash | what a client is to be told                | a day         |
| dropped:<client>     | text | events too many, the log not told of yet   | a day         |
| overheard:<call id>  | list | what was said about a trial's call, sealed | 15 minutes    |
| quarantine           | zset | unreadable records by when they were found | 7 days        |
| quarantined:<key>    | any  | an unreadable record as it was found       | 7 days        |
| undialable           | zset | calls that a dialer's settings prevented   | 7 days        |
| line:<bridge>:<n>    | text | the live call of both; counts while it is  | with the call |
|                      |      | in ``live``                                | or in a day   |
| waiting:<bridge>:<n> | set  | queued calls that wait for that line       | with the call |
| provider:<id>        | text | our call that the provider calls so        | keep          |
| early:<id>           | hash | a result for a provider's id unknown yet   | a minute      |
| seen:<fingerprint>   | text | a callback that was applied                | a day         |
| again:<client>:<k>   | hash | the outcome of a request with a key        | a day         |
| route:<route>        | hash | what a route did not accept, from whom;    | an hour       |
|                      |      | when it was closed and is tried            |               |
| held                 | set  | queued calls that wait for a route         | 10 minutes    |
| queue                | zset | clients by when to dial their first call   | when empty    |
| queue:<client>       | zset | a client's queued calls by when to dial    | an hour       |
| dialing              | zset | claimed calls by the end of their lease    | when empty    |
| live                 | zset | live calls by when they can not be so      | when empty    |
| live:<client>        | zset | the same of one client                     | an hour       |
| expiring             | zset | pending verifications by their end         | when empty    |
| pull                 | zset | live calls by when to ask about them       | when empty    |
| wake                 | list | tokens that wake a blocked dialer          | a minute      |
| dialers              | zset | dialers by when they were last heard of    | with the last |
| clock                | text | server's time, lead of the functions (ms)  | a day         |
| selftest:<type>      | any  | nothing; written and deleted by doctor     | at once       |

A verification that ends without a call that was sent and without an approval keeps its records
(``verification``, ``call``, and the ``reference`` and ``again`` that only it has) for an hour.
``number:<n>`` is kept with the verifications that were called or approved, else for a day.

Each is named ``{otpvoice}:`` and then as above. ``<n>``, ``<p>``, ``<address>`` and ``<r>`` are
names (:class:`otpvoice.core.keys.NumberHasher`) of a number, its prefix, an address and a
reference, never they themselves; ``_limits.lua`` describes the fields of a number. Sealed, and so
unreadable without the key ring, are speech and the ``encrypted_number`` of a verification. An event
holds what answers show of a verification, but for its number. Speech is a key of its own: it is
gone when the life of the code is over, even if nobody ends the verification, and records stay small
enough for Redis's compact encoding (``hash-max-listpack-value``, 64 bytes).
"""

from typing import Final

TAG: Final = "{otpvoice}"


class Keys:
    """Names of keys under one prefix."""

    def __init__(self, tag: str = TAG) -> None:
        self.prefix = f"{tag}:"
        self.wake = f"{tag}:wake"
        self.shared = (
            f"{tag}:queue",
            f"{tag}:dialing",
            f"{tag}:live",
            f"{tag}:expiring",
            self.wake,
            f"{tag}:dialers",
            f"{tag}:status_queries",
        )
        """KEYS 1–7 of every script."""

    def verification(self, verification_id: str) -> str:
        """One verification's record."""
        return f"{self.prefix}verification:{verification_id}"

    def speech(self, verification_id: str) -> str:
        """What is to be spoken, sealed."""
        return f"{self.prefix}speech:{verification_id}"

    def number(self, number: str) -> str:
        """What is known of a number."""
        return f"{self.prefix}number:{number}"

    def reference(self, reference: str) -> str:
        """The verifications that a caller's reference was given for."""
        return f"{self.prefix}reference:{reference}"

    def stats(self, bucket: int) -> str:
        """What happened in five minutes."""
        return f"{self.prefix}stats:{bucket}"

    def area_stats(self, bucket: int) -> str:
        """The same by the beginnings of numbers."""
        return f"{self.prefix}area_stats:{bucket}"

    def refusals(self, number: str) -> str:
        """What was refused to a number."""
        return f"{self.prefix}refusals:{number}"

    def quarantined(self, record: str) -> str:
        """An unreadable record as it was found; ``record`` is its former key without prefix."""
        return f"{self.prefix}quarantined:{record}"

    def number_lock(self, bridge: str, number: str) -> str:
        """The live call of a bridge and a number."""
        return f"{self.prefix}number_lock:{bridge}:{number}"

    def provider_call(self, provider_id: str) -> str:
        """Our call behind a provider's id."""
        return f"{self.prefix}provider_call:{provider_id}"

    def early_report(self, provider_id: str) -> str:
        """Key of a result that came before this id was known to be a call's."""
        return f"{self.prefix}early_report:{provider_id}"

    def idempotency(self, client: str, idempotency_key: str) -> str:
        """What was answered to a request with this idempotency key."""
        return f"{self.prefix}idempotency:{client}:{idempotency_key}"

    def callback_seen(self, fingerprint: str) -> str:
        """A callback that was applied."""
        return f"{self.prefix}callback_seen:{fingerprint}"
