-- Set fields of a hash that belongs to the holder of a lease, and perhaps say so.
-- KEYS hash, fence, the source's feedback, everybody's feedback
-- ARGV generation, maxlen, event ('' = none), then field, value …      Returns 1, or -1 when fenced.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return -1
end
for i = 4, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
if ARGV[3] ~= '' then
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[2], '*', 'm', ARGV[3])
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[2], '*', 'm', ARGV[3])
end
return 1
