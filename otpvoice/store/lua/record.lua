-- What became of a claimed call: accepted from its holder whatever the lease, for nobody else knows.
--
-- ARGV 3 call id      4 holder       5 status: placed, unknown, failed or queued (to be tried again)
--      6 reason or "" 7 raw or ""    8 provider's id or ""   9 "1": provably not rung, so it leaves no gap
--     10 ms until it is tried again (queued)                11 keep of the provider's id, ms
--     12-13 the next call after a failed one: id or "" (none), route   14 routes tried so far
--     15 what the answer says of the route: good, bad (enough of them close it), down (closes it), or ""
-- Returns {status the call has now, or "lost", now, what became of the route: "closed", "opened" or ""}

local BAD_IN_A_ROW = 5
local PAUSE, LONGEST_PAUSE = 10000, 60000

local function open_route(key)
  local was_closed = redis.call('HEXISTS', key, 'closed_until') == 1
  redis.call('DEL', key)
  if not was_closed then return '' end
  for _, id in ipairs(redis.call('SMEMBERS', PREFIX .. 'held')) do
    if redis.call('ZSCORE', QUEUE, id) then enqueue(id, NOW) end
  end
  redis.call('DEL', PREFIX .. 'held')
  return 'opened'
end

-- Each closing lasts twice as long as the one before; then one call tries the route.
local function close_route(key)
  local closings = redis.call('HINCRBY', key, 'closings', 1)
  local pause = math.min(PAUSE * 2 ^ (closings - 1), LONGEST_PAUSE)
  redis.call('HSET', key, 'closed_until', NOW + pause)
  redis.call('HDEL', key, 'probe_until')
  return 'closed'
end

local function judge_route(route, verdict)
  local key = route_key(route)
  if verdict == 'good' then return open_route(key) end
  if verdict == '' or is_closed(route) then return '' end
  local failures = redis.call('HINCRBY', key, 'failures', 1)
  redis.call('PEXPIRE', key, 3600000)
  local was_closed = redis.call('HEXISTS', key, 'closed_until') == 1
  if verdict == 'down' or was_closed or failures >= BAD_IN_A_ROW then return close_route(key) end
  return ''
end

local call = load_call(ARGV[3])
if not call or call.holder ~= ARGV[4] then return { 'lost', NOW, '' } end
local route_change = judge_route(call.route, ARGV[15])
local verification = load_verification(call.verification)
local pending = verification and verification.status == 'pending'

if ARGV[8] ~= '' then
  redis.call('HSET', call_key(call.id), 'provider_id', ARGV[8])
  redis.call('SET', PREFIX .. 'provider:' .. ARGV[8], call.id, 'PX', ARGV[11])
end
if ARGV[9] == '1' and not has_ended(call.status) then as_if_never_sent(call) end

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
  return { call.status, NOW, route_change }
end
local moved = move_call(call, status, changes)
if moved and not call.sent_at then return_places(owner_of(call), call.id) end
if moved and pending and ARGV[12] ~= '' and not call.trial and NOW <= last_due(verification)
  and not call_under_way(verification) then
  queue_call(verification, { id = ARGV[12], route = ARGV[13], locale = call.locale,
    bridge = call.bridge, caller_id = call.caller_id or '+' .. call.bridge, tried = ARGV[14] }, NOW)
end
if ARGV[8] ~= '' then reports.apply_early(call, ARGV[8]) end
return { call.status, NOW, route_change }
