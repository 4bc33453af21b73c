-- What became of a claimed call: accepted from its holder whatever the lease, for nobody else knows.
--
-- ARGV 3 call id      4 holder       5 status: placed, unknown, failed or queued (to be tried again)
--      6 reason or "" 7 raw or ""    8 provider's id or ""   9 "1": provably not rung, so it leaves no gap
--     10 ms until it is tried again (queued)                11 keep of the provider's id, ms
--     12-13 the next call after a failed one: id or "" (none), route   14 routes tried so far
-- Returns {status the call has now, or "lost", now}

local call = load_call(ARGV[3])
if not call or call.holder ~= ARGV[4] then return { 'lost', NOW } end
local verification = load_verification(call.verification)
local pending = verification and verification.status == 'pending'

if ARGV[8] ~= '' then
  redis.call('HSET', call_key(call.id), 'provider_id', ARGV[8])
  redis.call('SET', PREFIX .. 'provider:' .. ARGV[8], call.id, 'PX', ARGV[11])
end
if ARGV[9] == '1' and not has_ended(call.status) then give_back(call) end

local status, changes = ARGV[5], {}
if ARGV[6] ~= '' then changes.reason = ARGV[6] end
if ARGV[7] ~= '' then changes.raw = ARGV[7] end
if status == 'queued' and call.status ~= 'dialing' then
  -- Its lease ran out meanwhile and it stands as unknown: it is over, and was not sent.
  status, changes.reason = 'failed', 'provider_error'
elseif status == 'queued' and not pending then
  status, changes = ended_first(verification), { reason = 'ended_first' }
elseif status == 'placed' and call.live_until and tonumber(call.live_until) <= NOW then
  -- Nobody looks after a call any more that can not be live.
  status, changes = 'unknown', { reason = 'no_news' }
elseif status == 'placed' then
  changes.placed_at = NOW
end

if status == 'queued' then
  requeue(call, NOW + ARGV[10])
  return { call.status, NOW }
end
local moved = move_call(call, status, changes)
if moved and pending and ARGV[12] ~= '' and NOW <= last_due(verification)
  and not call_under_way(verification) then
  queue_call(verification, { id = ARGV[12], route = ARGV[13], locale = call.locale,
    bridge = call.bridge, caller_id = call.caller_id, tried = ARGV[14] }, NOW)
end
return { call.status, NOW }
