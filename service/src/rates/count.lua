-- The counts of gcra.rs, in one step for all processes and by Redis's own clock.
-- KEYS: one for each ask. ARGV: the deed, then for each ask its step and its room in microseconds.
-- Answers how many microseconds until all have room.
local deed = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full, wait = {}, 0
for i, key in ipairs(KEYS) do
  local step, room = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local kept = tonumber(redis.call('GET', key) or now) or now
  full[i] = math.min(math.max(kept, now), now + room)
  wait = math.max(wait, full[i] - now + step - room)
end
if deed == 'check' or (deed == 'admit' and wait > 0) then
  return wait
end
for i, key in ipairs(KEYS) do
  local step, room = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local til
  if deed == 'forgive' then
    til = math.max(full[i] - step, now)
  else
    til = math.min(full[i] + step, now + room)
  end
  if til > now then
    redis.call('SET', key, string.format('%.0f', til), 'PX', math.ceil((til - now) / 1000))
  else
    redis.call('DEL', key)
  end
end
return 0
