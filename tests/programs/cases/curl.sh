# needs: curl
echo content >f
curl -s "file://$PWD/f"; curl --version | head -1; curl -sS http://127.0.0.1:1/ 2>&1 | sed "s/after [0-9]* ms/after a while/"
curl -s http://127.0.0.1:1/
