-- Set fields of a hash under a lease, and append events if a field changed. Sent again, it changes nothing.
-- KEYS hash, fence, feedback of the source, feedback of the shard, run
-- ARGV generation, run ('' = any), maxlen, number of events, the events, then field, value …
-- Returns 1, or -1 when a newer owner holds the lease or the run is no longer current.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return -1
end
if ARGV[2] ~= '' and redis.call('HGET', KEYS[5], 'run') ~= ARGV[2] then
  return -1
end
local events = tonumber(ARGV[4])
local changed = false
for i = 5 + events, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) ~= ARGV[i + 1] then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    changed = true
  end
end
if changed then
  for i = 5, 4 + events do
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[3], '*', 'm', ARGV[i])
    redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[3], '*', 'm', ARGV[i])
  end
end
return 1
