-- Write an event of a request, if this attempt is still the newest and the request open.
-- KEYS open requests, the source's feedback, everybody's feedback. ARGV request id, attempt, maxlen, body. Returns 1 or 0.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'm', ARGV[4])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[3], '*', 'm', ARGV[4])
return 1
