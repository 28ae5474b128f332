-- Start an attempt on an open request. KEYS open requests. ARGV request id. Returns the attempt, 0 = not open.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return 0
end
return redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
