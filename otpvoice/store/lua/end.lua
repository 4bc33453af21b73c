-- Ends a verification at the client's word: cancel or approve.
--
-- KEYS 8 verification:<id>   ARGV 3 id   4 client   5 status   6 reason
-- Returns answer("ended" (now or before, with this status) | "closed" (with another) | "not_found")

local verification = load_own(ARGV[3], ARGV[4])
if not verification then return answer('not_found') end
if verification.status == 'pending' then
  finish(verification, ARGV[5], ARGV[6], NOW)
  return answer('ended', verification)
end
return answer(verification.status == ARGV[5] and 'ended' or 'closed', verification)
