-- Keep an exchange with the provider about a live test call, for the operator who placed it.
--
-- Arguments  call_id, exchange: encrypted
-- Outcomes   kept, not_kept

local call = Calls.load(ARGS.call_id)
local key = PREFIX .. 'captured:' .. ARGS.call_id
if not call or not call.live_test or redis.call('LLEN', key) >= 2 * POLICY.capture_max_exchanges then
  return { 'outcome', 'not_kept' }
end
redis.call('RPUSH', key, NOW, ARGS.exchange)
redis.call('PEXPIRE', key, POLICY.capture_ttl_ms)
return { 'outcome', 'kept' }
