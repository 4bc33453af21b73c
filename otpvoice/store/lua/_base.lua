-- What all functions share: the state of one run, the server's commands, and the clock.
--
-- In front of this file stands POLICY, rendered from store/policy.py. It never changes while the library is loaded.
-- Each further prelude (_*.lua) is a block that fills its own table, so the order of the files does not matter.
-- Each function is one file without an underscore. It reads its arguments from ARGS, by name.
--
-- KEYS 1     the prefix of all keys, such as "{otpvoice}:"; store/__init__.py lists the keys
-- ARGV 1     offset of the clock in ms: 0 in production, tests move the clock with it
-- ARGV 2-    name, value, ... of the arguments
-- Returns    {reply} or {reply, metrics}; a reply is {name, value, ...}
--
-- An argument that has no value is left out. Names of durations end in `_ms`. A list is passed as <name>1, <name>2, ...
-- No function catches errors: a function that fails half way must be reported, never counted as done.

local Records, Counters, Windows, Numbers, Stats, Breakers, Limits, Capacity = {}, {}, {}, {}, {}, {}, {}, {}
local Queue, Routes, Lines, NumberLock, Calls, Verifications = {}, {}, {}, {}, {}, {}
local Events, Reports, Idempotency, Gate = {}, {}, {}, {}

-- The state of one run. Everything else outside of a function outlives the run.
local ARGS, NOW, CLOCK_OFFSET_MS
local loaded   -- the records that this run has read, by key: see _records.lua and _numbers.lua
local metrics  -- see count()

local PREFIX
local QUEUE          -- zset  client -> time at which its first call is due (ms)
local DIALING        -- zset  call id -> end of its lease (ms)
local LIVE           -- zset  call id -> time until which it may ring or be connected (ms)
local EXPIRING       -- zset  bare verification id -> end of its life (ms)
local WAKE           -- list  a token for each reason to read the queue now
local DIALERS        -- zset  dialer id -> its last heartbeat (ms)
local STATUS_QUERIES -- zset  call id -> time at which to query its status (ms)
local BREAKERS       -- zset  open breaker -> time at which it closes (ms)
local AUDIT_LOG      -- list  entries for the log (JSON)
local NEWEST         -- list  bare ids of the newest verifications: see list_newest.lua
local CLOCK          -- text  see below

local MINUTE_MS, HOUR_MS = 60000, 3600000

-- Commands ----------------------------------------------------------------------------------------
--
-- All functions call the server through this `redis`. A key that holds another type of value than the library
-- expects, or a counter that is not an integer, is quarantined (_records.lua). Then the command runs as if the key
-- did not exist. Otherwise one such key would fail every run that meets it, such as every claim and every sweep.

local redis = (function(library, api)
  local run -- set when a function runs: a library that is being loaded has no commands

  local function call(...)
    run = run or api().pcall
    local reply = run(...)
    if type(reply) ~= 'table' then return reply end
    local fault = reply.err
    if not fault then return reply end
    local reason = fault:find('WRONGTYPE', 1, true) and 'another type of value'
      or fault:find('hash value is not an integer', 1, true) and 'a counter that is no number'
      or fault:find('would overflow', 1, true) and 'a counter at its end'
    if not reason then error(reply) end
    Records.quarantine(select(2, ...), reason)
    return api().call(...)
  end

  -- For functions that handle the error of a command themselves.
  local function pcall(...) return api().pcall(...) end

  return { call = call, pcall = pcall, register_function = library.register_function }
end)(redis, function() return redis end)

-- Return {field, value, ...} as a table.
local function record_of(flat)
  local record = {}
  for i = 1, #flat, 2 do record[flat[i]] = flat[i + 1] end
  return record
end

-- Return a hash as a table, or nil when there is none.
local function load_hash(key)
  local flat = redis.call('HGETALL', key)
  return #flat > 0 and record_of(flat) or nil
end

-- Return an id without `vrf_` or `call_`: the form in indexes that have ids of one kind.
local function bare(id) return (id:gsub('^%a+_', '')) end

