# needs: pigz
seq 300000 >f
pigz -p3 -k f; pigz -dc f.gz | cmp - f; pigz -t f.gz; ls f*; pigz -d no-such-file
