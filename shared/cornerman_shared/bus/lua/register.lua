-- Add, change, replace or remove a source, in one step. Adding, replacing and removing end what the source was before:
-- its run is no longer current, its open requests are cancelled, and the decider's memory is deleted.
--
-- KEYS  sources, revision, incarnations, open requests, feedback of the shard, then what is stored of the source:
--       run, counters, decider state, stills, inflight, feedback, display, push; then ended runs and notes of the shard
-- ARGV  source id, body, body before (change, replace), verb (add, change, replace, remove), seconds that stored data of
--       a removed source is kept, maxlen of feedback, run that the caller read, its last event ('' = none), detail,
--       then pairs: open request, the event that ends it
--
-- Returns the source's incarnation (0 = none was given: an older version added it), -1 the source is there, is gone or
-- has changed, -2 its run or its open requests are not those that the caller read: read again.
local sources, revision, incarnations, open, all = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local run, counters, memory, inflight, own = KEYS[6], KEYS[7], KEYS[8], KEYS[10], KEYS[11]
local id, body, before, verb = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local maxlen, known_run, farewell, detail = ARGV[6], ARGV[7], ARGV[8], ARGV[9]

-- A script is not undone when a command fails, so a shared key of another type must be found before anything is written.
redis.call('GET', revision)
redis.call('XLEN', all)
for _, key in ipairs({ incarnations, open, KEYS[14] }) do
  redis.call('HLEN', key)
end
local there = redis.call('HGET', sources, id)
if verb == 'add' and there or verb == 'remove' and not there then
  return -1
end
if (verb == 'change' or verb == 'replace') and there ~= before then
  return -1
end

-- Damaged keys of a source must not keep it from being removed.
local types = { 'hash', 'hash', 'hash', 'hash', 'zset', 'stream', 'stream', 'stream' }
for i, wanted in ipairs(types) do
  local found = redis.call('TYPE', KEYS[5 + i]).ok
  if found ~= wanted and found ~= 'none' then
    redis.call('DEL', KEYS[5 + i])
  end
end

local function wake(note)
  redis.pcall('XADD', KEYS[15], 'MAXLEN', '~', 100, '*', 'm', note)
end

local function tell(event)
  redis.call('XADD', own, 'MAXLEN', '~', maxlen, '*', 'm', event)
  redis.call('XADD', all, 'MAXLEN', '~', maxlen, '*', 'm', event)
end

if verb ~= 'change' then
  local ends, ours = {}, {}
  for i = 10, #ARGV, 2 do
    ends[ARGV[i]] = ARGV[i + 1]
  end
  for _, request in ipairs(redis.call('HKEYS', open)) do
    if string.sub(request, 1, #id + 1) == id .. ':' then
      if not ends[request] then
        return -2
      end
      ours[#ours + 1] = request
    end
  end
  if (redis.call('HGET', run, 'run') or '') ~= known_run then
    return -2
  end
  -- Counters are of one run; the id of a question does not name its run.
  local of_run = id .. ':' .. known_run .. ':'
  for _, request in ipairs(ours) do
    redis.call('HDEL', open, request)
    local is_question = string.sub(request, #id + 1, #id + 3) == ':q:'
    if known_run == '' or is_question or string.sub(request, 1, #of_run) == of_run then
      redis.call('HINCRBY', counters, 'cancelled', 1)
    end
    tell(ends[request])
    wake('ended:' .. request)
  end
  if farewell ~= '' then
    tell(farewell)
  end
  redis.call('HDEL', memory, 'state', 'said', 'place')
  redis.call('DEL', inflight)
  if known_run ~= '' then
    -- Its arrays are freed by the decider, before their time to live.
    redis.call('HSET', KEYS[14], id .. ':' .. known_run, redis.call('HGET', run, 'published') or '0')
    redis.call('EXPIRE', KEYS[14], ARGV[5])
  end
  if redis.call('EXISTS', run) == 1 then
    -- No run is current: an empty name refuses chunks and decisions of the run before, those of older versions as well.
    redis.call('HDEL', run, 'url', 'published', 'ended', 'done', 'pts_s', 'at_s', 'state', 'detail')
    redis.call('HSET', run, 'run', '')
    if verb == 'remove' then
      redis.call('HSET', run, 'state', 'ended', 'detail', detail)
    end
  end
end

-- At least the time in ms: a fail-over that loses the newest numbers must not give one of them again.
local now = redis.call('TIME')
local number = math.max(
  redis.call('INCR', revision), tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
)
redis.call('SET', revision, number)
wake('source:' .. id)
if verb == 'remove' then
  redis.call('HDEL', sources, id)
  redis.call('HDEL', incarnations, id)
  for i = 6, 13 do
    redis.call('EXPIRE', KEYS[i], ARGV[5], 'LT')
  end
  return number
end
redis.call('HSET', sources, id, body)
for _, key in ipairs({ run, counters, memory, inflight, own }) do
  redis.call('PERSIST', key)
end
if verb == 'change' then
  return tonumber(redis.call('HGET', incarnations, id) or '0')
end
redis.call('HSET', incarnations, id, number)
return number
