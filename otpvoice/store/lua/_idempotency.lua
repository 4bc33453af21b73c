-- Requests that come again with their idempotency key: what was said is said again, and nothing is done.
--
-- hash again:<key>   body (its fingerprint), id of the verification, outcome; refusals are not in it
--
-- `said`: {key, body, keep in ms}; an empty body means that no idempotency key came with the request.
-- A rule is one script, so that no request ever finds the first one still running.

-- A verification has so many answers remembered: whoever asks for nothing new, with a new key each
-- time, must not fill the memory.
local MAX_STORED = 100

-- The answer to a request that was answered before; nil when it was not. The verification is as it now
-- stands, and its outcome as it was.
function Idempotency.replay(request, client)
  local before = request.body ~= '' and Records.at('idempotency', request.key)
  if not before then return nil end
  if before.body ~= request.body then return Verifications.result('idempotency_mismatch') end
  local known = Verifications.load_owned_by(before.id, client)
  return known and Verifications.result('replayed ' .. before.outcome, known)
end

-- Answers, and remembers it.
function Idempotency.result(request, outcome, verification)
  local key = PREFIX .. 'verification:' .. verification.id
  if request.body ~= '' and redis.call('HINCRBY', key, 'stored_responses', 1) <= MAX_STORED then
    redis.call('HSET', request.key, 'body', request.body, 'id', verification.id, 'outcome', outcome)
    redis.call('PEXPIRE', request.key, request.keep)
    -- It is forgotten with its verification (_numbers.lua).
    if outcome == 'created' then redis.call('HSET', key, 'idempotency_key', request.key:sub(#PREFIX + #'idempotency:' + 1)) end
  end
  return Verifications.result(outcome, verification)
end
