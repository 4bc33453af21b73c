-- What refuses, for operators.
--
-- ARGV 3 heard_within ms   4- clients
-- Returns {now, {{client or "", limit, used, until when or 0}, ...}, {breaker, until when, ...},
--          {setting, refusals in the last hour, ...}, live calls, queued calls, dialers, {closed route, ...},
--          ms that the call at the head of the queue is overdue, or 0, {{client, events waiting, ms that the oldest is overdue, or 0}, ...},
--          records.recent()}

local held, refused = {}, {}
local function add(client, tallies)
  for _, each in ipairs(tallies) do
    local full, used = tally_full_until(each.name, each, NOW)
    held[#held + 1] = { client, each.label, used, full }
  end
end

add('', RULES.every_client)
for i = 4, #ARGV do
  add(ARGV[i], CLIENT(ARGV[i]).tallies)
  add(ARGV[i], creates.quotas({ client = ARGV[i] }))
end
local events = {}
for i = 4, #ARGV do
  local waiting = events_key(ARGV[i])
  local first = redis.call('ZRANGE', waiting, 0, 0, 'WITHSCORES')
  events[#events + 1] = { ARGV[i], redis.call('ZCARD', waiting), math.max(0, NOW - (first[2] or NOW)) }
end
local queued = 0
for _, client in ipairs(redis.call('ZRANGE', QUEUE, 0, -1)) do queued = queued + redis.call('ZCARD', queues.of(client)) end
for _, setting in ipairs(RULES.settings) do
  refused[#refused + 1] = setting
  refused[#refused + 1] = total_in('refused ' .. setting, HOUR)
end
return { NOW, held, redis.call('ZRANGEBYSCORE', BREAKERS, '(' .. NOW, '+inf', 'WITHSCORES'), refused,
  redis.call('ZCOUNT', LIVE, '(' .. NOW, '+inf'), queued,
  redis.call('ZCOUNT', DIALERS, NOW - ARGV[3], '+inf'), closed_routes(),
  math.max(0, NOW - (queues.head() or NOW)), events, records.recent() }
