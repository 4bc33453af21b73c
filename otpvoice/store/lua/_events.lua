-- Events for clients that have an address for them. The function that makes a change writes its event, so there is
-- never one without the other.
--
-- zset events:<client>          event id -> when to deliver it (ms); during an attempt, the end of its lease
-- hash event:<id>               type, verification, snapshot: the verification right after the change (JSON),
--                               attempts, holder: of the newest attempt
-- text dropped_events:<client>  events that were not stored because too many were pending, and are not logged yet
--
-- An event's id is that of its verification with its version. So no change has two events, and consecutive attempts
-- carry the same id.

-- The fields that an event shows. The number is not among them: it is read when the event is delivered.
local VERIFICATION_FIELDS = { 'client', 'status', 'reason', 'reference', 'created_at', 'expires_at', 'ended_at',
  'version', 'code_length', 'checks_left', 'queue_margin' }
local CALL_FIELDS = { 'status', 'reason', 'route', 'locale', 'bridge', 'caller_id', 'due_at', 'not_before', 'sent_at',
  'live_until', 'placed_at', 'ended_at', 'duration', 'heard' }

function Events.queue_key(client) return PREFIX .. 'events:' .. client end
function Events.key(id) return PREFIX .. 'event:' .. id end
function Events.dropped_key(client) return PREFIX .. 'dropped_events:' .. client end

local function pick(record, names)
  local fields = {}
  for _, name in ipairs(names) do fields[name] = record[name] end
  return fields
end

-- Return what Verifications.result() returns of a verification, without what an event does not show (JSON).
local function snapshot(verification)
  local fields, calls = pick(verification, VERIFICATION_FIELDS), {}
  local all = Calls.of(verification)
  local limit, limit_until = Verifications.next_limit(verification, all)
  local _, wrong_codes_until = Limits.refusing_codes(verification.number)
  for _, call in ipairs(all) do
    calls[#calls + 1] = pick(call, CALL_FIELDS)
    calls[#calls].id = call.id
  end
  fields.id, fields.now, fields.gap_until = verification.id, NOW, Numbers.gap_until(verification.number)
  fields.limit, fields.limit_until, fields.wrong_codes_until = limit or '', limit_until, wrong_codes_until
  fields.calls = calls[1] and calls -- an empty list would be encoded as an object
  return cjson.encode(fields)
end

-- Return the client of a verification that has events; false if it has none. A run asks once.
local function client_with_events(verification_id)
  local key = 'events ' .. verification_id
  if loaded[key] == nil then
    local of = Verifications.key(verification_id)
    local known = loaded[of]
    local client, live_test, has_events
    if known then
      client, live_test, has_events = known.client, known.live_test, known.events
    else
      client, live_test, has_events = unpack(redis.call('HMGET', of, 'client', 'live_test', 'events'))
    end
    -- The settings of this process may be older than the client, or than its address for events.
    loaded[key] = not live_test and (has_events or client_policy(client).has_events) and (client or '')
  end
  return loaded[key]
end

-- Store an event of a verification. `name`: such as "call.placed"
function Events.emit(verification_id, name)
  local client = not POLICY.silent_events[name] and client_with_events(verification_id)
  if not client then return end
  local verification = Records.load('verification', verification_id)
  if not verification then return end
  local pending = Events.queue_key(client)
  if redis.call('ZCARD', pending) >= POLICY.event_max_pending then
    redis.call('INCR', Events.dropped_key(client))
    redis.call('PEXPIRE', Events.dropped_key(client), POLICY.event_ttl_ms)
    return
  end
  verification.id = verification_id
  local id = verification_id:gsub('^vrf', 'evt') .. '_' .. verification.version
  redis.call('HSET', Events.key(id), 'type', name, 'verification', verification_id,
    'snapshot', snapshot(verification), 'attempts', 0)
  redis.call('PEXPIRE', Events.key(id), POLICY.event_ttl_ms)
  redis.call('ZADD', pending, NOW, id)
  redis.call('PEXPIRE', pending, POLICY.event_ttl_ms)
end
