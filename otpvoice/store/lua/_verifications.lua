-- Verifications -----------------------------------------------------------------------------------

-- How a call ends that was not sent when its verification ended.
function Verifications.unsent_call_status(verification)
  return verification and verification.status == 'expired' and 'expired' or 'canceled'
end

-- Ends a pending verification: what could speak or match its code is gone with the same breath.
function Verifications.close(verification, status, reason, at)
  local key = PREFIX .. 'verification:' .. verification.id
  redis.call('HSET', key, 'status', status, 'ended_at', at)
  if reason ~= '' then redis.call('HSET', key, 'reason', reason) end
  redis.call('HDEL', key, 'digest', 'request_digest', 'wrong_digests')
  redis.call('DEL', PREFIX .. 'speech:' .. verification.id)
  redis.call('ZREM', EXPIRING, verification.id)
  verification.status = status
  Numbers.index_ended(verification)
  -- A code that stands in the settings proves nothing of who answers there.
  if status == 'approved' and not verification.test then Capacity.on_approved(verification) end
  local answered = false
  for _, call in ipairs(Calls.of(verification)) do
    Calls.transition(call, Verifications.unsent_call_status(verification), { reason = 'ended_first' })
    answered = answered or call.status == 'answered'
  end
  if answered then Breakers.count_answered(verification) end
  Verifications.bump_version(verification.id, 'verification.' .. status)
  count('verification', status, NOW - verification.created_at, verification.client)
  if not verification.test then Stats.verification_closed(verification, status, reason) end
end

-- The verification as it stands now: one whose life is over is ended by whoever reads it.
function Verifications.load(id)
  local key = PREFIX .. 'verification:' .. id
  local verification = Records.read('verification', id)
  if not verification then return nil end
  verification.id = id
  if verification.status == 'pending' and tonumber(verification.expires_at) <= NOW then
    Verifications.close(verification, 'expired', '', verification.expires_at)
    verification = load_hash(key)
    verification.id = id
  end
  return verification
end

-- The same for one client; another client's is as unknown as none. Nothing but the owner's name is
-- read before that is known, so that refusing either takes as long.
function Verifications.load_owned_by(id, client)
  if redis.call('HGET', PREFIX .. 'verification:' .. id, 'client') ~= client then return nil end
  return Verifications.load(id)
end

-- Find room for one more pending verification of {number, client, ip}.
-- Return the verification to supersede for it, or nil, and {label, until when it refuses or 0, how many}.
-- Superseded is the oldest of the address that has the most, among those for which no call was sent: nobody
-- voids a code that its owner may have heard. Where two addresses have as many, it is the newcomer's own.
function Verifications.make_room(of)
  local most, ids = POLICY.pending_per_number, Numbers.pending(of.number, of.client)
  local held, open, addresses, soonest = 0, {}, {}, math.huge
  for _ in pairs(ids) do held = held + 1 end
  if held < most then return nil, { 'pending_per_number', 0, held } end

  held = 0
  for field, id in pairs(ids) do
    local each = Verifications.load(id)
    if not each then
      Numbers.remove(of.number, field)
    elseif each.status == 'pending' then
      held, soonest = held + 1, math.min(soonest, each.expires_at)
      each.address = each.ip or ''
      if not Verifications.was_called(each) then
        open[#open + 1] = each
        addresses[each.address] = (addresses[each.address] or 0) + 1
      end
    end
  end
  if held < most then return nil, { 'pending_per_number', 0, held } end

  local function goes_first(a, b)
    local more = addresses[a.address] - addresses[b.address]
    if more ~= 0 then return more > 0 end
    local a_is_own, b_is_own = a.address == (of.ip or ''), b.address == (of.ip or '')
    if a_is_own ~= b_is_own then return a_is_own end
    return tonumber(a.created_at) < tonumber(b.created_at)
  end
  table.sort(open, goes_first)
  return open[1], { 'pending_per_number', open[1] and 0 or soonest, held }
end

-- `event`: what the client is told of it, if anything: "call.placed".
-- A server that was told to evict may have dropped the record: it must not come back without an end.
function Verifications.bump_version(verification_id, event)
  local key = PREFIX .. 'verification:' .. verification_id
  if redis.call('EXISTS', key) == 0 then return end
  redis.call('HINCRBY', key, 'version', 1)
  if event then Events.emit(verification_id, event) end
end

-- The limit that a call would meet that was asked for now. One that is live is in nobody's way, and
-- one that is queued for now has its place.
function Verifications.next_limit(verification)
  if verification.status ~= 'pending' then return nil, 0 end
  local due, call = math.max(NOW, Limits.gap_until(verification)), Calls.active(verification)
  if call and (call.status ~= 'queued' or tonumber(call.due_at) <= due) then return nil, 0 end
  return Limits.refusing_call(verification, due, call and call.id)
end

-- What every answer about a verification is made from:
-- {outcome, now, number, gap_until, limit, limit_until, codes_refused_until, id, {fields},
--  call id, {fields}, ...}
function Verifications.result(outcome, verification, number)
  if not verification then return { outcome, NOW, number or 0 } end
  local key = PREFIX .. 'verification:' .. verification.id
  local limit, limit_until = Verifications.next_limit(verification)
  local _, codes_refused_until = Limits.refusing_codes(verification.number)
  local reply = { outcome, NOW, number or 0, Limits.gap_until(verification), limit or '', limit_until,
    codes_refused_until, verification.id, redis.call('HGETALL', key) }
  for id in string.gmatch(redis.call('HGET', key, 'calls') or '', '%S+') do
    reply[#reply + 1], reply[#reply + 2] = id, Records.flat('call', id)
  end
  return reply
end
