# needs: tar xz
mkdir d e
for i in $(seq 100); do seq $i >d/$i; done
tar cf a.tar d; tar tf a.tar | wc -l; tar cJf a.tar.xz d; tar xf a.tar.xz -C e; diff -r d e/d && echo same
tar xf missing.tar
