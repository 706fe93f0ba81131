# needs: sort
seq 200000 | sort --parallel=4 -S 3M -R --random-source=/etc/passwd | sort --parallel=4 -S 2M -n | md5sum
seq 100000 | sort -r --parallel=2 | sha1sum
sort none
