-- Takes from every budget or from none: the arithmetic of rule.rs, by the clock of Redis, in microseconds.
-- KEYS[i]; ARGV, nine for each: algorithm, limit, window, burst, least, most, lease, back, number.
--   least  what has to be there (0: anything); below 0: `most` is taken, there or not
--   most   what is taken where more than `least` is there, up to a quarter of that
--   back   what was taken before, not used, and is given back first; `number` is of the window in which it was taken
-- Answers, five for each: taken (-1: not enough), remaining, microseconds to reset, microseconds to wait, number of the window.

local seconds, micros = unpack(redis.call('TIME'))
local now = tonumber(seconds) * 1000000 + tonumber(micros)
local ROUNDING = 1e-6
-- No budget is kept longer, in microseconds: two of the longest windows.
local LONGEST = 800 * 24 * 3600 * 1000000
local budgets, enough = {}, true

for i, key in ipairs(KEYS) do
  local at = (i - 1) * 9
  local b = {
    key = key, algorithm = ARGV[at + 1], limit = tonumber(ARGV[at + 2]), window = tonumber(ARGV[at + 3]),
    burst = tonumber(ARGV[at + 4]), least = tonumber(ARGV[at + 5]), most = tonumber(ARGV[at + 6]), lease = ARGV[at + 7],
    back = tonumber(ARGV[at + 8]), given = tonumber(ARGV[at + 9]), number = 0,
  }
  if b.algorithm == 'bucket' then
    local held = redis.call('HMGET', key, 'tokens', 'at')
    b.rate = b.limit / b.window
    b.tokens = b.burst
    if held[1] then
      local passed = math.max(0, now - tonumber(held[2]))
      b.tokens = math.min(b.burst, tonumber(held[1]) + passed * b.rate + b.back)
    end
    b.available = b.tokens
  elseif b.algorithm == 'slots' then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    b.available = b.limit - redis.call('ZCARD', key)
  else
    local held = redis.call('HMGET', key, 'number', 'present', 'last')
    b.number, b.passed = math.floor(now / b.window), (now % b.window) / b.window
    b.present, b.last = 0, 0
    if held[1] then
      local ago = b.number - tonumber(held[1])
      if ago == 0 then
        b.present, b.last = tonumber(held[2]), tonumber(held[3])
      elseif ago == 1 then
        b.last = tonumber(held[2])
      end
    end
    if b.back > 0 and b.given == b.number then
      b.present = math.max(0, b.present - b.back)
    elseif b.back > 0 and b.given == b.number - 1 then
      b.last = math.max(0, b.last - b.back)
    end
    b.available = b.limit - b.present
    if b.algorithm == 'sliding' then
      b.available = b.available - b.last * (1 - b.passed)
    end
  end
  b.available = b.available + ROUNDING
  b.needed = math.max(b.least, 1)
  b.allowed = b.least < 0 or b.available >= b.needed
  enough = enough and b.allowed
  budgets[i] = b
end

-- Until as much as is needed is there.
local function wait(b)
  if b.algorithm == 'bucket' then
    return (b.needed - b.tokens) / b.rate
  elseif b.algorithm == 'slots' then
    return 1000000
  end
  local rest, windows = 1 - b.passed, 1 - b.passed
  if b.algorithm == 'sliding' then
    local free = b.limit - b.needed
    local share = free - b.present
    if b.last > 0 then share = share / b.last end
    if share >= 0 then
      windows = rest - math.min(share, rest)
    elseif b.present > 0 then
      windows = rest + 1 - math.max(0, math.min(1, free / b.present))
    end
  end
  return windows * b.window
end

local function write(b, taken)
  local lives = b.window
  if b.algorithm == 'bucket' then
    b.tokens = b.tokens - taken
    lives = (b.burst - b.tokens) / b.rate
    redis.call('HSET', b.key, 'tokens', string.format('%.6f', b.tokens), 'at', string.format('%.0f', now))
  elseif b.algorithm == 'slots' then
    for place = 1, taken do
      redis.call('ZADD', b.key, string.format('%.0f', now + b.window), b.lease .. ':' .. place)
    end
  else
    b.present = b.present + taken
    lives = 2 * b.window
    redis.call('HSET', b.key, 'number', string.format('%.0f', b.number), 'present', string.format('%.0f', b.present),
      'last', string.format('%.0f', b.last))
  end
  redis.call('PEXPIRE', b.key, string.format('%.0f', math.ceil(math.min(lives, LONGEST) / 1000) + 1000))
end

local answer = {}
for i, b in ipairs(budgets) do
  local taken = -1
  if enough then
    taken = b.most
    if b.least >= 0 then
      taken = math.max(b.least, math.min(b.most, math.floor(b.available / 4)))
    end
    if taken > 0 or b.back > 0 then write(b, taken) end
    b.available = b.available - taken
  elseif b.allowed then
    taken = 0
    if b.back > 0 then write(b, 0) end
  elseif b.back > 0 then
    write(b, 0)
  end
  local reset = 0
  if b.algorithm == 'bucket' then
    reset = math.max(0, (b.burst - b.tokens) / b.rate)
  elseif b.algorithm ~= 'slots' then
    reset = (1 - b.passed) * b.window
  end
  answer[#answer + 1] = taken
  answer[#answer + 1] = math.max(0, math.floor(b.available))
  answer[#answer + 1] = math.ceil(reset)
  answer[#answer + 1] = b.allowed and 0 or math.ceil(wait(b))
  answer[#answer + 1] = b.number
end
return answer
