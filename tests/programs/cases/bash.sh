# needs: bash
bash -c 'for i in {1..50}; do x=$(echo $i | tr 0-9 a-j); done; echo $x; (sleep 0.01; echo bg) & wait; kill -9 $BASHPID'
echo $?
bash -c 'coproc cat; echo hello >&${COPROC[1]}; read x <&${COPROC[0]}; echo $x; trap "echo trapped" USR1; kill -USR1 $$'
bash -c 'exec 9>f; echo x >&9; cat <(echo one) <(cat f); ulimit -n 64; ls /proc/self/fd | grep -c "^[0-9]\$"'
