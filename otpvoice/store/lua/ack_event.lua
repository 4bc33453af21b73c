-- Record the result of a delivery attempt. It is accepted from the holder while no other process has the event.
--
-- Arguments  id, client, holder; retry_in_ms: until the next attempt; none: delivered or abandoned
--            was_sent: "1" if the attempt counts
-- Outcomes   acknowledged, lost

local key, pending = Events.key(ARGS.id), Events.queue_key(ARGS.client)
if redis.call('HGET', key, 'holder') ~= ARGS.holder then return { 'outcome', 'lost' } end
if not ARGS.was_sent then redis.call('HINCRBY', key, 'attempts', -1) end
if ARGS.retry_in_ms then
  redis.call('ZADD', pending, NOW + ARGS.retry_in_ms, ARGS.id)
else
  redis.call('DEL', key)
  redis.call('ZREM', pending, ARGS.id)
end
return { 'outcome', 'acknowledged' }
