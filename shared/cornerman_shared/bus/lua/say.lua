-- Append an event of a request if this attempt is the newest and the request is open.
-- KEYS open requests, feedback of the source, feedback of the shard. ARGV request id, attempt, maxlen, body.
-- Returns 1 or 0.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'm', ARGV[4])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[3], '*', 'm', ARGV[4])
return 1
