-- End a verification at its client's request: cancel or approve it.
--
-- Arguments  client, and id or number_hash, ...: see Verifications.requested()
--            status, reason
-- Outcomes   ended: now or before, with this status; closed: with another status; not_found

local verification = Verifications.requested()
if not verification then return Verifications.result('not_found') end
if verification.status == 'pending' then
  Verifications.close(verification, ARGS.status, ARGS.reason, NOW)
  return Verifications.result('ended', verification)
end
return Verifications.result(verification.status == ARGS.status and 'ended' or 'closed', verification)
