-- Finds verifications by what is known of them, for operators.
--
-- ARGV 3 "number", "reference" or "id"   4 its name, or the id   5 who   6 what was asked for, masked
-- Returns {now, {verification as in answer("found")}, ...}

local ids = {}
if ARGV[3] == 'number' then
  ids = Numbers.verifications(ARGV[4])
elseif ARGV[3] == 'reference' then
  local known = redis.call('GET', PREFIX .. 'reference:' .. ARGV[4]) or ''
  for id in string.gmatch(known, '%S+') do ids[#ids + 1] = id end
else
  ids = { ARGV[4] }
end

local reply = { NOW }
for _, id in ipairs(ids) do
  local verification = Verifications.load(id)
  if verification then reply[#reply + 1] = Verifications.result('found', verification) end
end
append_audit('operator.searched', { query = ARGV[6], results = #reply - 1, operator = ARGV[5] })
return reply
