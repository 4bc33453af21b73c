-- Read verifications for an export, some at a time.
--
-- Arguments  id1, ...: of verifications; created_from_ms, created_before_ms, number (its hash): others are left out
-- Returns    results: {Verifications.result("exported"), ...}
--            unreadable: {name of a record, ...}: quarantined, now or before; `call:<id>` is missing in its verification
--
-- Before the first of them, to log the export:
-- Arguments  operator; created_from, created_before: as text; number, to: its hash, and masked; whole_numbers

local results, unreadable = {}, {}

-- A record without one of the fields is unreadable, which load() finds.
local function is_selected(key)
  local created_at, number = unpack(redis.call('HMGET', key, 'created_at', 'number'))
  created_at = tonumber(created_at or '')
  local in_time = not created_at
    or created_at >= tonumber(ARGS.created_from_ms) and created_at < tonumber(ARGS.created_before_ms)
  return in_time and (not number or not ARGS.number or number == ARGS.number)
end

local function add(verification)
  for id in Calls.ids(verification) do
    if not Calls.load(id) then unreadable[#unreadable + 1] = 'call:' .. id end
  end
  results[#results + 1] = Verifications.result('exported', verification)
end

for _, id in ipairs(list_argument('id')) do
  local key = Verifications.key(id)
  if redis.call('EXISTS', key) == 1 and is_selected(key) then
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
    created_before = ARGS.created_before, number = ARGS.number, to = ARGS.to, whole_numbers = ARGS.whole_numbers == '1' })
end
return { 'results', results, 'unreadable', unreadable }
