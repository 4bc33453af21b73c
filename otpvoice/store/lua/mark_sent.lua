-- Mark a call as sent, right before its request: from here on it may ring.
--
-- Arguments  call_id, holder, live_for_ms; heard_after_s: seconds of conversation in which the code is spoken once
--            gate: how the key of a gated call becomes known, see _gate.lua
--            can_cancel: the provider can cancel a call that was not answered yet
--            fetches_speech: the provider fetches what the call speaks when it is answered
--            gap_ms1, ...: the call gap after the first, second and every later call
-- Outcomes   marked, lost

local lost = { 'outcome', 'lost' }
local call = Calls.load(ARGS.call_id)
if not call or call.status ~= 'dialing' or call.holder ~= ARGS.holder or call.sent_at
  or tonumber(call.lease_until) <= NOW then
  return lost
end
local verification = Verifications.load(call.verification)
-- A call to a test number is never placed, whatever a dialer tries.
if not verification or verification.status ~= 'pending' or verification.test then return lost end

if Numbers.blocked_until(call.number) > NOW then
  Calls.transition(call, 'canceled', { reason = 'refused' })
  return lost
end
-- The number may have been called over another caller line since the claim.
local gap_until = Calls.gap_until(call)
if gap_until > NOW then
  Calls.requeue(call, gap_until)
  return lost
end

local gap_before, gap_after = Numbers.start_gap(call.number, list_argument('gap_ms'))
local key, live_until = Calls.key(call.id), NOW + ARGS.live_for_ms
Records.set(key, append_fields({ 'sent_at', NOW, 'live_until', live_until, 'gap_before', gap_before,
  'gap_after', gap_after, 'requests', (call.requests or 0) + 1 }, ARGS,
  { heard_after = 'heard_after_s', gate = 'gate', can_cancel = 'can_cancel', fetches_speech = 'fetches_speech' }))
NumberLock.acquire(call, live_until)
Capacity.reserve(verification, call.id, NOW)
count('dialed', call.route, NOW - call.due_at)
return { 'outcome', 'marked' }
