-- Return whether calls can be placed.
--
-- Returns  dialers, closed_routes, open_breakers, quarantine: see Records.quarantine_summary(),
--          clock_lead_ms: how far the functions are ahead of the server's clock

return { 'dialers', Queue.dialers(), 'closed_routes', Routes.closed(),
  'open_breakers', redis.call('ZRANGEBYSCORE', BREAKERS, '(' .. NOW, '+inf'),
  'quarantine', Records.quarantine_summary(), 'clock_lead_ms', NOW - server_time() }
