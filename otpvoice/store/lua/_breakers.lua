-- Circuit breakers of the service: a zset of the open ones. The log gets an entry when one opens.

function Breakers.open_until(breaker) return tonumber(redis.call('ZSCORE', BREAKERS, breaker) or '0') end

local function open(breaker, length_ms, details)
  redis.call('ZREMRANGEBYSCORE', BREAKERS, '-inf', NOW)
  redis.call('ZADD', BREAKERS, NOW + length_ms, breaker)
  extend_ttl(BREAKERS, length_ms)
  details.breaker, details.open_for = breaker, length_ms / 1000
  append_audit('breaker.opened', details)
end

-- The conversion breaker: too few answered verifications are approved --------------------------------

function Breakers.of_area(area) return 'conversion_breaker area ' .. area end

local function count_conversion(scope, is_approved)
  local window_ms, breaker = POLICY.conversion_breaker.window_ms, 'conversion_breaker ' .. scope
  if Breakers.open_until(breaker) > NOW then return end
  Counters.increment('ended ' .. scope, window_ms, NOW)
  if is_approved then Counters.increment('approved ' .. scope, window_ms, NOW) end
  local ended = Counters.total('ended ' .. scope, window_ms)
  local approved = Counters.total('approved ' .. scope, window_ms)
  if ended < POLICY.conversion_min_ended or approved * 100 >= ended * POLICY.conversion_breaker.percent then return end
  open(breaker, POLICY.conversion_open_ms, { ended = ended, approved = approved })
  -- After it closes, only verifications that end from then on count.
  Counters.clear('ended ' .. scope, window_ms)
  Counters.clear('approved ' .. scope, window_ms)
end

-- Count a verification once it has ended and a call of it was answered, in whichever order. Calls to test numbers
-- are simulated, so they do not count.
function Breakers.count_answered(verification)
  local client = verification.client
  if not POLICY.conversion_breaker or client_policy(client).deliver_only or verification.deliver_only
    or verification.counted or verification.test then
    return
  end
  Records.set(Verifications.key(verification.id), { 'counted', 1 })
  local keys, is_approved = Numbers.limit_keys(verification.number), verification.status == 'approved'
  if keys.area then count_conversion('area ' .. keys.area, is_approved) end
  if keys.region then count_conversion('region ' .. keys.region, is_approved) end
  count_conversion('client ' .. client, is_approved)
end

-- The wrong-code breaker: too many codes are wrong ---------------------------------------------------

function Breakers.count_check(is_wrong)
  local breaker = POLICY.wrong_code_breaker
  if not breaker then return end
  Counters.increment('checks', breaker.window_ms, NOW)
  if not is_wrong then return end
  Counters.increment('wrong checks', breaker.window_ms, NOW)
  local checks = Counters.total('checks', breaker.window_ms)
  local wrong = Counters.total('wrong checks', breaker.window_ms)
  if checks < POLICY.wrong_code_min_checks or wrong * 100 < checks * breaker.percent then return end
  if Breakers.open_until('wrong_code_breaker') > NOW then return end
  open('wrong_code_breaker', breaker.window_ms, { checks = checks, wrong = wrong })
end

function Breakers.is_wrong_code_open() return Breakers.open_until('wrong_code_breaker') > NOW end
