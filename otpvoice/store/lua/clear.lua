-- Frees a number from every limit of its own and of its prefix and area; not from a block, and not from
-- the limits of clients and of the service.
--
-- ARGV 3 number (its name)   4 prefix (its name)   5 area   6 who   7 the number, masked
-- Returns {now}

local number, key = ARGV[3], number_key(ARGV[3])

redis.call('HDEL', key, 'until', 'sent', 'last')
for id in pairs(calls_to(number)) do
  local call = load_call(id)
  if call and not has_ended(call.status) then
    redis.call('HSET', key, 'call ' .. id, '+' .. calls_to(number)[id].at)
  else
    redis.call('HDEL', key, 'call ' .. id)
  end
end
for _, quota in ipairs(RULES.wrong_codes_per_number) do
  redis.call('DEL', tally_key('wrong ' .. number, quota.window))
end
redis.call('DEL', prefix_key(ARGV[4]))
redis.call('ZREM', BREAKERS, 'conversion_breaker area ' .. ARGV[5])
notice('limits.cleared', { number = number, to = ARGV[7], by = ARGV[6] })
return { NOW }
