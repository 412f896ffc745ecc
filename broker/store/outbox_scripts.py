"""What happens to a notice in one step, in Lua on the server.

KEYS are the stream, the hash of notices, those for later and the dead, in this order; each script answers
with the stream's name first. Only who still has an entry in hand decides what becomes of its notice: who
was so slow that it was claimed by another changes nothing (XACK says which of the two it is).
"""

from __future__ import annotations

from broker.store.wire import Script

_KEEP = """
local function keep(life)
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, life) end
end
"""

_ADD = """
local function add(id)
  if redis.call('EXISTS', KEYS[1]) == 0 then
    redis.call('XGROUP', 'CREATE', KEYS[1], 'workers', '0', 'MKSTREAM')
  end
  redis.call('XADD', KEYS[1], '*', 'id', id)
end
"""

# ARGV: id, sealed notice, how long everything here stays
POST = Script(
    _KEEP
    + _ADD
    + """
if redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2]) == 0 then return {KEYS[1], 0} end
add(ARGV[1])
keep(ARGV[3])
return {KEYS[1], 1}
"""
)

# ARGV: worker, now, milliseconds after which an entry in hand is anybody's, how many, life. Answers how many
# notices there are that are neither delivered nor given up, and then what is taken of them.
# A stream that was copied by some tool may have come without its group: then all of it is to be delivered.
TAKE = Script(
    _KEEP
    + _ADD
    + """
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', ARGV[2], 'LIMIT', 0, ARGV[4])) do
  redis.call('ZREM', KEYS[3], id)
  add(id)
end
local most = tonumber(ARGV[4])
local found = {KEYS[1], redis.call('HLEN', KEYS[2]) - redis.call('ZCARD', KEYS[4])}
if redis.call('EXISTS', KEYS[1]) == 0 then return found end
local function give(entries)
  for _, entry in ipairs(entries) do
    local id = entry and entry[2] and entry[2][2]
    local notice = id and redis.call('HGET', KEYS[2], id)
    if notice then
      found[#found + 1], found[#found + 2], found[#found + 3] = entry[1], id, notice
    elseif entry then
      redis.call('XACK', KEYS[1], 'workers', entry[1])
      redis.call('XDEL', KEYS[1], entry[1])
    end
    most = most - 1
  end
end
local function claim()
  return redis.pcall('XAUTOCLAIM', KEYS[1], 'workers', ARGV[1], ARGV[3], '0', 'COUNT', most)
end
local lost = claim()
if lost.err and string.find(lost.err, 'NOGROUP', 1, true) then
  redis.call('XGROUP', 'CREATE', KEYS[1], 'workers', '0')
  lost = claim()
end
if lost.err then return redis.error_reply(lost.err) end
give(lost[2])
if most > 0 then
  local new = redis.call('XREADGROUP', 'GROUP', 'workers', ARGV[1], 'COUNT', most, 'STREAMS', KEYS[1], '>')
  if new then give(new[1][2]) end
end
if #found > 2 then keep(ARGV[5]) end
return found
"""
)

_MINE = """
if redis.call('XACK', KEYS[1], 'workers', ARGV[1]) == 0 then return {KEYS[1], 0} end
redis.call('XDEL', KEYS[1], ARGV[1])
"""

# ARGV: entry, id
DELIVERED = Script(_MINE + "return {KEYS[1], redis.call('HDEL', KEYS[2], ARGV[2])}")

# ARGV: entry, id, sealed notice, which list it goes to and where there, life, since when the dead stay, most.
# One that was dropped while it was tried stays dropped.
FAILED = Script(
    _KEEP
    + _MINE
    + """
if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 0 then return {KEYS[1], 0} end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
redis.call('ZADD', KEYS[tonumber(ARGV[4])], ARGV[5], ARGV[2])
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', ARGV[7], 'LIMIT', 0, 100)) do
  redis.call('ZREM', KEYS[4], id)
  redis.call('HDEL', KEYS[2], id)
end
local over = redis.call('ZCARD', KEYS[4]) - tonumber(ARGV[8])
if over > 0 then
  for _, id in ipairs(redis.call('ZRANGE', KEYS[4], 0, math.min(over, 100) - 1)) do
    redis.call('ZREM', KEYS[4], id)
    redis.call('HDEL', KEYS[2], id)
  end
end
keep(ARGV[6])
return {KEYS[1], 1}
"""
)

# ARGV: id, sealed notice or nothing to leave it as it is, life
RETRY = Script(
    _KEEP
    + _ADD
    + """
if redis.call('ZREM', KEYS[3], ARGV[1]) + redis.call('ZREM', KEYS[4], ARGV[1]) == 0 then
  return {KEYS[1], 0}
end
if ARGV[2] ~= '' then redis.call('HSET', KEYS[2], ARGV[1], ARGV[2]) end
add(ARGV[1])
keep(ARGV[3])
return {KEYS[1], 1}
"""
)

# ARGV: id. Its entry in the stream is thrown away by who comes to it.
DROP = Script("""
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
return {KEYS[1], redis.call('HDEL', KEYS[2], ARGV[1])}
""")

# ARGV: where to go on, how many at a time. Of each: its id and the sealed notice, when it is tried again, and
# since when it is given up. In pieces: an app that was away for long has left many, and nobody is to wait.
LIST = Script("""
local found = redis.call('HSCAN', KEYS[2], ARGV[1], 'COUNT', ARGV[2])
local ids = {}
for i = 1, #found[2], 2 do ids[#ids + 1] = found[2][i] end
if #ids == 0 then return {KEYS[1], found[1], {}, {}, {}} end
return {KEYS[1], found[1], found[2], redis.call('ZMSCORE', KEYS[3], unpack(ids)),
        redis.call('ZMSCORE', KEYS[4], unpack(ids))}
""")

COUNT = Script("""
return {KEYS[1], redis.call('HLEN', KEYS[2]), redis.call('ZCARD', KEYS[3]), redis.call('ZCARD', KEYS[4])}
""")

# ARGV: milliseconds after which a worker that has nothing in hand is gone; the one that leaves now.
# Each start of a worker is a consumer of its own, and the group would remember them all.
TIDY = Script("""
if redis.call('EXISTS', KEYS[1]) == 0 then return {KEYS[1]} end
for _, one in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], 'workers')) do
  local said = {}
  for i = 1, #one, 2 do said[one[i]] = one[i + 1] end
  local gone = said['name'] == ARGV[2] or tonumber(said['idle']) > tonumber(ARGV[1])
  if gone and tonumber(said['pending']) == 0 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], 'workers', said['name'])
  end
end
return {KEYS[1]}
""")
