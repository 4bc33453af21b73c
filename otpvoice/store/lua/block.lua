-- Calls a number no more, at the wish of who answers there; or again.
--
-- ARGV 3 number (its name)   4 for how long, ms; 0: it may be called again   5 who   6 the number, masked
-- Returns {now, how many queued calls were called off}

local number, length, called_off = ARGV[3], tonumber(ARGV[4]), 0

if length == 0 then
  drop_from_number(number, 'blocked_until')
  notice('number.unblocked', { number = number, to = ARGV[6], operator = ARGV[5] })
  return { NOW, 0 }
end
write_number(number, { blocked_until = NOW + length })
keep_for(number_key(number), length)
for id in pairs(calls_to(number)) do
  local call = load_call(id)
  if call and call.status == 'queued' and move_call(call, 'canceled', { reason = 'refused' }) then
    called_off = called_off + 1
  end
end
notice('number.blocked', { number = number, to = ARGV[6], operator = ARGV[5], seconds = length / 1000 })
return { NOW, called_off }
