-- Queue a call of a verification, or bring a delayed one forward, which then takes the route and locale requested now.
--
-- Arguments  id, client; call_id, bridge, caller_id, call_route, call_locale, flow: of the call; see Calls.queue()
--            idempotency_key, body_hash
-- Outcomes   coming, also after "replayed "; idempotency_mismatch, closed, too_late, not_found, over_capacity,
--            calls_unavailable; "rate_limited <limit>" with retry_after_ms

local replay = Idempotency.replay()
if replay then return replay end

local verification = Verifications.load_owned_by(ARGS.client, ARGS.id)
if not verification then return Verifications.result('not_found') end
if verification.status ~= 'pending' then return Verifications.result('closed', verification) end

local function refuse(due, call)
  local limit, retry_at = Limits.refusing_call(verification, due, call)
  if not limit then return nil end
  Numbers.record_refusal(verification.number, limit, { client = verification.client, verification = verification.id })
  return Verifications.result('rate_limited ' .. limit, verification, retry_at - NOW)
end

local due = math.max(NOW, Limits.gap_until(verification))
local call = Calls.active(verification)
if call then
  -- A pause that the provider requested holds.
  due = math.max(due, tonumber(call.not_before or '0'))
  if call.status == 'queued' and tonumber(call.due_at) > due then
    local refusal = refuse(due, call.id)
    if refusal then return refusal end
    local key = Calls.key(call.id)
    Records.set(key, { 'due_at', due, 'route', ARGS.call_route or call.route,
      'locale', ARGS.call_locale or call.locale, ARGS.flow and 'flow' or nil, ARGS.flow })
    Capacity.reserve(verification, call.id, due)
    Queue.add(call.id, verification.client, due)
    Verifications.bump_version(verification.id)
  end
  return Idempotency.result('coming', verification)
end

if due > Calls.latest_due(verification) then return Verifications.result('too_late', verification) end
local refusal = refuse(due)
if refusal then return refusal end
local spec = { id = ARGS.call_id, route = ARGS.call_route, locale = ARGS.call_locale, bridge = ARGS.bridge,
  caller_id = ARGS.caller_id, flow = ARGS.flow }
local outcome = Calls.unavailable(verification, spec, spec.flow or verification.flow, false)
if outcome then return Verifications.result(outcome, verification) end
Calls.queue(verification, spec, due)
return Idempotency.result('coming', verification)
