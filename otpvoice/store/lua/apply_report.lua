-- Applies the provider's news to the one call they are about. Nothing here can approve.
--
-- KEYS 8 seen:<fingerprint of the message>
--      9 .. 8+p       provider:<id> for each id the message carries
--      9+p .. 8+2p    early:<id> for each of them
--      9+2p ..        line:<bridge>:<number> where the person may have been called
-- ARGV 3 seen ms, 0: not to be known again   4 our call id or ""   5 p   6 route or ""   7 start_at ms or ""
--      8 slack of start_at, ms   9 status   10 reason or ""   11 raw or ""   12 duration in seconds or ""
--     13 provider's id or ""   14 keep ms   15 id for a further call
--     16 the person's number (its name) if the message names no bridge, or "": the call may go over a bridge that
--        only another process's settings have
-- Returns {"applied" | "late" | "seen" | "early" | "no_call" | "several" | "clock", now, call id, call status,
--          verification id, "1" if it is the call of a trial}

-- A message that was pulled has no fingerprint: it may say the same again.
local seen_for = tonumber(ARGV[3])
if seen_for > 0 and redis.call('EXISTS', KEYS[8]) == 1 then return { 'seen', NOW } end

local known = tonumber(ARGV[5])
local report = { status = ARGV[9], reason = ARGV[10], raw = ARGV[11], duration = ARGV[12], next_id = ARGV[15] }

local function find_by_id()
  local call = ARGV[4] ~= '' and Calls.load(ARGV[4])
  for i = 9, 8 + known do
    local id = not call and redis.call('GET', KEYS[i])
    call = call or id and Calls.load(id)
  end
  return call
end

-- Without an id that we know: the live calls of that source, bridge and person. Where the message
-- carries an id, a call that has another one is not meant.
local function find_by_number()
  local found = {}
  if ARGV[4] ~= '' then return found end
  local ids = {}
  for i = 9 + 2 * known, #KEYS do
    local id = redis.call('GET', KEYS[i])
    if id then ids[id] = true end
  end
  for id in pairs(ARGV[16] ~= '' and Numbers.calls(ARGV[16]) or {}) do ids[id] = true end
  for id in pairs(ids) do
    local call = Calls.load(id)
    local may_be_it = call and call.sent_at and Calls.is_live(call)
      and (known == 0 or not call.provider_id)
      and (ARGV[6] == '' or ARGV[6] == call.route)
    if may_be_it then
      found[#found + 1] = call
    end
  end
  return found
end

-- News of an earlier call must not be taken for news of this one. No start, no trust.
local function has_matching_start(call)
  local start_at, slack = tonumber(ARGV[7]), tonumber(ARGV[8])
  return start_at and start_at >= call.sent_at - slack and start_at <= NOW + slack
end

local function result_of(news, call)
  if not call then return { news, NOW } end
  return { news, NOW, call.id, call.status, call.verification, call.live_test or '' }
end

-- The message is no call's so far. It is kept under its ids: the provider's reply to one of our requests,
-- which tells whose they are, may not be recorded yet. `found`: the calls that it may be about.
local function keep_unmatched(found)
  local awaits_reply = false
  for _, call in ipairs(found) do awaits_reply = awaits_reply or call.status == 'dialing' end
  for i = 9 + known, 8 + 2 * known do Reports.keep_early(KEYS[i], report) end
  if #found == 0 then return result_of('no_call') end
  local news = known > 0 and awaits_reply and 'early' or #found > 1 and 'several' or 'clock'
  return result_of(news, #found == 1 and found[1])
end

local call = find_by_id()
if not call then
  local found = find_by_number()
  if #found ~= 1 or not has_matching_start(found[1]) then return keep_unmatched(found) end
  call = found[1]
end
-- Only now: a message that was no call's is news again when it is repeated.
if seen_for > 0 then redis.call('SET', KEYS[8], '1', 'PX', seen_for) end

if ARGV[13] ~= '' and not call.provider_id then
  redis.call('HSET', Calls.key(call.id), 'provider_id', ARGV[13])
  redis.call('SET', PREFIX .. 'provider_call:' .. ARGV[13], call.id, 'PX', ARGV[14], 'NX')
end
return result_of(Reports.apply(call, report) and 'applied' or 'late', call)
