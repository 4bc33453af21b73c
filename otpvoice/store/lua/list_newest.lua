-- Read the newest verifications that match, some at a time, for operators.
--
-- list newest   bare ids of verifications, the newest first
--
-- Arguments  after: the id behind which to go on; without it, from the newest
--            count: ids to go through; limit: verifications to return
--            created_from_ms, created_before_ms; client, status, reason; region, prefix: of the number
--            outcome, route, line: of one of its calls. The reason may be of this call, too
-- Returns    results: {Verifications.result("listed"), ...}; last: the last id; has_more: 1 if there may be more;
--            is_lost: 1 if `after` is no longer in the list
--
-- Afterwards, to log it:
-- Arguments  operator, listed: how many were shown

if ARGS.operator then
  append_audit('operator.listed', { operator = ARGS.operator, results = tonumber(ARGS.listed) })
  return {}
end

local created_from = tonumber(ARGS.created_from_ms or '0')
local created_before = tonumber(ARGS.created_before_ms or '') or math.huge

local function is_of_area(number)
  if not ARGS.region and not ARGS.prefix then return true end
  local keys = Numbers.limit_keys(number)
  return (not ARGS.region or keys.region == ARGS.region)
    and (not ARGS.prefix or (keys.area or ''):sub(1, #ARGS.prefix) == ARGS.prefix)
end

local function call_matches(call, reason)
  return (not ARGS.outcome or Calls.outcome(call) == ARGS.outcome) and (not ARGS.route or call.route == ARGS.route)
    and (not ARGS.line or call.bridge == ARGS.line) and (not reason or call.reason == reason)
end

local function matches(verification)
  if ARGS.client and verification.client ~= ARGS.client then return false end
  if ARGS.status and verification.status ~= ARGS.status then return false end
  if not is_of_area(verification.number) then return false end
  local reason = ARGS.reason ~= verification.reason and ARGS.reason or nil
  if not (ARGS.outcome or ARGS.route or ARGS.line or reason) then return true end
  for _, call in ipairs(Calls.of(verification)) do
    if call_matches(call, reason) then return true end
  end
  return false
end

local first, count, limit = 0, tonumber(ARGS.count), tonumber(ARGS.limit)
if ARGS.after then
  local position = redis.call('LPOS', NEWEST, bare(ARGS.after))
  if not position then return { 'results', {}, 'last', ARGS.after, 'has_more', 0, 'is_lost', 1 } end
  first = position + 1
end

local results, last, has_more = {}, ARGS.after or '', 1
local ids = redis.call('LRANGE', NEWEST, first, first + count - 1)
if #ids < count then has_more = 0 end
for i, bare_id in ipairs(ids) do
  local id = 'vrf_' .. bare_id
  local created_at = tonumber(redis.call('HGET', Verifications.key(id), 'created_at') or '')
  if created_at and created_at < created_from then
    has_more = 0
    break
  end
  last = id
  local verification = (not created_at or created_at < created_before) and Verifications.load(id)
  if verification and matches(verification) then results[#results + 1] = Verifications.result('listed', verification) end
  if #results == limit then
    has_more = (i < #ids or has_more == 1) and 1 or 0
    break
  end
end
return { 'results', results, 'last', last, 'has_more', has_more, 'is_lost', 0 }
