-- Run every command that the functions use, on keys of its own that are deleted afterwards.
--
-- Returns  refused: {command, first word of the error, ...}

-- By type of key: command and what follows the key.
local COMMANDS = {
  string = { SET = { '1' }, GET = {}, MGET = {}, INCR = {}, EXISTS = {}, PTTL = {}, PEXPIRE = { '1000' } },
  hash = { HSET = { 'field', '1' }, HGET = { 'field' }, HMGET = { 'field' }, HGETALL = {}, HLEN = {},
    HEXISTS = { 'field' }, HINCRBY = { 'count', '1' }, HDEL = { 'field' } },
  list = { LPUSH = { '1' }, RPUSH = { '1' }, LLEN = {}, LRANGE = { '0', '-1' }, LTRIM = { '0', '0' }, LPOS = { '1' },
    LREM = { '1', '1' }, LPOP = { '1' } },
  set = { SADD = { '1' }, SMEMBERS = {} },
  zset = { ZADD = { '1', 'member' }, ZSCORE = { 'member' }, ZCARD = {}, ZCOUNT = { '-inf', '+inf' },
    ZRANGE = { '0', '-1' }, ZRANGEBYSCORE = { '-inf', '+inf' }, ZREM = { 'member' },
    ZREMRANGEBYSCORE = { '-inf', '+inf' }, ZREMRANGEBYRANK = { '1', '1' } },
}

local refused = {}
local function is_refused(command, ...)
  local result = redis.pcall(command, ...)
  local fault = type(result) == 'table' and result.err
  if fault then refused[#refused + 1], refused[#refused + 2] = command, fault:match('%a+') or 'ERR' end
  return fault
end

for kind, commands in pairs(COMMANDS) do
  local key = PREFIX .. 'selftest:' .. kind
  -- Without DEL the keys would stay.
  if is_refused('DEL', key) then return { 'refused', refused } end
  for command, arguments in pairs(commands) do is_refused(command, key, unpack(arguments)) end
  if kind == 'string' then is_refused('RENAME', key, key) end
  redis.call('DEL', key)
end
return { 'refused', refused }
