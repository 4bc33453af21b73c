-- Find verifications, for operators.
--
-- Arguments  number or reference: a hash, or id; operator, query: what was searched for, masked
-- Returns    results: {Verifications.result("found"), ...}

local ids = { ARGS.id }
if ARGS.number then
  ids = Numbers.verifications(ARGS.number)
elseif ARGS.reference then
  ids = Verifications.of_reference(ARGS.reference)
end

local results = {}
for _, id in ipairs(ids) do
  local verification = Verifications.load(id)
  if verification then results[#results + 1] = Verifications.result('found', verification) end
end
append_audit('operator.searched', { query = ARGS.query, results = #results, operator = ARGS.operator })
return { 'results', results }
