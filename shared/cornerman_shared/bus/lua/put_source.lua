-- Write a source's settings, if what is there is still what the change was made from ('' = whatever is there).
-- KEYS sources, revision, stored… (kept again). ARGV source id, body, body before. Returns 1 or 0.
if ARGV[3] ~= '' and redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[3] then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('INCR', KEYS[2])
for i = 3, #KEYS do
  redis.call('PERSIST', KEYS[i])
end
return 1
