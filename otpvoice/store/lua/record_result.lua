-- Record the result of a claimed call's request. It is accepted from the holder whatever the lease, because only the
-- holder knows it.
--
-- Arguments  call_id, holder, status: placed, unknown, failed, or queued to be tried again after retry_in_ms
--            reason, raw, provider_id
--            is_unsent: it provably did not ring; is_refused: the provider replied and took no call
--            route_health: "" for none; good; bad: consecutive ones over different numbers close the route;
--            unreached: likewise, over any numbers; down: closes it at once; line_down: likewise, for calls from this line
--            next_call_id, next_route, tried: the call after a failed one, if it has a route; the routes tried so far.
--            One that the provider refused is followed by a call from another line, if its client has one
-- Returns    status: the call's, or false if this holder no longer has it; route_change: "closed", "opened" or ""

local call = Calls.load(ARGS.call_id)
if not call or call.holder ~= ARGS.holder then return { 'status', false, 'route_change', '' } end
local is_refused = ARGS.is_refused or ARGS.reason == 'refused' -- then the call gap holds although it did not ring
local unsent = ARGS.is_unsent and (is_refused and 'refused' or 'unsent')
local health = ARGS.route_health ~= '' and ARGS.route_health
local route_change = Routes.update_health(call, { route_health = health, unsent = unsent })
local verification, bridge = Verifications.load(call.verification), call.bridge
local is_pending = verification and verification.status == 'pending'

if ARGS.provider_id then
  Records.set(Calls.key(call.id), { 'provider_id', ARGS.provider_id })
  redis.call('SET', Calls.provider_key(ARGS.provider_id), call.id, 'PX', POLICY.retention_ms)
end
if unsent and not Calls.has_ended(call.status) then Calls.undo_send(call, is_refused) end

-- Return the status that the call gets, and the changes that come with it.
local function new_status()
  local status, changes = ARGS.status, { reason = ARGS.reason, raw = ARGS.raw }
  if status == 'queued' and call.status ~= 'dialing' then
    -- Its lease has ended and it is `unknown`, so it is not tried again. It was not sent.
    changes.reason = 'provider_error'
    return 'failed', changes
  end
  if status == 'queued' and not is_pending then
    return Verifications.unsent_call_status(verification), { reason = 'ended_first' }
  end
  if status == 'placed' and call.live_until and tonumber(call.live_until) <= NOW then
    -- It is no longer live, so no status query follows.
    return 'unknown', { reason = 'no_news' }
  end
  if status == 'placed' then changes.placed_at = NOW end
  return status, changes
end

local status, changes = new_status()
if status == 'queued' then
  Calls.requeue(call, NOW + ARGS.retry_in_ms)
  return { 'status', call.status, 'route_change', route_change }
end
local changed = Calls.transition(call, status, changes)
if changed and not call.sent_at then Calls.release_capacity(call) end
local next_call = { id = ARGS.next_call_id, route = ARGS.next_route, tried = ARGS.tried, own_gap = call.own_gap }
if changed and status == 'failed' and changes.reason == 'refused' then Lines.use_another(call, next_call, bridge) end
if changed and is_pending and next_call.route and not call.live_test and NOW <= Calls.latest_due(verification)
  and not Calls.active(verification) and not Limits.attempts_exhausted(verification) then
  Calls.queue_after(call, verification, next_call, NOW)
end
if ARGS.provider_id then Reports.apply_early(call, ARGS.provider_id) end
return { 'status', call.status, 'route_change', route_change }
