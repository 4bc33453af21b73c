-- Ends a claimed call to a test number as answered and heard, though nobody was called.
--
-- ARGV 3 call id   4 holder   5 seconds that it would have taken
-- Returns {"answered" | "lost", now}

local call = Calls.load(ARGV[3])
local verification = call and Verifications.load(call.verification)
if not verification or verification.status ~= 'pending' or not verification.test
  or call.status ~= 'dialing' or call.holder ~= ARGV[4] then
  return { 'lost', NOW }
end
Calls.transition(call, 'answered', { placed_at = NOW, duration = ARGV[5], heard = 1 })
return { 'answered', NOW }
