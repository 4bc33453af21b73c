-- Call reports: what the provider reports about a call. They are applied at once, or kept until their call is known.
--
-- hash early_report:<provider's id>   a report whose id belonged to no call yet, and `foreign_routes`: those whose calls
--                                     it is not about
--
-- A report is {status, reason, raw: the provider's own word, duration: seconds of conversation, key: the first that was
-- pressed, "" for none and nil if it does not say, closes_route: every call of the route ends so, next_id: the id for a
-- redial}.

local FIELDS = { 'status', 'reason', 'raw', 'duration', 'key', 'closes_route', 'next_id' }

function Reports.early_key(provider_id) return PREFIX .. 'early_report:' .. provider_id end

-- Queue a redial of a call that did not reach the user, if the rules allow it.
local function redial(verification, call, next_id)
  local due = math.max(NOW, Numbers.gap_until(call.number))
  local redials = tonumber(verification.redials or '0')
  if verification.status ~= 'pending' or redials >= POLICY.max_redials or due > Calls.latest_due(verification)
    or Calls.active(verification) or Limits.refusing_call(verification, due)
    or Limits.declines(call.number) >= POLICY.max_declines then
    return
  end
  Records.increment(Verifications.key(verification.id), 'redials')
  local route = Routes.next(call.route, call.number)
  Calls.queue_after(call, verification, { id = next_id, route = route }, due)
  count('redial', route)
end

-- Return whether the person heard the code, and the key; nil for what is not known.
local function heard(call, report)
  if report.status ~= 'answered' then return nil end
  if call.unspoken then return 0 end
  if call.gate then return Gate.heard(call, report.key), call.key or report.key ~= '' and report.key or nil end
  -- A call says nothing whose provider never got what to say, however long it lasts.
  if call.fetches_speech and not call.speech_fetched_at then return 0 end
  if not report.duration or not call.heard_after then return nil end
  return tonumber(report.duration) >= tonumber(call.heard_after) and 1 or 0
end

-- Return whether the settings let a redial follow the end of a call.
local function may_redial(call, is_heard)
  return POLICY.redial_after[call.status] or is_heard == 0 and POLICY.redial_after.unheard
end

-- Continue after the first report that says how the call ended, or that has the key of a gated call.
local function follow_up(call, report, redials, is_denial)
  local verification = Verifications.load(call.verification)
  if is_denial then return Gate.deny(call, verification) end
  if redials and verification and not call.live_test then redial(verification, call, report.next_id) end
end

-- Apply a report that may have the key of an answered call. Return whether it has.
local function apply_key(call, report)
  local is_heard, key = heard(call, report)
  if not call.gate or call.heard or not is_heard then return false end
  local fields = { 'heard', is_heard, key and 'key' or nil, key }
  Records.set(Calls.key(call.id), fields)
  Verifications.bump_version(call.verification, 'call.answered')
  follow_up(call, report, may_redial(call, is_heard), key == POLICY.denial_key)
  return true
end

-- Apply a report to its call. Return whether it changed. A call that was not sent has no result.
function Reports.apply(call, report)
  if not call.sent_at then return false end
  if call.status == 'answered' then return apply_key(call, report) end
  local changes = { reason = report.reason, raw = report.raw, duration = report.duration }
  local had_key = call.key ~= nil
  changes.heard, changes.key = heard(call, report)
  local status = report.status
  -- It was canceled at the provider before anybody answered.
  local is_canceled = call.cancels and (status == 'canceled' or report.reason == 'hung_up_before_answer')
  if is_canceled then status, changes.reason = 'canceled', 'ended_first' end
  -- The call was placed, even if the report arrived before the provider's reply.
  if not call.placed_at then changes.placed_at = call.sent_at end
  if not Calls.transition(call, status, changes, is_canceled) then return false end
  if report.closes_route then Routes.close_by_report(call, report.raw) end
  if Gate.awaits_key(call) then redis.call('ZADD', STATUS_QUERIES, NOW, call.id) end
  if status == 'busy' then Limits.count_decline(call.number) end
  local is_denial, redials = changes.key == POLICY.denial_key and not had_key, may_redial(call, changes.heard)
  if is_denial or redials then follow_up(call, report, redials, is_denial) end
  return true
end

-- Keep a report for the call that will have this id. The first report is kept.
-- `foreign_routes`: those of other providers, whose calls may get the same id
function Reports.keep_early(provider_id, report, foreign_routes)
  local key = Reports.early_key(provider_id)
  if report.status == 'unknown' or redis.call('EXISTS', key) == 1 then return end
  for _, field in ipairs(FIELDS) do
    if report[field] then redis.call('HSET', key, field, report[field]) end
  end
  if foreign_routes[1] then redis.call('HSET', key, 'foreign_routes', table.concat(foreign_routes, ' ')) end
  redis.call('PEXPIRE', key, POLICY.early_report_ttl_ms)
end

-- Apply the report that arrived before this id was known to be the call's.
function Reports.apply_early(call, provider_id)
  local key = Reports.early_key(provider_id)
  local report = load_hash(key)
  if not report or has_word(report.foreign_routes, call.route) then return end
  redis.call('DEL', key)
  Reports.apply(call, report)
end
