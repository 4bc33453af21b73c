-- What became of a claimed call: accepted from its holder whatever the lease, for nobody else knows.
--
-- ARGV 3 call id      4 holder       5 status: placed, unknown, failed or queued (to be tried again)
--      6 reason or "" 7 raw or ""    8 provider's id or ""   9 "unsent": provably not rung; "refused": nor rung,
--        but the provider answered, so that the gap holds; else ""
--     10 ms until it is tried again (queued)                11 keep of the provider's id, ms
--     12-13 the next call after a failed one: id or "" (none), route   14 routes tried so far
--     15 what the request says of the route: good, bad (enough over different numbers in a row close it),
--        unreached (enough of them do), down (closes it), or ""
-- Returns {status the call has now, or "lost", now, what became of the route: "closed", "opened" or ""}

local function dial_waiting_for_route()
  Queue.bring_forward(redis.call('SMEMBERS', PREFIX .. 'waiting_for_route'))
  Queue.wake()
  redis.call('DEL', PREFIX .. 'waiting_for_route')
end

-- `state`: as the sender of the accepted call found the route. Its row ends; what it refuses to others stays.
local function open_route(key, state)
  if not state.closed_until and state.refused_senders then
    redis.call('HDEL', key, 'failed_requests')
    return ''
  end
  redis.call('DEL', key)
  if not state.closed_until then return '' end
  dial_waiting_for_route()
  return 'opened'
end

-- Each closing lasts twice as long as the one before; then one call tries the route. That may be any call if
-- the request that closed it provably did not ring; else one that is meant for it or has no other way.
-- `refused`: the senders that it is closed for; nil, all.
local function close_route(key, refused)
  local closings = redis.call('HINCRBY', key, 'closings', 1)
  local pause = math.min(POLICY.route_pause * 2 ^ (closings - 1), POLICY.route_longest_pause)
  redis.call('HSET', key, 'closed_until', NOW + pause, 'probe', ARGV[9] ~= '' and 'any' or 'own')
  redis.call('HDEL', key, 'probe_until', 'probe_call', 'failed_requests', 'refused_senders')
  if refused then redis.call('HSET', key, 'refused_senders', refused) end
end

-- Let another call try the route: the one that was to try it was given back, and no request was made.
local function release_probe(key, call)
  if redis.call('HGET', key, 'probe_call') == call.id then redis.call('HDEL', key, 'probe_until', 'probe_call') end
end

-- Adds this request to the row of those that were not accepted; returns how many are in it, and their senders
-- if each was refused. A request that was sent stands in it by its number, so that one number counts once; an
-- unsent one by its call.
local function add_failure(key, call, verdict)
  local who = verdict == 'unreached' and call.id .. '/' .. (call.requests or '') or call.number
  local row, known = redis.call('HGET', key, 'failed_requests') or '', false
  for each in string.gmatch(row, '[^%s|]+|%S*') do known = known or each:match('^[^|]+') == who end
  if not known then
    row = row .. ' ' .. who .. '|' .. (ARGV[9] == 'refused' and Routes.sender(call) or '')
    redis.call('HSET', key, 'failed_requests', row)
  end
  local length, senders, all_refused = 0, {}, true
  for sender in string.gmatch(row, '|(%S*)') do
    length, senders[sender], all_refused = length + 1, true, all_refused and sender ~= ''
  end
  return length, all_refused and senders
end

-- Return a list of senders as text: those of `state.refused` and `senders`.
local function join_senders(state, senders)
  for sender in string.gmatch(state.refused_senders or '', '%S+') do senders[sender] = true end
  local list = {}
  for sender in pairs(senders) do list[#list + 1] = sender end
  table.sort(list)
  return table.concat(list, ' ')
end

-- An open route closes when its row is long enough; one that a single call tries, at its first failure.
-- A refusal speaks for its sender alone: the settings of one client must not stop the calls of the others.
local function update_route_health(call, verdict)
  local key, sender = Routes.key(call.route), Routes.sender(call)
  local state = Routes.state(call.route, sender)
  if verdict == 'good' then return open_route(key, state) end
  if verdict == '' and ARGV[9] == 'unsent' then release_probe(key, call) end
  if verdict == '' or Routes.is_closed(call.route, sender) then return '' end
  local closes, refused = verdict == 'down', nil
  if state.closed_until then
    closes, refused = true, verdict == 'bad' and ARGV[9] == 'refused' and { [sender] = true }
  elseif not closes then
    local length
    length, refused = add_failure(key, call, verdict)
    closes = length >= POLICY.route_failures
  end
  if closes then close_route(key, refused and join_senders(state, refused)) end
  if closes and state.closed_until and refused and not state.refused_senders then dial_waiting_for_route() end
  redis.call('PEXPIRE', key, 3600000)
  return closes and 'closed' or ''
end

local call = Calls.load(ARGV[3])
if not call or call.holder ~= ARGV[4] then return { 'lost', NOW, '' } end
local route_change = update_route_health(call, ARGV[15])
local verification = Verifications.load(call.verification)
local pending = verification and verification.status == 'pending'

if ARGV[8] ~= '' then
  redis.call('HSET', Calls.key(call.id), 'provider_id', ARGV[8])
  redis.call('SET', PREFIX .. 'provider_call:' .. ARGV[8], call.id, 'PX', ARGV[11])
end
if ARGV[9] ~= '' and not Calls.has_ended(call.status) then Calls.undo_send(call, ARGV[9] == 'refused') end

local status, changes = ARGV[5], {}
if ARGV[6] ~= '' then changes.reason = ARGV[6] end
if ARGV[7] ~= '' then changes.raw = ARGV[7] end
if status == 'queued' and call.status ~= 'dialing' then
  -- Its lease ran out meanwhile and it stands as unknown: it is over, and was not sent.
  status, changes.reason = 'failed', 'provider_error'
elseif status == 'queued' and not pending then
  status, changes = Verifications.unsent_call_status(verification), { reason = 'ended_first' }
elseif status == 'placed' and call.live_until and tonumber(call.live_until) <= NOW then
  -- Nobody looks after a call any more that can not be live.
  status, changes = 'unknown', { reason = 'no_news' }
elseif status == 'placed' then
  changes.placed_at = NOW
end

if status == 'queued' then
  Calls.requeue(call, NOW + ARGV[10])
  return { call.status, NOW, route_change }
end
local moved = Calls.transition(call, status, changes)
if moved and not call.sent_at then Capacity.release(Calls.owner(call), call.id) end
if moved and pending and ARGV[12] ~= '' and not call.live_test and NOW <= Calls.latest_due(verification)
  and not Calls.active(verification) and not Limits.attempts_exhausted(verification) then
  Calls.queue(verification, { id = ARGV[12], route = ARGV[13], locale = call.locale, flow = call.flow,
    bridge = call.bridge, caller_id = call.caller_id or '+' .. call.bridge, tried = ARGV[14],
    own_gap = call.own_gap }, NOW)
end
if ARGV[8] ~= '' then Reports.apply_early(call, ARGV[8]) end
return { call.status, NOW, route_change }
