-- Has places that are still taken count for a window from now. KEYS[1]; ARGV: the window in microseconds, then the places.
local seconds, micros = unpack(redis.call('TIME'))
local ends = string.format('%.0f', tonumber(seconds) * 1000000 + tonumber(micros) + tonumber(ARGV[1]))
for at = 2, #ARGV do
  redis.call('ZADD', KEYS[1], 'XX', ends, ARGV[at])
end
return redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(tonumber(ARGV[1]) / 1000) + 1000))
