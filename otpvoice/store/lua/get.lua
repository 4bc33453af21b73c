-- Reads a verification.
--
-- KEYS 8 verification:<id>   ARGV 3 id   4 client
-- Returns answer("found" | "not_found")

local verification = Verifications.load_owned_by(ARGV[3], ARGV[4])
return Verifications.result(verification and 'found' or 'not_found', verification)
