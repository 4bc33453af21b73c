-- What the rules share: this file, then _tallies.lua, _numbers.lua, _figures.lua, _breakers.lua, _limits.lua,
-- _calls.lua, _verifications.lua, _events.lua, _reports.lua and _again.lua; each knows those before it. (Lua
-- ends at 200 names; some 170 are taken.) Each rule is a function behind them (store/scripts.py), which may use sixty of
-- these names.
-- The store puts this in front of them, rendered from Python (store/rules.py):
--   CALL_MOVES[status]   set of the statuses it may move to (core/verification.py)
--   RULES                how calls follow each other, and the limits
--   CLIENT(name)         {tallies, deliver_only, told}: what a client has of its own
-- None of these tables is ever changed: the server keeps them from one run to the next.
--
-- KEYS 1-7 are the same for every rule (see keys.py for the whole legend):
--   1 queue     zset  call id -> when to dial (ms)
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

local function begin(keys, arguments)
  KEYS, ARGV, PREFIX = keys, arguments, arguments[1]
  read, counted = {}, {}
  QUEUE, DIALING, LIVE, EXPIRING, WAKE, DIALERS, PULL = unpack(keys, 1, 7)
  BREAKERS = PREFIX .. 'breakers'
  local time = redis.call('TIME')
  NOW = time[1] * 1000 + math.floor(time[2] / 1000) + arguments[2]
end

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
