-- Idempotent replay: a request with a known key returns the stored outcome and has no side effects. The verification
-- is returned as it is now.
--
-- hash idempotency:<client>:<key hash>   body: hash of the request's body, id of the verification, outcome
--
-- Only successful outcomes are stored. A function runs atomically, so no request meets a first one that still runs.
--
-- The arguments `idempotency_key` and `body_hash` come with a request that has a key.

function Idempotency.key(client_and_key) return PREFIX .. 'idempotency:' .. client_and_key end

-- Return the reply to a request that is repeated, or nil.
function Idempotency.replay()
  if not ARGS.idempotency_key then return nil end
  local first = Records.at('idempotency', Idempotency.key(ARGS.idempotency_key))
  if not first then return nil end
  if first.body ~= ARGS.body_hash then return Verifications.result('idempotency_mismatch') end
  local verification = Verifications.load_owned_by(ARGS.client, first.id)
  return verification and Verifications.result('replayed ' .. first.outcome, verification)
end

-- Return a successful reply, and store its outcome.
function Idempotency.result(outcome, verification)
  local key = Verifications.key(verification.id)
  if ARGS.idempotency_key
    and Records.increment(key, 'stored_responses') <= POLICY.idempotency_max_per_verification then
    local record = Idempotency.key(ARGS.idempotency_key)
    redis.call('HSET', record, 'body', ARGS.body_hash, 'id', verification.id, 'outcome', outcome)
    redis.call('PEXPIRE', record, POLICY.idempotency_ttl_ms)
    -- It expires with its verification (_numbers.lua).
    if outcome == 'created' then Records.set(key, { 'idempotency_key', ARGS.idempotency_key }) end
  end
  return Verifications.result(outcome, verification)
end
