# needs: file
file /bin/ls /etc/passwd | cut -c1-60; file none; seq 10 | file -
