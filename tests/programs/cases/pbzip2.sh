# needs: pbzip2
seq 300000 >f
pbzip2 -q -p3 -b1 -k f; pbzip2 -q -dc -p2 f.bz2 | cmp - f; wc -c <f.bz2; pbzip2 -q -d none
