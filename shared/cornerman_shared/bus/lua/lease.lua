-- Take or renew a lease. The generation rises when the owner changes, and when an owner returns after the lease expired,
-- so that a process that was suspended past its lease is fenced even if no other process took it. It is at least the time
-- in ms: a fail-over that loses the newest generations must not give one of them again.
--
-- KEYS  lease, fence, generations of the shard
-- ARGV  owner, ttl in ms, our generation (0 = not held), how much longer the fence is kept in ms
--
-- Returns the generation that the owner holds, or 0 when it does not hold the lease.
local lease, fence, generations = KEYS[1], KEYS[2], KEYS[3]
local name, ttl, held = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local keep = ttl + tonumber(ARGV[4])
local owner = redis.call('GET', lease)
local last = tonumber(redis.call('GET', fence) or '0')
if owner == name and held > 0 and last == held then
  redis.call('PEXPIRE', lease, ttl)
  redis.call('PEXPIRE', fence, keep)
  return held
end
if (owner and owner ~= name) or held > 0 then
  return 0
end
-- The counter alone would do; the fence is above it where a version without the counter raised the fence.
local now = redis.call('TIME')
local now_ms = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
local generation = math.max(redis.call('INCR', generations), last + 1, now_ms)
redis.call('SET', generations, generation)
redis.call('SET', fence, generation, 'PX', keep)
redis.call('SET', lease, name, 'PX', ttl)
return generation
