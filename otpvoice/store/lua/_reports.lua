-- What the provider reports about a call: applied at once, or kept until its call is known.
--
-- early:<provider's id>  hash  a report (below) whose id belonged to no call yet
--
-- A report is {status, reason, raw, duration, next_id}: the result, what the provider calls it, seconds of
-- conversation, and the id for a further call; an empty text where nothing is known.

-- Milliseconds. The provider's reply, which names the id, is recorded within seconds of the request.
local EARLY_TTL_MS = MINUTE_MS

-- The route after this call's, in the order of the settings, round and round.
local function next_route(current)
  for i, route in ipairs(POLICY.routes) do
    if route == current then return POLICY.routes[i % #POLICY.routes + 1] end
  end
  return POLICY.routes[1]
end

local function redial(verification, call, next_id)
  local due = math.max(NOW, Numbers.gap_until(call.number))
  local redialed = tonumber(verification.redials or '0')
  if verification.status ~= 'pending' or redialed >= POLICY.max_redials or due > Calls.latest_due(verification)
    or Calls.active(verification) or Limits.refusing_call(verification, due) then
    return
  end
  redis.call('HINCRBY', PREFIX .. 'verification:' .. verification.id, 'redials', 1)
  local route = next_route(call.route)
  Calls.queue(verification, { id = next_id, route = route, locale = call.locale, flow = call.flow,
    bridge = call.bridge, caller_id = call.caller_id or '+' .. call.bridge }, due)
  count('redial', route)
end

-- Returns whether the call moved. A call that was not sent has no result.
function Reports.apply(call, report)
  if not call.sent_at then return false end
  local changes = {}
  for _, field in ipairs({ 'reason', 'raw', 'duration' }) do
    if report[field] ~= '' then changes[field] = report[field] end
  end
  if report.status == 'answered' and changes.duration and call.heard_after then
    changes.heard = tonumber(changes.duration) >= tonumber(call.heard_after) and 1 or 0
  end
  -- It was placed, even if the report overtook the provider's reply.
  if not call.placed_at then changes.placed_at = call.sent_at end
  local moved = Calls.transition(call, report.status, changes)
  if moved and not call.live_test and (POLICY.redial_statuses[call.status] or changes.heard == 0) then
    local verification = Verifications.load(call.verification)
    if verification then redial(verification, call, report.next_id) end
  end
  return moved
end

-- Keeps a result for the call that turns out to have this id. The first one stands.
function Reports.keep_early(key, report)
  if report.status == 'unknown' or redis.call('EXISTS', key) == 1 then return end
  redis.call('HSET', key, 'status', report.status, 'reason', report.reason, 'raw', report.raw,
    'duration', report.duration, 'next_id', report.next_id)
  redis.call('PEXPIRE', key, EARLY_TTL_MS)
end

-- Applies what came about this id before it was known to be the call's.
function Reports.apply_early(call, provider_id)
  local key = PREFIX .. 'early_report:' .. provider_id
  local report = load_hash(key)
  if not report then return end
  redis.call('DEL', key)
  Reports.apply(call, report)
end
