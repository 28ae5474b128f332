-- Release a lease that the owner holds. Returns 1 or 0.
-- KEYS  lease, fence     ARGV  owner, generation
if redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('GET', KEYS[2]) == ARGV[2] then
  return redis.call('DEL', KEYS[1])
end
return 0
