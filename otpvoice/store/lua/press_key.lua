-- Take the first key that was pressed during a gated call, and return what the call is to speak now.
--
-- Arguments  call_id, key
-- Returns    outcome: speak: the code, once; denied: the person did not ask for the call, see Gate.deny(); no_call;
--            not_asked: the call asks for no key, or this is none; pressed: a key came before; not_live;
--            closed: the verification has ended
--            and with speak: see Calls.speech_reply()

local call = Calls.load(ARGS.call_id)
if not call then return { 'outcome', 'no_call' } end
if call.gate ~= 'door' or not ARGS.key:find('^[%d*#]$') then return { 'outcome', 'not_asked' } end
if call.key then return { 'outcome', 'pressed' } end
local is_live, is_denial = call.sent_at and Calls.is_live(call), ARGS.key == POLICY.denial_key
-- A person who denies a call may hang up at once, so the report of its end may arrive first.
if not (is_live or is_denial and call.status == 'answered') then return { 'outcome', 'not_live' } end
local verification = Verifications.load(call.verification)
if is_denial then
  Records.set(Calls.key(call.id), { 'key', ARGS.key })
  return { 'outcome', Gate.deny(call, verification) and 'denied' or 'closed' }
end
if not verification or verification.status ~= 'pending' then return { 'outcome', 'closed' } end

Records.set(Calls.key(call.id), { 'key', ARGS.key, 'speech_fetched_at', NOW })
return Calls.speech_reply('speak', call, verification)
