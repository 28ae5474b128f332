-- Register a source. KEYS sources, revision, stored data… (made persistent). ARGV source id, body.
-- Returns 1, or 0 when the id is taken.
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then
  return 0
end
-- A source that was removed and added again plays from its start: its old run is not continued.
redis.call('HDEL', KEYS[3], 'url')
redis.call('INCR', KEYS[2])
for i = 3, #KEYS do
  redis.call('PERSIST', KEYS[i])
end
return 1
