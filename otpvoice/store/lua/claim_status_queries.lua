-- Hand out the live calls whose report is overdue, for status queries.
--
-- Arguments  max_calls
-- Returns    queries: {{call_id, call {field, value, ...}, verification_id, encrypted_number}, ...} as names and values

local queries = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', STATUS_QUERIES, '-inf', NOW, 'LIMIT', 0, ARGS.max_calls)) do
  local call = Calls.load(id)
  local encrypted_number = call and redis.call('HGET', Verifications.key(call.verification), 'encrypted_number')
  if not encrypted_number or not Calls.is_live(call) then
    redis.call('ZREM', STATUS_QUERIES, id)
  else
    redis.call('ZADD', STATUS_QUERIES, NOW + POLICY.status_query_interval_ms, id)
    queries[#queries + 1] = { 'call_id', id, 'call', redis.call('HGETALL', Calls.key(id)),
      'verification_id', call.verification, 'encrypted_number', encrypted_number }
  end
end
return { 'queries', queries }
