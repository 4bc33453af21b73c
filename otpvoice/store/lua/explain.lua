-- Which limits hold a number, for operators.
--
-- KEYS 8 refusals:<number>   ARGV 3 number (its name)   4 prefix (its name)   5 area
-- Returns {now, gap_until, blocked_until, {{client or "", limit, used, until when or 0}, ...}, {refusal (JSON), ...}}

local held, number = {}, ARGV[3]
local shares = { prefix = ARGV[4], area = ARGV[5] }

each_limit({ number = number, shares = shares }, nil, function(label, full, used)
  held[#held + 1] = { '', label, used or 0, full }
end)
for client in pairs(RULES.clients) do
  for _, each in ipairs(own_tallies_of(client)) do
    local full, used = tally_full_until(each.name, each, 0)
    held[#held + 1] = { client, each.label, used, full }
  end
end
return { NOW, gap_until(number), blocked_until(number), held, redis.call('LRANGE', KEYS[8], 0, -1) }
