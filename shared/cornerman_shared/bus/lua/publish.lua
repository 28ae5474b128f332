-- Publish a chunk, once, if there is credit.
--
-- KEYS  chunks, inflight, run, counters, fence, incarnations
-- ARGV  generation, run, seq, member, credit (0 = needs none), heal seconds, maxlen, body, is_end (1 = the end marker),
--       source id, incarnation (0 = none was given), media time of the chunk in seconds
--
-- Returns 1 published, 0 no credit, -1 a newer owner holds the lease, or the run has ended or is not current, 2 this seq was
-- published before, 3 the end marker has another seq than the number of chunks published, 4 chunks before this one are
-- missing: a fail-over has lost them.
local chunks, inflight, run, counters, fence = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local generation, run_id, seq, member = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local credit, heal_s, maxlen, body, is_end = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7], ARGV[8], ARGV[9]

if redis.call('GET', fence) ~= generation then
  return -1
end
local stored = redis.call('HMGET', run, 'run', 'published', 'ended')
local published, ended = tonumber(stored[2] or '0'), stored[3] == '1'
if stored[1] ~= run_id then
  return -1
end
if ARGV[11] ~= '0' and redis.call('HGET', KEYS[6], ARGV[10]) ~= ARGV[11] then
  return -1
end
if is_end == '1' then
  if ended then
    return 2
  end
  if published ~= seq then
    return 3
  end
elseif published > seq then
  return 2
elseif ended then
  return -1
end
local now = redis.call('TIME')
local now_s = tonumber(now[1]) + tonumber(now[2]) / 1000000
if credit > 0 then
  if heal_s > 0 then
    redis.call('ZREMRANGEBYSCORE', inflight, '-inf', now_s - heal_s)
  end
  if redis.call('ZCARD', inflight) >= credit then
    return 0
  end
end
if is_end ~= '1' and published < seq then
  return 4
end
-- First, because it fails if another than us has made the key; then nothing must have been written.
redis.call('XADD', chunks, 'MAXLEN', '~', maxlen, '*', 'm', body)
if credit > 0 then
  redis.call('ZADD', inflight, now_s, member)
end
if is_end == '1' then
  redis.call('HSET', run, 'ended', '1')
else
  -- The next owner of the source goes on behind this chunk.
  redis.call('HSET', run, 'published', seq + 1, 'pts_s', ARGV[12], 'at_s', string.format('%.3f', now_s))
  redis.call('HINCRBY', counters, 'published', 1)
end
return 1
