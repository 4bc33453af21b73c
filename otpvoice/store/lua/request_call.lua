-- Makes sure that a call comes for a verification, and soon: queues one, or brings a delayed one forward,
-- which then goes by the route and speaks the locale that are asked for now.
--
-- KEYS 8 verification:<id>   9 again:<idempotency key>
-- ARGV 3 id   4 client   5 the body's fingerprint if an idempotency key came with it, else ""
--      6 how long to know it, ms   7 heard_within ms   8 overdue_after ms
--      9-13 the call: id, route or "", locale or "", bridge, caller_id   14 flow of that locale, or ""
-- Returns answer("coming" | "replayed coming" | "idempotency_mismatch" | "closed" | "too_late" | "not_found"
--                | "rate_limited <limit>" (number: ms until then) | "over_capacity" | "calls_unavailable")

local request = { key = KEYS[9], body = ARGV[5], keep = ARGV[6] }
local replay = Idempotency.replay(request, ARGV[4])
if replay then return replay end

local verification = Verifications.load_owned_by(ARGV[3], ARGV[4])
if not verification then return Verifications.result('not_found') end
if verification.status ~= 'pending' then return Verifications.result('closed', verification) end

local function refuse(due, exclude)
  local limit, free_at = Limits.refusing_call(verification, due, exclude)
  if not limit then return nil end
  Numbers.record_refusal(verification.number, limit, { client = verification.client, verification = verification.id })
  return Verifications.result('rate_limited ' .. limit, verification, free_at - NOW)
end

local due = math.max(NOW, Limits.gap_until(verification))
local call = Calls.active(verification)
if call then
  -- A provider that asked for a pause gets it.
  due = math.max(due, tonumber(call.not_before or '0'))
  if call.status == 'queued' and tonumber(call.due_at) > due then
    local refusal = refuse(due, call.id)
    if refusal then return refusal end
    redis.call('HSET', Calls.key(call.id), 'due_at', due,
      'route', ARGV[10] ~= '' and ARGV[10] or call.route,
      'locale', ARGV[11] ~= '' and ARGV[11] or call.locale)
    if ARGV[14] ~= '' then redis.call('HSET', Calls.key(call.id), 'flow', ARGV[14]) end
    Capacity.reserve(verification, call.id, due)
    Queue.add(call.id, verification.client, due)
    Verifications.bump_version(verification.id)
  end
  return Idempotency.result(request, 'coming', verification)
end

if due > Calls.latest_due(verification) then return Verifications.result('too_late', verification) end
local refusal = refuse(due)
if refusal then return refusal end
local sender = Routes.sender({ bridge = ARGV[12], flow = ARGV[14] ~= '' and ARGV[14] or verification.flow })
local closed = Calls.unavailable(verification, sender, false, ARGV[7], ARGV[8])
if closed then return Verifications.result(closed, verification) end
Calls.queue(verification, { id = ARGV[9], route = ARGV[10], locale = ARGV[11], bridge = ARGV[12],
  caller_id = ARGV[13], flow = ARGV[14] }, due)
return Idempotency.result(request, 'coming', verification)
