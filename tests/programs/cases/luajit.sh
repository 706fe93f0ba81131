# needs: luajit
# Its interpreter goes from each bytecode to the next by a table made at run time, and its traces into machine code of their own.
cat >a.lua <<'L'
local t, n = {}, 0
for i = 1, 300000 do t[i % 100 + 1] = (t[i % 100 + 1] or 0) + i % 7; n = n + math.floor(i / 3) end
print(n, t[1], t[50], string.rep("x", 3), select("#", 1, 2, 3), pcall(error, "e"))
local co = coroutine.wrap(function(a) for i = 1, 3 do a = coroutine.yield(a + i) end return "end" end)
print(co(1), co(2), co(3), co(4))
print(type(require("ffi")), ("%5.2f"):format(1 / 3), #("abc"):gsub("b", "d"))
L
luajit a.lua; luajit -joff a.lua; luajit -e 'os.exit(5)'; echo $?
luajit -e 'error("no")' 2>&1 | head -1
