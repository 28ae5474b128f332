-- Settle one input and write all its outputs, or nothing.
--
-- KEYS[1]  input stream
-- KEYS[2]  fence key
-- KEYS[3…] the keys that the operations name by number
-- ARGV     group ('' = no input), entry id, our generation ('' = the work needs no lease), then operations: each is its
--          name, its number of arguments, its arguments.
--
-- Returns 1 done, 0 the input was settled before, -1 a newer owner holds the lease, 2 settled, but the field of `once` was
-- missing or the member of `first` was there, so the operations behind it were left out.
local group, id, generation = ARGV[1], ARGV[2], ARGV[3]
if generation ~= '' and redis.call('GET', KEYS[2]) ~= generation then
  return -1
end
-- `expect` comes first, before the input is settled: another value than ours means that a newer attempt runs.
local first = 4
while ARGV[first] == 'expect' do
  local there = redis.call('HGET', KEYS[tonumber(ARGV[first + 2])], ARGV[first + 3])
  if there and there ~= ARGV[first + 4] then
    return 0
  end
  first = first + 5
end
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
function operations.release(key, member)
  redis.call('ZREM', key, member)
end
function operations.count(key, name, by)
  redis.call('HINCRBY', key, name, by)
end
function operations.free(key)
  redis.call('UNLINK', key)
end
-- Adds a member of a sorted set, scored by the server's time; forgets members older than `keep_s`.
local function is_first(key, member, keep_s)
  local now_s = tonumber(redis.call('TIME')[1])
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now_s - keep_s)
  local added = redis.call('ZADD', key, 'NX', now_s, member)
  redis.call('EXPIRE', key, keep_s)
  return added == 1
end
-- How many leading arguments of an operation are key numbers; must match `_KEY_ARGUMENTS` in hop.py.
local key_arguments = { add = 1, event = 2, set = 1, delete = 1, release = 1, count = 1, free = 1, once = 1, first = 1 }

local at = first
while at <= #ARGV do
  local name, n = ARGV[at], tonumber(ARGV[at + 1])
  local given = {}
  for i = 1, n do
    given[i] = ARGV[at + 1 + i]
    if i <= key_arguments[name] then
      given[i] = KEYS[tonumber(given[i])]
    end
  end
  if name == 'once' then
    if redis.call('HDEL', given[1], given[2]) == 0 then
      return 2
    end
  elseif name == 'first' then
    if not is_first(given[1], given[2], tonumber(given[3])) then
      return 2
    end
  else
    operations[name](unpack(given))
  end
  at = at + 2 + n
end
return 1
