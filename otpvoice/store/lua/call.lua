-- Makes sure that a call comes for a verification, and soon: queues one, or brings a delayed one forward,
-- which then goes by the route and speaks the locale that are asked for now.
--
-- KEYS 8 verification:<id>   9 again:<idempotency key>
-- ARGV 3 id   4 client   5 the body's fingerprint if an idempotency key came with it, else ""
--      6 how long to know it, ms   7 heard_within ms   8 overdue_after ms
--      9-13 the call: id, route or "", locale or "", bridge, caller_id   14 flow of that locale, or ""
-- Returns answer("coming" | "replayed coming" | "idempotency_mismatch" | "closed" | "too_late" | "not_found"
--                | "rate_limited <limit>" (number: ms until then) | "over_capacity" | "calls_unavailable")

local said = { key = KEYS[9], body = ARGV[5], keep = ARGV[6] }
local replay = said_before(said, ARGV[4])
if replay then return replay end

local verification = load_own(ARGV[3], ARGV[4])
if not verification then return answer('not_found') end
if verification.status ~= 'pending' then return answer('closed', verification) end

local function refuse(due, besides)
  local limit, free_at = call_refused(verification, due, besides)
  if not limit then return nil end
  note_refusal(verification.number, limit, { client = verification.client, verification = verification.id })
  return answer('rate_limited ' .. limit, verification, free_at - NOW)
end

local due = math.max(NOW, gap_of(verification))
local call = call_under_way(verification)
if call then
  -- A provider that asked for a pause gets it.
  due = math.max(due, tonumber(call.not_before or '0'))
  if call.status == 'queued' and tonumber(call.due_at) > due then
    local refusal = refuse(due, call.id)
    if refusal then return refusal end
    redis.call('HSET', call_key(call.id), 'due_at', due,
      'route', ARGV[10] ~= '' and ARGV[10] or call.route,
      'locale', ARGV[11] ~= '' and ARGV[11] or call.locale)
    if ARGV[14] ~= '' then redis.call('HSET', call_key(call.id), 'flow', ARGV[14]) end
    take_places(verification, call.id, due)
    enqueue(call.id, verification.client, due)
    changed(verification.id)
  end
  return say(said, 'coming', verification)
end

if due > last_due(verification) then return answer('too_late', verification) end
local refusal = refuse(due)
if refusal then return refusal end
local sender = routes.sender({ bridge = ARGV[12], flow = ARGV[14] ~= '' and ARGV[14] or verification.flow })
local closed = calls_closed(verification, sender, false, ARGV[7], ARGV[8])
if closed then return answer(closed, verification) end
queue_call(verification, { id = ARGV[9], route = ARGV[10], locale = ARGV[11], bridge = ARGV[12],
  caller_id = ARGV[13], flow = ARGV[14] }, due)
return say(said, 'coming', verification)
