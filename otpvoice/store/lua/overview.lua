-- Return what refuses, for operators and metrics.
--
-- Arguments  client1, ...
-- Returns    now_ms, limits {{client or false, limit, used, retry_at or 0}, ...},
--            open_breakers {{name, closes at}, ...}, refused {limit, refusals in the last hour, ...},
--            live_calls, queued_calls, dialers, closed_routes, overdue_ms: of the first call in the queue,
--            weak_lines: caller lines that people stopped answering,
--            pending_events {client, how many, ...}, events_overdue_ms: of the oldest {client, ms, ...},
--            quarantine: see Records.quarantine_summary()

local limits, breakers, refused, pending_events, events_overdue, queued = {}, {}, {}, {}, {}, 0
local function add(client, quotas)
  for _, each in ipairs(quotas) do
    local retry_at, used = Counters.retry_at(each.name, each, NOW)
    limits[#limits + 1] = { client, each.label, used, retry_at }
  end
end

add(false, POLICY.every_client)
for _, client in ipairs(list_argument('client')) do
  add(client, client_policy(client).counters)
  add(client, Limits.create_quotas({ client = client }))
  local pending = Events.queue_key(client)
  local first = redis.call('ZRANGE', pending, 0, 0, 'WITHSCORES')
  local n = #pending_events
  pending_events[n + 1], pending_events[n + 2] = client, redis.call('ZCARD', pending)
  events_overdue[n + 1], events_overdue[n + 2] = client, math.max(0, NOW - (first[2] or NOW))
end
for _, client in ipairs(redis.call('ZRANGE', QUEUE, 0, -1)) do
  queued = queued + redis.call('ZCARD', Queue.key(client))
end
for _, name in ipairs(POLICY.limit_names) do
  refused[#refused + 1], refused[#refused + 2] = name, Counters.total('refused ' .. name, HOUR_MS)
end
local open = redis.call('ZRANGEBYSCORE', BREAKERS, '(' .. NOW, '+inf', 'WITHSCORES')
for i = 1, #open, 2 do breakers[#breakers + 1] = { open[i], tonumber(open[i + 1]) } end
return { 'now_ms', NOW, 'limits', limits, 'open_breakers', breakers, 'refused', refused,
  'live_calls', Queue.live_calls(), 'queued_calls', queued, 'dialers', Queue.dialers(),
  'closed_routes', Routes.closed(), 'weak_lines', Lines.all_weak(), 'overdue_ms', math.max(0, NOW - (Queue.head() or NOW)),
  'pending_events', pending_events, 'events_overdue_ms', events_overdue, 'quarantine', Records.quarantine_summary() }
