"""Every key there is. All carry one tag, so that a cluster keeps them in one slot.

| key                             | type | holds                                 | expires         |
|---------------------------------|------|---------------------------------------|-----------------|
| verification:<id>               | hash | a verification                        | ttl + retention |
| speech:<id>                     | text | code and name to speak, encrypted     | ttl             |
| call:<id>                       | hash | a call                                | ttl + retention |
| number:<number_hash>            | hash | call gap, calls, verifications        | ttl + retention |
| prefix:<prefix_hash>            | zset | numbers called without an approval    | a window        |
| ip:<address_hash>               | zset | calls without an approval             | a window        |
| counter:<what>:<window>         | hash | counts in the buckets of a window     | the window      |
| breakers                        | zset | open breakers by when they close      | with the last   |
| stats:<bucket>                  | hash | statistics of five minutes            | 26 hours        |
| area_stats:<bucket>             | hash | the same by area                      | 26 hours        |
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
| number_lock:<bridge>:<…>        | text | the live call of a line and a number  | a day           |
| waiting_for_number:<bridge>:<…> | set  | queued calls that wait for it         | with the call   |
| provider_call:<provider_id>     | text | our call with this provider id        | retention       |
| early_report:<provider_id>      | hash | a report whose call is not known yet  | a minute        |
| callback_seen:<fingerprint>     | text | a callback that was applied           | a day           |
| idempotency:<client>:<key_hash> | hash | outcome of a request with a key       | a day           |
| route:<route>                   | hash | the health of a route                 | an hour         |
| waiting_for_route               | set  | queued calls that wait for a route    | 10 minutes      |
| queue                           | zset | clients by due time of the first call | when empty      |
| queue:<client>                  | zset | a client's queued calls by due time   | an hour         |
| dialing                         | zset | claimed calls by end of lease         | when empty      |
| live                            | zset | live calls by the end of their lock   | when empty      |
| live:<client>                   | zset | the same of one client                | an hour         |
| expiring                        | zset | pending verifications by end          | when empty      |
| status_queries                  | zset | live calls by time of status query    | when empty      |
| wake                            | list | tokens that wake a blocked dialer     | a minute        |
| dialers                         | zset | dialers by their last heartbeat       | with the last   |
| clock                           | text | server time and lead (ms)             | a day           |
| selftest:<type>                 | any  | written and deleted by doctor         | at once         |

A verification that ends without a sent call and without an approval keeps its records
(``verification``, ``call``, and the ``reference`` and ``idempotency`` that only it has) for an
hour. ``number:<number_hash>`` is kept as long as the verifications that were called or approved,
else for a day.

Each key is ``{otpvoice}:`` and then as above. ``<…>`` is the number hash. The
hashes are keyed hashes (:class:`otpvoice.core.keys.NumberHasher`), so no key contains a number, an
address or a reference.
The fields of each record are described in the Lua file that writes it. Speech and the
``encrypted_number`` of a verification cannot be read without the key ring. Speech has a key of its
own, because it must expire with its code even if no function runs. That also keeps records small
enough for Redis's compact encoding (``hash-max-listpack-value``, 64 bytes).
"""

from typing import Final

TAG: Final = "{otpvoice}"
_INDEXES: Final = ["queue", "dialing", "live", "expiring", "wake", "dialers", "status_queries"]


class Keys:
    """Names of keys. The functions name the keys that they use themselves."""

    def __init__(self, tag: str = TAG) -> None:
        self.prefix = f"{tag}:"
        self.indexes = tuple(map(self.of, _INDEXES))
        """The indexes of the whole service."""

    def of(self, kind: str, name: str | int | None = None) -> str:
        """Return ``<prefix><kind>``, or ``<prefix><kind>:<name>``."""
        return f"{self.prefix}{kind}" if name is None else f"{self.prefix}{kind}:{name}"
