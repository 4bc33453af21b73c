-- Events: what a client with an address for them is told. They are written by the very script that makes
-- the change, so that there is none without the other.
--
-- events:<client>  zset  event id -> when to try it (ms); while it is tried, when that lease ends
-- event:<id>       hash  type, verification, said: the verification as it then stood (JSON),
--                        tries, holder: of the newest try
--
-- An event's id is that of its verification with the version that it tells of: no change can be told twice,
-- and tries that follow each other carry the same id.

local MAX_PENDING, EVENT_TTL_MS = 10000, DAY_MS
local SILENT = { ['call.queued'] = true, ['call.dialing'] = true }

-- What answers show. Nothing else gets into an event, and the number is read when it is sent.
local VERIFICATION_FIELDS = { 'client', 'status', 'reason', 'reference', 'created_at', 'expires_at', 'ended_at', 'version',
  'code_length', 'checks_left', 'queue_margin' }
local CALL_FIELDS = { 'status', 'reason', 'route', 'locale', 'bridge', 'caller_id', 'due_at', 'not_before',
  'sent_at', 'live_until', 'placed_at', 'ended_at', 'duration', 'heard' }

function Events.queue_key(client) return PREFIX .. 'events:' .. client end
function Events.key(id) return PREFIX .. 'event:' .. id end
function Events.dropped_key(client) return PREFIX .. 'dropped_events:' .. client end

-- {field, value, ...} of those that the record has.
local function pick(record, names)
  local flat = {}
  for _, name in ipairs(names) do
    if record[name] then flat[#flat + 1], flat[#flat + 2] = name, record[name] end
  end
  return flat
end

-- As Verifications.result() has it, but for what it is called and what is not shown.
local function snapshot(verification)
  local limit, limit_until = Verifications.next_limit(verification)
  local _, codes_refused_until = Limits.refusing_codes(verification.number)
  local request = { NOW, Numbers.gap_until(verification.number), limit or '', limit_until, codes_refused_until,
    verification.id, pick(verification, VERIFICATION_FIELDS) }
  for _, call in ipairs(Calls.of(verification)) do
    request[#request + 1], request[#request + 2] = call.id, pick(call, CALL_FIELDS)
  end
  return cjson.encode(request)
end

function Events.emit(verification_id, what)
  if SILENT[what] then return end
  local key = PREFIX .. 'verification:' .. verification_id
  local client, trial, events = unpack(redis.call('HMGET', key, 'client', 'live_test', 'events'))
  -- The settings of this process may be older than the client, or than its address for events.
  if trial or not (events or CLIENT(client).has_events) then return end
  local verification = Records.read('verification', verification_id)
  if not verification then return end
  local waiting = Events.queue_key(client)
  if redis.call('ZCARD', waiting) >= MAX_PENDING then
    redis.call('INCR', Events.dropped_key(client))
    redis.call('PEXPIRE', Events.dropped_key(client), EVENT_TTL_MS)
    return
  end
  verification.id = verification_id
  local id = verification_id:gsub('^vrf', 'evt') .. '_' .. verification.version
  redis.call('HSET', Events.key(id), 'type', what, 'verification', verification_id,
    'snapshot', snapshot(verification), 'attempts', 0)
  redis.call('PEXPIRE', Events.key(id), EVENT_TTL_MS)
  redis.call('ZADD', waiting, NOW, id)
  redis.call('PEXPIRE', waiting, EVENT_TTL_MS)
end
