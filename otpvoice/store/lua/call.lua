-- Makes sure that a call comes for a verification, and soon: queues one or brings a delayed one forward.
--
-- KEYS 8 verification:<id>
-- ARGV 3 id   4 client   5 heard_within ms   6 overdue_after ms
--      7-11 the call: id, route or "", locale or "", bridge, caller_id
-- Returns answer("coming" | "closed" | "too_late" | "rate_limited <limit>" (number: ms until then)
--                | "over_capacity" | "calls_unavailable" | "not_found")

local verification = load_own(ARGV[3], ARGV[4])
if not verification then return answer('not_found') end
if verification.status ~= 'pending' then return answer('closed', verification) end

local function refuse(due, besides)
  local limit, free_at = call_refused(verification, due, besides)
  if not limit then return nil end
  note_refusal(verification.number, limit, { client = verification.client, verification = verification.id })
  return answer('rate_limited ' .. limit, verification, free_at - NOW)
end

local due = math.max(NOW, gap_until(verification.number))
local call = call_under_way(verification)
if call then
  -- A provider that asked for a pause gets it.
  due = math.max(due, tonumber(call.not_before or '0'))
  if call.status == 'queued' and tonumber(call.due_at) > due then
    local refusal = refuse(due, call.id)
    if refusal then return refusal end
    redis.call('HSET', call_key(call.id), 'due_at', due)
    take_places(verification, call.id, due)
    enqueue(call.id, due)
    changed(verification.id)
  end
  return answer('coming', verification)
end

if due > last_due(verification) then return answer('too_late', verification) end
local refusal = refuse(due)
if refusal then return refusal end
local closed = calls_closed(false, ARGV[5], ARGV[6])
if closed then return answer(closed, verification) end
queue_call(verification, { id = ARGV[7], route = ARGV[8], locale = ARGV[9], bridge = ARGV[10],
  caller_id = ARGV[11] }, due)
return answer('coming', verification)
