-- What became of one try to tell an event: accepted from its holder while nobody else has it.
--
-- ARGV 3 event id   4 client   5 holder   6 ms until it is tried again, or "": it is over
--      7 "0": it was not sent, so this is not counted as a try
-- Returns {"settled" | "lost", now}

local id, waiting = ARGV[3], Events.queue_key(ARGV[4])
if redis.call('HGET', Events.key(id), 'holder') ~= ARGV[5] then return { 'lost', NOW } end
if ARGV[7] == '0' then redis.call('HINCRBY', Events.key(id), 'attempts', -1) end
if ARGV[6] ~= '' then
  redis.call('ZADD', waiting, NOW + ARGV[6], id)
else
  redis.call('DEL', Events.key(id))
  redis.call('ZREM', waiting, id)
end
return { 'settled', NOW }
