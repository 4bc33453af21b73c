-- Calls and the queue: their states, the line to a number, and the routes they go by.

local function call_key(id) return PREFIX .. 'call:' .. id end

local function load_call(id)
  local call = records.read('call', id)
  if call then call.id = id end
  return call
end

local function calls_of(verification)
  local calls = {}
  for id in string.gmatch(verification.calls or '', '%S+') do
    calls[#calls + 1] = load_call(id)
  end
  return calls
end

local tell -- in _events.lua, for it shows what only those that follow know

-- `event`: what the client is told of it, if anything: "call.placed".
-- A server that was told to evict may have dropped the record: it must not come back without an end.
local function changed(verification_id, event)
  local key = PREFIX .. 'verification:' .. verification_id
  if redis.call('EXISTS', key) == 0 then return end
  redis.call('HINCRBY', key, 'version', 1)
  if event then tell(verification_id, event) end
end

-- Whose limits a call counts in: {number, client, ip, is_approved}.
local function owner_of(call)
  local key = PREFIX .. 'verification:' .. call.verification
  local client, ip, status = unpack(redis.call('HMGET', key, 'client', 'ip', 'status'))
  return { number = call.number, client = client, ip = ip, is_approved = status == 'approved' }
end

-- Undo the mark of a call that provably did not ring. `refused`: the provider answered and took no call. Then
-- the gap holds all the same, so that nobody has a number's calls requested in a loop; only this attempt goes
-- on within it, by its next request or route.
local function as_if_never_sent(call, refused)
  if call.gap_after and refused then
    gaps.keep(call.number, call.gap_after)
    call.own_gap = call.gap_after
    redis.call('HSET', call_key(call.id), 'own_gap', call.own_gap)
  elseif call.gap_after then
    return_gap(call.number, call.gap_before, call.gap_after)
  end
  redis.call('HDEL', call_key(call.id), 'sent_at', 'live_until', 'gap_before', 'gap_after')
  call.sent_at, call.live_until, call.gap_before, call.gap_after = nil, nil, nil, nil
end

-- The queue ---------------------------------------------------------------------------------------

-- Each client has a queue of its own, so that no backlog stands before another client's call:
--   queue           zset  client -> when to dial its first call (ms)
--   queue:<client>  zset  call id -> when to dial it (ms)
--   live:<client>   zset  call id -> until when it may ring or talk (ms), as in `live`
local queues = {}

function queues.of(client) return PREFIX .. 'queue:' .. (client or '') end
function queues.live(client) return PREFIX .. 'live:' .. (client or '') end

-- Return the id of a client's first call and when to dial it, or nil.
function queues.first(client)
  local first = redis.call('ZRANGE', queues.of(client), 0, 0, 'WITHSCORES')
  return first[1], tonumber(first[2])
end

-- Return when to dial the first call of all, or nil.
function queues.head() return tonumber(redis.call('ZRANGE', QUEUE, 0, 0, 'WITHSCORES')[2]) end

function queues.index(client)
  local _, due = queues.first(client)
  if due then redis.call('ZADD', QUEUE, due, client) else redis.call('ZREM', QUEUE, client) end
end

-- Queue a call, or move it within the queue.
function queues.put(id, client, due)
  redis.call('ZADD', queues.of(client), due, id)
  redis.call('PEXPIRE', queues.of(client), HOUR)
  queues.index(client)
end

function queues.remove(id, client)
  if redis.call('ZREM', queues.of(client), id) == 1 then queues.index(client) end
end

-- Make calls that are still queued due now, or when the pause ends that the provider asked for.
function queues.bring_forward(ids)
  for _, id in ipairs(ids) do
    local client, not_before = unpack(redis.call('HMGET', call_key(id), 'client', 'not_before'))
    if client and redis.call('ZSCORE', queues.of(client), id) then
      queues.put(id, client, math.max(NOW, tonumber(not_before or '') or NOW))
    end
  end
end

local function wake()
  redis.call('LPUSH', WAKE, '1')
  redis.call('LTRIM', WAKE, 0, 99)
  redis.call('PEXPIRE', WAKE, 60000)
end

-- A sleeping dialer knows the head of the queue only: a new head is told to it.
local function enqueue(id, client, due)
  local head = queues.head()
  queues.put(id, client, due)
  if due <= NOW or not head or due < head then wake() end
end

-- Routes: hash {row, closings, closed_until, probe, probe_until, probe_call, refused}; none while all is well
-- `row`: the requests in a row that were not accepted; `probe`: which calls may try it (record.lua);
-- `probe_call`: the call that tries it until `probe_until`.
-- `refused`: the senders that a route is closed for because it refused them; without it, it is closed for all.
-- A sender is what the settings of a client choose for a call: its bridge and its flow.

local function route_key(route) return PREFIX .. 'route:' .. route end

local routes = {}

-- `of`: {bridge, flow}, a call
function routes.sender(of)
  return (((of.bridge or '') .. '/' .. (of.flow or '')):gsub('[%s|]', '_'))
end

-- Return the state of a route as a call of this sender finds it: without `closed_until` if it is open for it.
function routes.state(route, sender)
  local state = records.read('route', route) or {}
  if state.refused and not (' ' .. state.refused .. ' '):find(' ' .. sender .. ' ', 1, true) then
    state.closed_until, state.probe_until = nil, nil
  end
  return state
end

local function is_closed(route, sender)
  return tonumber(routes.state(route, sender).closed_until or '0') > NOW
end

-- Closed, or waiting for the call that tries them.
local function closed_routes()
  local closed = {}
  for _, route in ipairs(RULES.routes) do
    if redis.call('HEXISTS', route_key(route), 'closed_until') == 1 then closed[#closed + 1] = route end
  end
  return closed
end

-- At most one call of a bridge and number is live ---------------------------------------------------

local function line_key(bridge, number) return PREFIX .. 'line:' .. bridge .. ':' .. number end
local function waiting_key(bridge, number) return PREFIX .. 'waiting:' .. bridge .. ':' .. number end

-- The line's key outlives the hold, because keys end by the server's clock and `live` by NOW, which may be ahead.
local function hold_line(call, until_ms)
  local own = queues.live(call.client)
  redis.call('ZADD', LIVE, until_ms, call.id)
  redis.call('ZREMRANGEBYSCORE', own, '-inf', NOW)
  redis.call('ZADD', own, until_ms, call.id)
  redis.call('PEXPIRE', own, HOUR)
  redis.call('SET', line_key(call.bridge, call.number), call.id, 'PX', DAY)
end

-- The call that holds the line of this one, and until when; nil when nothing does.
local function line_holder(call)
  local id = redis.call('GET', line_key(call.bridge, call.number))
  local until_ms = id and id ~= call.id and tonumber(redis.call('ZSCORE', LIVE, id) or '0')
  if until_ms and until_ms > NOW then return id, until_ms end
end

local function release_line(call)
  redis.call('ZREM', LIVE, call.id)
  redis.call('ZREM', queues.live(call.client), call.id)
  local key = line_key(call.bridge, call.number)
  if redis.call('GET', key) == call.id then redis.call('DEL', key) end
  local waiting = waiting_key(call.bridge, call.number)
  queues.bring_forward(redis.call('SMEMBERS', waiting))
  redis.call('DEL', waiting)
  if (queues.head() or math.huge) <= NOW then wake() end
end

-- Calls -------------------------------------------------------------------------------------------

local function has_ended(status) return next(CALL_TRANSITIONS[status]) == nil end

-- Milliseconds from a silence to the first question about it: the provider may still be at it.
local FIRST_PULL = 3000

-- Only what was never sent can go back to the queue or be called off.
local UNSENT_ONLY = { queued = true, canceled = true, expired = true }

-- Nobody places a call to a test number. `taken`: the provider just told that it has the call.
local function count_call(call, status, taken)
  count('call', call.test and 'test' or call.route, status, call.sent_at and NOW - call.sent_at or '')
  if not call.test and status ~= 'queued' then books.call(call, status, taken) end
end

-- Moves a call if the table allows it; `changes` are further fields. False: nothing was changed.
-- A reason and the provider's word belong to the state that they came with.
local function move_call(call, status, changes)
  if not CALL_TRANSITIONS[call.status][status] then return false end
  if UNSENT_ONLY[status] and call.sent_at then return false end
  redis.call('HDEL', call_key(call.id), 'reason', 'raw')
  call.status, call.reason, call.raw = status, nil, nil
  local fields = { 'status', status }
  for field, value in pairs(changes or {}) do
    call[field] = value
    fields[#fields + 1], fields[#fields + 2] = field, value
  end
  redis.call('HSET', call_key(call.id), unpack(fields))
  queues.remove(call.id, call.client)
  if status ~= 'dialing' then redis.call('ZREM', DIALING, call.id) end
  if has_ended(status) then
    redis.call('HSET', call_key(call.id), 'ended_at', NOW)
    redis.call('ZREM', PULL, call.id)
    if UNSENT_ONLY[status] then
      local owner = owner_of(call)
      return_places(owner, call.id, status == 'canceled' and not owner.is_approved)
    end
    release_line(call)
  elseif status == 'placed' then
    redis.call('ZADD', PULL, NOW + RULES.callback_timeout, call.id)
  elseif status == 'unknown' and tonumber(call.live_until or '0') > NOW then
    redis.call('ZADD', PULL, NOW + FIRST_PULL, call.id)
  end
  if status == 'answered' then
    local verification = records.read('verification', call.verification)
    if verification and verification.status ~= 'pending' then
      verification.id = call.verification
      count_answered(verification)
    end
  end
  changed(call.verification, 'call.' .. status)
  if status ~= 'queued' and status ~= 'dialing' then
    count_call(call, status, changes and changes.placed_at)
  end
  return true
end

-- Puts the call back where any dialer finds it.
local function requeue(call, due)
  if not move_call(call, 'queued', { due_at = due, not_before = due }) then return end
  redis.call('HDEL', call_key(call.id), 'holder')
  release_line(call)
  enqueue(call.id, call.client, due)
end

local function is_live(call)
  if call.status == 'dialing' then return true end
  return (call.status == 'placed' or call.status == 'unknown') and tonumber(call.live_until or '0') > NOW
end

-- The call of a verification that is under way: queued, or live.
local function call_under_way(verification)
  for _, call in ipairs(calls_of(verification)) do
    if call.status == 'queued' or is_live(call) then return call end
  end
end

-- Return until when the gap of its number holds a call. A gap that its own attempt left does not.
function gaps.of_call(call)
  local until_ms = gap_until(call.number)
  return until_ms == tonumber(call.own_gap or '-1') and 0 or until_ms
end

-- `spec`: {id, route, locale, flow, bridge, caller_id, tried, own_gap}; an empty route or locale is the
-- verification's own. The flow is the provider's id of the script that speaks the locale. It is stored with the
-- call, so that a dialer needs no settings of the client.
local function queue_call(verification, spec, due)
  local key, route = call_key(spec.id), spec.route ~= '' and spec.route or verification.route
  redis.call('HSET', key, 'verification', verification.id, 'number', verification.number, 'client', verification.client,
    'status', 'queued', 'route', route,
    'locale', spec.locale ~= '' and spec.locale or verification.locale,
    'bridge', spec.bridge, 'due_at', due)
  local own = spec.locale == '' or spec.locale == verification.locale
  local flow = spec.flow and spec.flow ~= '' and spec.flow or own and verification.flow
  if flow then redis.call('HSET', key, 'flow', flow) end
  if spec.caller_id ~= '+' .. spec.bridge then redis.call('HSET', key, 'caller_id', spec.caller_id) end
  if verification.trial then redis.call('HSET', key, 'trial', 1) end
  if spec.tried then redis.call('HSET', key, 'tried', spec.tried) end
  if spec.own_gap then redis.call('HSET', key, 'own_gap', spec.own_gap) end
  if verification.test then redis.call('HSET', key, 'test', 1) end
  take_places(verification, spec.id, due)
  redis.call('PEXPIRE', key, redis.call('PTTL', PREFIX .. 'verification:' .. verification.id))
  verification.calls = ((verification.calls or '') .. ' ' .. spec.id):gsub('^ ', '')
  redis.call('HSET', PREFIX .. 'verification:' .. verification.id, 'calls', verification.calls)
  enqueue(spec.id, verification.client, due)
  changed(verification.id)
  count_call({ route = route, test = verification.test }, 'queued')
end

-- The last moment for which a call may be queued.
local function last_due(verification) return verification.expires_at - verification.queue_margin end

-- Why no call can be taken on, as an outcome; nil when one can. A delayed call may wait for a dialer
-- to come back, and a test number needs no route.
-- `of`: {client, test}   `sender`: of the call
local function calls_closed(of, sender, delayed, heard_within, overdue_after)
  local alive = redis.call('ZCOUNT', DIALERS, NOW - heard_within, '+inf') > 0
  local open = of.test ~= nil
  for _, route in ipairs(RULES.routes) do open = open or not is_closed(route, sender) end
  if not delayed and not (alive and open) then return 'calls_unavailable' end
  if not alive then return nil end
  local _, due = queues.first(of.client)
  if due and NOW - due > tonumber(overdue_after) then return 'over_capacity' end
end
