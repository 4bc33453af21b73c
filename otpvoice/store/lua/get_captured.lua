-- What was said about the call of a trial.
--
-- ARGV 3 call id
-- Returns {now, when (ms), what was said, sealed, ...}

return { NOW, unpack(redis.call('LRANGE', PREFIX .. 'captured:' .. ARGV[3], 0, -1)) }
