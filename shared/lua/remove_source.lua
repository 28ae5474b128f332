-- Remove a source. KEYS sources, revision. ARGV source id. Returns 1, or 0 when there was none.
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call('INCR', KEYS[2])
return 1
