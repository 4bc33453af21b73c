-- The key gate: a gated call speaks the code only to a person who pressed a key. A mailbox presses none.
--
-- The record of a call has
--   gate   how its key becomes known: "door": the provider asks what to speak after the key; "query": a status query
--          after the call returns it. Without it the call asks for no key.
--   key    the first key that was pressed, one of 0-9, * and #

-- Return whether the person heard the code, as 1 or 0; nil while this is not known.
-- `key`: that a report has, "" if none was pressed; nil if it does not say
function Gate.heard(call, key)
  key = call.key or key or call.gate == 'door' and ''
  return key and ((key == '' or key == POLICY.denial_key) and 0 or 1) or nil
end

-- Return whether a status query may still return the key of an answered call.
function Gate.awaits_key(call)
  return call.gate == 'query' and call.status == 'answered' and not call.heard and tonumber(call.live_until) > NOW
end

-- The person did not ask for this call: end its verification, and block the number for all clients. Return whether it
-- has an effect: a number whose code was accepted stays as it is. Where a denial blocks for no time, the calls of other
-- verifications stay as well.
-- `verification`: nil if its record is gone
function Gate.deny(call, verification)
  local status = verification and verification.status
  if status == 'approved' then return false end
  if status == 'pending' then Verifications.close(verification, 'canceled', 'denied', NOW) end
  local length_ms = POLICY.denial_block_ms
  if length_ms > 0 and NOW + length_ms > Numbers.blocked_until(call.number) then
    Numbers.block(call.number, length_ms, 'denial')
  end
  count('denial', call.client)
  append_audit('call.denied', { number = call.number, client = call.client, verification = call.verification,
    call = call.id, seconds = length_ms / 1000 })
  return true
end
