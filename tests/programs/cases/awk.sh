# needs: awk
seq 50000 | awk '{ s += $1; a[$1 % 97]++ } END { print s, length(a) }'
awk 'BEGIN { while (("seq 5" | getline l) > 0) print l; print "x" | "cat"; close("cat"); exit 4 }'
