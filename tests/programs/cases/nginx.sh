# needs: nginx curl
mkdir html tmp
seq 100000 >html/big; for i in 1 2 3 4 5 6 7 8; do seq $i 2000 >html/$i; done
{ [ "$(id -u)" -eq 0 ] && echo 'user root;'
cat <<C
daemon off; worker_processes 2; pid $PWD/pid; error_log $PWD/errors; thread_pool default threads=4;
events { worker_connections 64; }
http { access_log off; client_body_temp_path tmp/a; proxy_temp_path tmp/b; fastcgi_temp_path tmp/c; uwsgi_temp_path tmp/d;
  scgi_temp_path tmp/e; aio threads; sendfile off; output_buffers 2 8k; server { listen 127.0.0.1:$PORT; root $PWD/html; } }
C
} >conf
/usr/sbin/nginx -p "$PWD" -c "$PWD/conf" -e "$PWD/errors" &
server=$!
for i in $(seq 200); do curl -sf "http://127.0.0.1:$PORT/1" >/dev/null && break; sleep 0.1; done
curl -s "http://127.0.0.1:$PORT/big" | md5sum
curl -s --no-progress-meter -Z -o "out#1" "http://127.0.0.1:$PORT/[1-8]"; cat out? | md5sum
curl -s -r 100-199 "http://127.0.0.1:$PORT/big" | md5sum; curl -s -o none -w '%{http_code}\n' "http://127.0.0.1:$PORT/none"
kill -QUIT $server
wait $server; echo $?
grep -c emerg errors
