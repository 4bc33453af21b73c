-- Clear a number's limits of calls and codes, and those of its prefix and area. A block and the limits of addresses,
-- clients and the service stay.
--
-- Arguments  number, prefix: hashes; area; operator; to: the number, masked

local number = ARGS.number

Numbers.remove(number, 'gap_until', 'gap_calls', 'gap_last', 'canceled_call_at')
for id, indexed in pairs(Numbers.calls(number)) do
  local call = Calls.load(id)
  if not call or Calls.has_ended(call.status) then
    Numbers.remove(number, id)
  elseif call.sent_at then
    Numbers.index_call(number, id, indexed.at, false)
  end
end
Limits.clear_wrong_codes(number)
Limits.clear_declines(number)
redis.call('DEL', Limits.prefix_key(ARGS.prefix))
redis.call('ZREM', BREAKERS, Breakers.of_area(ARGS.area))
append_audit('limits.cleared', { number = number, to = ARGS.to, operator = ARGS.operator })
return {}
