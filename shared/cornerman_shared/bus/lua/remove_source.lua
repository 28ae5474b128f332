-- Remove a source and let its stored data expire. KEYS sources, revision, stored data… ARGV source id, seconds.
-- Returns 1, or 0 when the source was not registered.
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call('INCR', KEYS[2])
for i = 3, #KEYS do
  redis.call('EXPIRE', KEYS[i], ARGV[2])
end
return 1
