# needs: /usr/bin/python3
/usr/bin/python3 "$cases/threads.py"
