-- Ends a verification at the client's word: cancel or approve.
--
-- KEYS 8 verification:<id>   ARGV 3 id   4 client   5 status   6 reason
-- Returns answer("ended" (now or before, with this status) | "closed" (with another) | "not_found")

local verification = Verifications.load_owned_by(ARGV[3], ARGV[4])
if not verification then return Verifications.result('not_found') end
if verification.status == 'pending' then
  Verifications.close(verification, ARGV[5], ARGV[6], NOW)
  return Verifications.result('ended', verification)
end
return Verifications.result(verification.status == ARGV[5] and 'ended' or 'closed', verification)
