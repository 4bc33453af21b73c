-- Routes: hash {row, closings, closed_until, probe, probe_until, probe_call, refused}; none while all is well
-- `row`: the requests in a row that were not accepted; `probe`: which calls may try it (record.lua);
-- `probe_call`: the call that tries it until `probe_until`.
-- `refused`: the senders that a route is closed for because it refused them; without it, it is closed for all.
-- A sender is what the settings of a client choose for a call: its bridge and its flow.

function Routes.key(route) return PREFIX .. 'route:' .. route end

-- `of`: {bridge, flow}, a call
function Routes.sender(of)
  return (((of.bridge or '') .. '/' .. (of.flow or '')):gsub('[%s|]', '_'))
end

-- Return the state of a route as a call of this sender finds it: without `closed_until` if it is open for it.
function Routes.state(route, sender)
  local state = Records.read('route', route) or {}
  if state.refused_senders and not (' ' .. state.refused_senders .. ' '):find(' ' .. sender .. ' ', 1, true) then
    state.closed_until, state.probe_until = nil, nil
  end
  return state
end

function Routes.is_closed(route, sender)
  return tonumber(Routes.state(route, sender).closed_until or '0') > NOW
end

-- Closed, or waiting for the call that tries them.
function Routes.closed()
  local closed = {}
  for _, route in ipairs(POLICY.routes) do
    if redis.call('HEXISTS', Routes.key(route), 'closed_until') == 1 then closed[#closed + 1] = route end
  end
  return closed
end
