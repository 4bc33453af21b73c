-- Reads a verification.
--
-- KEYS 8 verification:<id>   ARGV 3 id   4 client
-- Returns answer("found" | "not_found")

local verification = load_own(ARGV[3], ARGV[4])
return answer(verification and 'found' or 'not_found', verification)
