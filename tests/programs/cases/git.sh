# needs: git
git init -q -b main .
for i in $(seq 60); do seq $i 500 >f$i; done
git add . && git commit -qm one
for i in $(seq 20); do echo x >>f$i; git commit -qam $i; done
git gc -q --aggressive && git fsck 2>/dev/null
git grep --threads=4 -c 499 | tail -3
git log --oneline | wc -l
git clone -q . copy
git -C copy diff HEAD~3 --stat | tail -1
git -C copy status --short | head
git -C copy rev-parse HEAD
git -C copy repack -adq --threads=4
git -C copy count-objects
git show nothing
