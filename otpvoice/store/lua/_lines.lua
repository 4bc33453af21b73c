-- Caller lines. A client may have several, and so may a route whose provider has lines of its own.
--
-- text line:<bridge>   "<answered> <ended>": of the newest calls from a line that rang. Each further call reduces the
--                      weight of those before, so an answer rate is that of about POLICY.line_memory calls
--
-- POLICY.client_lines has only clients with several lines, POLICY.route_lines all routes with lines of their own:
-- {all, regions: {region: those of `all` in it}, caller_id: false if people see the line}; a line is its digits.
--
-- People stop answering a line that their network labels as spam. So a line is weak while its answer rate is far below
-- that of the best line with it. The other lines take turns by the number, so that the same line calls a person again.
-- All weak lines together get a small share of the calls, which shows when people answer them again.

local RANG = { answered = true, busy = true, no_answer = true }

local function key(bridge) return PREFIX .. 'line:' .. bridge end

local function parse(text)
  local answered, ended = (text or ''):match('^(%d+%.%d+) (%d+%.%d+)$')
  return tonumber(answered or '0'), tonumber(ended or '0')
end

-- Return {line: true} of the weak ones.
function Lines.weak(lines)
  local keys, weak, best = {}, {}, 0
  for i, bridge in ipairs(lines) do keys[i] = key(bridge) end
  local texts = redis.call('MGET', unpack(keys))
  for i = 1, #lines do
    local answered, ended = parse(texts[i])
    if answered >= POLICY.line_min_answered then best = math.max(best, answered / ended) end
  end
  for i, bridge in ipairs(lines) do
    local answered, ended = parse(texts[i])
    local expected = ended * best
    if expected >= POLICY.line_min_answered and answered * 100 < expected * POLICY.line_weak_percent then
      weak[bridge] = true
    end
  end
  return weak
end

-- Return the weak lines of all clients and routes, each once.
function Lines.all_weak()
  local groups, found, list = {}, {}, {}
  for _, owners in ipairs({ POLICY.client_lines, POLICY.route_lines }) do
    for _, lines in pairs(owners) do
      for _, group in pairs(lines.regions) do
        if group[2] then groups[table.concat(group, ' ')] = group end -- clients may have the same lines
      end
    end
  end
  for _, group in pairs(groups) do
    for bridge in pairs(Lines.weak(group)) do found[bridge] = true end
  end
  for bridge in pairs(found) do list[#list + 1] = bridge end
  table.sort(list)
  return list
end

-- Return an integer that is spread evenly and always the same for a text.
local function spread(text)
  local sum = 0
  for i = 1, #text do sum = (sum * 31 + text:byte(i)) % 2147483648 end
  return sum
end

-- Return the line whose turn it is, and all lines with the weak ones at the end.
local function order(lines, number, call_id)
  if #lines == 1 then return lines[1], lines end
  local weak, healthy, rest, sorted = Lines.weak(lines), {}, {}, {}
  for _, bridge in ipairs(lines) do
    local group = weak[bridge] and rest or healthy
    group[#group + 1] = bridge
  end
  for _, group in ipairs({ healthy, rest }) do
    for _, bridge in ipairs(group) do sorted[#sorted + 1] = bridge end
  end
  local chance, turn = spread(call_id), spread(number)
  if rest[1] and chance % 100 < POLICY.line_probe_percent then
    return rest[math.floor(chance / 100) % #rest + 1], sorted
  end
  -- The people of a healthy line keep it while another one is weak.
  local first = lines[turn % #lines + 1]
  if weak[first] then first = healthy[math.floor(turn / #lines) % #healthy + 1] end
  return first, sorted
end

-- Return an order with another first member, and without some lines.
local function reorder(first, lines, without)
  local result = {}
  local function append(bridge)
    if not has_word(without, bridge) then result[#result + 1] = bridge end
  end
  append(first)
  for _, bridge in ipairs(lines) do
    if bridge ~= first then append(bridge) end
  end
  return result
end

local function serving(lines, region) return lines.regions[region] or lines.all end

-- Return the lines of a client for a new call, the one to use first.
-- `of`: {client, number}   `spec`: {id, bridge: of a client with one line}
function Lines.of_client(of, spec, region)
  local lines = POLICY.client_lines[of.client]
  if not lines then return { spec.bridge } end
  local first, sorted = order(serving(lines, region or Numbers.region(of.number)), of.number, spec.id)
  return reorder(first, sorted)
end

-- Return the lines from which a route can still place a call, the one to use first; none if every line refused it. Also
-- return the line whose turn it is, whether it refused the call or not.
local function untried(call, route)
  local of_route = POLICY.route_lines[route]
  local lines = of_route or POLICY.client_lines[call.client]
  local first, sorted = (Calls.own_line(call)), {} -- the client was shown this one
  if lines then
    local turn
    turn, sorted = order(serving(lines, Numbers.region(call.number)), call.number, call.id)
    if of_route then first = turn end
  end
  return reorder(first, sorted, call.tried_lines), first
end

-- The same for a call that is dialed: at least one. `is_open`: the route is, so that other lines than the first do not
-- matter.
function Lines.of_call(call, route, is_open)
  if not POLICY.route_lines[route] and (is_open or not POLICY.client_lines[call.client]) then
    return { (Calls.own_line(call)) }
  end
  local lines, first = untried(call, route)
  return lines[1] and lines or { first }
end

-- Set what the call after a refused one needs to come from another line: {bridge, caller_id, tried_lines} of `spec`, and
-- its route, the same again, if there is no other. `bridge`: the line that was refused
function Lines.use_another(call, spec, bridge)
  if not (POLICY.route_lines[call.route] or POLICY.client_lines[call.client]) then return end
  call.tried_lines = (call.tried_lines and call.tried_lines .. ' ' or '') .. bridge
  spec.tried_lines = call.tried_lines
  if not spec.route and untried(call, call.route)[1] then spec.route = call.route end
  if not spec.route or POLICY.route_lines[spec.route] then return end
  local line = untried(call, spec.route)[1]
  if line and line ~= Calls.own_line(call) then spec.bridge, spec.caller_id = line, '+' .. line end
end

-- Return what a call's record has to change for a route to call from this line.
function Lines.changes(call, route, bridge)
  local own_bridge, own_caller_id = Calls.own_line(call)
  local of_route = POLICY.route_lines[route]
  if of_route then
    return { bridge = bridge, caller_id = of_route.caller_id or '+' .. bridge, own_bridge = own_bridge,
      own_caller_id = own_caller_id }
  end
  if call.own_bridge then Records.unset(Calls.key(call.id), 'own_bridge', 'own_caller_id') end
  if bridge == call.bridge then return {} end
  return { bridge = bridge, caller_id = bridge == own_bridge and own_caller_id or '+' .. bridge }
end

-- Count the end of a call for its line.
function Lines.call_ended(call, status)
  if not RANG[status] then return end
  local is_answered = status == 'answered'
  count('line', call.bridge, is_answered and 'answered' or 'unanswered')
  Stats.line_ended(call.bridge, is_answered)
  local lines = POLICY.route_lines[call.route] or POLICY.client_lines[call.client]
  if not (lines and lines.all[2]) then return end
  local answered, ended = parse(redis.call('GET', key(call.bridge)))
  local kept = 1 - 1 / POLICY.line_memory
  local text = string.format('%.3f %.3f', answered * kept + (is_answered and 1 or 0), ended * kept + 1)
  redis.call('SET', key(call.bridge), text, 'PX', POLICY.line_ttl_ms)
end
