-- Hand out for status queries: the live calls whose report is overdue or that should be canceled at their provider, and
-- the answered ones whose key is not known.
--
-- Arguments  max_calls
-- Returns    queries: {{call_id, verification_id, encrypted_number, number_hash, route, bridge, sent_at, and
--            provider_id and traceparent if there is one; should_cancel if it is to be canceled first}, ...} as names
--            and values

local queries = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', STATUS_QUERIES, '-inf', NOW, 'LIMIT', 0, ARGS.max_calls)) do
  local call = Calls.load(id)
  local encrypted_number, traceparent
  if call then
    local key = Verifications.key(call.verification)
    encrypted_number, traceparent = unpack(redis.call('HMGET', key, 'encrypted_number', 'traceparent'))
  end
  if not encrypted_number or not (Calls.is_live(call) or Gate.awaits_key(call)) then
    redis.call('ZREM', STATUS_QUERIES, id)
  else
    redis.call('ZADD', STATUS_QUERIES, NOW + POLICY.status_query_interval_ms, id)
    local query = { 'call_id', id, 'verification_id', call.verification, 'encrypted_number', encrypted_number }
    if Calls.should_cancel(call) then
      Records.increment(Calls.key(id), 'cancels')
      query[#query + 1], query[#query + 2] = 'should_cancel', 1
    end
    append_fields(query, { traceparent = traceparent }, { traceparent = 'traceparent' })
    queries[#queries + 1] = append_fields(query, call, { number_hash = 'number', route = 'route',
      bridge = 'bridge', provider_id = 'provider_id', sent_at = 'sent_at' })
  end
end
return { 'queries', queries }
