-- Hand out the live calls whose report is overdue, and the answered ones whose key is not known, for status queries.
--
-- Arguments  max_calls
-- Returns    queries: {{call_id, verification_id, encrypted_number, number_hash, route, bridge, sent_at, and
--            provider_id if it is known}, ...} as names and values

local queries = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', STATUS_QUERIES, '-inf', NOW, 'LIMIT', 0, ARGS.max_calls)) do
  local call = Calls.load(id)
  local encrypted_number = call and redis.call('HGET', Verifications.key(call.verification), 'encrypted_number')
  if not encrypted_number or not (Calls.is_live(call) or Gate.awaits_key(call)) then
    redis.call('ZREM', STATUS_QUERIES, id)
  else
    redis.call('ZADD', STATUS_QUERIES, NOW + POLICY.status_query_interval_ms, id)
    local query = { 'call_id', id, 'verification_id', call.verification, 'encrypted_number', encrypted_number }
    queries[#queries + 1] = append_fields(query, call, { number_hash = 'number', route = 'route',
      bridge = 'bridge', provider_id = 'provider_id', sent_at = 'sent_at' })
  end
end
return { 'queries', queries }
