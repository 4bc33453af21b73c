-- Verifications.

function Verifications.key(id) return PREFIX .. 'verification:' .. id end
-- text reference:<reference_hash>   the newest verifications of a reference: their ids, each with a space behind it
function Verifications.reference_key(reference_hash) return PREFIX .. 'reference:' .. reference_hash end

-- Encrypted speech and transaction are stored in pieces such as `speech1`, `speech2`, ..., short enough for the compact
-- encoding of hashes. A transaction has at most three.

function Verifications.put_pieces(record, name, text)
  local length = POLICY.max_compact_length
  for i = 1, math.ceil(#text / length) do record[name .. i] = text:sub((i - 1) * length + 1, i * length) end
end

-- Return the pieces of a text, and their fields.
local function pieces_of(verification, name)
  local pieces, fields = {}, {}
  while verification[name .. #pieces + 1] do
    fields[#fields + 1] = name .. #pieces + 1
    pieces[#pieces + 1] = verification[fields[#fields]]
  end
  return pieces, fields
end

function Verifications.speech(verification) return table.concat((pieces_of(verification, 'speech'))) end

-- Append the encrypted transaction to a reply, if there is one.
function Verifications.append_transaction(reply, verification)
  if not verification.transaction1 then return reply end
  reply[#reply + 1] = 'encrypted_transaction'
  reply[#reply + 1] = table.concat((pieces_of(verification, 'transaction')))
  return reply
end

-- Return the encrypted number and transaction of a record that is not read, each empty if there is none, and the
-- traceparent or nil.
function Verifications.fields_for_events(id)
  local fields = redis.call('HMGET', Verifications.key(id), 'encrypted_number', 'traceparent', 'transaction1',
    'transaction2', 'transaction3')
  for i = 1, #fields do fields[i] = fields[i] or '' end
  return fields[1], table.concat(fields, '', 3), fields[2] ~= '' and fields[2] or nil
end

-- Return the status of a call that was not sent when its verification ended.
function Verifications.unsent_call_status(verification)
  return verification and verification.status == 'expired' and 'expired' or 'canceled'
end

-- End a pending verification. Its code can no longer be spoken or compared afterwards.
function Verifications.close(verification, status, reason, at)
  local key = Verifications.key(verification.id)
  Records.set(key, { 'status', status, 'ended_at', at, reason and 'reason' or nil, reason })
  local _, speech_fields = pieces_of(verification, 'speech')
  Records.unset(key, 'digest', 'request_digest', 'transaction_digest', 'wrong_digests', unpack(speech_fields))
  redis.call('ZREM', EXPIRING, bare(verification.id))
  Numbers.index_ended(verification)
  -- The code of a test number is in the settings, so it proves nothing about the number.
  local releases = status == 'approved' and not verification.test
  if releases then Capacity.release_on_approval(verification) end
  local was_answered = false
  for _, call in ipairs(Calls.of(verification)) do
    if not Calls.transition(call, Verifications.unsent_call_status(verification), { reason = 'ended_first' }) then
      Calls.cancel_soon(call)
    end
    was_answered = was_answered or call.status == 'answered'
  end
  if releases then Capacity.reserve_prefix(verification.number) end
  if was_answered then Breakers.count_answered(verification) end
  Verifications.bump_version(verification.id, 'verification.' .. (reason == 'denied' and reason or status))
  count('verification', status, NOW - verification.created_at, verification.client)
  if not verification.test then Stats.verification_ended(verification, status, reason) end
end

-- Return a verification as it is now: the first function that reads it after its end expires it.
function Verifications.load(id)
  local verification = Records.load('verification', id)
  if not verification then return nil end
  verification.id = id
  if verification.status == 'pending' and tonumber(verification.expires_at) <= NOW then
    Verifications.close(verification, 'expired', nil, verification.expires_at)
  end
  return verification
end

-- Return a verification of this client, or nil. Only the owner's name is read first, so that refusing an unknown id
-- and another client's id takes the same time.
function Verifications.load_owned_by(client, id)
  if redis.call('HGET', Verifications.key(id), 'client') ~= client then return nil end
  return Verifications.load(id)
end

-- List a new verification for operators. A sweep bounds the list and prolongs its life.
function Verifications.add_newest(id)
  if redis.call('LPUSH', NEWEST, bare(id)) == 1 then redis.call('PEXPIRE', NEWEST, POLICY.newest_ttl_ms) end
end

function Verifications.trim_newest()
  redis.call('LTRIM', NEWEST, 0, POLICY.newest_max - 1)
  redis.call('PEXPIRE', NEWEST, POLICY.newest_ttl_ms)
end

-- Return the ids of a reference, the newest first.
function Verifications.of_reference(reference_hash)
  local ids = {}
  local text = reference_hash ~= '' and redis.call('GET', Verifications.reference_key(reference_hash)) or ''
  for id in text:gmatch('%S+') do ids[#ids + 1] = id end
  return ids
end

-- Return the first verification of `ids` that is of the client, the number and the reference in ARGS.
local function first_requested(ids)
  for _, id in ipairs(ids) do
    local client, number, reference = unpack(redis.call('HMGET', Verifications.key(id), 'client', 'number', 'reference'))
    if client == ARGS.client and number == ARGS.number_hash and (not ARGS.reference or reference == ARGS.reference) then
      local verification = Verifications.load(id)
      if verification then return verification end
    end
  end
end

-- Return the client's verification that the arguments mean, or nil.
--   id                                        this one
--   number_hash                               the newest of the number
--   number_hash, reference, reference_hash    the newest of the number and the reference
function Verifications.requested()
  local client, number = ARGS.client, ARGS.number_hash
  if not number then return Verifications.load_owned_by(client, ARGS.id) end
  if not ARGS.reference then return first_requested(Numbers.newest_first(number, client)) end
  local field = Numbers.pending_field(client, ARGS.reference, ARGS.reference_hash ~= '' and ARGS.reference_hash)
  return first_requested({ Numbers.load(number)[field] })
    or first_requested(Verifications.of_reference(ARGS.reference_hash))
    or first_requested(Numbers.newest_first(number, client))
end

-- Return whether a call of the verification may have rung: it was sent and the mark was not removed. A quarantined
-- call counts as one that rang.
function Verifications.was_called(verification)
  for id in Calls.ids(verification) do
    local key = Calls.key(id)
    if redis.call('HEXISTS', key, 'sent_at') == 1 or redis.call('EXISTS', key) == 0 then return true end
  end
  return false
end

-- Count a change of a verification. `event`: its name for the client, such as "call.placed"; nil: no event.
-- Where the record is missing, or is quarantined by this, a write would create one that never expires.
function Verifications.bump_version(id, event)
  if not Records.load('verification', id) then return end
  Records.increment(Verifications.key(id), 'version')
  if event then Events.emit(id, event) end
end

-- Return the verification to supersede for one more pending verification of {number, client, ip}, or nil, and the
-- limit. Candidates are those for which no call was sent, so no one can void a code that its owner may have heard.
-- The address with the most candidates loses its oldest; if two addresses have as many, the newcomer's own does.
function Verifications.make_room(of)
  local fields, most = Numbers.pending(of.number, of.client), POLICY.pending_per_number
  local pending, candidates, by_address, soonest = 0, {}, {}, math.huge
  for _ in pairs(fields) do pending = pending + 1 end
  if pending < most then return nil, { 'pending_per_number', 0, pending } end

  pending = 0
  for field, id in pairs(fields) do
    local each = Verifications.load(id)
    if not each then
      Numbers.remove(of.number, field)
    elseif each.status == 'pending' then
      pending, soonest = pending + 1, math.min(soonest, each.expires_at)
      each.address = each.ip or ''
      if not Verifications.was_called(each) then
        candidates[#candidates + 1] = each
        by_address[each.address] = (by_address[each.address] or 0) + 1
      end
    end
  end
  if pending < most then return nil, { 'pending_per_number', 0, pending } end

  local function goes_first(a, b)
    local difference = by_address[a.address] - by_address[b.address]
    if difference ~= 0 then return difference > 0 end
    local a_is_own, b_is_own = a.address == (of.ip or ''), b.address == (of.ip or '')
    if a_is_own ~= b_is_own then return a_is_own end
    return tonumber(a.created_at) < tonumber(b.created_at)
  end
  table.sort(candidates, goes_first)
  return candidates[1], { 'pending_per_number', candidates[1] and 0 or soonest, pending }
end

-- Return the limit that would refuse a call requested now, and until when. A live call, or one that is queued for
-- now, needs no further capacity.
-- `calls`: its calls
function Verifications.next_limit(verification, calls)
  if verification.status ~= 'pending' then return nil, 0 end
  local due, call = math.max(NOW, Limits.gap_until(verification)), Calls.active_of(calls)
  if call and (call.status ~= 'queued' or tonumber(call.due_at) <= due) then return nil, 0 end
  return Limits.refusing_call(verification, due, call and call.id)
end

-- Return the reply about a verification:
--   outcome, retry_after_ms, and where there is a verification also
--   now, gap_until, limit, limit_until, wrong_codes_until
--   verification  the values of POLICY.shown_fields
--   calls         {{value, ...}, ...}: of each those of POLICY.shown_call_fields
--   encrypted_transaction and traceparent, if it has one
function Verifications.result(outcome, verification, retry_after_ms)
  if not verification then return { 'outcome', outcome, 'retry_after_ms', retry_after_ms or 0 } end
  local _, wrong_codes_until = Limits.refusing_codes(verification.number)
  local calls, rows = Calls.of(verification), {}
  for i = 1, #calls do rows[i] = Records.values(calls[i], POLICY.shown_call_fields) end
  local values = Records.values(verification, POLICY.shown_fields)
  local limit, limit_until = Verifications.next_limit(verification, calls)
  local reply = { 'outcome', outcome, 'retry_after_ms', retry_after_ms or 0, 'verification', values, 'calls', rows,
    'now', NOW, 'gap_until', Limits.gap_until(verification), 'limit', limit or '',
    'limit_until', limit and limit_until or 0, 'wrong_codes_until', wrong_codes_until }
  append_fields(reply, verification, { traceparent = 'traceparent' })
  return Verifications.append_transaction(reply, verification)
end
