-- KEYS[1]; ARGV: '1' and the expected value, or '0' and '' for an absent one; the new value; the time to live in
-- milliseconds or ''. Answers whether it was set.
local present = redis.call('GET', KEYS[1])
local expected = ARGV[1] == '1' and ARGV[2] or false
if present ~= expected then return 0 end
if ARGV[4] == '' then
  redis.call('SET', KEYS[1], ARGV[3])
else
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
end
return 1
