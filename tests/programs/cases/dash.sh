# needs: dash
dash -c 'i=0; while [ $i -lt 100 ]; do i=$((i+1)); : $(echo $i); done; echo $i | cat | cat'
dash -c 'trap "echo ended" EXIT; exit 3'
