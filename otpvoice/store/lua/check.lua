-- Counts, compares and consumes one code: the first right one wins, nobody wins twice.
--
-- KEYS 8 verification:<id>   9 again:<idempotency key>
-- ARGV 3 id   4 client   5 the body's fingerprint if an idempotency key came with it, else ""
--      6 how long to know it, ms   7 length of the code   8- its digests, one per ring key
-- Returns answer("right" | "wrong" | either after "replayed " | "idempotency_mismatch" | "wrong_length"
--                | "closed" | "no_call_yet" | "not_found"
--                | "rate_limited <limit>" (number: ms until then): neither compared nor counted)

local request = { key = KEYS[9], body = ARGV[5], keep = ARGV[6] }
local replay = Idempotency.replay(request, ARGV[4])
if replay then return replay end

local verification = Verifications.load_owned_by(ARGV[3], ARGV[4])
if not verification then return Verifications.result('not_found') end
if verification.status ~= 'pending' then return Verifications.result('closed', verification) end
if verification.code_length ~= ARGV[7] then return Verifications.result('wrong_length', verification) end

local limit, refused_until = Limits.refusing_codes(verification.number)
if limit then
  Numbers.record_refusal(verification.number, limit, { client = verification.client, verification = verification.id })
  return Verifications.result('rate_limited ' .. limit, verification, refused_until - NOW)
end

-- Nobody can know a generated code before a call was sent.
if not verification.own_code and not verification.test and not Verifications.was_called(verification) then
  return Verifications.result('no_call_yet', verification)
end

-- The wrong codes so far stand one after the other, each as long as a digest.
local wrong, seen = verification.wrong_digests or '', false
for i = 8, #ARGV do
  if ARGV[i] == verification.digest then
    if not verification.test then Breakers.count_check(false) end
    Verifications.close(verification, 'approved', '', NOW)
    return Idempotency.result(request, 'right', verification)
  end
  for at = 1, #wrong, #ARGV[i] do
    seen = seen or wrong:sub(at, at + #ARGV[i] - 1) == ARGV[i]
  end
end

if not seen then
  if not verification.test then Breakers.count_check(true) end
  Limits.count_wrong_code(verification.number)
  redis.call('HSET', KEYS[8], 'wrong_digests', wrong .. ARGV[8])
  Verifications.bump_version(verification.id)
  if redis.call('HINCRBY', KEYS[8], 'checks_left', -1) <= 0 then
    Verifications.close(verification, 'max_attempts_reached', '', NOW)
  end
end
return Idempotency.result(request, 'wrong', verification)
