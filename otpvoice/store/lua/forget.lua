-- Erase verifications of a number and what else is known of it. Counters of limits and a block stay until they
-- expire, so erasing does not lift them. A pending verification is canceled first.
--
-- Arguments  number: its hash; operator; to: the number, masked
--            id1, ...: of verifications; quarantined_key1, ...: of quarantined records
-- Returns    erased: how many verifications there were

local number, erased = ARGS.number, 0

local function quarantined_key(key) return PREFIX .. 'quarantined:' .. key:sub(#PREFIX + 1) end

local function erase_call(id)
  redis.call('DEL', Calls.key(id), quarantined_key(Calls.key(id)), PREFIX .. 'captured:' .. id)
end

local function erase(verification)
  if verification.status == 'pending' then Verifications.close(verification, 'canceled', 'requested', NOW) end
  for _, call in ipairs(Calls.of(verification)) do
    if call.provider_id then redis.call('DEL', Calls.provider_key(call.provider_id)) end
  end
  for id in Calls.ids(verification) do erase_call(id) end
  redis.call('DEL', Verifications.key(verification.id))
  redis.call('LREM', NEWEST, 1, bare(verification.id))
  Numbers.remove(number, verification.id)
  erased = erased + 1
end

local function erase_quarantined(key)
  local calls = redis.pcall('HGET', key, 'calls') -- an error if it is not a hash
  for id in Calls.ids({ calls = type(calls) == 'string' and calls }) do erase_call(id) end
  local existed = redis.call('DEL', key)
  if not key:find(':verification:', 1, true) then return end
  erased = erased + existed
  redis.call('LREM', NEWEST, 1, bare(key:match('[^:]*$')))
end

for _, id in ipairs(list_argument('id')) do
  local verification = Verifications.load(id)
  if not verification then
    erase_quarantined(quarantined_key(Verifications.key(id))) -- this run may have moved it there
  elseif verification.number == number then
    erase(verification)
  end
end
for _, key in ipairs(list_argument('quarantined_key')) do erase_quarantined(key) end
redis.call('DEL', Numbers.refusals_key(number), quarantined_key(Numbers.key(number)))
-- The number's record is kept longer than this for its verifications only.
redis.call('PEXPIRE', Numbers.key(number),
  math.max(POLICY.call_memory_ms, Numbers.blocked_until(number) - NOW), 'LT')
append_audit('number.erased', { number = number, to = ARGS.to, operator = ARGS.operator, verifications = erased })
return { 'erased', erased }
