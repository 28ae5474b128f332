-- Reset the idle time of the entries that this consumer holds, without raising their delivery count.
-- KEYS stream. ARGV group, consumer, entry ids… Returns two lists: ids that others hold, and ids that are settled.
local lost, settled = {}, {}
for i = 3, #ARGV do
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)
  if #pending == 0 then
    settled[#settled + 1] = ARGV[i]
  elseif pending[1][2] == ARGV[2] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return { lost, settled }
