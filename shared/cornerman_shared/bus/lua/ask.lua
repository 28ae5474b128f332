-- Add a question, unless too many about its source wait already, also while no decider reads them.
-- KEYS questions, asked, answered and open requests of the shard. ARGV source id, question id, maxlen, body, how many
-- may wait (0 = any number), seconds for which one waits. Returns 0 it was added, else how many wait.
local questions, asked, answered, open = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now_s = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', asked, '-inf', now_s - tonumber(ARGV[6]) - 1)
for _, question in ipairs(redis.call('ZRANGE', asked, 0, -1)) do
  if redis.call('ZSCORE', answered, question) then
    redis.call('ZREM', asked, question)
  end
end
local waiting, prefix = redis.call('ZCARD', asked), ARGV[1] .. ':q:'
for _, request in ipairs(redis.call('HKEYS', open)) do
  if string.sub(request, 1, #prefix) == prefix then
    waiting = waiting + 1
  end
end
if ARGV[5] ~= '0' and waiting >= tonumber(ARGV[5]) then
  return waiting
end
redis.call('XADD', questions, 'MAXLEN', '~', ARGV[3], '*', 'm', ARGV[4])
redis.call('ZADD', asked, now_s, ARGV[2])
redis.call('EXPIRE', asked, math.ceil(tonumber(ARGV[6])) + 1)
return 0
