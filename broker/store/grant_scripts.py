"""What happens to a grant in one step, in Lua on the server: KEYS[1] is the grant's hash.

Owns the order of looking and acting. Each script answers with the key's name first. None makes a hash
that is not there: it would have neither record nor TTL. Revocation wins: nothing is written to a grant
that has the mark (RFC 9700 §4.14.2).
"""

from __future__ import annotations

from broker.store.wire import Script

# A TTL is only ever extended: what came of the grant earlier may live longer than what comes now.
_EXTEND = """
local function extend(ttl)
  if redis.call('PTTL', KEYS[1]) < tonumber(ttl) then redis.call('PEXPIRE', KEYS[1], ttl) end
end
"""

# Access tokens that ran out leave the hash, at most every five minutes, a minute after their end.
_SWEEP = """
local function sweep(now)
  now = tonumber(now)
  if now < tonumber(redis.call('HGET', KEYS[1], 'sweep_at') or '0') then return end
  redis.call('HSET', KEYS[1], 'sweep_at', string.format('%d', now + 300000))
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    if string.find(all[i], '^at:') or string.find(all[i], '^jti:') then
      local ends = tonumber(string.match(all[i + 1], '^%d+'))
      if ends and ends + 60000 <= now then redis.call('HDEL', KEYS[1], all[i]) end
    end
  end
end
"""

# ARGV: ttl, sealed record, code digest
PUT = Script("""
redis.call('HSET', KEYS[1], 'grant', ARGV[2], 'code', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return {KEYS[1]}
""")

# ARGV: ttl, field and value…
GIVE = Script("""
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return {KEYS[1]}
""")

# ARGV: ttl, and perhaps field and value…
ADD = Script(
    _EXTEND
    + """
local found = redis.call('HMGET', KEYS[1], 'grant', 'revoked')
if not found[1] or found[2] then return {KEYS[1], 0} end
if ARGV[2] then redis.call('HSET', KEYS[1], unpack(ARGV, 2)) end
extend(ARGV[1])
return {KEYS[1], 1}
"""
)

# ARGV: code digest, ttl, field and value…
SPEND = Script(
    _EXTEND
    + """
local found = redis.call('HMGET', KEYS[1], 'code', 'spent', 'revoked')
if found[1] ~= ARGV[1] then return {KEYS[1], 'gone'} end
if found[2] then
  redis.call('HSET', KEYS[1], 'revoked', '1')
  return {KEYS[1], 'replayed'}
end
if found[3] then return {KEYS[1], 'gone'} end
redis.call('HSET', KEYS[1], 'spent', '1', unpack(ARGV, 3))
extend(ARGV[2])
return {KEYS[1], 'won'}
"""
)

# ARGV: presented digest, now, ttl, fresh digest, sealed successor, grace end, idle end, field and value…
ROTATE = Script(
    _EXTEND
    + _SWEEP
    + """
local found = redis.call('HMGET', KEYS[1], 'refresh', 'before', 'successor', 'grace_until',
                         'idle_until', 'absolute_until', 'revoked')
local now = tonumber(ARGV[2])
if not found[1] or found[7] or now >= tonumber(found[5]) or now >= tonumber(found[6]) then
  return {KEYS[1], 'gone', ''}
end
local turn, successor = 'new', ''
if found[1] == ARGV[1] then
  redis.call('HSET', KEYS[1], 'refresh', ARGV[4], 'before', ARGV[1], 'successor', ARGV[5],
             'grace_until', ARGV[6], 'idle_until', ARGV[7])
elseif found[2] == ARGV[1] and now < tonumber(found[4]) then
  turn, successor = 'grace', found[3]
else
  redis.call('HSET', KEYS[1], 'revoked', '1')
  return {KEYS[1], 'reused', ''}
end
if ARGV[8] then redis.call('HSET', KEYS[1], unpack(ARGV, 8)) end
extend(ARGV[3])
sweep(ARGV[2])
return {KEYS[1], turn, successor}
"""
)

# ARGV: presented digest, now, ttl, idle end, field and value…
KEEP = Script(
    _EXTEND
    + _SWEEP
    + """
local found = redis.call('HMGET', KEYS[1], 'refresh', 'idle_until', 'absolute_until', 'revoked')
local now = tonumber(ARGV[2])
if not found[1] or found[4] or now >= tonumber(found[2]) or now >= tonumber(found[3]) then
  return {KEYS[1], 'gone'}
end
if found[1] ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'revoked', '1')
  return {KEYS[1], 'reused'}
end
redis.call('HSET', KEYS[1], 'idle_until', ARGV[4], unpack(ARGV, 5))
extend(ARGV[3])
sweep(ARGV[2])
return {KEYS[1], 'kept'}
"""
)

REVOKE = Script("""
if redis.call('EXISTS', KEYS[1]) == 0 then return {KEYS[1], 0} end
redis.call('HSET', KEYS[1], 'revoked', '1')
return {KEYS[1], 1}
""")

# ARGV: field, the token's end, now
REVOKE_JTI = Script(
    _SWEEP
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then return {KEYS[1], 0} end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
sweep(ARGV[3])
return {KEYS[1], 1}
"""
)

# The argument is the field of the token.
FORGET = Script("return {KEYS[1], redis.call('HDEL', KEYS[1], ARGV[1])}")
