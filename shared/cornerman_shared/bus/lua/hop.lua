-- Settle one input and write all its outputs, or nothing.
--
-- KEYS[1]  input stream
-- KEYS[2]  fence key
-- KEYS[3…] the keys that the operations name by number
-- ARGV     group ('' = no input), entry id, our generation ('' = the work needs no lease), then conditions, then
--          operations: each is its name, its number of arguments, its arguments. Leading arguments are key numbers, as many
--          as `_KEY_ARGUMENTS` in hop.py says.
--
-- Returns 1 done, 0 the input was settled before or a condition does not hold, -1 a newer owner holds the lease, 2 settled,
-- but the field of `once` was missing or the member of `first` was there, so the operations behind it were left out, 3 the
-- run or the incarnation of the source is no longer current.
--
-- One chain of names instead of a table of functions: the server builds a table anew at each call, which cost half of it.
local call, KEYS, ARGV, tonumber = redis.call, KEYS, ARGV, tonumber
local group, id, generation, size = ARGV[1], ARGV[2], ARGV[3], #ARGV
if generation ~= '' and call('GET', KEYS[2]) ~= generation then
  return -1
end
-- Conditions come first, before the input is settled. Each goes on, or returns the result of the hop.
local at = 4
while at <= size do
  local name, key = ARGV[at], KEYS[tonumber(ARGV[at + 2])]
  if name == 'current' then
    -- Run, incarnations and sources; source id, its run (may be empty), incarnation (0 = of a version without them).
    local now, of_run, incarnation = call('HGET', key, 'run'), ARGV[at + 6], ARGV[at + 7]
    if now and of_run ~= '' and now ~= of_run then
      return 3
    end
    if incarnation ~= '0' then
      if call('HGET', KEYS[tonumber(ARGV[at + 3])], ARGV[at + 5]) ~= incarnation then
        return 3
      end
    elseif call('HEXISTS', KEYS[tonumber(ARGV[at + 4])], ARGV[at + 5]) == 0 then
      return 3
    end
  elseif name == 'expect' then
    -- Another value than ours means that a newer attempt runs.
    local there = call('HGET', key, ARGV[at + 3])
    if there and there ~= ARGV[at + 4] then
      return 0
    end
  elseif name == 'holds' then
    -- Another value than ours means that a fail-over has lost what we wrote. '' = there is none.
    if (call('HGET', key, ARGV[at + 3]) or '') ~= ARGV[at + 4] then
      return 0
    end
  elseif name == 'unregistered' then
    if call('HEXISTS', key, ARGV[at + 3]) == 1 then
      return 0
    end
  else
    break
  end
  at = at + 2 + tonumber(ARGV[at + 1])
end
-- A script is not undone when a command fails, so a damaged key must be found before anything is written. The length of a
-- key is an error if it is of another type.
local function check(key, length, wanted)
  if type(redis.pcall(length, key)) == 'table' then
    return redis.error_reply('WRONGTYPE ' .. key .. ' holds a ' .. call('TYPE', key).ok .. ' instead of a ' .. wanted)
  end
end
local first, done, done_key = at, nil, nil
while at <= size do
  local name, number = ARGV[at], ARGV[at + 2]
  local key, second, fault = KEYS[tonumber(number)], KEYS[tonumber(ARGV[at + 3])], nil
  if name == done and number == done_key or name == 'free' or name == 'wake' then
    fault = nil
  elseif name == 'add' or name == 'erase' then
    fault = check(key, 'XLEN', 'stream')
  elseif name == 'event' then
    fault = check(key, 'XLEN', 'stream') or check(second, 'XLEN', 'stream')
  elseif name == 'release' or name == 'release_range' or name == 'first' then
    fault = check(key, 'ZCARD', 'zset')
  elseif name == 'tally' then
    fault = check(key, 'HLEN', 'hash') or check(second, 'HLEN', 'hash')
  elseif name == 'count' or name == 'set' or name == 'delete' or name == 'once' or name == 'expire' then
    fault = check(key, 'HLEN', 'hash')
  else
    fault = redis.error_reply('ERR unknown operation ' .. name)
  end
  if fault then
    return fault
  end
  done, done_key = name, number
  at = at + 2 + tonumber(ARGV[at + 1])
