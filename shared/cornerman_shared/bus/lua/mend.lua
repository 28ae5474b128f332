-- Delete what is stored of a source and cannot be read: keys of another type, numbers that are none.
-- KEYS run, counters, decider state, stills, inflight, feedback, display, push. Returns the damaged keys and fields.
local types = { 'hash', 'hash', 'hash', 'hash', 'zset', 'stream', 'stream', 'stream' }
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
return damaged
