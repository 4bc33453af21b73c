-- Begins a verification and queues its call, or finds the one that is under way.
--
-- KEYS 7 pending:<client>:<number>   8 verification:<new id>   9 speech:<new id>
-- ARGV  3 new id            4 client              5 number (its name)     6 "1": the caller's own code
--       7 call_after ms     8 ttl ms              9 keep ms              10 queue_margin ms
--      11 heard_within ms  12 overdue_after ms
--      13-17 the call: id, route or "", locale or "", bridge, caller_id
--      18 what is to be spoken, sealed
--      19 n, then n request digests (one per ring key), then field, value, ... of the new record
-- Returns answer("created" | "existing" | "call_gap" (number: ms until it would be taken)
--                | "over_capacity" | "calls_unavailable")

local id, number, call_after, ttl = ARGV[3], ARGV[5], tonumber(ARGV[7]), tonumber(ARGV[8])
local own_code = ARGV[6] == '1'
local spec = { id = ARGV[13], route = ARGV[14], locale = ARGV[15], bridge = ARGV[16],
  caller_id = ARGV[17] }
local digests = tonumber(ARGV[19])
local fields = { unpack(ARGV, 20 + digests) }

local given = {}
for i = 1, #fields, 2 do given[fields[i]] = fields[i + 1] end

local function has_code(verification)
  for i = 20, 19 + digests do
    if verification.request_digest == ARGV[i] then return true end
  end
  return false
end

local pending = redis.call('GET', KEYS[7])
local old = pending and load_verification(pending)
if old and old.status ~= 'pending' then old = nil end

local stale_code = old and own_code and not has_code(old)
local same = old and not stale_code and old.reference == given.reference
local due = math.max(NOW + call_after, gap_until(number))

-- A stale code is never spoken, even when the new one is refused.
local function refuse(outcome, wait)
  if stale_code then finish(old, 'canceled', 'superseded', NOW) end
  return answer(outcome, old, wait)
end

if same and call_under_way(old) then return answer('existing', old) end
if same and due <= last_due(old) then
  local closed = calls_closed(call_after > 0, ARGV[11], ARGV[12])
  if closed then return refuse(closed) end
  queue_call(old, spec, due)
  return answer('existing', old)
end

local last = NOW + ttl - ARGV[10]
if due > last then return refuse('call_gap', due - last) end
local closed = calls_closed(call_after > 0, ARGV[11], ARGV[12])
if closed then return refuse(closed) end

if old then finish(old, 'canceled', 'superseded', NOW) end
local expires_at = NOW + ttl
redis.call('HSET', KEYS[8], 'client', ARGV[4], 'number', number, 'status', 'pending',
  'created_at', NOW, 'expires_at', expires_at, 'version', 0,
  'queue_margin', ARGV[10], unpack(fields))
redis.call('PEXPIRE', KEYS[8], ttl + ARGV[9])
redis.call('SET', KEYS[9], ARGV[18], 'PX', ttl)
redis.call('SET', KEYS[7], id, 'PX', ttl)
redis.call('ZADD', EXPIRING, expires_at, id)
local new = load_verification(id)
queue_call(new, spec, due)
return answer('created', new)
