-- Write the settings of a source if the stored ones equal `body before` ('' = in any case).
-- KEYS sources, revision, stored data… (made persistent). ARGV source id, body, body before. Returns 1 or 0.
if ARGV[3] ~= '' and redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[3] then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('INCR', KEYS[2])
for i = 3, #KEYS do
  redis.call('PERSIST', KEYS[i])
end
return 1
