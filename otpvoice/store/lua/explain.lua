-- Which limits hold a number, for operators.
--
-- KEYS 8 refusals:<number>   ARGV 3 number (its name)   4 prefix (its name)   5 area   6- clients
-- Returns {now, gap_until, blocked_until, {{client or "", limit, used, until when or 0}, ...},
--          {refusal (JSON), ...}}

local held, number = {}, ARGV[3]
local shares = { prefix = ARGV[4], area = ARGV[5] }

for _, limit in ipairs(limits_of_call({ number = number, shares = shares }, NOW)) do
  held[#held + 1] = { '', limit[1], limit[3], limit[2] }
end
for i = 6, #ARGV do
  for _, each in ipairs(CLIENT(ARGV[i]).tallies) do
    local full, used = tally_full_until(each.name, each, NOW)
    held[#held + 1] = { ARGV[i], each.label, used, full }
  end
  local pending = 0
  for _ in pairs(verifications.pending(number, ARGV[i])) do pending = pending + 1 end
  held[#held + 1] = { ARGV[i], 'pending_per_number', pending, 0 }
  for _, limit in ipairs(creates.limits({ client = ARGV[i] })) do
    held[#held + 1] = { ARGV[i], limit[1], limit[3], limit[2] }
  end
end
return { NOW, gap_until(number), blocked_until(number), held, redis.call('LRANGE', KEYS[8], 0, -1) }
