-- End a claimed call to a test number as answered and heard, although no call was placed.
--
-- Arguments  call_id, holder, duration_s: how long the call would have taken
-- Outcomes   answered, lost

local call = Calls.load(ARGS.call_id)
local verification = call and Verifications.load(call.verification)
if not verification or verification.status ~= 'pending' or not verification.test
  or call.status ~= 'dialing' or call.holder ~= ARGS.holder then
  return { 'outcome', 'lost' }
end
Calls.transition(call, 'answered', { placed_at = NOW, duration = ARGS.duration_s, heard = 1 })
return { 'outcome', 'answered' }
