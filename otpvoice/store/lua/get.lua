-- Read a verification.
--
-- Arguments  id, client
-- Outcomes   found, not_found

local verification = Verifications.load_owned_by(ARGS.client, ARGS.id)
return Verifications.result(verification and 'found' or 'not_found', verification)
