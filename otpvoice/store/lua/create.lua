-- Start a verification and queue its call, or return the one that is pending for the same reference and transaction.
-- Verifications of other references stay as they are, up to `pending_per_number`.
--
-- Arguments  id, call_after_ms, ttl_ms, retention_ms, queue_margin_ms, encrypted_speech: name and code
--            FIELDS below: fields of the record, stored under these names or those in STORED_AS
--            prefix_hash, area, region: the number's limit keys; reference_hash, which may be empty
--            request_digests1, ...: one for each key of the ring; with a transaction also encrypted_transaction and
--            transaction_digests1, ...
--            traceparent: of the request, if it is traced
--            call_id, bridge, caller_id, call_route, call_locale: of the call; see Calls.queue()
--            idempotency_key, body_hash
-- Outcomes   created, existing, either after "replayed "; idempotency_mismatch, over_capacity, calls_unavailable;
--            call_gap and "rate_limited <limit>" with retry_after_ms

local FIELDS = { 'client', 'number_hash', 'address_hash', 'encrypted_number', 'code_digest', 'route', 'locale', 'flow',
  'code_length', 'max_checks', 'own_code', 'is_test_number', 'is_live_test', 'events', 'deliver_only', 'reference',
  'traceparent' }
local STORED_AS = { number_hash = 'number', address_hash = 'ip', code_digest = 'digest', max_checks = 'checks_left',
  is_test_number = 'test', is_live_test = 'live_test' }

local replay = Idempotency.replay()
if replay then return replay end

local client, number, is_test = ARGS.client, ARGS.number_hash, ARGS.is_test_number
local reference_hash = ARGS.reference_hash ~= '' and ARGS.reference_hash or nil
local is_delayed = tonumber(ARGS.call_after_ms) > 0
local request_digests, transaction_digests = list_argument('request_digests'), list_argument('transaction_digests')
local spec = { id = ARGS.call_id, route = ARGS.call_route, locale = ARGS.call_locale, bridge = ARGS.bridge,
  caller_id = ARGS.caller_id, flow = ARGS.call_locale and ARGS.flow }

local function is_one_of(digests, digest)
  for _, each in ipairs(digests) do
    if each == digest then return true end
  end
  return false
end

-- Return whether a pending verification has another code or transaction than is requested now. A code that is not
-- given is not another one.
local function is_outdated(verification)
  if ARGS.own_code and not is_one_of(request_digests, verification.request_digest) then return true end
  if not verification.transaction_digest then return transaction_digests[1] ~= nil end
  return not is_one_of(transaction_digests, verification.transaction_digest)
end

local field = Numbers.pending_field(client, ARGS.reference, reference_hash)
local old = Numbers.load(number)[field] and Verifications.load(Numbers.load(number)[field])
if old and old.status ~= 'pending' then old = nil end

local replaces_old = old and is_outdated(old)
local same = old and not replaces_old and old
local due = math.max(NOW + ARGS.call_after_ms, Limits.gap_until({ number = number, test = is_test }))

-- A code that a newer one replaces is never spoken, even when the newer one is refused.
local function refuse(outcome, retry_after_ms)
  if replaces_old then Verifications.close(old, 'canceled', 'superseded', NOW) end
  return Verifications.result(outcome, old, retry_after_ms)
end

local function refuse_for_limit(outcome, limit, retry_after_ms)
  Numbers.record_refusal(number, limit, { client = client, reference = reference_hash })
  return refuse(outcome, retry_after_ms)
end

-- Return the refusal of a call, or nil.
-- `latest`: the latest time at which it may be due   `more`: limits that are not of calls
local function refuse_call(of, latest, more)
  local limits = Limits.of_call(of, due)
  for _, each in ipairs(more) do limits[#limits + 1] = each end
  local limit, retry_at = Limits.longest(limits)
  if due > latest and due - latest >= retry_at - NOW then
    return refuse_for_limit('call_gap', 'call_gap', due - latest)
  end
  if limit then return refuse_for_limit('rate_limited ' .. limit, limit, retry_at - NOW) end
  local outcome = Calls.unavailable(of, spec, spec.flow or of.flow or ARGS.flow, is_delayed)
  if outcome then return refuse(outcome) end
end

if same and Calls.active(same) then return Idempotency.result('existing', same) end
if same and due <= Calls.latest_due(same) then
  local refusal = refuse_call(same, Calls.latest_due(same), {})
  if refusal then return refusal end
  Calls.queue(same, spec, due)
  return Idempotency.result('existing', same)
end

local keys = { prefix = ARGS.prefix_hash, area = ARGS.area, region = ARGS.region }
local new = { number = number, client = client, ip = ARGS.address_hash, limit_keys = keys, test = is_test }
-- A verification is superseded only if no call was sent for it, or if its own client sent a newer code or transaction.
local superseded, more = old, Limits.of_creates(new)
if not old then superseded, more[#more + 1] = Verifications.make_room(new) end
local replaced = superseded and Calls.active(superseded)
new.replaces = replaced and replaced.status == 'queued' and replaced.id
local refusal = refuse_call(new, NOW + ARGS.ttl_ms - ARGS.queue_margin_ms, more)
if refusal then return refusal end

if superseded then Verifications.close(superseded, 'canceled', 'superseded', NOW) end
Limits.count_create(new)

local key, expires_at, kept_ms = Verifications.key(ARGS.id), NOW + ARGS.ttl_ms, ARGS.ttl_ms + ARGS.retention_ms
local record = { status = 'pending', created_at = NOW, expires_at = expires_at, version = 1, calls = spec.id,
  queue_margin = ARGS.queue_margin_ms, request_digest = request_digests[1],
  transaction_digest = transaction_digests[1] }
for _, name in ipairs(FIELDS) do record[STORED_AS[name] or name] = ARGS[name] end
if Breakers.is_wrong_code_open() then record.checks_left = math.min(POLICY.wrong_code_checks, ARGS.max_checks) end
Verifications.put_pieces(record, 'speech', ARGS.encrypted_speech)
if ARGS.encrypted_transaction then
  Verifications.put_pieces(record, 'transaction', ARGS.encrypted_transaction)
end
local verification = Records.create('verification', ARGS.id, record)
redis.call('PEXPIRE', key, kept_ms)
redis.call('ZADD', EXPIRING, expires_at, bare(ARGS.id))
Numbers.set(number, { [field] = ARGS.id, scopes = table.concat({ keys.prefix, keys.area, keys.region }, ' ') })
if reference_hash then
  local by_reference = Verifications.reference_key(reference_hash)
  local others = (redis.call('GET', by_reference) or ''):sub(1, (POLICY.number_max_ended - 1) * (#ARGS.id + 1))
  redis.call('SET', by_reference, ARGS.id .. ' ' .. others, 'PX', kept_ms)
end
spec.kept_ms = kept_ms
Calls.queue(verification, spec, due)
if not is_test then
  Stats.verification_created()
  Verifications.add_newest(ARGS.id)
end
return Idempotency.result('created', verification)
