-- Erases verifications of a number, and what else is known of it but for what limits count and a block:
-- they end by themselves, and erasing must be no way around them. A pending one is canceled first.
--
-- KEYS 8 refusals:<number>   ARGV 3 number (its name)   4 who   5 the number, masked
--      6 n, then n verification ids, then keys of its records that were set aside
-- Returns {now, how many verifications there were}

local number, erased = ARGV[3], 0

local last_id = 6 + tonumber(ARGV[6])
for i = 7, last_id do
  local verification = Verifications.load(ARGV[i])
  if verification and verification.number == number then
    if verification.status == 'pending' then Verifications.close(verification, 'canceled', 'requested', NOW) end
    for _, call in ipairs(Calls.of(verification)) do
      if call.provider_id then redis.call('DEL', PREFIX .. 'provider_call:' .. call.provider_id) end
      redis.call('DEL', Calls.key(call.id))
    end
    redis.call('DEL', PREFIX .. 'verification:' .. verification.id)
    Numbers.remove(number, 'verification ' .. verification.id)
    erased = erased + 1
  end
end
for i = last_id + 1, #ARGV do
  local calls = redis.pcall('HGET', ARGV[i], 'calls') -- an error if it is no hash
  for call in string.gmatch(type(calls) == 'string' and calls or '', '%S+') do redis.call('DEL', Calls.key(call)) end
  if ARGV[i]:find(':verification:', 1, true) then erased = erased + 1 end
  redis.call('DEL', ARGV[i])
end
redis.call('DEL', KEYS[8])
-- Kept so long for its verifications only.
redis.call('PEXPIRE', Numbers.key(number), math.max(POLICY.remembered, Numbers.blocked_until(number) - NOW), 'LT')
append_audit('number.erased', { number = number, to = ARGV[5], operator = ARGV[4], verifications = erased })
return { NOW, erased }
