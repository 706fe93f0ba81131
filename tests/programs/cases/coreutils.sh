# needs: dd timeout nohup
dd if=/dev/zero bs=64k count=50 2>/dev/null | tail -c 1000 | md5sum
yes | head -100000 | md5sum
timeout 0.1 sleep 5; echo $?
env -i /bin/echo x; nice -n 5 echo nice; nohup echo up 2>/dev/null; stat -c %F /; id -u
ls /no/such
