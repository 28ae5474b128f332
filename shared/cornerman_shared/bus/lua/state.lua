-- Set fields of a hash under a lease, and append events if a field changed. Sent again, it changes nothing.
-- KEYS hash, fence, feedback of the source, feedback of the shard
-- ARGV generation, maxlen, number of events, the events, then field, value …
-- Returns 1, or -1 when a newer owner holds the lease.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return -1
end
local events = tonumber(ARGV[3])
local changed = false
for i = 4 + events, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) ~= ARGV[i + 1] then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    changed = true
  end
end
if changed then
  for i = 4, 3 + events do
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[2], '*', 'm', ARGV[i])
    redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[2], '*', 'm', ARGV[i])
  end
end
return 1
