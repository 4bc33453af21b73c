-- Reports what a process could not read or place.
--
-- ARGV 3 "record": the key behind the prefix is moved away; "text": something that is no record; "undialable": a
--        call that ended because the dialer's settings lack what it needs
--      4 the key behind the prefix, the name of the text, or the call id   5 why   6 the text, or ""
-- Returns {now}

if ARGV[3] == 'record' then
  Records.quarantine(PREFIX .. ARGV[4], ARGV[5])
elseif ARGV[3] == 'text' then
  Records.quarantine_text(ARGV[4], ARGV[6], ARGV[5])
else
  Records.add_undialable(ARGV[4], ARGV[5])
end
return { NOW }
