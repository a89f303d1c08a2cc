-- Moves wake-ups to where workers fetch them, the oldest first.
-- KEYS: 1 scheduled set, 2 active list, 3 signal list
local moved = 0
repeat
    local ids = redis.call('ZRANGE', KEYS[1], 0, 499)
    if #ids > 0 then
        redis.call('RPUSH', KEYS[2], unpack(ids))
        redis.call('ZREM', KEYS[1], unpack(ids))
        moved = moved + #ids
    end
until #ids == 0
if moved > 0 then
    redis.call('DEL', KEYS[3])
    redis.call('LPUSH', KEYS[3], 1)
end
return moved
