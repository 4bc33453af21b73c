-- Applies the provider's news to the one call they are about. Nothing here can approve.
--
-- KEYS 8 seen:<fingerprint of the message>
--      9 .. 8+p   provider:<id> for each id the message carries
--      9+p ..     line:<bridge>:<number> where the person may have been called
-- ARGV 3 seen ms, 0: not to be known again   4 our call id or ""   5 p   6 route or ""   7 start_at ms or ""
--      8 slack of start_at, ms   9 status   10 reason or ""   11 raw or ""   12 duration in seconds or ""
--     13 provider's id or ""   14 keep ms   15 id for a further call
-- Returns {"applied" | "late" | "seen" | "no_call" | "several" | "clock", now, call id, call status,
--          verification id, "1" if it is the call of a trial}

-- A message that was pulled has no fingerprint: it may say the same again.
if ARGV[3] ~= '0' and not redis.call('SET', KEYS[8], '1', 'NX', 'PX', ARGV[3]) then
  return { 'seen', NOW }
end

local known = tonumber(ARGV[5])

local function by_id()
  local call = ARGV[4] ~= '' and load_call(ARGV[4])
  for i = 9, 8 + known do
    local id = not call and redis.call('GET', KEYS[i])
    call = call or id and load_call(id)
  end
  return call
end

-- Without an id that we know: the live calls of that source, bridge and person. Where the message
-- carries an id, a call that has another one is not meant.
local function by_line()
  local found = {}
  if ARGV[4] ~= '' then return found end
  for i = 9 + known, #KEYS do
    local id = redis.call('GET', KEYS[i])
    local call = id and load_call(id)
    local may_be_it = call and call.sent_at and is_live(call)
      and (known == 0 or not call.provider_id)
      and (ARGV[6] == '' or ARGV[6] == call.route)
    if may_be_it then
      found[#found + 1] = call
    end
  end
  return found
end

-- News of an earlier call must not be taken for news of this one. No start, no trust.
local function started_with(call)
  local start_at, slack = tonumber(ARGV[7]), tonumber(ARGV[8])
  return start_at and start_at >= call.sent_at - slack and start_at <= NOW + slack
end

local call = by_id()
if not call then
  local found = by_line()
  if #found == 0 then return { 'no_call', NOW } end
  if #found > 1 then return { 'several', NOW } end
  call = found[1]
  if not started_with(call) then
    return { 'clock', NOW, call.id, call.status, call.verification, call.trial or '' }
  end
end

if ARGV[13] ~= '' and not call.provider_id then
  redis.call('HSET', call_key(call.id), 'provider_id', ARGV[13])
  redis.call('SET', PREFIX .. 'provider:' .. ARGV[13], call.id, 'PX', ARGV[14], 'NX')
end
local changes = {}
if ARGV[10] ~= '' then changes.reason = ARGV[10] end
if ARGV[11] ~= '' then changes.raw = ARGV[11] end
if ARGV[12] ~= '' then changes.duration = ARGV[12] end
if ARGV[9] == 'answered' and ARGV[12] ~= '' and call.heard_after then
  changes.heard = tonumber(ARGV[12]) >= tonumber(call.heard_after) and 1 or 0
end
-- It was placed, even if the provider's news overtook its answer to us.
if not call.placed_at and call.sent_at then changes.placed_at = call.sent_at end
local sent = call.sent_at
local moved = sent and move_call(call, ARGV[9], changes)

-- The route after this call's, in the order of the settings, round and round.
local function next_route()
  for i, route in ipairs(RULES.routes) do
    if route == call.route then return RULES.routes[i % #RULES.routes + 1] end
  end
  return RULES.routes[1]
end

local function redial(verification)
  local due = math.max(NOW, gap_until(call.number))
  local redialed = tonumber(verification.redialed or '0')
  if verification.status ~= 'pending' or redialed >= RULES.max_redials or due > last_due(verification)
    or call_under_way(verification) or call_refused(verification, due) then
    return
  end
  redis.call('HINCRBY', PREFIX .. 'verification:' .. verification.id, 'redialed', 1)
  local route = next_route()
  queue_call(verification, { id = ARGV[15], route = route, locale = call.locale,
    bridge = call.bridge, caller_id = call.caller_id or '+' .. call.bridge }, due)
  count('redial', route)
end

if moved and not call.trial and (RULES.redialed[call.status] or changes.heard == 0) then
  local verification = load_verification(call.verification)
  if verification then redial(verification) end
end
return { moved and 'applied' or 'late', NOW, call.id, call.status, call.verification, call.trial or '' }
