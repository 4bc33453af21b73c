-- Breakers: zset {which: until when it is open}. What opens, the log is told of.

function Breakers.open_until(breaker) return tonumber(redis.call('ZSCORE', BREAKERS, breaker) or '0') end

function Breakers.open(breaker, length, details)
  redis.call('ZREMRANGEBYSCORE', BREAKERS, '-inf', NOW)
  redis.call('ZADD', BREAKERS, NOW + length, breaker)
  extend_ttl(BREAKERS, length)
  details.breaker, details.open_for = breaker, length / 1000
  append_audit('breaker.opened', details)
end

-- Too few of the answered are approved ----------------------------------------------------------------

local MIN_ENDED, OPEN_FOR_MS = 20, 30 * MINUTE_MS

function Breakers.of_area(area) return 'conversion_breaker area ' .. area end

local function count_answered_in(scope, approved)
  local rule, breaker = POLICY.conversion_breaker, 'conversion_breaker ' .. scope
  if Breakers.open_until(breaker) > NOW then return end
  Counters.increment('ended ' .. scope, rule.window, NOW)
  if approved then Counters.increment('approved ' .. scope, rule.window, NOW) end
  local ended, proven = Counters.total('ended ' .. scope, rule.window), Counters.total('approved ' .. scope, rule.window)
  if ended < MIN_ENDED or proven * 100 >= ended * rule.percent then return end
  Breakers.open(breaker, OPEN_FOR_MS, { ended = ended, approved = proven })
  -- When it closes it judges anew, and not by what ended meanwhile.
  redis.call('DEL', Counters.key('ended ' .. scope, rule.window), Counters.key('approved ' .. scope, rule.window))
end

-- Once for each verification that has ended and was answered, whichever came first; but nobody answered
-- at a test number.
function Breakers.count_answered(verification)
  local client = verification.client
  if not POLICY.conversion_breaker or CLIENT(client).deliver_only or verification.deliver_only
    or verification.counted or verification.test then
    return
  end
  redis.call('HSET', PREFIX .. 'verification:' .. verification.id, 'counted', 1)
  verification.counted = '1'
  local limit_keys, approved = Numbers.limit_keys(verification.number), verification.status == 'approved'
  if limit_keys.area then count_answered_in('area ' .. limit_keys.area, approved) end
  if limit_keys.region then count_answered_in('region ' .. limit_keys.region, approved) end
  count_answered_in('client ' .. client, approved)
end

-- Too many of the codes are wrong ---------------------------------------------------------------------

-- While it is open, new verifications begin with so many checks.
Breakers.REDUCED_CHECKS = 3
local MIN_CHECKS = 200

function Breakers.count_check(wrong)
  local rule = POLICY.wrong_code_breaker
  if not rule then return end
  Counters.increment('checks', rule.window, NOW)
  if not wrong then return end
  Counters.increment('wrong checks', rule.window, NOW)
  local checks, missed = Counters.total('checks', rule.window), Counters.total('wrong checks', rule.window)
  if checks < MIN_CHECKS or missed * 100 < checks * rule.percent then return end
  if Breakers.open_until('wrong_code_breaker') > NOW then return end
  Breakers.open('wrong_code_breaker', rule.window, { checks = checks, wrong = missed })
end
