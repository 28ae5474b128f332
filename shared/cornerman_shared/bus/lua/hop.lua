-- Settle one input and write all its outputs, or nothing.
--
-- KEYS[1]  input stream
-- KEYS[2]  fence key
-- KEYS[3…] the keys that the operations name by number
-- ARGV     group ('' = no input), entry id, our generation ('' = the work needs no lease), then conditions, then
--          operations: each is its name, its number of arguments, its arguments.
--
-- Returns 1 done, 0 the input was settled before or a condition does not hold, -1 a newer owner holds the lease, 2 settled,
-- but the field of `once` was missing or the member of `first` was there, so the operations behind it were left out, 3 the
-- run or the incarnation of the source is no longer current.
local group, id, generation = ARGV[1], ARGV[2], ARGV[3]
if generation ~= '' and redis.call('GET', KEYS[2]) ~= generation then
  return -1
end
-- Conditions come first, before the input is settled. Each returns nothing, or the result of the hop.
local conditions = {}
-- Another value than ours means that a newer attempt runs.
function conditions.expect(key, field, value)
  local there = redis.call('HGET', key, field)
  if there and there ~= value then
    return 0
  end
end
-- Another value than ours means that the server has lost what we wrote, or that another wrote. '' = there is none.
function conditions.holds(key, field, value)
  if (redis.call('HGET', key, field) or '') ~= value then
    return 0
  end
end
-- `of_run` may be empty, and `incarnation` 0: a version that knows none wrote the message.
function conditions.current(run, incarnations, sources, id, of_run, incarnation)
  local now = redis.call('HGET', run, 'run')
  if now and of_run ~= '' and now ~= of_run then
    return 3
  end
  if incarnation ~= '0' then
    if redis.call('HGET', incarnations, id) ~= incarnation then
      return 3
    end
  elseif redis.call('HEXISTS', sources, id) == 0 then
    return 3
  end
end
function conditions.unregistered(sources, id)
  if redis.call('HEXISTS', sources, id) == 1 then
    return 0
  end
end

-- How many leading arguments are key numbers; must match `_KEY_ARGUMENTS` in hop.py.
local key_arguments = { current = 3, event = 2, expire = 4, tally = 2 }

local function arguments(at)
  local given = {}
  for i = 1, tonumber(ARGV[at + 1]) do
    given[i] = ARGV[at + 1 + i]
    if i <= (key_arguments[ARGV[at]] or 1) then
      given[i] = KEYS[tonumber(given[i])]
    end
  end
  return given
end

local at = 4
while conditions[ARGV[at]] do
  local result = conditions[ARGV[at]](unpack(arguments(at)))
  if result then
    return result
  end
  at = at + 2 + tonumber(ARGV[at + 1])
end
-- A script is not undone when a command fails, so a damaged key must be found before anything is written.
local types = {
  add = 'stream', erase = 'stream', event = 'stream', set = 'hash', delete = 'hash', once = 'hash', count = 'hash',
  release = 'zset', release_range = 'zset', first = 'zset', tally = 'hash',
}
local first, sound = at, {}
while at <= #ARGV do
  local key, wanted = KEYS[tonumber(ARGV[at + 2])], types[ARGV[at]]
  if wanted and not sound[key] then
    local found = redis.call('TYPE', key).ok
    if found ~= wanted and found ~= 'none' then
      return redis.error_reply('WRONGTYPE ' .. key .. ' holds a ' .. found .. ' instead of a ' .. wanted)
    end
    sound[key] = true
  end
  at = at + 2 + tonumber(ARGV[at + 1])
end
at = first
if group ~= '' and redis.call('XACK', KEYS[1], group, id) == 0 then
  return 0
end

local operations = {}
function operations.add(key, maxlen, body)
  redis.call('XADD', key, 'MAXLEN', '~', maxlen, '*', 'm', body)
end
-- An event goes to the stream of its source and to the stream of its shard.
function operations.event(own, all, maxlen, body)
  redis.call('XADD', own, 'MAXLEN', '~', maxlen, '*', 'm', body)
  redis.call('XADD', all, 'MAXLEN', '~', maxlen, '*', 'm', body)
end
function operations.set(key, field, value, unless)
  if not unless or redis.call('HGET', key, field) ~= unless then
    redis.call('HSET', key, field, value)
  end
end
function operations.delete(key, field)
  redis.call('HDEL', key, field)
end
function operations.erase(key, id)
  redis.call('XDEL', key, id)
end
function operations.release(key, member)
  redis.call('ZREM', key, member)
end
-- Members `<run>:<seq>` from `first` to `last`. A set holds at most the credit of a source, however long the gap is.
function operations.release_range(key, run, first, last)
  for _, member in ipairs(redis.call('ZRANGE', key, 0, -1)) do
    local seq = string.sub(member, 1, #run + 1) == run .. ':' and tonumber(string.sub(member, #run + 2))
    if seq and seq >= tonumber(first) and seq <= tonumber(last) then
      redis.call('ZREM', key, member)
    end
  end
end
function operations.count(key, name, by)
  if type(redis.pcall('HINCRBY', key, name, by)) == 'table' then
    redis.call('HSET', key, name, by) -- it held no number
  end
end
-- A count belongs to a run: what an older run left behind must not make the sums of the present one wrong.
function operations.tally(counters, run, id, name, by)
  local there = redis.call('HGET', run, 'run')
  if not there or there == id then
    operations.count(counters, name, by)
  end
end
function operations.free(key)
  redis.call('UNLINK', key)
end
-- Adds a member of a sorted set, scored by the server's time, if it was not there; forgets members older than `keep_s`.
function operations.first(key, member, keep_s)
  local now_s = tonumber(redis.call('TIME')[1])
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now_s - tonumber(keep_s))
  local added = redis.call('ZADD', key, 'NX', now_s, member)
  redis.call('EXPIRE', key, keep_s)
  return added == 1
end
-- What was written of a source that is not registered (any more) expires.
function operations.expire(sources, feedback, counters, memory, id, seconds)
  if redis.call('HEXISTS', sources, id) == 0 then
    for _, key in ipairs({ feedback, counters, memory }) do
      redis.call('EXPIRE', key, seconds, 'NX')
    end
  end
end

while at <= #ARGV do
  local name, given = ARGV[at], arguments(at)
  if name == 'once' then
    if redis.call('HDEL', given[1], given[2]) == 0 then
      return 2
    end
  elseif name == 'first' then
    if not operations.first(unpack(given)) then
      return 2
    end
  else
    operations[name](unpack(given))
  end
  at = at + 2 + tonumber(ARGV[at + 1])
end
return 1
