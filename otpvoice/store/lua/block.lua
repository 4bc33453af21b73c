-- Calls a number no more, at the wish of who answers there; or again.
--
-- ARGV 3 number (its name)   4 for how long, ms; 0: it may be called again   5 who   6 the number, masked
-- Returns {now, how many queued calls were called off}

local number, length, canceled = ARGV[3], tonumber(ARGV[4]), 0

if length == 0 then
  Numbers.remove(number, 'blocked_until')
  append_audit('number.unblocked', { number = number, to = ARGV[6], operator = ARGV[5] })
  return { NOW, 0 }
end
Numbers.set(number, { blocked_until = NOW + length })
extend_ttl(Numbers.key(number), length)
for id in pairs(Numbers.calls(number)) do
  local call = Calls.load(id)
  if call and call.status == 'queued' and Calls.transition(call, 'canceled', { reason = 'refused' }) then
    canceled = canceled + 1
  end
end
append_audit('number.blocked', { number = number, to = ARGV[6], operator = ARGV[5], seconds = length / 1000 })
return { NOW, canceled }
