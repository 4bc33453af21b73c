-- Whether anybody dials.
--
-- ARGV 3 heard_within ms
-- Returns {now, dialers heard of within it}

return { NOW, redis.call('ZCOUNT', DIALERS, NOW - ARGV[3], '+inf') }
