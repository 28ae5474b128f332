-- Delete what is stored of a source and cannot be read: keys of another type, numbers that are none.
-- KEYS run, counters, decider state, stills, inflight, feedback, display, push, asked, answered, lease and fence of
-- capture; then of the shard: open requests, incarnations, revision, which are not deleted. ARGV source id. Returns the
-- damaged keys and fields.
local types = {
  'hash', 'hash', 'hash', 'hash', 'zset', 'stream', 'stream', 'stream', 'zset', 'zset', 'string', 'string',
}
local open, incarnations, revision, id = KEYS[13], KEYS[14], KEYS[15], ARGV[1]
local damaged = {}
for i, wanted in ipairs(types) do
  local found = redis.call('TYPE', KEYS[i]).ok
  if found ~= wanted and found ~= 'none' then
    redis.call('DEL', KEYS[i])
    damaged[#damaged + 1] = KEYS[i]
  end
end
for _, field in ipairs({ 'published', 'pts_s', 'at_s' }) do
  local value = redis.call('HGET', KEYS[1], field)
  if value and not (tonumber(value) and tonumber(value) >= 0 and tonumber(value) < 2 ^ 53) then
    redis.call('DEL', KEYS[1])
    damaged[#damaged + 1] = KEYS[1] .. ' ' .. field
  end
end
local counters = redis.call('HGETALL', KEYS[2])
for i = 1, #counters, 2 do
  if not string.find(counters[i + 1], '^-?%d+$') or #counters[i + 1] > 15 then
    redis.call('HDEL', KEYS[2], counters[i])
    damaged[#damaged + 1] = KEYS[2] .. ' ' .. counters[i]
  end
end
-- Attempts of this source's requests: the request goes on, with its next attempt.
for _, request in ipairs(redis.call('HKEYS', open)) do
  if string.sub(request, 1, #id + 1) == id .. ':' then
    local attempt = redis.call('HGET', open, request)
    if not string.find(attempt, '^%d+$') or #attempt > 15 then
      redis.call('HSET', open, request, '0')
      damaged[#damaged + 1] = open .. ' ' .. request
    end
  end
end
local number, lost = redis.call('HGET', incarnations, id), false
if number and (not string.find(number, '^%d+$') or #number > 15) then
  redis.call('HDEL', incarnations, id) -- as of a source that a version without incarnations added
  damaged[#damaged + 1] = incarnations .. ' ' .. id
end
for _, name in ipairs(damaged) do
  lost = lost or string.sub(name, 1, #incarnations) == incarnations
end
if lost then
  redis.call('INCR', revision) -- capture and deciders read it again
end
return damaged
