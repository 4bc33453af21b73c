-- Mark a call whose speech was returned but could not be made a document: it says nothing, so nobody hears the code.
--
-- Arguments  call_id
-- Outcomes   marked, no_call

local call = Calls.load(ARGS.call_id)
if not call then return { 'outcome', 'no_call' } end
Records.set(Calls.key(call.id), { 'unspoken', 1 })
return { 'outcome', 'marked' }
