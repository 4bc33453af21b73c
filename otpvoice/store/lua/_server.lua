-- Commands of the server. Everything behind this file calls them through this `redis`.
--
-- A key that holds another type of value than the library expects, or a counter that is no number, is set aside
-- (_records.lua), and the command runs as if the key did not exist. Otherwise one such key would fail every run
-- that meets it, and a claim or a sweep meets it again and again.

local records = {} -- see _records.lua

local redis = (function(library, api)
  local run -- known once a function runs: a library that is being loaded has no commands

  local function call(...)
    run = run or api().pcall
    local reply = run(...)
    if type(reply) ~= 'table' then return reply end
    local fault = reply.err
    if not fault then return reply end
    local why = fault:find('WRONGTYPE', 1, true) and 'another type of value'
      or fault:find('hash value is not an integer', 1, true) and 'a counter that is no number'
      or fault:find('would overflow', 1, true) and 'a counter at its end'
    if not why then error(reply) end
    records.set_aside(select(2, ...), why)
    return api().call(...)
  end

  -- For those who want to see the refusal of a command.
  local function pcall(...) return api().pcall(...) end

  return { call = call, pcall = pcall, register_function = library.register_function }
end)(redis, function() return redis end)
