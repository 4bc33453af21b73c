-- Hands out the live calls whose news are overdue, to ask the provider about them.
--
-- ARGV 3 ms until a call is asked about again   4 how many at most
-- Returns {now, call id, {call}, verification id, its sealed number, ...}

local reply = { NOW }
for _, id in ipairs(redis.call('ZRANGEBYSCORE', STATUS_QUERIES, '-inf', NOW, 'LIMIT', 0, ARGV[4])) do
  local call = Calls.load(id)
  local number = call and redis.call('HGET', PREFIX .. 'verification:' .. call.verification, 'encrypted_number')
  if not number or not Calls.is_live(call) then
    redis.call('ZREM', STATUS_QUERIES, id)
  else
    redis.call('ZADD', STATUS_QUERIES, NOW + ARGV[3], id)
    reply[#reply + 1], reply[#reply + 2] = id, redis.call('HGETALL', Calls.key(id))
    reply[#reply + 1], reply[#reply + 2] = call.verification, number
  end
end
return reply
