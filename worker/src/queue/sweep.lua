-- Removes what apalis leaves of finished tasks and of workers that were killed.
-- KEYS: 1 done set, 2 dead set, 3 data hash, 4 prefix of the tasks' metadata, 5 workers,
--       6 names of all workers, 7 prefix of the workers' metadata
-- ARGV: 1 how many of each, 2 seconds after which a name is looked at
-- Returns how many tasks were removed.
local removed = 0
for i = 1, 2 do
    for _, id in ipairs(redis.call('SPOP', KEYS[i], ARGV[1])) do
        redis.call('HDEL', KEYS[3], id)
        redis.call('DEL', KEYS[4] .. ':' .. id)
        removed = removed + 1
    end
end
local now = tonumber(redis.call('TIME')[1])
local old = redis.call('ZRANGEBYSCORE', KEYS[6], '-inf', now - tonumber(ARGV[2]), 'LIMIT', 0, ARGV[1])
for _, name in ipairs(old) do
    if redis.call('ZSCORE', KEYS[5], name) then
        redis.call('ZADD', KEYS[6], now, name)
    else
        redis.call('DEL', KEYS[7] .. ':' .. name)
        redis.call('ZREM', KEYS[6], name)
    end
end
return removed
