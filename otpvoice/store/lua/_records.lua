-- Records that cannot be read are quarantined, so the rest of the service goes on.
--
-- quarantine         zset  {record, reason} (JSON) -> when it was quarantined (ms)
-- undialable         zset  the same for calls that a dialer could not place because of its settings
-- quarantined:<key>  any   the record itself, as it was found, under its former name
--
-- POLICY.records has the format of each kind of record (store/__init__.py).

-- Remove what could break a log line or a list. `text` never contains a value of a record.
local function printable(text) return (text:gsub('[^%w_:. -]', '?'):sub(1, 96)) end

local function list(name, record, reason)
  local key = PREFIX .. name
  redis.call('ZADD', key, NOW, cjson.encode({ record = printable(record), reason = printable(reason) }))
  redis.call('ZREMRANGEBYRANK', key, 0, -POLICY.quarantine_max_entries - 1)
  redis.call('PEXPIRE', key, POLICY.quarantine_ttl_ms)
end

local function report(record, reason)
  list('quarantine', record, reason)
  append_audit('record.quarantined', { record = printable(record), reason = printable(reason) })
end

-- List a call that ended because a dialer's settings lack what it needs.
function Records.add_undialable(id, reason) list('undialable', 'call:' .. id, reason) end

-- Keep something unreadable that is known as text only, such as an entry of the audit log.
function Records.quarantine_text(name, text, reason)
  local key = PREFIX .. 'quarantined:' .. name
  redis.call('LPUSH', key, text)
  redis.call('LTRIM', key, 0, POLICY.quarantine_max_texts - 1)
  redis.call('PEXPIRE', key, POLICY.quarantine_ttl_ms)
  report(name, reason)
end

