-- Return what an answered call is to speak. Each call gets it once, while it is live and its verification is pending.
-- A gated call is to speak its prompt, as often as it is asked, until a key is pressed: see press_key.lua.
--
-- Arguments  call_id
-- Returns    outcome: found, no_call, not_live, fetched: it was returned before, closed: the verification has ended
--            and if found: see Calls.speech_reply()

local call = Calls.load(ARGS.call_id)
if not call then return { 'outcome', 'no_call' } end
if not call.sent_at or not Calls.is_live(call) then return { 'outcome', 'not_live' } end
if call.speech_fetched_at then return { 'outcome', 'fetched' } end
local verification = Verifications.load(call.verification)
if not verification or verification.status ~= 'pending' then return { 'outcome', 'closed' } end

Records.set(Calls.key(call.id), { call.gate == 'door' and 'prompt_fetched_at' or 'speech_fetched_at', NOW })
return Calls.speech_reply('found', call, verification)
