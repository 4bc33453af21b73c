-- Whether anybody dials, by which routes not, and what is refusing.
--
-- ARGV 3 heard_within ms
-- Returns {now, dialers heard of within it, {closed route, ...}, {open breaker, ...}, records.recent(),
--          ms that the functions are ahead of the server's clock}

return { NOW, redis.call('ZCOUNT', DIALERS, NOW - ARGV[3], '+inf'), Routes.closed(),
  redis.call('ZRANGEBYSCORE', BREAKERS, '(' .. NOW, '+inf'), Records.quarantine_summary(), NOW - Clock.server_time() }
