-- Frees a number from its own limits of calls and codes, and from those of its prefix and area; not from
-- a block, and not from the limits of addresses, clients and the service.
--
-- ARGV 3 number (its name)   4 prefix (its name)   5 area   6 who   7 the number, masked
-- Returns {now}

local number = ARGV[3]

drop_from_number(number, 'until', 'sent', 'last', 'called_off')
for id, place in pairs(calls_to(number)) do
  local call = load_call(id)
  if not call or has_ended(call.status) then
    drop_from_number(number, 'call ' .. id)
  elseif call.sent_at then
    write_call(number, id, place.at, false)
  end
end
for _, quota in ipairs(RULES.wrong_codes_per_number) do
  redis.call('DEL', tally_key('wrong ' .. number, quota.window))
end
redis.call('DEL', prefix_key(ARGV[4]))
redis.call('ZREM', BREAKERS, area_breaker(ARGV[5]))
notice('limits.cleared', { number = number, to = ARGV[7], operator = ARGV[6] })
return { NOW }
