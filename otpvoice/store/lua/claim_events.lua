-- Hands out due events, each to one process for the length of a lease.
--
-- ARGV 3 holder (new for each taking)   4 lease ms   5- client, how many of its events at most, ...
-- Returns {now, {client, how many were dropped since the last taking, ...}, event id, client, {event}, ...}
--         each event with the encrypted_number of its verification: "" when that is forgotten

local dropped = {}
local reply = { NOW, dropped }

local function take(id, client)
  local key = Events.key(id)
  redis.call('HINCRBY', key, 'attempts', 1)
  redis.call('HSET', key, 'holder', ARGV[3])
  redis.call('ZADD', Events.queue_key(client), NOW + ARGV[4], id)
  local verification = redis.call('HGET', key, 'verification')
  local event = redis.call('HGETALL', key)
  event[#event + 1] = 'encrypted_number'
  event[#event + 1] = redis.call('HGET', PREFIX .. 'verification:' .. verification, 'encrypted_number') or ''
  reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = id, client, event
end

local function take_of(client, at_most)
  local waiting = Events.queue_key(client)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', waiting, '-inf', NOW, 'LIMIT', 0, at_most)) do
    if Records.read('event', id) then take(id, client) else redis.call('ZREM', waiting, id) end
  end
  local many = redis.call('GET', Events.dropped_key(client))
  if many then
    redis.call('DEL', Events.dropped_key(client))
    dropped[#dropped + 1], dropped[#dropped + 2] = client, many
  end
end

for i = 5, #ARGV, 2 do take_of(ARGV[i], ARGV[i + 1]) end
return reply
