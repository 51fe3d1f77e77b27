-- KEYS[1]; ARGV: what to add, the time to live in milliseconds or ''. It counts from the first.
local fresh = redis.call('EXISTS', KEYS[1]) == 0
redis.call('INCRBY', KEYS[1], ARGV[1])
if fresh and ARGV[2] ~= '' then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
-- As text: a number of Lua has 53 bits.
return redis.call('GET', KEYS[1])
