# needs: diff cmp
seq 1000 >a; sed s/7/x/ a >b; diff a b | md5sum; cmp a b; diff -u a none
