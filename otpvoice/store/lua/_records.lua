-- Records that cannot be read are set aside: the rest of the service goes on.
--
-- quarantine        zset  {record, why} (JSON) -> when it was set aside (ms)
-- undialable        zset  the same of calls that a dialer could not place with its settings
-- quarantined:<key>       the record itself, as it was found, under its former name
--
-- Both lists are bounded and end after a week. RULES.records has the fields that each kind of record must have,
-- and the form of the fields whose form matters (store/schema.py).

local TTL_MS, MAX_ENTRIES, RECENT_MS, MAX_REPORTED = 7 * DAY_MS, 1000, 15 * MINUTE_MS, 10

-- Without what could break a line of the log or a list; a value of a record is never part of it.
local function printable(text) return (text:gsub('[^%w_:. -]', '?'):sub(1, 96)) end

local function list(name, record, why)
  local key = PREFIX .. name
  redis.call('ZADD', key, NOW, cjson.encode({ record = printable(record), reason = printable(why) }))
  redis.call('ZREMRANGEBYRANK', key, 0, -MAX_ENTRIES - 1)
  redis.call('PEXPIRE', key, TTL_MS)
end

-- A call that ended because a dialer's settings lack what it needs.
function Records.add_undialable(id, why) list('undialable', 'call:' .. id, why) end

-- Keep what is only known as text, such as a notice that cannot be decoded.
function Records.quarantine_text(name, text, why)
  local kept = PREFIX .. 'quarantined:' .. name
  redis.call('LPUSH', kept, text)
  redis.call('LTRIM', kept, 0, 99)
  redis.call('PEXPIRE', kept, TTL_MS)
  list('quarantine', name, why)
  append_audit('record.quarantined', { record = printable(name), reason = printable(why) })
end

-- Move a record away from its key and out of the indexes. `why` must not quote it. A call stays in `live` to the
-- end of its hold: it may be ringing, so that its line is not free.
function Records.quarantine(key, why)
  local name, id = key:sub(#PREFIX + 1), key:match('[^:]*$')
  if redis.call('EXISTS', key) == 1 then
    redis.call('RENAME', key, PREFIX .. 'quarantined:' .. name)
    redis.call('PEXPIRE', PREFIX .. 'quarantined:' .. name, TTL_MS)
  end
  for _, index in ipairs({ DIALING, STATUS_QUERIES, EXPIRING }) do redis.call('ZREM', index, id) end
  for _, client in ipairs(redis.call('ZRANGE', QUEUE, 0, -1)) do
    redis.call('ZREM', PREFIX .. 'queue:' .. client, id) -- a claim corrects the head of this queue
  end
  list('quarantine', name, why)
  append_audit('record.quarantined', { record = printable(name), reason = printable(why) })
end

-- Every claim and every answer judges records, so that this creates no tables.
local function has_form(value, form)
  if form.words then return form.words[value] end
  return #value <= form.max_length and value ~= '' and not value:find(form.forbidden)
end

local function missing(record, fields)
  for i = 1, #fields do
    if not record[fields[i]] then return 'no ' .. fields[i] end
  end
end

-- What is wrong with a record, or nil.
local function fault_of(kind, record)
  local schema = POLICY.records[kind]
  local forms, prefixes, requires = schema.forms, schema.prefixes, schema.requires
  local fault = missing(record, schema.required)
  for field, value in pairs(record) do
    if fault then return fault end
    local form = forms[field] or prefixes and prefixes[field:match('^%a+ ')]
    if form and not has_form(value, form) then return 'unreadable ' .. (field:match('^[%w_]+') or 'field') end
    local needed = requires and requires[field == 'status' and value or field]
    fault = needed and missing(record, needed)
  end
  return fault
end

-- A block outlives the rest of its number's record: what cannot be read must not undo it.
local function keep_block(key, record)
  local form = POLICY.records.number.forms.blocked_until
  if not (record.blocked_until and has_form(record.blocked_until, form)) then return nil end
  redis.call('HSET', key, 'blocked_until', record.blocked_until)
  redis.call('PEXPIRE', key, math.max(1, record.blocked_until - NOW))
  return { blocked_until = record.blocked_until }
end

-- The record of a key; nil when there is none, or when it had to be set aside. Once in a run it is judged.
function Records.at(kind, key)
  local record = load_hash(key)
  if not record or loaded[key] then return record end
  local fault = fault_of(kind, record)
  if not fault then
    loaded[key] = true
    return record
  end
  Records.quarantine(key, fault)
  return kind == 'number' and keep_block(key, record) or nil
end

-- The same by the record's id. What has a strange id cannot be ours.
function Records.read(kind, id)
  local key = PREFIX .. kind .. ':' .. id
  if id:find('^[%w_-]+$') then return Records.at(kind, key) end
  if redis.call('EXISTS', key) == 1 then Records.quarantine(key, 'unreadable id') end
end

-- {field, value, ...} of a record; empty when it cannot be read.
function Records.flat(kind, id)
  local key = PREFIX .. kind .. ':' .. id
  return (loaded[key] or Records.read(kind, id)) and redis.call('HGETALL', key) or {}
end

-- Of both lists: how many entries are recent, and the newest {list, entry, when (ms), ...}.
function Records.quarantine_summary()
  local counts, newest = {}, {}
  for _, name in ipairs({ 'quarantine', 'undialable' }) do
    local key = PREFIX .. name
    counts[#counts + 1] = redis.call('ZCOUNT', key, NOW - RECENT_MS, '+inf')
    local found = redis.call('ZRANGE', key, -MAX_REPORTED, -1, 'WITHSCORES')
    for i = 1, #found, 2 do
      newest[#newest + 1] = { name, found[i], tonumber(found[i + 1]) }
    end
  end
  return { counts, newest }
end
