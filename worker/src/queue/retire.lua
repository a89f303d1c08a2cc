-- Strikes an ended worker off and gives its unacknowledged tasks back to the queue. apalis does that
-- after five minutes, never removes the metadata, and gives back a task that ends every worker that
-- fetches it (its data are missing, or cannot be read) for ever: here a task comes back thrice at most.
-- KEYS: 1 workers, 2 the worker's inflight set, 3 active list, 4 signal list, 5 data hash,
--       6 prefix of the tasks' metadata, 7 the worker's metadata, 8 names of all workers
-- ARGV: 1 name of the worker
local given_back = 0
for _, id in ipairs(redis.call('SMEMBERS', KEYS[2])) do
    local meta = KEYS[6] .. ':' .. id
    if redis.call('HEXISTS', KEYS[5], id) == 1
        and redis.call('HEXISTS', meta, 'attempts') == 1
        and redis.call('HINCRBY', meta, 'given_back', 1) <= 3 then
        redis.call('RPUSH', KEYS[3], id)
        given_back = given_back + 1
    else
        redis.call('HDEL', KEYS[5], id)
        redis.call('DEL', meta)
    end
end
redis.call('DEL', KEYS[2], KEYS[7])
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[8], ARGV[1])
if given_back > 0 then
    redis.call('DEL', KEYS[4])
    redis.call('LPUSH', KEYS[4], 1)
end
return given_back
