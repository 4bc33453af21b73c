-- Begins a verification and queues its call, or finds the one that is pending for the same reference.
-- Verifications of other references stay as they are, up to pending_per_number.
--
-- KEYS 8 number:<number>   9 verification:<new id>   10 speech:<new id>   11 again:<idempotency key>
--     12 reference:<reference>
-- ARGV  3 new id            4 client              5 number (its name)     6 "1": the caller's own code
--       7 call_after ms     8 ttl ms              9 keep ms              10 queue_margin ms
--      11 heard_within ms  12 overdue_after ms
--      13-17 the call: id, route or "", locale or "", bridge, caller_id
--      18 what is to be spoken, sealed
--      19 the body's fingerprint if an idempotency key came with it, else ""   20 how long to know it, ms
--      21-23 what the number limit_keys with others: prefix, area, region
--      24 the end user's address (its name) or ""     25 the reference (its name) or ""
--      26 n, then n request digests (one per ring key), then field, value, ... of the new record
-- Returns answer("created" | "existing" | either after "replayed " | "idempotency_mismatch"
--                | "call_gap" (number: ms until it would be taken) | "over_capacity" | "calls_unavailable"
--                | "rate_limited <limit>" (number: ms until then))

local id, client, number, call_after, ttl = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[7]), tonumber(ARGV[8])
local own_code = ARGV[6] == '1'
local spec = { id = ARGV[13], route = ARGV[14], locale = ARGV[15], bridge = ARGV[16],
  caller_id = ARGV[17] }
local ip, reference = ARGV[24] ~= '' and ARGV[24] or nil, ARGV[25]
local first_digest, digests = 27, tonumber(ARGV[26])
local fields = { unpack(ARGV, first_digest + digests) }

local record = {}
for i = 1, #fields, 2 do record[fields[i]] = fields[i + 1] end
spec.flow = spec.locale ~= '' and record.flow

local request = { key = KEYS[11], body = ARGV[19], keep = ARGV[20] }
local replay = Idempotency.replay(request, client)
if replay then return replay end

local function has_code(verification)
  for i = first_digest, first_digest + digests - 1 do
    if verification.request_digest == ARGV[i] then return true end
  end
  return false
end

local slot = Numbers.pending_field(client, record.reference, reference)
local old = Numbers.load(number)[slot] and Verifications.load(Numbers.load(number)[slot])
if old and old.status ~= 'pending' then old = nil end

local stale_code = old and own_code and not has_code(old)
local same = old and not stale_code
local due = math.max(NOW + call_after, Limits.gap_until({ number = number, test = record.test }))
local waiting = old and Calls.active(old)

-- A stale code is never spoken, even when the new one is refused.
local function refuse(outcome, wait)
  if stale_code then Verifications.close(old, 'canceled', 'superseded', NOW) end
  return Verifications.result(outcome, old, wait)
end

local function refuse_for_limit(outcome, limit, wait)
  Numbers.record_refusal(number, limit, { client = client, reference = reference })
  return refuse(outcome, wait)
end

-- `last`: the last moment that a call may be due   `further`: limits that are not of calls
local function refuse_call(of, last, further)
  local limits = Limits.of_call(of, due)
  for _, each in ipairs(further) do limits[#limits + 1] = each end
  local limit, free_at = Limits.longest(limits)
  if due > last and due - last >= free_at - NOW then
    return refuse_for_limit('call_gap', 'call_gap', due - last)
  end
  if limit then return refuse_for_limit('rate_limited ' .. limit, limit, free_at - NOW) end
  local sender = Routes.sender({ bridge = spec.bridge, flow = spec.flow or of.flow or record.flow })
  local closed = Calls.unavailable(of, sender, call_after > 0, ARGV[11], ARGV[12])
  if closed then return refuse(closed) end
end

if same and waiting then return Idempotency.result(request, 'existing', old) end
if same and due <= Calls.latest_due(old) then
  local refusal = refuse_call(old, Calls.latest_due(old), {})
  if refusal then return refusal end
  Calls.queue(old, spec, due)
  return Idempotency.result(request, 'existing', old)
end

local limit_keys = { prefix = ARGV[21], area = ARGV[22], region = ARGV[23] }
local wanted = { number = number, client = client, ip = ip, limit_keys = limit_keys, test = record.test }
-- A superseded verification goes where no call was sent for it, or its own client sent a newer code.
local superseded, further = old, Limits.of_creates(wanted)
if not old then superseded, further[#further + 1] = Verifications.make_room(wanted) end
local call_to_go = superseded and Calls.active(superseded)
wanted.replaces = call_to_go and call_to_go.status == 'queued' and call_to_go.id
local refusal = refuse_call(wanted, NOW + ttl - ARGV[10], further)
if refusal then return refusal end

if superseded then Verifications.close(superseded, 'canceled', 'superseded', NOW) end
Limits.count_create(wanted)
local expires_at, keep = NOW + ttl, ttl + ARGV[9]
redis.call('HSET', KEYS[9], 'client', client, 'number', number, 'status', 'pending',
  'created_at', NOW, 'expires_at', expires_at, 'version', 0,
  'queue_margin', ARGV[10], unpack(fields))
if ip then redis.call('HSET', KEYS[9], 'ip', ip) end
if Breakers.open_until('wrong_code_breaker') > NOW then
  redis.call('HSET', KEYS[9], 'checks_left', math.min(Breakers.REDUCED_CHECKS, record.checks_left))
end
redis.call('PEXPIRE', KEYS[9], keep)
redis.call('SET', KEYS[10], ARGV[18], 'PX', ttl)
redis.call('ZADD', EXPIRING, expires_at, id)
Numbers.set(number, { [slot] = id, limit_keys = table.concat({ limit_keys.prefix, limit_keys.area, limit_keys.region }, ' ') })
if reference ~= '' then
  local others = (redis.call('GET', KEYS[12]) or ''):sub(1, (Numbers.MAX_ENDED - 1) * (#id + 1))
  redis.call('SET', KEYS[12], id .. ' ' .. others, 'PX', keep)
end
local new = Verifications.load(id)
Calls.queue(new, spec, due)
if not record.test then Stats.verification_created() end
return Idempotency.result(request, 'created', new)
