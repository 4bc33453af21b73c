-- The last word before a call is sent: from here on it may ring.
--
-- ARGV 3 call id   4 holder   5 how long the call may be live, ms   6 seconds of conversation in which the
--        code can be heard, or ""   7- the gaps after the 1st, 2nd, ... call, ms
-- Returns {"marked" | "lost", now}

local call = Calls.load(ARGV[3])
if not call or call.status ~= 'dialing' or call.holder ~= ARGV[4] or call.sent_at
  or tonumber(call.lease_until) <= NOW then
  return { 'lost', NOW }
end
local verification = Verifications.load(call.verification)
if not verification or verification.status ~= 'pending' then return { 'lost', NOW } end
-- Nobody is called at a test number, whatever a dialer means to do.
if verification.test then return { 'lost', NOW } end

if Numbers.blocked_until(call.number) > NOW then
  Calls.transition(call, 'canceled', { reason = 'refused' })
  return { 'lost', NOW }
end
-- Over another bridge the number may have been called since the claim.
local gap_end = Calls.gap_until(call)
if gap_end > NOW then
  Calls.requeue(call, gap_end)
  return { 'lost', NOW }
end

local gap = Numbers.load(call.number)
if not gap.gap_last or NOW - gap.gap_last > DAY_MS then gap = { gap_calls = 0, gap_until = 0 } end
local sent, gap_before = gap.gap_calls + 1, gap.gap_until
local length = ARGV[math.min(6 + sent, #ARGV)]
Numbers.set(call.number, { gap_calls = sent, gap_last = NOW, gap_until = NOW + length })

local live_until = NOW + ARGV[5]
redis.call('HSET', Calls.key(call.id), 'sent_at', NOW, 'live_until', live_until,
  'gap_before', gap_before, 'gap_after', NOW + length)
if ARGV[6] ~= '' then redis.call('HSET', Calls.key(call.id), 'heard_after', ARGV[6]) end
redis.call('HINCRBY', Calls.key(call.id), 'requests', 1)
NumberLock.acquire(call, live_until)
Capacity.reserve(verification, call.id, NOW)
count('dialed', call.route, NOW - call.due_at)
return { 'marked', NOW }
