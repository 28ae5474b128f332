-- Trim from work streams what every group has settled: no group needs it.
-- KEYS the streams. ARGV milliseconds that an entry is kept in any case, for those that only look. Returns a list: entries removed, then the error of a stream that could not be trimmed ('' = none).
-- A pending entry stays until it is settled, and an unread one until it is read; both have ids behind the one trimmed to.
local function order(id)
  local ms, number = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(number)
end

local now = redis.call('TIME')
local young_ms = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000) - tonumber(ARGV[1])
local removed, fault = 0, ''
for _, stream in ipairs(KEYS) do
  local oldest, oldest_ms, oldest_number
  if redis.call('TYPE', stream).ok == 'stream' then
    for _, row in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
      local info = {}
      for i = 1, #row, 2 do
        info[row[i]] = row[i + 1]
      end
      local id = info['last-delivered-id']
      if info.pending > 0 then
        id = redis.call('XPENDING', stream, info.name)[2]
      end
      local ms, number = order(id)
      if not oldest or ms < oldest_ms or ms == oldest_ms and number < oldest_number then
        oldest, oldest_ms, oldest_number = id, ms, number
      end
    end
  end
  if oldest and oldest_ms > young_ms then
    oldest = string.format('%d-0', young_ms)
  end
  if oldest then
    local reply = redis.pcall('XTRIM', stream, 'MINID', '~', oldest)
    if type(reply) == 'table' then
      fault = reply.err
    else
      removed = removed + reply
    end
  end
end
return { removed, fault }
