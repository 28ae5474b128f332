-- Set fields of a hash that belongs to the holder of a lease, and if one of them changed, perhaps say so. Sent again, it
-- changes nothing and says nothing.
-- KEYS hash, fence, the source's feedback, everybody's feedback
-- ARGV generation, maxlen, number of events, the events, then field, value …      Returns 1, or -1 when fenced.
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
