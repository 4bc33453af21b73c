-- Frees a number from its own limits of calls and codes, and from those of its prefix and area; not from
-- a block, and not from the limits of addresses, clients and the service.
--
-- ARGV 3 number (its name)   4 prefix (its name)   5 area   6 who   7 the number, masked
-- Returns {now}

local number = ARGV[3]

Numbers.remove(number, 'gap_until', 'gap_calls', 'gap_last', 'canceled_call_at')
for id, place in pairs(Numbers.calls(number)) do
  local call = Calls.load(id)
  if not call or Calls.has_ended(call.status) then
    Numbers.remove(number, 'call ' .. id)
  elseif call.sent_at then
    Numbers.index_call(number, id, place.at, false)
  end
end
for _, quota in ipairs(POLICY.wrong_codes_per_number) do
  redis.call('DEL', Counters.key('wrong ' .. number, quota.window))
end
redis.call('DEL', Limits.prefix_key(ARGV[4]))
redis.call('ZREM', BREAKERS, Breakers.of_area(ARGV[5]))
append_audit('limits.cleared', { number = number, to = ARGV[7], operator = ARGV[6] })
return { NOW }
