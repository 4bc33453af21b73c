-- Breakers: zset {which: until when it is open}. What opens, the log is told of.

local function open_until(breaker) return tonumber(redis.call('ZSCORE', BREAKERS, breaker) or '0') end

local function open_breaker(breaker, length, details)
  redis.call('ZREMRANGEBYSCORE', BREAKERS, '-inf', NOW)
  redis.call('ZADD', BREAKERS, NOW + length, breaker)
  keep_for(BREAKERS, length)
  details.breaker, details.open_for = breaker, length / 1000
  notice('breaker.opened', details)
end

-- Too few of the answered are approved ----------------------------------------------------------------

local FEWEST_ENDED, REFUSED_FOR = 20, 30 * MINUTE

local function area_breaker(area) return 'conversion_breaker area ' .. area end

local function count_answered_in(scope, approved)
  local rule, breaker = RULES.conversion_breaker, 'conversion_breaker ' .. scope
  if open_until(breaker) > NOW then return end
  add_to('ended ' .. scope, rule.window, NOW)
  if approved then add_to('approved ' .. scope, rule.window, NOW) end
  local ended, proven = total_in('ended ' .. scope, rule.window), total_in('approved ' .. scope, rule.window)
  if ended < FEWEST_ENDED or proven * 100 >= ended * rule.percent then return end
  open_breaker(breaker, REFUSED_FOR, { ended = ended, approved = proven })
  -- When it closes it judges anew, and not by what ended meanwhile.
  redis.call('DEL', tally_key('ended ' .. scope, rule.window), tally_key('approved ' .. scope, rule.window))
end

-- Once for each verification that has ended and was answered, whichever came first; but nobody answered
-- at a test number.
local function count_answered(verification)
  local client = verification.client
  if not RULES.conversion_breaker or CLIENT(client).deliver_only or verification.deliver_only
    or verification.counted or verification.test then
    return
  end
  redis.call('HSET', PREFIX .. 'verification:' .. verification.id, 'counted', 1)
  verification.counted = '1'
  local shares, approved = shared_by(verification.number), verification.status == 'approved'
  if shares.area then count_answered_in('area ' .. shares.area, approved) end
  if shares.region then count_answered_in('region ' .. shares.region, approved) end
  count_answered_in('client ' .. client, approved)
end

-- Too many of the codes are wrong ---------------------------------------------------------------------

-- While it is open, new verifications begin with so many checks.
local FEWEST_CHECKS, CHECKS_IN_DOUBT = 200, 3

local function count_check(wrong)
  local rule = RULES.wrong_code_breaker
  if not rule then return end
  add_to('checks', rule.window, NOW)
  if not wrong then return end
  add_to('wrong checks', rule.window, NOW)
  local checks, missed = total_in('checks', rule.window), total_in('wrong checks', rule.window)
  if checks < FEWEST_CHECKS or missed * 100 < checks * rule.percent then return end
  if open_until('wrong_code_breaker') > NOW then return end
  open_breaker('wrong_code_breaker', rule.window, { checks = checks, wrong = missed })
end
