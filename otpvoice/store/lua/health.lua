-- Whether anybody dials, and by which routes.
--
-- ARGV 3 heard_within ms
-- Returns {now, dialers heard of within it, closed route, ...}

local reply = { NOW, redis.call('ZCOUNT', DIALERS, NOW - ARGV[3], '+inf') }
for _, route in ipairs(RULES.routes) do
  if redis.call('HEXISTS', route_key(route), 'closed_until') == 1 then reply[#reply + 1] = route end
end
return reply
