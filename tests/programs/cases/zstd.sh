# needs: zstd
seq 300000 >f
zstd -q -T2 -B500000 f; zstd -q -dc f.zst | cmp - f; zstd -q -t f.zst; wc -c <f.zst; zstd -q -d none
