-- Route health. A route without a record is healthy.
--
-- hash route:<route>
--   failed_requests   the consecutive requests that were not accepted: "<number hash or call>|<sender if refused> ..."
--   closings          how often in a row it was closed
--   closed_until      the end of the pause; then one call probes the route
--   refused_senders   the senders that it is closed for, because it refused them; without it, it is closed for all
--   probe_by          "any" call may probe it, or only its "own": calls that prefer it or have no other route
--   probe_call        the call that probes it, until `probe_until`
--
-- set waiting_for_route   queued calls that wait for a route
--
-- A sender is what a client's settings choose for a call: its caller line and its flow.

function Routes.key(route) return PREFIX .. 'route:' .. route end

-- `of`: {bridge, flow}, or a call
function Routes.sender(of)
  return (((of.bridge or '') .. '/' .. (of.flow or '')):gsub('[%s|]', '_'))
end

function Routes.load(route) return Records.read('route', route) or {} end

-- Return whether the state of a route concerns a sender: if not, the route is open for it.
function Routes.concerns(state, sender)
  return not state.refused_senders or has_word(state.refused_senders, sender)
end

-- Return the state of a route for a sender: without `closed_until` if it is open for this sender.
function Routes.state(route, sender)
  local state = Routes.load(route)
  if not Routes.concerns(state, sender) then state.closed_until, state.probe_until = nil, nil end
  return state
end

function Routes.is_closed(route, sender)
  return tonumber(Routes.state(route, sender).closed_until or '0') > NOW
end

-- Return the first of some caller lines for which a route is open, or nil.
function Routes.open_line(route, lines, flow)
  local state = Routes.load(route)
  local is_closed = tonumber(state.closed_until or '0') > NOW
  for _, bridge in ipairs(lines) do
    if not (is_closed and Routes.concerns(state, Routes.sender({ bridge = bridge, flow = flow }))) then return bridge end
  end
end

