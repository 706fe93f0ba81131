# needs: /usr/bin/python3 curl
/usr/bin/python3 "$cases/server.py" "$PORT" >server.out 2>&1 &
server=$!
for i in $(seq 100); do curl -sf "http://127.0.0.1:$PORT/" >/dev/null && break; sleep 0.1; done
curl -s "http://127.0.0.1:$PORT/a" "http://127.0.0.1:$PORT/b" "http://127.0.0.1:$PORT/c"
curl -s --no-progress-meter -Z "http://127.0.0.1:$PORT/[1-20]" | sort
kill $server
wait $server
