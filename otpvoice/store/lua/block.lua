-- Block all calls to a number, or allow them again.
--
-- Arguments  number: its hash; length_ms: 0 removes the block; operator; to: the number, masked
-- Returns    canceled_calls: queued calls that were canceled

local number, length_ms, canceled = ARGS.number, tonumber(ARGS.length_ms), 0

if length_ms == 0 then
  Numbers.remove(number, 'blocked_until')
  append_audit('number.unblocked', { number = number, to = ARGS.to, operator = ARGS.operator })
  return { 'canceled_calls', 0 }
end
Numbers.set(number, { blocked_until = NOW + length_ms })
extend_ttl(Numbers.key(number), length_ms)
for id in pairs(Numbers.calls(number)) do
  local call = Calls.load(id)
  if call and call.status == 'queued' and Calls.transition(call, 'canceled', { reason = 'refused' }) then
    canceled = canceled + 1
  end
end
append_audit('number.blocked', { number = number, to = ARGS.to, operator = ARGS.operator, seconds = length_ms / 1000 })
return { 'canceled_calls', canceled }
