-- KEYS: lease ("node:epoch"), epoch ("epoch", or "epoch clean" after the last node released it).
-- ARGV: question, node, lease in ms, memory of the epoch in ms, epoch, and what the question has besides.
-- Answers {holder, epoch, clean}; the holder is empty where there is none.
local ask, me, lease, memory = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local epoch, more = tonumber(ARGV[5]), ARGV[6]

local holder, held = string.match(redis.call('GET', KEYS[1]) or '', '^(%x+):(%d+)$')
holder, held = holder or '', tonumber(held or 0)
local counter = redis.call('GET', KEYS[2])
local last, mark = string.match(counter or '', '^(%d+)(.*)$')
last = tonumber(last or 0)

-- Redis lost nothing lately: it runs for longer than anybody who owns something keeps silent, and never was a replica
-- that took over with less than its master had.
local function remembers()
  local info = redis.pcall('INFO')
  if type(info) ~= 'string' then return false end
  local uptime = tonumber(string.match(info, 'uptime_in_seconds:(%d+)') or 0)
  return uptime * 1000 > 10 * tonumber(lease) and string.match(info, 'second_repl_offset:%-1') ~= nil
end

local function put(node, number, clean)
  redis.call('SET', KEYS[1], node .. ':' .. number, 'PX', lease)
  redis.call('SET', KEYS[2], number, 'PX', memory)
  return {node, number, clean and 1 or 0}
end

local function new_term(above, clean)
  local number = math.max(last, above) + 1
  if number > 65535 then return redis.error_reply('EPOCH no epoch is left') end
  return put(me, number, clean)
end

if ask == 'take' then
  if holder ~= '' and holder ~= me then return {holder, held, 0} end
  local clean = holder == '' and (mark == ' clean' or (not counter and remembers()))
  -- Nobody has anything of the former terms: they may begin anew before they run out.
  if clean and last > 60000 then last = 0 end
  return new_term(epoch - 1, clean)
end
if holder == me and held == epoch then
  if ask == 'renew' then return put(me, held) end
  if ask == 'bump' then return new_term(tonumber(more)) end
  if ask == 'hand' then return put(more, held) end
  redis.call('DEL', KEYS[1])
  redis.call('SET', KEYS[2], held .. ' clean', 'PX', memory)
  return {'', held, 0}
end
-- It ran out, or Redis forgot it, and nobody else had it since.
if ask == 'renew' and holder == '' and last <= epoch and mark ~= ' clean' then return put(me, epoch) end
if holder == me then holder = '' end
return {holder, held, 0}
