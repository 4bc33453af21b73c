-- Return the captured exchanges of a live test call.
--
-- Arguments  call_id
-- Returns    exchanges: {when (ms), exchange, encrypted, ...}, the oldest first

return { 'exchanges', redis.call('LRANGE', PREFIX .. 'captured:' .. ARGS.call_id, 0, -1) }
