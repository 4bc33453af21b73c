-- Return which limits apply to a number, for operators.
--
-- Arguments  number: its hash; prefix, area; client1, ...
-- Returns    now_ms, gap_until_ms, blocked_until_ms, declines: calls that were declined within an hour,
--            limits {{client or false, limit, used, retry_at or 0}, ...}, refusals: the newest (JSON)

local number, limits = ARGS.number, {}

local function add(client, limit) limits[#limits + 1] = { client, limit[1], limit[3], limit[2] } end

local of = { number = number, limit_keys = { prefix = ARGS.prefix, area = ARGS.area } }
for _, limit in ipairs(Limits.of_call(of, NOW)) do add(false, limit) end
for _, client in ipairs(list_argument('client')) do
  for _, each in ipairs(client_policy(client).counters) do
    add(client, { each.label, Counters.retry_at(each.name, each, NOW) })
  end
  local pending = 0
  for _ in pairs(Numbers.pending(number, client)) do pending = pending + 1 end
  add(client, { 'pending_per_number', 0, pending })
  for _, limit in ipairs(Limits.of_creates({ client = client })) do add(client, limit) end
end
return { 'now_ms', NOW, 'gap_until_ms', Numbers.gap_until(number), 'blocked_until_ms', Numbers.blocked_until(number),
  'declines', Limits.declines(number),
  'limits', limits, 'refusals', redis.call('LRANGE', Numbers.refusals_key(number), 0, -1) }