end
at = first
if group ~= '' and call('XACK', KEYS[1], group, id) == 0 then
  return 0
end

local function count(key, name, by)
  if type(redis.pcall('HINCRBY', key, name, by)) == 'table' then
    call('HSET', key, name, by) -- it held no number
  end
end

while at <= size do
  local name, n, key = ARGV[at], tonumber(ARGV[at + 1]), KEYS[tonumber(ARGV[at + 2])]
  if name == 'add' then
    call('XADD', key, 'MAXLEN', '~', ARGV[at + 3], '*', 'm', ARGV[at + 4])
  elseif name == 'event' then
    -- An event goes to the stream of its source and to the stream of its shard.
    call('XADD', key, 'MAXLEN', '~', ARGV[at + 4], '*', 'm', ARGV[at + 5])
    call('XADD', KEYS[tonumber(ARGV[at + 3])], 'MAXLEN', '~', ARGV[at + 4], '*', 'm', ARGV[at + 5])
  elseif name == 'count' then
    count(key, ARGV[at + 3], ARGV[at + 4])
  elseif name == 'set' then
    if n == 3 or call('HGET', key, ARGV[at + 3]) ~= ARGV[at + 5] then
      call('HSET', key, ARGV[at + 3], ARGV[at + 4])
    end
  elseif name == 'release' then
    call('ZREM', key, ARGV[at + 3])
  elseif name == 'free' then
    call('UNLINK', key)
  elseif name == 'wake' then
    redis.pcall('XADD', key, 'MAXLEN', '~', 100, '*', 'm', ARGV[at + 3])
  elseif name == 'tally' then
    -- A count belongs to a run: what an older run left behind must not make the sums of the present one wrong.
    local there = call('HGET', KEYS[tonumber(ARGV[at + 3])], 'run')
    if not there or there == ARGV[at + 4] then
      count(key, ARGV[at + 5], ARGV[at + 6])
    end
  elseif name == 'delete' then
    call('HDEL', key, ARGV[at + 3])
  elseif name == 'once' then
    if call('HDEL', key, ARGV[at + 3]) == 0 then
      return 2
    end
  elseif name == 'first' then
    -- Adds a member, scored by the server's time, if it was not there; forgets members older than these seconds.
    local now_s, keep_s = tonumber(call('TIME')[1]), ARGV[at + 4]
    call('ZREMRANGEBYSCORE', key, '-inf', now_s - tonumber(keep_s))
    local added = call('ZADD', key, 'NX', now_s, ARGV[at + 3])
    call('EXPIRE', key, keep_s)
    if added == 0 then
      return 2
    end
  elseif name == 'erase' then
    call('XDEL', key, ARGV[at + 3])
  elseif name == 'release_range' then
    -- Members `<run>:<seq>` of a range. A set holds at most the credit of a source, however long the gap is.
    local start = ARGV[at + 3] .. ':'
    for _, member in ipairs(call('ZRANGE', key, 0, -1)) do
      local seq = string.sub(member, 1, #start) == start and tonumber(string.sub(member, #start + 1))
      if seq and seq >= tonumber(ARGV[at + 4]) and seq <= tonumber(ARGV[at + 5]) then
        call('ZREM', key, member)
      end
    end
  elseif name == 'expire' then
    -- What was written of a source that is not registered (any more) expires: feedback, counters, memory.
    if call('HEXISTS', key, ARGV[at + 6]) == 0 then
      for i = 3, 5 do
        call('EXPIRE', KEYS[tonumber(ARGV[at + i])], ARGV[at + 7], 'NX')
      end
    end
  end
  at = at + 2 + n
end
return 1
