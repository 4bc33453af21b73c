-- Requests that come again with their idempotency key: what was said is said again, and nothing is done.
--
-- hash again:<key>   body (its fingerprint), id of the verification, outcome; refusals are not in it
--
-- `said`: {key, body, keep in ms}; an empty body means that no idempotency key came with the request.
-- A rule is one script, so that no request ever finds the first one still running.

-- A verification has so many answers remembered: whoever asks for nothing new, with a new key each
-- time, must not fill the memory.
local ANSWERS = 100

-- The answer to a request that was answered before; nil when it was not. The verification is as it now
-- stands, and its outcome as it was.
local function said_before(said, client)
  local before = said.body ~= '' and records.at('again', said.key)
  if not before then return nil end
  if before.body ~= said.body then return answer('idempotency_mismatch') end
  local known = load_own(before.id, client)
  return known and answer('replayed ' .. before.outcome, known)
end

-- Answers, and remembers it.
local function say(said, outcome, verification)
  local key = PREFIX .. 'verification:' .. verification.id
  if said.body ~= '' and redis.call('HINCRBY', key, 'remembered', 1) <= ANSWERS then
    redis.call('HSET', said.key, 'body', said.body, 'id', verification.id, 'outcome', outcome)
    redis.call('PEXPIRE', said.key, said.keep)
    -- It is forgotten with its verification (_numbers.lua).
    if outcome == 'created' then redis.call('HSET', key, 'again', said.key:sub(#PREFIX + #'again:' + 1)) end
  end
  return answer(outcome, verification)
end