-- Move a record away from its key and out of the indexes. `reason` must not quote it. A call stays in `live` until
-- its lock ends: it may be ringing, so its number is not free.
function Records.quarantine(key, reason)
  local name, id = key:sub(#PREFIX + 1), key:match('[^:]*$')
  loaded[key], loaded['ttl ' .. key] = nil, nil
  if redis.call('EXISTS', key) == 1 then
    redis.call('RENAME', key, PREFIX .. 'quarantined:' .. name)
    redis.call('PEXPIRE', PREFIX .. 'quarantined:' .. name, POLICY.quarantine_ttl_ms)
  end
  for _, index in ipairs({ DIALING, STATUS_QUERIES, EXPIRING }) do redis.call('ZREM', index, id, bare(id)) end
  for _, client in ipairs(redis.call('ZRANGE', QUEUE, 0, -1)) do
    redis.call('ZREM', Queue.key(client), bare(id)) -- a claim corrects the head of this queue
  end
  report(name, reason)
end

-- Every function validates records, so this creates no tables.
local function is_well_formed(value, form)
  if form.words then return form.words[value] end
  return #value <= form.max_length and value ~= '' and not value:find(form.forbidden)
end

local function missing(record, fields)
  for i = 1, #fields do
    if not record[fields[i]] then return 'no ' .. fields[i] end
  end
end

-- Return what is wrong with a record, or nil.
local function find_fault(kind, record)
  local schema = POLICY.records[kind]
  local forms, prefixes, requires = schema.forms, schema.prefixes, schema.requires
  local fault = missing(record, schema.required)
  for field, value in pairs(record) do
    if fault then return fault end
    local form = forms[field] or prefixes and prefixes[field:match('^%a+[ _]')]
    if form and not is_well_formed(value, form) then return 'unreadable ' .. (field:match('^[%w_]+') or 'field') end
    local required = requires and requires[field == 'status' and value or field]
    fault = required and missing(record, required)
  end
  return fault
end

-- Keep the block of a number whose record is quarantined: an unreadable field must not lift it.
local function keep_block(key, record)
  local form = POLICY.records.number.forms.blocked_until
  if not (record.blocked_until and is_well_formed(record.blocked_until, form)) then return nil end
  local kept = { blocked_until = record.blocked_until, blocked_by = record.blocked_by == 'denial' and 'denial' or nil }
  for field, value in pairs(kept) do redis.call('HSET', key, field, value) end
  redis.call('PEXPIRE', key, math.max(1, record.blocked_until - NOW))
  return kept
end

-- Return a record that was read, with the defaults that it leaves out; nil when it was quarantined. A run validates it
-- once and keeps it.
local function validated(kind, key, record)
  for field, value in pairs(POLICY.records[kind].defaults) do record[field] = record[field] or value end
  local fault = not loaded[key] and find_fault(kind, record)
  if not fault then
    loaded[key] = record
    return record
  end
  Records.quarantine(key, fault)
  return kind == 'number' and keep_block(key, record) or nil
end

-- Return the record of a key; nil when there is none or it was quarantined.
function Records.at(kind, key)
  local record = load_hash(key)
  return record and validated(kind, key, record)
end

local function is_id(text) return text:find('^[%w_-]+$') end

-- The same by the record's id. An id with other characters is not from this service.
function Records.read(kind, id)
  local key = PREFIX .. kind .. ':' .. id
  if is_id(id) then return Records.at(kind, key) end
  if redis.call('EXISTS', key) == 1 then Records.quarantine(key, 'unreadable id') end
end

-- The same of a record that all of the run shares: it is read once, and changed by set(), unset() and increment().
function Records.load(kind, id) return loaded[PREFIX .. kind .. ':' .. id] or Records.read(kind, id) end

-- Return a value as it would be read.
local function text_of(value) return type(value) == 'number' and string.format('%.0f', value) or value end

-- Write {field, value, ...} of a record.
function Records.set(key, flat)
  redis.call('HSET', key, unpack(flat))
  local record = loaded[key]
  if not record then return end
  for i = 1, #flat, 2 do record[flat[i]] = text_of(flat[i + 1]) end
end

-- Write a new record, without what is default, and return it whole.
function Records.create(kind, id, record)
  local key, defaults, flat = PREFIX .. kind .. ':' .. id, POLICY.records[kind].defaults, {}
  for field, value in pairs(record) do
    value = text_of(value)
    record[field] = value
    if value ~= defaults[field] then flat[#flat + 1], flat[#flat + 2] = field, value end
  end
  redis.call('HSET', key, unpack(flat))
  record.id, loaded[key] = id, record
  return record
end

function Records.unset(key, ...)
  redis.call('HDEL', key, ...)
  local record = loaded[key]
  for _, field in ipairs(record and { ... } or {}) do record[field] = nil end
end

function Records.increment(key, field)
  local count = redis.call('HINCRBY', key, field, 1)
  if loaded[key] then loaded[key][field] = text_of(count) end
  return count
end

-- Return the values of some fields of a record; false for one that it does not have.
function Records.values(record, fields)
  local values = {}
  for i = 1, #fields do values[i] = record[fields[i]] or false end
  return values
end

local function recent(list_name)
  return redis.call('ZCOUNT', PREFIX .. list_name, NOW - POLICY.quarantine_recent_ms, '+inf')
end

local function newest(list_name)
  local entries = {}
  local found = redis.call('ZRANGE', PREFIX .. list_name, -POLICY.quarantine_max_reported, -1, 'WITHSCORES')
  for i = 1, #found, 2 do
    local is_json, entry = pcall(cjson.decode, found[i])
    if is_json and type(entry) == 'table' and type(entry.record) == 'string' and type(entry.reason) == 'string' then
      entries[#entries + 1] = { printable(entry.record), printable(entry.reason), tonumber(found[i + 1]) }
    end
  end
  return entries
end

-- Return {quarantined, undialable: how many recent entries; of both the newest, {{record, reason, when (ms)}, ...}}.
function Records.quarantine_summary()
  return { recent('quarantine'), recent('undialable'), newest('quarantine'), newest('undialable') }
end
