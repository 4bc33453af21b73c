-- What refuses, for operators.
--
-- ARGV 3 heard_within ms   4- clients
-- Returns {now, {{client or "", limit, used, until when or 0}, ...}, {breaker, until when, ...},
--          {setting, refusals in the last hour, ...}, live calls, queued calls, dialers, {closed route, ...},
--          ms that the call at the head of the queue is overdue, or 0, {{client, events waiting, ms that the oldest is overdue, or 0}, ...},
--          records.recent()}

local usage, refused = {}, {}
local function add(client, counters)
  for _, each in ipairs(counters) do
    local full, used = Counters.retry_at(each.name, each, NOW)
    usage[#usage + 1] = { client, each.label, used, full }
  end
end

add('', POLICY.every_client)
for i = 4, #ARGV do
  add(ARGV[i], CLIENT(ARGV[i]).counters)
  add(ARGV[i], Limits.create_quotas({ client = ARGV[i] }))
end
local events = {}
for i = 4, #ARGV do
  local waiting = Events.queue_key(ARGV[i])
  local first = redis.call('ZRANGE', waiting, 0, 0, 'WITHSCORES')
  events[#events + 1] = { ARGV[i], redis.call('ZCARD', waiting), math.max(0, NOW - (first[2] or NOW)) }
end
local queued = 0
for _, client in ipairs(redis.call('ZRANGE', QUEUE, 0, -1)) do queued = queued + redis.call('ZCARD', Queue.key(client)) end
for _, setting in ipairs(POLICY.settings) do
  refused[#refused + 1] = setting
  refused[#refused + 1] = Counters.total('refused ' .. setting, HOUR_MS)
end
return { NOW, usage, redis.call('ZRANGEBYSCORE', BREAKERS, '(' .. NOW, '+inf', 'WITHSCORES'), refused,
  redis.call('ZCOUNT', LIVE, '(' .. NOW, '+inf'), queued,
  redis.call('ZCOUNT', DIALERS, NOW - ARGV[3], '+inf'), Routes.closed(),
  math.max(0, NOW - (Queue.head() or NOW)), events, Records.quarantine_summary() }
