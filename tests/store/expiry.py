"""Promise 9: a key expires, or is an index that ends with its last member."""

from typing import Any, Final

from redis import Redis
from support.service import ENDLESS_KEYS

_ENDLESS: Final = """
local endless = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
    if redis.call('PTTL', key) == -1 then endless[#endless + 1] = key end
end
return endless
"""


def wrongly_endless(redis: Redis) -> set[str]:
    """Return the keys that never expire and should, in one round trip."""
    endless: Any = redis.eval(_ENDLESS, 0)
    return {key.decode() for key in endless} - ENDLESS_KEYS
