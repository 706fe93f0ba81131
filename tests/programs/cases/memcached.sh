# needs: memcached bash
user=; [ "$(id -u)" -eq 0 ] && user='-u root'
memcached $user -l 127.0.0.1 -p "$PORT" -U 0 -t 4 &
server=$!
cat >client.sh <<'E'
for i in {1..50}; do { exec 3<>/dev/tcp/127.0.0.1/$PORT; } 2>/dev/null && break; sleep 0.1; done
for i in {1..100}; do printf 'set k%d 0 0 2\r\nhi\r\n' $i; done >&3
for i in {1..100}; do read -r l <&3; done
printf 'get k7\r\nincr n 1\r\nquit\r\n' >&3; cat <&3
E
bash client.sh >one & c1=$!
bash client.sh >two & c2=$!
wait $c1; wait $c2
cat one two
kill $server
wait $server
