-- Start an attempt on an open request. KEYS open requests. ARGV request id. Returns the attempt, 0 = not open.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return 0
end
local attempt = redis.pcall('HINCRBY', KEYS[1], ARGV[1], 1)
if type(attempt) == 'table' then
  attempt = 1 -- it held no number
  redis.call('HSET', KEYS[1], ARGV[1], attempt)
end
return attempt
