-- What the rules share: this file, then _tallies.lua, _numbers.lua, _figures.lua, _breakers.lua, _limits.lua,
-- _calls.lua, _verifications.lua, _events.lua, _reports.lua and _again.lua; each knows those before it. (Lua
-- ends at 200 names; some 170 are taken.) Each rule is a function behind them (store/functions.py), which may use sixty of
-- these names.
-- The store puts this in front of them, rendered from Python (store/script_config.py):
--   CALL_TRANSITIONS[status]   set of the statuses it may move to (core/verification.py)
--   RULES                how calls follow each other, and the limits
--   CLIENT(name)         {tallies, deliver_only, told}: what a client has of its own
-- None of these tables is ever changed: the server keeps them from one run to the next.
--
-- KEYS 1-7 are the same for every rule (see keys.py for the whole legend):
--   1 queue     zset  client -> when to dial its first call (ms)
--   2 dialing   zset  call id -> when its lease ends (ms)
--   3 live      zset  call id -> until when it may ring or talk (ms)
--   4 expiring  zset  verification id -> end of its life (ms)
--   5 wake      list  a token for each reason to look at the queue now
--   6 dialers   zset  dialer id -> last heard (ms)
--   7 pull      zset  call id -> when to ask the provider about it (ms)
-- ARGV 1 key prefix   ARGV 2 offset of the clock in ms: 0 but in tests, which move it
--
-- Errors are not caught anywhere: a rule that fails half way must be seen, never counted as done.

-- All that belongs to one run. Whatever else stands outside of a function outlives it.
local KEYS, ARGV, PREFIX, NOW
local QUEUE, DIALING, LIVE, EXPIRING, WAKE, DIALERS, PULL, BREAKERS
local read    -- what was read of numbers: see _numbers.lua
local counted -- see below

local MINUTE, HOUR, DAY = 60000, 3600000, 86400000

local function load(key)
  local flat = redis.call('HGETALL', key)
  if #flat == 0 then return nil end
  local record = {}
  for i = 1, #flat, 2 do record[flat[i]] = flat[i + 1] end
  return record
end

-- A key lives at least so long from now; never shorter than before.
local function keep_for(key, milliseconds)
  if redis.call('PTTL', key) < milliseconds then redis.call('PEXPIRE', key, milliseconds) end
end

-- What the log is to be told: a dialer fetches it with its next sweep.
local function notice(event, details)
  details.event, details.at = event, NOW
  redis.call('RPUSH', PREFIX .. 'notices', cjson.encode(details))
  redis.call('LTRIM', PREFIX .. 'notices', -1000, -1)
  redis.call('PEXPIRE', PREFIX .. 'notices', 7 * DAY)
end

-- What the process that runs a rule is to count: words, a line for each change. They go with the rule's reply.
--   call <route or "test"> <status> <ms since it was sent, or "">     queued, and whatever it comes to
--   dialed <route> <ms since it was due>                              redial <route>
--   verification <status> <ms since it began> <client>                its end
local function count(...) counted[#counted + 1] = table.concat({ ... }, ' ') end

-- The clock ---------------------------------------------------------------------------------------
--
-- text clock   "<time> <lead>": the server's time when this was written, and how far ahead of it the
--              functions were (ms)
--
-- A server's clock may be set back, and a promoted replica has a clock of its own. The time of the
-- functions then goes on where it was, with a lead over the server's. The lead shrinks by a tenth of the
-- time that passes, and at once when the clock is set forward again.

local clock = { WRITTEN_EVERY = 1000, SLOWER_BY = 10, KEPT_FOR = DAY,
  -- Dialers run functions every second: a longer step than this is a clock that was set forward.
  LONGEST_STEP = 5000 }

function clock.server_time()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2]
end

function clock.lead_after(passed, lead)
  if passed < 0 then return lead - passed end
  if passed > clock.LONGEST_STEP then return math.max(0, lead - passed) end
  return math.max(0, lead - math.floor(passed / clock.SLOWER_BY))
end

-- Reads the time, and remembers it once a second.
function clock.now()
  local server_time = clock.server_time()
  local seen, lead = string.match(redis.call('GET', PREFIX .. 'clock') or '', '^(%d+) (%d+)$')
  local passed = seen and server_time - seen
  lead = passed and clock.lead_after(passed, tonumber(lead)) or 0
  NOW = server_time + lead
  if not passed or math.abs(passed) >= clock.WRITTEN_EVERY then
    redis.call('SET', PREFIX .. 'clock', string.format('%.0f %.0f', server_time, lead), 'PX', clock.KEPT_FOR)
    if passed and passed < 0 then notice('clock.moved_back', { seconds = math.floor(-passed / 1000) }) end
  end
end

-- Every function begins with this.
local function begin(keys, arguments)
  KEYS, ARGV, PREFIX = keys, arguments, arguments[1]
  read, counted = {}, {}
  QUEUE, DIALING, LIVE, EXPIRING, WAKE, DIALERS, PULL = unpack(keys, 1, 7)
  BREAKERS = PREFIX .. 'breakers'
  clock.now()
end
