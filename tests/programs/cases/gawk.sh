# needs: gawk
seq 50000 | gawk '{ s += $1; a[$1 % 97]++ } END { n = asort(a, b); print s, n, b[1] }'
gawk 'BEGIN { print "b\na" |& "sort"; close("sort", "to"); while (("sort" |& getline l) > 0) print l; exit 4 }'
