-- Keeps what was said about the call of a trial, sealed, for the operator who tries it out.
--
-- ARGV 3 call id   4 what was said, sealed   5 how long it is kept, ms   6 how much at most
-- Returns {"kept" | "untold", now}

local call = Calls.load(ARGV[3])
local key = PREFIX .. 'captured:' .. ARGV[3]
if not call or not call.live_test or redis.call('LLEN', key) >= 2 * ARGV[6] then return { 'untold', NOW } end
redis.call('RPUSH', key, NOW, ARGV[4])
redis.call('PEXPIRE', key, ARGV[5])
return { 'kept', NOW }
