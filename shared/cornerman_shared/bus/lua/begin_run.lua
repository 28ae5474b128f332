-- Start a run of a source, or continue the stored one: the server decides, by url and incarnation.
--
-- KEYS  run, counters, inflight, fence, incarnations, ended runs
-- ARGV  generation, new run id, resume (1 = continue the stored run if its url is the same), url, source id, incarnation
--       that the caller knows (0 = none was given), seconds for which an ended run is noted
--
-- Returns run id, next seq, ended, media time of the newest chunk ('' = unknown), seconds since it was published,
-- counters; -1 when a newer owner holds the lease, or when the source was removed or replaced since the caller read it.
local run, counters, inflight, fence, incarnations = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
if redis.call('GET', fence) ~= ARGV[1] then
  return -1
end
local incarnation = redis.call('HGET', incarnations, ARGV[5]) or '0'
if ARGV[6] ~= '0' and incarnation ~= ARGV[6] then
  return -1
end
local there = redis.call('HGET', run, 'run')
-- Sent again after a lost reply: the run has begun, and chunks may have been published since.
if there == ARGV[2] then
  local published, ended = redis.call('HGET', run, 'published') or '0', redis.call('HGET', run, 'ended') or '0'
  return { there, published, ended, '', '0', redis.call('HGETALL', counters) }
end
-- A version without incarnations writes none; its run is of this one, because replacing a source deletes the url.
local same = (redis.call('HGET', run, 'incarnation') or incarnation) == incarnation
if there and there ~= '' and same and ARGV[3] == '1' and redis.call('HGET', run, 'url') == ARGV[4] then
  redis.call('HSET', run, 'incarnation', incarnation)
  local now = redis.call('TIME')
  local at_s = tonumber(redis.call('HGET', run, 'at_s') or now[1])
  return {
    there,
    redis.call('HGET', run, 'published') or '0',
    redis.call('HGET', run, 'ended') or '0',
    redis.call('HGET', run, 'pts_s') or '',
    tostring(math.max(0, tonumber(now[1]) + tonumber(now[2]) / 1000000 - at_s)),
    redis.call('HGETALL', counters),
  }
end
if there and there ~= '' then
  -- Its arrays are freed by the decider, before their time to live.
  redis.call('HSET', KEYS[6], ARGV[5] .. ':' .. there, redis.call('HGET', run, 'published') or '0')
  redis.call('EXPIRE', KEYS[6], ARGV[7])
end
redis.call('DEL', run, counters, inflight)
redis.call('HSET', run, 'run', ARGV[2], 'published', '0', 'url', ARGV[4], 'ended', '0', 'incarnation', incarnation)
return { ARGV[2], '0', '0', '', '0', {} }
