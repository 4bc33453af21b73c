-- Read a verification.
--
-- Arguments  client, and id or number_hash, ...: see Verifications.requested()
-- Outcomes   found, not_found

local verification = Verifications.requested()
return Verifications.result(verification and 'found' or 'not_found', verification)
