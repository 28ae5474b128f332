-- Take or renew a lease. The generation rises when the owner changes, and when an owner returns after the lease expired,
-- so that a process that was suspended past its lease is fenced even if no other process took it.
--
-- KEYS  lease, fence
-- ARGV  owner, ttl in ms, our generation (0 = not held)
--
-- Returns the generation that the owner holds, or 0 when it does not hold the lease.
local owner = redis.call('GET', KEYS[1])
if owner == ARGV[1] and redis.call('GET', KEYS[2]) == ARGV[3] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return tonumber(ARGV[3])
end
if owner and owner ~= ARGV[1] then
  return 0
end
if tonumber(ARGV[3]) > 0 then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return redis.call('INCR', KEYS[2])
