-- Delete a consumer that leaves, and consumers idle for long. Only ones without pending entries, because XGROUP
-- DELCONSUMER drops those. KEYS stream. ARGV group, consumer, idle time in ms. Returns how many were deleted.
local gone = 0
for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for i = 1, #info, 2 do
    consumer[info[i]] = info[i + 1]
  end
  local leaves = consumer.name == ARGV[2] or consumer.idle > tonumber(ARGV[3])
  if leaves and consumer.pending == 0 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
    gone = gone + 1
  end
end
return gone