-- Append to a reply {name, value, ...} the fields that a record has. `names`: name in the reply -> name of the field
local function append_fields(reply, record, names)
  for name, field in pairs(names) do
    if record[field] then reply[#reply + 1], reply[#reply + 2] = name, record[field] end
  end
  return reply
end

-- Let a key live for at least this long from now, never shorter than before. A run asks for a key's life once.
local function extend_ttl(key, ttl_ms)
  local known_ms = loaded['ttl ' .. key] or redis.call('PTTL', key)
  if known_ms == -2 then return end -- there is no such key, and the one that this run may still write has no life yet
  if known_ms < ttl_ms then redis.call('PEXPIRE', key, ttl_ms) end
  loaded['ttl ' .. key] = math.max(known_ms, ttl_ms)
end

-- Return the values of a list argument: <name>1, <name>2, ...
local function list_argument(name)
  local values, i, value = {}, 1, ARGS[name .. 1]
  while value do
    values[i], i = value, i + 1
    value = ARGS[name .. i]
  end
  return values
end

-- Return whether a text of words, with a space between each two, has this one. The text may be nil.
local function has_word(text, word)
  return text ~= nil and (' ' .. text .. ' '):find(' ' .. word .. ' ', 1, true) ~= nil
end

local UNKNOWN_CLIENT = { counters = {}, deliver_only = false, has_events = false }

-- Return {counters, deliver_only, has_events}: what the settings of this process say about a client.
local function client_policy(name) return POLICY.clients[name] or UNKNOWN_CLIENT end

-- Leave an entry for the log. A dialer fetches it with its next sweep.
local function append_audit(event, details)
  details.event, details.at = event, NOW
  redis.call('RPUSH', AUDIT_LOG, cjson.encode(details))
  redis.call('LTRIM', AUDIT_LOG, -POLICY.audit_max_entries, -1)
  redis.call('PEXPIRE', AUDIT_LOG, POLICY.audit_ttl_ms)
end

-- Report a change, as words, to the metrics of the process that runs the function (StoreMetrics):
--   call <route or "test"> <status> <ms since it was sent, or "">
--   dialed <route> <ms since it was due>
--   redial <route>
--   verification <status> <ms since it was created> <client>
--   denial <client>
--   line <caller line> <answered or unanswered>
local function count(...) metrics[#metrics + 1] = table.concat({ ... }, ' ') end

-- Every table in a reply costs the server time, so empty metrics are left out.
local function reply_of(reply) return metrics[1] and { reply, metrics } or { reply } end

-- The clock ---------------------------------------------------------------------------------------
--
-- text clock   "<time> <lead>": the server's time when this was written, and how far ahead of it the
--              functions were (ms)
--
-- A server's clock may be set back, and a promoted replica has a clock of its own. The time of the functions then
-- continues where it was, with a lead over the server's time. The lead shrinks slowly while time passes, and at once
-- when the clock is set forward again.

local function server_time()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000) + CLOCK_OFFSET_MS
end

local function clock_lead_after(passed_ms, lead)
  if passed_ms < 0 then return lead - passed_ms end
  if passed_ms > POLICY.clock_max_step_ms then return math.max(0, lead - passed_ms) end
  return math.max(0, lead - math.floor(passed_ms / POLICY.clock_lead_divisor))
end

local clock_text, clock_time, clock_lead -- the clock as it was parsed last: it changes once in an interval

local function parse_clock(text)
  local time, lead = string.match(text, '^(%d+) (%d+)$')
  clock_text, clock_time, clock_lead = text, tonumber(time or ''), tonumber(lead or '')
end

-- Set NOW, and store it once in an interval.
local function read_clock()
  local server_ms, text = server_time(), redis.call('GET', CLOCK) or ''
  if text ~= clock_text then parse_clock(text) end
  local passed_ms = clock_time and server_ms - clock_time
  local lead = passed_ms and clock_lead_after(passed_ms, clock_lead) or 0
  NOW = server_ms + lead
  if not passed_ms or math.abs(passed_ms) >= POLICY.clock_write_interval_ms then
    redis.call('SET', CLOCK, string.format('%.0f %.0f', server_ms, lead), 'PX', POLICY.clock_ttl_ms)
    if passed_ms and passed_ms < 0 then
      append_audit('clock.moved_back', { seconds = math.floor(-passed_ms / 1000) })
    end
  end
end

local function name_keys(prefix)
  PREFIX = prefix
  QUEUE, DIALING, LIVE, EXPIRING = prefix .. 'queue', prefix .. 'dialing', prefix .. 'live', prefix .. 'expiring'
  WAKE, DIALERS, STATUS_QUERIES = prefix .. 'wake', prefix .. 'dialers', prefix .. 'status_queries'
  BREAKERS, AUDIT_LOG, CLOCK = prefix .. 'breakers', prefix .. 'audit_log', prefix .. 'clock'
  NEWEST = prefix .. 'newest'
end

-- Start a run. Every function begins with this.
local function init(keys, arguments)
  if keys[1] ~= PREFIX then name_keys(keys[1]) end
  loaded, metrics, ARGS, CLOCK_OFFSET_MS = {}, {}, {}, arguments[1]
  for i = 2, #arguments, 2 do ARGS[arguments[i]] = arguments[i + 1] end
  read_clock()
end
