-- Claim due events, each for one process and the length of a lease.
--
-- Arguments  holder: new for each claim; client1, max_events1, client2, max_events2, ...
-- Returns    events: {{id, client, event {field, value, ...}, encrypted_number, encrypted_transaction: of its
--            verification, "" when that is erased; traceparent, if it has one}, ...} as names and values
--            dropped: {client, how many were dropped since the last claim, ...}

local events, dropped = {}, {}

local function claim(id, client)
  local key = Events.key(id)
  redis.call('HINCRBY', key, 'attempts', 1)
  redis.call('HSET', key, 'holder', ARGS.holder)
  redis.call('ZADD', Events.queue_key(client), NOW + POLICY.event_lease_ms, id)
  local number, transaction, traceparent = Verifications.fields_for_events(redis.call('HGET', key, 'verification'))
  events[#events + 1] = { 'id', id, 'client', client, 'event', redis.call('HGETALL', key),
    'encrypted_number', number, 'encrypted_transaction', transaction, traceparent and 'traceparent' or nil,
    traceparent }
end

local most = list_argument('max_events')
for i, client in ipairs(list_argument('client')) do
  local pending = Events.queue_key(client)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', pending, '-inf', NOW, 'LIMIT', 0, most[i])) do
    if Records.read('event', id) then claim(id, client) else redis.call('ZREM', pending, id) end
  end
  local key = Events.dropped_key(client)
  local dropped_of_client = redis.call('GET', key)
  if dropped_of_client then
    redis.call('DEL', key)
    dropped[#dropped + 1], dropped[#dropped + 2] = client, dropped_of_client
  end
end
return { 'events', events, 'dropped', dropped }
