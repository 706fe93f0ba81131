# needs: xz
seq 400000 >f
xz -T2 --block-size=500KiB -k f; xz -t f.xz; xz -dc -T2 f.xz | cmp - f; xz --list f.xz | tail -1 | tr -s ' '
xz -d none
