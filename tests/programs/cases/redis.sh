# needs: redis-server redis-cli
redis-server --port "$PORT" --bind 127.0.0.1 --save '' --appendonly no --logfile /dev/null --io-threads 2 &
server=$!
r() { redis-cli -p "$PORT" "$@"; }
for i in $(seq 100); do r ping >/dev/null 2>&1 && break; sleep 0.1; done
r set a 1; r incr a
for i in $(seq 20); do echo "lpush l $i"; done | r | tail -1
r eval 'return redis.call("get", "a")' 0
r save; r unlink l; r bgsave
sleep 0.3
r flushall async; r shutdown nosave
wait $server
