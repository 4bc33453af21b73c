-- Call reports: what the provider reports about a call. They are applied at once, or kept until their call is known.
--
-- hash early_report:<provider's id>   a report whose id belonged to no call yet
--
-- A report is {status, reason, raw: the provider's own word, duration: seconds of conversation, next_id: the id for a
-- redial}.

local FIELDS = { 'status', 'reason', 'raw', 'duration', 'next_id' }

function Reports.early_key(provider_id) return PREFIX .. 'early_report:' .. provider_id end

-- Queue a redial of a call that did not reach the user, if the rules allow it.
local function redial(verification, call, next_id)
  local due = math.max(NOW, Numbers.gap_until(call.number))
  local redials = tonumber(verification.redials or '0')
  if verification.status ~= 'pending' or redials >= POLICY.max_redials or due > Calls.latest_due(verification)
    or Calls.active(verification) or Limits.refusing_call(verification, due) then
    return
  end
  Records.increment(Verifications.key(verification.id), 'redials')
  local route = Routes.next(call.route, call.number)
  Calls.queue_after(call, verification, { id = next_id, route = route }, due)
  count('redial', route)
end

-- Apply a report to its call. Return whether its status changed. A call that was not sent has no result.
function Reports.apply(call, report)
  if not call.sent_at then return false end
  local changes = { reason = report.reason, raw = report.raw, duration = report.duration }
  if report.status == 'answered' and changes.duration and call.heard_after then
    changes.heard = tonumber(changes.duration) >= tonumber(call.heard_after) and 1 or 0
  end
  -- The call was placed, even if the report arrived before the provider's reply.
  if not call.placed_at then changes.placed_at = call.sent_at end
  local changed = Calls.transition(call, report.status, changes)
  if changed and not call.live_test and (POLICY.redial_statuses[call.status] or changes.heard == 0) then
    local verification = Verifications.load(call.verification)
    if verification then redial(verification, call, report.next_id) end
  end
  return changed
end

-- Keep a report for the call that will have this id. The first report is kept.
function Reports.keep_early(provider_id, report)
  local key = Reports.early_key(provider_id)
  if report.status == 'unknown' or redis.call('EXISTS', key) == 1 then return end
  for _, field in ipairs(FIELDS) do
    if report[field] then redis.call('HSET', key, field, report[field]) end
  end
  redis.call('PEXPIRE', key, POLICY.early_report_ttl_ms)
end

-- Apply the report that arrived before this id was known to be the call's.
function Reports.apply_early(call, provider_id)
  local key = Reports.early_key(provider_id)
  local report = load_hash(key)
  if not report then return end
  redis.call('DEL', key)
  Reports.apply(call, report)
end
