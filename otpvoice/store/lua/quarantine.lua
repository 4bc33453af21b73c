-- Quarantine what a process could not decode, or list a call that it could not place.
--
-- Arguments  record: the key behind the prefix, moved away; with `text`: the name of a text that is no record
--            undialable: the id of a call that ended because the dialer's settings lack what it needs
--            reason

if ARGS.undialable then
  Records.add_undialable(ARGS.undialable, ARGS.reason)
elseif ARGS.text then
  Records.quarantine_text(ARGS.record, ARGS.text, ARGS.reason)
else
  Records.quarantine(PREFIX .. ARGS.record, ARGS.reason)
end
return {}
