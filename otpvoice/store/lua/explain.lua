-- Which limits hold a number, for operators.
--
-- KEYS 8 refusals:<number>   ARGV 3 number (its name)   4 prefix (its name)   5 area   6- clients
-- Returns {now, gap_until, blocked_until, {{client or "", limit, used, until when or 0}, ...},
--          {refusal (JSON), ...}}

local usage, number = {}, ARGV[3]
local limit_keys = { prefix = ARGV[4], area = ARGV[5] }

for _, limit in ipairs(Limits.of_call({ number = number, limit_keys = limit_keys }, NOW)) do
  usage[#usage + 1] = { '', limit[1], limit[3], limit[2] }
end
for i = 6, #ARGV do
  for _, each in ipairs(CLIENT(ARGV[i]).counters) do
    local full, used = Counters.retry_at(each.name, each, NOW)
    usage[#usage + 1] = { ARGV[i], each.label, used, full }
  end
  local pending = 0
  for _ in pairs(Numbers.pending(number, ARGV[i])) do pending = pending + 1 end
  usage[#usage + 1] = { ARGV[i], 'pending_per_number', pending, 0 }
  for _, limit in ipairs(Limits.of_creates({ client = ARGV[i] })) do
    usage[#usage + 1] = { ARGV[i], limit[1], limit[3], limit[2] }
  end
end
return { NOW, Numbers.gap_until(number), Numbers.blocked_until(number), usage, redis.call('LRANGE', KEYS[8], 0, -1) }
