-- Start a run of a source, or continue the stored one.
--
-- KEYS  run, counters, inflight, fence
-- ARGV  generation, new run id, resume (1 = continue the stored run if its url is the same), url
--
-- Returns run id, next seq, ended; or -1 when a newer owner holds the lease.
if redis.call('GET', KEYS[4]) ~= ARGV[1] then
  return -1
end
local there = redis.call('HGET', KEYS[1], 'run')
-- Sent again after a lost reply: the run has begun, and chunks may have been published since.
if there == ARGV[2] then
  return { there, redis.call('HGET', KEYS[1], 'published') or '0', redis.call('HGET', KEYS[1], 'ended') or '0' }
end
if there and ARGV[3] == '1' and redis.call('HGET', KEYS[1], 'url') == ARGV[4] then
  local next_seq = redis.call('HGET', KEYS[1], 'published') or '0'
  return { there, next_seq, redis.call('HGET', KEYS[1], 'ended') or '0' }
end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
redis.call('HSET', KEYS[1], 'run', ARGV[2], 'published', '0', 'url', ARGV[4], 'ended', '0')
return { ARGV[2], '0', '0' }
