# needs: sed
seq 20000 | sed -n '/99$/{s/9/nine/g;p}' | md5sum
seq 10 >f; sed -i 's/1/one/' f; cat f; sed 's/(/x'
