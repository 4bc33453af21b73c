-- The last word before a call is sent: from here on it may ring.
--
-- ARGV 3 call id   4 holder   5 how long the call may be live, ms   6 seconds of conversation in which the
--        code can be heard, or ""   7- the gaps after the 1st, 2nd, ... call, ms
-- Returns {"marked" | "lost", now}

local call = load_call(ARGV[3])
if not call or call.status ~= 'dialing' or call.holder ~= ARGV[4] or call.sent_at
  or tonumber(call.lease_until) <= NOW then
  return { 'lost', NOW }
end
local verification = load_verification(call.verification)
if not verification or verification.status ~= 'pending' then return { 'lost', NOW } end
-- Nobody is called at a test number, whatever a dialer means to do.
if verification.test then return { 'lost', NOW } end

if blocked_until(call.number) > NOW then
  move_call(call, 'canceled', { reason = 'refused' })
  return { 'lost', NOW }
end
-- Over another bridge the number may have been called since the claim.
local gap_end = gaps.of_call(call)
if gap_end > NOW then
  requeue(call, gap_end)
  return { 'lost', NOW }
end

local gap = record_of(call.number)
if not gap.last or NOW - gap.last > DAY then gap = { sent = 0, ['until'] = 0 } end
local sent, gap_before = gap.sent + 1, gap['until']
local length = ARGV[math.min(6 + sent, #ARGV)]
write_number(call.number, { sent = sent, last = NOW, ['until'] = NOW + length })

local live_until = NOW + ARGV[5]
redis.call('HSET', call_key(call.id), 'sent_at', NOW, 'live_until', live_until,
  'gap_before', gap_before, 'gap_after', NOW + length)
if ARGV[6] ~= '' then redis.call('HSET', call_key(call.id), 'heard_after', ARGV[6]) end
redis.call('HINCRBY', call_key(call.id), 'requests', 1)
hold_line(call, live_until)
take_places(verification, call.id, NOW)
count('dialed', call.route, NOW - call.due_at)
return { 'marked', NOW }
