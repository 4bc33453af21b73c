-- Figures: what happened, for the console. Buckets of five minutes, each known for 26 hours.
--
-- hash figures:<bucket>   began                   verifications
--                         verification <status>   their ends; "superseded" is told apart
--                         call <route> <status>   calls that came into it; "placed": each once that the provider
--                                                 took, and "refused": failed before that
--                         and behind "approved" and "answered" how long it took: the number of the first
--                         bound (store/stats.py) that is not less
-- hash areas:<bucket>     <area> <what>           placed, answered, approved, unapproved
--
-- <bucket>: how many there were since 1970. Verifications and calls of test numbers are in none.

-- Each function of `books` books a change.
local books = {}

do
  local KEPT = 26 * HOUR
  -- Fields of areas in one bucket: 64 areas with all they have. Further ones are "other", so that whoever
  -- calls all over the world does not fill the memory.
  local MOST_AREA_FIELDS = 256
  -- Seconds; see store/stats.py.
  local TO_ANSWER, TO_APPROVAL = { 5, 10, 15, 20, 30, 45, 60 }, { 15, 30, 45, 60, 90, 120, 180, 300 }

  local function bucket_of(kind)
    return string.format('%s%s:%d', PREFIX, kind, math.floor(NOW / (5 * MINUTE)))
  end

  local function add(kind, field)
    local key = bucket_of(kind)
    if redis.call('HINCRBY', key, field, 1) == 1 then redis.call('PEXPIRE', key, KEPT) end
  end

  -- Read alone: most rules that come here have no other use for the number's record.
  local function area_of(number)
    local shares = read[number] and read[number].shares or redis.call('HGET', number_key(number), 'shares')
    return shares and shares:match('^%S+ (%S+)') or 'other'
  end

  local function add_in_area(number, what)
    local key, field = bucket_of('areas'), area_of(number) .. ' ' .. what
    local full = redis.call('HLEN', key) >= MOST_AREA_FIELDS
    if full and redis.call('HEXISTS', key, field) == 0 then field = 'other ' .. what end
    add('areas', field)
  end

  -- The first of the bounds that is not less; what is longer is behind the last.
  local function slot_of(milliseconds, bounds)
    local slot = 1
    while bounds[slot] and milliseconds > bounds[slot] * 1000 do slot = slot + 1 end
    return ' ' .. slot
  end

  function books.began() add('figures', 'began') end

  -- A call came into a status. `taken`: the provider just told that it has it.
  function books.call(call, status, taken)
    if taken then
      add('figures', 'call ' .. call.route .. ' placed')
      add_in_area(call.number, 'placed')
    end
    if status == 'placed' then return end
    if status == 'failed' and not call.placed_at then status = 'refused' end
    if status ~= 'answered' then
      add('figures', 'call ' .. call.route .. ' ' .. status)
      return
    end
    -- The news of an answer comes when the talk is over.
    local took = NOW - (call.sent_at or NOW) - (call.duration or 0) * 1000
    add('figures', 'call ' .. call.route .. ' answered' .. slot_of(took, TO_ANSWER))
    add_in_area(call.number, 'answered')
  end

  -- One that was superseded goes on as another: it is no failure of its own.
  function books.ended(verification, status, reason)
    if reason == 'superseded' then
      add('figures', 'verification superseded')
      return
    end
    local approved = status == 'approved'
    local slot = approved and slot_of(NOW - verification.created_at, TO_APPROVAL) or ''
    add('figures', 'verification ' .. status .. slot)
    add_in_area(verification.number, approved and 'approved' or 'unapproved')
  end
end