-- Return the routes that are closed, or wait for their probe.
function Routes.closed()
  local closed = {}
  for _, route in ipairs(POLICY.routes) do
    if redis.call('HEXISTS', Routes.key(route), 'closed_until') == 1 then closed[#closed + 1] = route end
  end
  return closed
end

-- Return whether a route calls numbers of a region. One that only other processes' settings have may.
function Routes.serves(route, region)
  local regions = POLICY.route_regions[route]
  return not regions or regions[region] == true
end

-- Return the routes that call a number, in the order of the settings.
-- `region`: the number's, if its record is not written yet
function Routes.serving(number, region)
  if not next(POLICY.route_regions) then return POLICY.routes end
  local serving = {}
  region = region or Numbers.region(number)
  for _, route in ipairs(POLICY.routes) do
    if Routes.serves(route, region) then serving[#serving + 1] = route end
  end
  return serving
end

-- Return the route after this one of those that call a number, starting again at the end.
function Routes.next(current, number)
  local routes = Routes.serving(number)
  for i, route in ipairs(routes) do
    if route == current then return routes[i % #routes + 1] end
  end
  return routes[1] or current
end

-- Let a call wait until a route opens.
function Routes.add_waiter(call)
  redis.call('SADD', PREFIX .. 'waiting_for_route', call.id)
  redis.call('PEXPIRE', PREFIX .. 'waiting_for_route', POLICY.waiting_for_route_ttl_ms)
end

local function release_waiting()
  Queue.bring_forward(redis.call('SMEMBERS', PREFIX .. 'waiting_for_route'))
  Queue.wake()
  redis.call('DEL', PREFIX .. 'waiting_for_route')
end

-- Open a route after an accepted request. `state`: for the sender of the accepted call. What the route refuses to
-- other senders stays.
local function open(key, state)
  if not state.closed_until and state.refused_senders then
    redis.call('HDEL', key, 'failed_requests')
    return ''
  end
  redis.call('DEL', key)
  if not state.closed_until then return '' end
  release_waiting()
  return 'opened'
end

-- Close a route. Any call may probe it if the request that closed it provably did not ring.
-- `refused_senders`: those that it is closed for; nil: all
local function close(key, did_not_ring, refused_senders)
  local closings = redis.call('HINCRBY', key, 'closings', 1)
  local pause_ms = math.min(POLICY.route_pause_ms * 2 ^ (closings - 1), POLICY.route_max_pause_ms)
  redis.call('HSET', key, 'closed_until', NOW + pause_ms, 'probe_by', did_not_ring and 'any' or 'own')
  redis.call('HDEL', key, 'probe_until', 'probe_call', 'failed_requests', 'refused_senders')
  if refused_senders then redis.call('HSET', key, 'refused_senders', refused_senders) end
end

-- Let another call probe the route, because the probing call was given back without a request.
local function release_probe(key, call)
  if redis.call('HGET', key, 'probe_call') == call.id then redis.call('HDEL', key, 'probe_until', 'probe_call') end
end

-- Add a request to the consecutive failures. Return how many there are, and their senders if each was refused.
-- A request that was sent is known by its number, so one number counts once; an unsent request by its call.
local function add_failure(key, call, result)
  local who = result.route_health == 'unreached' and call.id .. '/' .. (call.requests or '') or call.number
  local failures, is_known = redis.call('HGET', key, 'failed_requests') or '', false
  for each in string.gmatch(failures, '[^%s|]+|%S*') do is_known = is_known or each:match('^[^|]+') == who end
  if not is_known then
    failures = failures .. ' ' .. who .. '|' .. (result.unsent == 'refused' and Routes.sender(call) or '')
    redis.call('HSET', key, 'failed_requests', failures)
  end
  local length, senders, all_refused = 0, {}, true
  for sender in string.gmatch(failures, '|(%S*)') do
    length, senders[sender], all_refused = length + 1, true, all_refused and sender ~= ''
  end
  return length, all_refused and senders
end

-- Return the senders of `state.refused_senders` and of `senders` as text.
local function join_senders(state, senders)
  for sender in string.gmatch(state.refused_senders or '', '%S+') do senders[sender] = true end
  local list = {}
  for sender in pairs(senders) do list[#list + 1] = sender end
  table.sort(list)
  return table.concat(list, ' ')
end

-- Update the health of a call's route. Return "closed", "opened" or "".
--
-- An open route closes after enough consecutive failures; a route that one call probes, at its first failure. A
-- refusal counts for its sender alone: the settings of one client must not stop the calls of the others. One that names
-- the caller line closes the route for this sender at once.
-- `result`: {route_health, unsent}, see record_result.lua
function Routes.update_health(call, result)
  local health, key, sender = result.route_health, Routes.key(call.route), Routes.sender(call)
  local state = Routes.state(call.route, sender)
  if health == 'good' then return open(key, state) end
  if not health and result.unsent == 'unsent' then release_probe(key, call) end
  if not health or Routes.is_closed(call.route, sender) then return '' end
  local closes = health == 'down' or health == 'line_down'
  local is_of_sender = health == 'line_down' or health == 'bad' and result.unsent == 'refused'
  local refused = (closes or state.closed_until) and is_of_sender and { [sender] = true }
  if state.closed_until then
    closes = true
  elseif not closes then
    local failures
    failures, refused = add_failure(key, call, result)
    closes = failures >= POLICY.route_max_failures
  end
  if closes then close(key, result.unsent, refused and join_senders(state, refused)) end
  if closes and state.closed_until and refused and not state.refused_senders then release_waiting() end
  redis.call('PEXPIRE', key, POLICY.route_state_ttl_ms)
  return closes and 'closed' or ''
end

-- Close the route of a call, because the report of its end says that every call ends so. A dialer logs it.
function Routes.close_by_report(call, detail)
  if Routes.update_health(call, { route_health = 'down' }) ~= 'closed' then return end
  append_audit('route.closed', { route = call.route, detail = detail, number = call.number, client = call.client,
    verification = call.verification, call = call.id })
end
