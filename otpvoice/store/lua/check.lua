-- Count, compare and consume one code. The first correct code wins, and no code wins twice.
--
-- Arguments  client, and id or number_hash, ...: see Verifications.requested()
--            code_length; digest1, ...: of the code, one for each key of the ring: of id and code, or with `number_hash`
--            of client, number and code, as in `request_digests` of a create
--            idempotency_key, body_hash
-- Outcomes   right, wrong, either after "replayed "; idempotency_mismatch, wrong_length, closed, not_found;
--            no_call_yet and "rate_limited <limit>" with retry_after_ms: neither compared nor counted

local replay = Idempotency.replay()
if replay then return replay end

local verification = Verifications.requested()
if not verification then return Verifications.result('not_found') end
if verification.status ~= 'pending' then return Verifications.result('closed', verification) end
if verification.code_length ~= ARGS.code_length then return Verifications.result('wrong_length', verification) end

local limit, retry_at = Limits.refusing_codes(verification.number)
if limit then
  Numbers.record_refusal(verification.number, limit, { client = verification.client, verification = verification.id })
  return Verifications.result('rate_limited ' .. limit, verification, retry_at - NOW)
end

-- No one can know a generated code before a call was sent.
if not verification.own_code and not verification.test and not Verifications.was_called(verification) then
  return Verifications.result('no_call_yet', verification)
end

-- Wrong codes are stored as one text of digests, all of the same length. The same wrong code counts once,
-- or twice when it comes both by id and by number, whose digests differ.
local wrong_digests, is_known = verification.wrong_digests or '', false
local correct = ARGS.number_hash and verification.request_digest or verification.digest
local digests = list_argument('digest')
for _, digest in ipairs(digests) do
  if digest == correct then
    if not verification.test then Breakers.count_check(false) end
    Verifications.close(verification, 'approved', nil, NOW)
    return Idempotency.result('right', verification)
  end
  for at = 1, #wrong_digests, #digest do
    is_known = is_known or wrong_digests:sub(at, at + #digest - 1) == digest
  end
end

if not is_known then
  if not verification.test then Breakers.count_check(true) end
  Limits.count_wrong_code(verification.number)
  Records.set(Verifications.key(verification.id), { 'wrong_digests', wrong_digests .. digests[1],
    'checks_left', verification.checks_left - 1, 'version', verification.version + 1 })
  if tonumber(verification.checks_left) <= 0 then
    Verifications.close(verification, 'max_attempts_reached', nil, NOW)
  end
end
return Idempotency.result('wrong', verification)
