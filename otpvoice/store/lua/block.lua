-- Block all calls to a number, or allow them again.
--
-- Arguments  number: its hash; length_ms: 0 removes the block; operator; to: the number, masked
-- Returns    canceled_calls: queued calls that were canceled

local number, length_ms = ARGS.number, tonumber(ARGS.length_ms)

if length_ms == 0 then
  Numbers.remove(number, 'blocked_until', 'blocked_by')
  append_audit('number.unblocked', { number = number, to = ARGS.to, operator = ARGS.operator })
  return { 'canceled_calls', 0 }
end
local canceled = Numbers.block(number, length_ms)
append_audit('number.blocked', { number = number, to = ARGS.to, operator = ARGS.operator, seconds = length_ms / 1000 })
return { 'canceled_calls', canceled }
