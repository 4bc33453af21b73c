-- Erases what is known of a number, but for what limits count and a block: they end by themselves, and
-- erasing must be no way around them. A pending verification is canceled first.
--
-- KEYS 8 refusals:<number>   ARGV 3 number (its name)   4 who   5 the number, masked
-- Returns {now, how many verifications there were}

local number, erased = ARGV[3], 0

for _, id in ipairs(verifications_of(number)) do
  local verification = load_verification(id)
  if verification then
    if verification.status == 'pending' then finish(verification, 'canceled', 'requested', NOW) end
    for _, call in ipairs(calls_of(verification)) do
      if call.provider_id then redis.call('DEL', PREFIX .. 'provider:' .. call.provider_id) end
      redis.call('DEL', call_key(call.id))
    end
    redis.call('DEL', PREFIX .. 'verification:' .. id)
    erased = erased + 1
  end
  redis.call('HDEL', number_key(number), 'verification ' .. id)
end
redis.call('DEL', KEYS[8])
notice('number.forgotten', { number = number, to = ARGV[5], by = ARGV[4], verifications = erased })
return { NOW, erased }
