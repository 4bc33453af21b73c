-- Events: what a client with an address for them is told. They are written by the very script that makes
-- the change, so that there is none without the other.
--
-- events:<client>  zset  event id -> when to try it (ms); while it is tried, when that lease ends
-- event:<id>       hash  type, verification, said: the verification as it then stood (JSON),
--                        tries, holder: of the newest try
--
-- An event's id is that of its verification with the version that it tells of: no change can be told twice,
-- and tries that follow each other carry the same id.

local MOST_WAITING, TOLD_WITHIN = 10000, DAY
local UNTOLD = { ['call.queued'] = true, ['call.dialing'] = true }

-- What answers show. Nothing else gets into an event, and the number is read when it is sent.
local SHOWN = { 'client', 'status', 'reason', 'reference', 'created_at', 'expires_at', 'ended_at', 'version',
  'code_length', 'checks_left', 'queue_margin' }
local SHOWN_OF_CALLS = { 'status', 'reason', 'route', 'locale', 'bridge', 'caller_id', 'due_at', 'not_before',
  'sent_at', 'live_until', 'placed_at', 'ended_at', 'duration', 'heard' }

local function events_key(client) return PREFIX .. 'events:' .. client end
local function event_key(id) return PREFIX .. 'event:' .. id end
local function dropped_key(client) return PREFIX .. 'dropped:' .. client end

-- {field, value, ...} of those that the record has.
local function shown(record, names)
  local flat = {}
  for _, name in ipairs(names) do
    if record[name] then flat[#flat + 1], flat[#flat + 2] = name, record[name] end
  end
  return flat
end

-- As answer() has it, but for what it is called and what is not shown.
local function as_it_stands(verification)
  local limit, limit_until = limit_ahead(verification)
  local _, codes_refused_until = codes_refused(verification.number)
  local said = { NOW, gap_until(verification.number), limit or '', limit_until, codes_refused_until,
    verification.id, shown(verification, SHOWN) }
  for _, call in ipairs(calls_of(verification)) do
    said[#said + 1], said[#said + 2] = call.id, shown(call, SHOWN_OF_CALLS)
  end
  return cjson.encode(said)
end

function tell(verification_id, what)
  if UNTOLD[what] then return end
  local key = PREFIX .. 'verification:' .. verification_id
  local client, trial, events = unpack(redis.call('HMGET', key, 'client', 'trial', 'events'))
  -- The settings of this process may be older than the client, or than its address for events.
  if trial or not (events or CLIENT(client).told) then return end
  local verification = records.read('verification', verification_id)
  if not verification then return end
  local waiting = events_key(client)
  if redis.call('ZCARD', waiting) >= MOST_WAITING then
    redis.call('INCR', dropped_key(client))
    redis.call('PEXPIRE', dropped_key(client), TOLD_WITHIN)
    return
  end
  verification.id = verification_id
  local id = verification_id:gsub('^vrf', 'evt') .. '_' .. verification.version
  redis.call('HSET', event_key(id), 'type', what, 'verification', verification_id,
    'said', as_it_stands(verification), 'tries', 0)
  redis.call('PEXPIRE', event_key(id), TOLD_WITHIN)
  redis.call('ZADD', waiting, NOW, id)
  redis.call('PEXPIRE', waiting, TOLD_WITHIN)
end
