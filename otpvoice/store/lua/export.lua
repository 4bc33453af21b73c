-- Read verifications for an export, some at a time.
--
-- Arguments  id1, ...: of verifications; created_from_ms, created_before_ms: others are left out
-- Returns    results: {Verifications.result("exported"), ...}
--            unreadable: {name of a record, ...}: quarantined, now or before; `call:<id>` is missing in its verification
--
-- Before the first of them, to log the export:
-- Arguments  operator; created_from, created_before: as text; whole_numbers

local results, unreadable = {}, {}

local function is_wanted(key)
  local created_at = tonumber(redis.call('HGET', key, 'created_at') or '')
  -- A record without a time is unreadable, which load() finds.
  return not created_at
    or created_at >= tonumber(ARGS.created_from_ms) and created_at < tonumber(ARGS.created_before_ms)
end

local function add(verification)
  for id in Calls.ids(verification) do
    if not Calls.load(id) then unreadable[#unreadable + 1] = 'call:' .. id end
  end
  results[#results + 1] = Verifications.result('exported', verification)
end

for _, id in ipairs(list_argument('id')) do
  local key = Verifications.key(id)
  if redis.call('EXISTS', key) == 1 and is_wanted(key) then
    local verification = Verifications.load(id)
    if verification then
      add(verification)
    else
      unreadable[#unreadable + 1] = 'verification:' .. id
    end
  end
end

if ARGS.operator then
  append_audit('operator.exported', { operator = ARGS.operator, created_from = ARGS.created_from,
    created_before = ARGS.created_before, whole_numbers = ARGS.whole_numbers == '1' })
end
return { 'results', results, 'unreadable', unreadable }
