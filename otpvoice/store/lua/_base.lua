-- What all functions share: the state of one run, commands, and the clock.
--
-- functions.py renders in front of this file, from Python:
--   CALL_TRANSITIONS[status]   set of the statuses that it may change to (core/verification.py)
--   POLICY                     limits and other settings (store/policy.py)
--   CLIENT(name)               {counters, deliver_only, has_events} of one client
-- These tables never change: the server keeps them from one run to the next.
--
-- Each further prelude (_*.lua) is a block that fills its own tables, so the order of the files does not matter.
-- Each function is one file without an underscore.
--
-- KEYS 1-7 are the same for every function (store/keys.py lists all keys):
--   1 queue           zset  client -> time at which its first call is due (ms)
--   2 dialing         zset  call id -> end of its lease (ms)
--   3 live            zset  call id -> time until which it may ring or be connected (ms)
--   4 expiring        zset  verification id -> end of its life (ms)
--   5 wake            list  a token for each reason to read the queue now
--   6 dialers         zset  dialer id -> its last heartbeat (ms)
--   7 status_queries  zset  call id -> time at which to query its status (ms)
-- ARGV 1 key prefix   ARGV 2 offset of the clock in ms: 0 in production, tests move the clock with it
--
-- No function catches errors: a function that fails half way must be reported, never counted as done.

local Records, Counters, Windows, Numbers, Stats, Breakers, Limits, Capacity = {}, {}, {}, {}, {}, {}, {}, {}
local Queue, Routes, NumberLock, Calls, Verifications = {}, {}, {}, {}, {}
local Events, Reports, Idempotency = {}, {}, {}

-- All that belongs to one run. Whatever else stands outside of a function outlives it.
local KEYS, ARGV, PREFIX, NOW
local QUEUE, DIALING, LIVE, EXPIRING, WAKE, DIALERS, STATUS_QUERIES, BREAKERS
local loaded    -- what was read of numbers: see _numbers.lua
local metrics -- see below

local MINUTE_MS, HOUR_MS, DAY_MS = 60000, 3600000, 86400000

-- Commands ----------------------------------------------------------------------------------------
--
-- All functions call the server through this `redis`. A key that holds another type of value than the library
-- expects, or a counter that is not an integer, is quarantined (_records.lua). Then the command runs as if the key
-- did not exist. Otherwise one such key would fail every run that meets it, such as every claim and every sweep.

local redis = (function(library, api)
  local run -- known once a function runs: a library that is being loaded has no commands

  local function call(...)
    run = run or api().pcall
    local reply = run(...)
    if type(reply) ~= 'table' then return reply end
    local fault = reply.err
    if not fault then return reply end
    local why = fault:find('WRONGTYPE', 1, true) and 'another type of value'
      or fault:find('hash value is not an integer', 1, true) and 'a counter that is no number'
      or fault:find('would overflow', 1, true) and 'a counter at its end'
    if not why then error(reply) end
    Records.quarantine(select(2, ...), why)
    return api().call(...)
  end

  -- For those who want to see the refusal of a command.
  local function pcall(...) return api().pcall(...) end

  return { call = call, pcall = pcall, register_function = library.register_function }
end)(redis, function() return redis end)

local function load_hash(key)
  local flat = redis.call('HGETALL', key)
  if #flat == 0 then return nil end
  local record = {}
  for i = 1, #flat, 2 do record[flat[i]] = flat[i + 1] end
  return record
end

-- A key lives at least so long from now; never shorter than before.
local function extend_ttl(key, milliseconds)
  if redis.call('PTTL', key) < milliseconds then redis.call('PEXPIRE', key, milliseconds) end
end

-- What the log is to be told: a dialer fetches it with its next sweep.
local function append_audit(event, details)
  details.event, details.at = event, NOW
  redis.call('RPUSH', PREFIX .. 'audit_log', cjson.encode(details))
  redis.call('LTRIM', PREFIX .. 'audit_log', -1000, -1)
  redis.call('PEXPIRE', PREFIX .. 'audit_log', 7 * DAY_MS)
end

-- What the process that runs a rule is to count: words, a line for each change. They go with the rule's reply.
--   call <route or "test"> <status> <ms since it was sent, or "">     queued, and whatever it comes to
--   dialed <route> <ms since it was due>                              redial <route>
--   verification <status> <ms since it began> <client>                its end
local function count(...) metrics[#metrics + 1] = table.concat({ ... }, ' ') end

-- The clock ---------------------------------------------------------------------------------------
--
-- text clock   "<time> <lead>": the server's time when this was written, and how far ahead of it the
--              functions were (ms)
--
-- A server's clock may be set back, and a promoted replica has a clock of its own. The time of the
-- functions then goes on where it was, with a lead over the server's. The lead shrinks by a tenth of the
-- time that passes, and at once when the clock is set forward again.

local Clock = { WRITE_INTERVAL_MS = 1000, LEAD_DIVISOR = 10, TTL_MS = DAY_MS,
  -- Dialers run functions every second: a longer step than this is a clock that was set forward.
  MAX_STEP_MS = 5000 }

function Clock.server_time()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2]
end

function Clock.lead_after(passed, lead)
  if passed < 0 then return lead - passed end
  if passed > Clock.MAX_STEP_MS then return math.max(0, lead - passed) end
  return math.max(0, lead - math.floor(passed / Clock.LEAD_DIVISOR))
end

-- Reads the time, and remembers it once a second.
function Clock.now()
  local server_time = Clock.server_time()
  local seen, lead = string.match(redis.call('GET', PREFIX .. 'clock') or '', '^(%d+) (%d+)$')
  local passed = seen and server_time - seen
  lead = passed and Clock.lead_after(passed, tonumber(lead)) or 0
  NOW = server_time + lead
  if not passed or math.abs(passed) >= Clock.WRITE_INTERVAL_MS then
    redis.call('SET', PREFIX .. 'clock', string.format('%.0f %.0f', server_time, lead), 'PX', Clock.TTL_MS)
    if passed and passed < 0 then append_audit('clock.moved_back', { seconds = math.floor(-passed / 1000) }) end
  end
end

-- Every function begins with this.
local function init(keys, arguments)
  KEYS, ARGV, PREFIX = keys, arguments, arguments[1]
  loaded, metrics = {}, {}
  QUEUE, DIALING, LIVE, EXPIRING, WAKE, DIALERS, STATUS_QUERIES = unpack(keys, 1, 7)
  BREAKERS = PREFIX .. 'breakers'
  Clock.now()
end
